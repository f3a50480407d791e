/**
 * The service of a tenant's issues: lists them, reads their events, and changes their state.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import type { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Columns from "./internal/columns.ts"
import * as IssueRow from "./internal/issueRow.ts"
import * as IssueStatements from "./internal/issueStatements.ts"
import type * as Lifecycle from "./internal/lifecycle.ts"
import * as ReleaseOrder from "./ReleaseOrder.ts"
import {
  EventNotFound,
  type Issue,
  type IssueEvent,
  type IssueEventData,
  type IssueFilter,
  type IssueId,
  IssueMerged,
  IssueNotFound,
  IssueSummary,
  MergeInvalid,
  type NewMute,
  type Resolve
} from "./Issue.ts"

const sortKeys = {
  "last seen": (issue: Issue) => Columns.textOf(issue.lastSeen),
  events: (issue: Issue) => String(issue.eventCount),
  users: (issue: Issue) => String(issue.userCount)
} as const

const pagesOf = (sort: keyof typeof sortKeys) =>
  Page.make({
    list: `observability.issues.${sort}`,
    key: Schema.Tuple([Schema.String, Identifier.Uuid]),
    keyOf: (issue: Issue) => [sortKeys[sort](issue), issue.issueId] as const
  })

const pages = { "last seen": pagesOf("last seen"), events: pagesOf("events"), users: pagesOf("users") }

const eventPages = Page.make({
  list: "observability.events",
  key: Schema.Tuple([Identifier.Uuid]),
  keyOf: ({ logId }: { readonly logId: string; readonly event: IssueEvent }) => [logId] as const
})

/** Releases that are compared for the newest: more have been superseded. */
const releasesMax = 500

/** The state of an issue as the audit log has it: neither title nor counts, which events bring. */
const recordedOf = (issue: Issue, detail: { readonly [name: string]: Schema.Json }): Schema.Json =>
  AuditedChange.toJson({
    status: issue.status,
    assignee: issue.assignee,
    resolution: issue.resolution,
    mute: issue.mute,
    version: issue.version,
    ...detail
  })

/**
 * @category models
 * @since 0.1.0
 */
export type ChangeError = IssueNotFound | IssueMerged | SqlError

/**
 * Reads issues and changes their state. A change holds the lock of the project, as intake does: each happens once.
 *
 * @category services
 * @since 0.1.0
 */
export class Issues extends Context.Service<
  Issues,
  {
    /** Lists issues that are not merged into another. */
    readonly list: (
      filter: IssueFilter
    ) => Effect.Effect<Page.Page<Issue>, Page.CursorInvalid | SqlError, Tenant>
    readonly get: (issueId: IssueId) => Effect.Effect<Issue, IssueNotFound | SqlError, Tenant>
    /** Returns events per hour, values of tags, and merges. */
    readonly summary: (issueId: IssueId) => Effect.Effect<IssueSummary, IssueNotFound | SqlError, Tenant>
    /** Lists the events of an issue and of those merged into it, the newest first. */
    readonly events: (
      issueId: IssueId,
      request: Page.Request
    ) => Effect.Effect<Page.Page<IssueEvent>, IssueNotFound | Page.CursorInvalid | SqlError, Tenant>
    readonly event: (
      projectId: number,
      eventId: string
    ) => Effect.Effect<IssueEventData, EventNotFound | SqlError, Tenant>
    /** Resolves an issue. Events of releases that do not have the fix do not reopen it. */
    readonly resolve: (issueId: IssueId, resolve: Resolve) => Effect.Effect<Issue, ChangeError, Tenant>
    readonly reopen: (issueId: IssueId) => Effect.Effect<Issue, ChangeError, Tenant>
    readonly mute: (issueId: IssueId, mute: NewMute) => Effect.Effect<Issue, ChangeError, Tenant>
    /** Assigns an issue, or with null no longer. */
    readonly assign: (issueId: IssueId, assignee: string | null) => Effect.Effect<Issue, ChangeError, Tenant>
    /** Shows the events of other issues under this one. */
    readonly merge: (
      issueId: IssueId,
      issueIds: ReadonlyArray<IssueId>,
      reason: string
    ) => Effect.Effect<Issue, ChangeError | MergeInvalid, Tenant>
    /** Undoes a merge. Returns the issue that is separate again, with its events of the meantime. */
    readonly unmerge: (
      issueId: IssueId,
      mergedId: IssueId,
      reason: string
    ) => Effect.Effect<Issue, ChangeError | MergeInvalid, Tenant>
    /** Deletes an issue, those merged into it, and their events. The next event of its kind makes a new issue. */
    readonly remove: (
      issueId: IssueId,
      version: number
    ) => Effect.Effect<void, ChangeError | VersionStale, Tenant>
  }
>()("@hypermarket/observability/Issues") {
  static readonly layer: Layer.Layer<Issues, never, SqlClient.SqlClient> = Layer.effect(
    Issues,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = IssueStatements.make(sql)

      const read = Effect.fnUntraced(function* (issueId: string) {
        const [row] = yield* statements.get(issueId)
        if (row === undefined) return yield* new IssueNotFound({ issueId })
        return yield* IssueRow.decode(row)
      })

      const list = Effect.fn("Issues.list")(function* (filter: IssueFilter) {
        const sort = filter.sort ?? "last seen"
        const after = Option.getOrUndefined(yield* pages[sort].after(filter))
        const rows = yield* statements.list(filter, sort, after, Page.limitOf(filter) + 1)
        const issues = yield* Effect.forEach(rows, (row) =>
          Effect.map(IssueRow.decode(row), ({ issue }) => issue)
        )
        return yield* pages[sort].page(issues, filter)
      })

      const get = Effect.fn("Issues.get")(function* (issueId: IssueId) {
        const { issue } = yield* read(issueId)
        return issue
      })

      const summary = Effect.fn("Issues.summary")(function* (issueId: IssueId) {
        yield* read(issueId)
        const now = yield* Now.now
        return new IssueSummary({
          hours: yield* statements.hours(issueId, now),
          tags: yield* statements.tags(issueId),
          merges: yield* statements.merges(issueId)
        })
      })

      const events = Effect.fn("Issues.events")(function* (issueId: IssueId, request: Page.Request) {
        yield* read(issueId)
        const [before] = Option.getOrElse(yield* eventPages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* statements.events(issueId, before, Page.limitOf(request) + 1)
        const page = yield* eventPages.page(yield* Effect.forEach(rows, IssueRow.decodeEvent), request)
        return { ...page, items: page.items.map(({ event }) => event) }
      })

      const event = Effect.fn("Issues.event")(function* (projectId: number, eventId: string) {
        const [row] = yield* statements.event(projectId, eventId)
        if (row === undefined) return yield* new EventNotFound({ eventId })
        return yield* IssueRow.decodeEventData(row)
      })

      /** Runs a change under the lock of the issue's project, on the issue as it then is, and records it. */
      const locked = <A extends Issue | void, E, R>(
        action: `issue.${string}`,
        issueId: string,
        change: (current: IssueRow.Read) => Effect.Effect<A, E, R>,
        detail: { readonly [name: string]: Schema.Json } = {}
      ): Effect.Effect<A, E | ChangeError, R | Tenant> =>
        transactionOf(sql)(
          Effect.gen(function* () {
            yield* statements.lockProjectOf(issueId)
            const current = yield* read(issueId)
            const { mergedInto } = current.issue
            if (mergedInto !== null) return yield* new IssueMerged({ issueId, mergedInto })
            const result = yield* change(current)
            yield* Audit.record({
              action,
              target: { type: "issue", id: issueId },
              before: recordedOf(current.issue, {}),
              ...(result === undefined ? {} : { after: recordedOf(result, detail) })
            })
            return result
          })
        )

      const setState = Effect.fnUntraced(function* (issueId: string, state: Lifecycle.State) {
        yield* statements.setState(issueId, state, yield* Now.now)
        const { issue } = yield* read(issueId)
        return issue
      })

      const baseOf = Effect.fnUntraced(function* (projectId: number, resolve: Resolve, now: Date) {
        if (resolve.in === "now") return { release: null, releaseFirstSeenMillis: null }
        if (resolve.release !== undefined) {
          const [seen] = yield* statements.releaseOf(projectId, resolve.release)
          // A release that was not seen yet begins now.
          return { release: resolve.release, releaseFirstSeenMillis: (seen?.firstSeen ?? now).getTime() }
        }
        const releases = yield* statements.newestReleases(projectId, releasesMax)
        const newest = releases
          .map(({ firstSeen, release }) => ({ name: release, firstSeenMillis: firstSeen.getTime() }))
          .reduce<{ readonly name: string; readonly firstSeenMillis: number } | undefined>(
            (highest, release) =>
              highest === undefined || ReleaseOrder.compare(release, highest) > 0 ? release : highest,
            undefined
          )
        return { release: newest?.name ?? null, releaseFirstSeenMillis: newest?.firstSeenMillis ?? null }
      })

      const resolve = Effect.fn("Issues.resolve")(function* (issueId: IssueId, resolve: Resolve) {
        const now = yield* Now.now
        return yield* locked("issue.resolved", issueId, ({ issue }) =>
          Effect.flatMap(baseOf(issue.projectId, resolve, now), (base) =>
            setState(issueId, {
              status: "resolved",
              resolution: { in: resolve.in, atMillis: now.getTime(), ...base }
            })
          )
        )
      })

      const reopen = Effect.fn("Issues.reopen")(function* (issueId: IssueId) {
        return yield* locked("issue.reopened", issueId, ({ issue, state }) =>
          state.status === "unresolved" ? Effect.succeed(issue) : setState(issueId, { status: "unresolved" })
        )
      })

      const mute = Effect.fn("Issues.mute")(function* (issueId: IssueId, mute: NewMute) {
        return yield* locked("issue.muted", issueId, () =>
          setState(issueId, {
            status: "muted",
            mute: {
              untilMillis: mute.until === undefined ? null : DateTime.toEpochMillis(mute.until),
              eventsLeft: mute.events ?? null,
              window: mute.window ?? null,
              windowMillis: [],
              escalating: mute.escalating ?? false
            }
          })
        )
      })

      const assign = Effect.fn("Issues.assign")(function* (issueId: IssueId, assignee: string | null) {
        const now = yield* Now.now
        return yield* locked("issue.assigned", issueId, () =>
          Effect.flatMap(statements.assign(issueId, assignee, now), () =>
            Effect.map(read(issueId), ({ issue }) => issue)
          )
        )
      })

      const merge = Effect.fn("Issues.merge")(function* (
        issueId: IssueId,
        issueIds: ReadonlyArray<IssueId>,
        reason: string
      ) {
        const now = yield* Now.now
        return yield* locked(
          "issue.merged",
          issueId,
          ({ issue: target }) =>
            Effect.gen(function* () {
              for (const mergedId of new Set(issueIds)) {
                if (mergedId === issueId) {
                  return yield* new MergeInvalid({ issueId: mergedId, reason: "same-issue" })
                }
                const { issue: source } = yield* read(mergedId)
                if (source.projectId !== target.projectId) {
                  return yield* new MergeInvalid({ issueId: mergedId, reason: "other-project" })
                }
                if (source.mergedInto === issueId) continue
                if (source.mergedInto !== null) {
                  return yield* new IssueMerged({ issueId: mergedId, mergedInto: source.mergedInto })
                }
                // Each issue counts its own events and those merged into it, so its own members move one by one.
                const members = yield* statements.membersOf(mergedId)
                for (const memberId of members) {
                  yield* statements.separate(mergedId, memberId, reason, now)
                  yield* statements.join(issueId, memberId, yield* Identifier.next, reason, now)
                }
                yield* statements.join(issueId, mergedId, yield* Identifier.next, reason, now)
              }
              const { issue } = yield* read(issueId)
              return issue
            }),
          { merged: issueIds, reason }
        )
      })

      const unmerge = Effect.fn("Issues.unmerge")(function* (
        issueId: IssueId,
        mergedId: IssueId,
        reason: string
      ) {
        const now = yield* Now.now
        return yield* locked(
          "issue.unmerged",
          issueId,
          () =>
            Effect.gen(function* () {
              const { issue: merged } = yield* read(mergedId)
              if (merged.mergedInto !== issueId) {
                return yield* new MergeInvalid({ issueId: mergedId, reason: "not-merged" })
              }
              yield* statements.separate(issueId, mergedId, reason, now)
              const { issue } = yield* read(mergedId)
              return issue
            }),
          { separated: mergedId, reason }
        )
      })

      const remove = Effect.fn("Issues.remove")(function* (issueId: IssueId, version: number) {
        yield* locked(
          "issue.removed",
          issueId,
          Effect.fnUntraced(function* ({ issue }) {
            if (issue.version !== version) return yield* new VersionStale({ currentVersion: issue.version })
            yield* statements.remove(issueId)
          })
        )
      })

      return Issues.of({
        list,
        get,
        summary,
        events,
        event,
        resolve,
        reopen,
        mute,
        assign,
        merge,
        unmerge,
        remove
      })
    })
  )
}
