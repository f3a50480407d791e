/**
 * The service of change requests: changes of flags that a second person approves, that have a time, or both.
 *
 * @since 0.1.0
 */
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Page from "@hypermarket/core/Page"
import { AllTenants, type Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { FeatureFlag } from "./FeatureFlag.ts"
import {
  type FlagChangeRequest,
  FlagRequestStatus,
  type FlagStep,
  limits,
  type NewFlagChangeRequest
} from "./FlagChangeRequest.ts"
import {
  type FlagApprovalRequired,
  FlagApproverIsAuthor,
  type FlagEnvironmentNotFound,
  type FlagExists,
  FlagInvalid,
  type FlagInUse,
  FlagLimitReached,
  FlagNotFound,
  FlagRequestNotFound,
  FlagRequestNotOpen,
  FlagRequestStale,
  type FlagRevisionBusy,
  FlagVersionNotFound
} from "./FlagProblems.ts"
import * as Approvals from "./flags/approvals.ts"
import * as Changes from "./flags/changes.ts"
import { conflictReason, isSamePerson } from "./flags/conflicts.ts"
import { editOf } from "./flags/edits.ts"
import * as Requests from "./flags/requests.ts"
import * as Revision from "./flags/revision.ts"
import * as Statements from "./flags/statements.ts"

const pages = Page.make({
  list: "flagRequests",
  key: Schema.Tuple([Identifier.Uuid]),
  keyOf: (request: FlagChangeRequest) => [request.requestId] as const
})

/**
 * @category schemas
 * @since 0.1.0
 */
export const ListRequest = Schema.Struct({
  ...Page.Request.fields,
  status: Schema.optionalKey(FlagRequestStatus)
})

/**
 * The name of the loop that applies what is due, which is its job's.
 *
 * @category constants
 * @since 0.1.0
 */
export const loop = "platform.flags.apply-due"

/** A round ends before its job's deadline of a minute. */
const roundLimit = "40 seconds"

/**
 * @category errors
 * @since 0.1.0
 */
export type StepRefused =
  | FlagNotFound
  | FlagInvalid
  | FlagInUse
  | FlagExists
  | FlagEnvironmentNotFound
  | FlagVersionNotFound
  | FlagApprovalRequired
  | FlagRevisionBusy
  | SqlError

/**
 * Holds changes of flags until they are approved and due.
 *
 * A request names the version of the flag that its author has seen. When the flag has changed otherwise since, an approval
 * fails with `FlagRequestStale`, and a request that is due becomes a `conflict`: nothing is overwritten.
 *
 * @category services
 * @since 0.1.0
 */
export class FlagChangeRequests extends Context.Service<
  FlagChangeRequests,
  {
    /**
     * Proposes a change. It waits for an approval where an environment asks for one or the first step has no time, else for
     * that time. Steps that could not be applied today are refused.
     */
    readonly create: (
      request: NewFlagChangeRequest
    ) => Effect.Effect<FlagChangeRequest, StepRefused | FlagRequestStale | FlagLimitReached, Tenant>
    readonly get: (
      requestId: string
    ) => Effect.Effect<FlagChangeRequest, FlagRequestNotFound | SqlError, Tenant>
    /** Lists requests, the newest first. */
    readonly list: (
      request: typeof ListRequest.Type
    ) => Effect.Effect<Page.Page<FlagChangeRequest>, Page.CursorInvalid | SqlError, Tenant>
    /** Approves a request, and applies its first step when that is due. Its author cannot. */
    readonly approve: (
      requestId: string
    ) => Effect.Effect<
      FlagChangeRequest,
      StepRefused | FlagRequestNotFound | FlagRequestNotOpen | FlagRequestStale | FlagApproverIsAuthor,
      Tenant
    >
    /** Ends a request that has not ended. Steps that were applied stay. */
    readonly close: (
      requestId: string,
      reason: string
    ) => Effect.Effect<FlagChangeRequest, FlagRequestNotFound | FlagRequestNotOpen | SqlError, Tenant>
    /** Applies steps that are due, in the order of their times. */
    readonly runDue: Effect.Effect<void, SqlError, AllTenants>
    /** Deletes requests that ended 400 days ago. */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/platform/FlagChangeRequests") {
  static readonly layer: Layer.Layer<FlagChangeRequests, never, SqlClient.SqlClient> = Layer.effect(
    FlagChangeRequests,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = Statements.make(sql)
      const approvals = Approvals.make(sql)
      const requests = Requests.make(sql)
      const revisions = yield* Revision.make(sql)
      const changes = Changes.make(sql, revisions)

      const definitionAt = (featureId: string, flagKey: string) =>
        Effect.fnUntraced(function* (version: number) {
          const row = yield* statements.version(featureId, version)
          return row === undefined ? yield* new FlagVersionNotFound({ flagKey, version }) : row.definition
        })

      /** Applies every step to a copy of the flag. Returns the environments that any of them changes. */
      const rehearse = Effect.fnUntraced(function* (
        featureId: string,
        flag: FeatureFlag,
        steps: ReadonlyArray<FlagStep>
      ) {
        const touched = new Set<string>()
        const verify = changes.verifier(flag.flagKey)
        let current = flag
        for (const [index, { does }] of steps.entries()) {
          const path = ["steps", index, "does"]
          const edit = yield* editOf(current, does, path, definitionAt(featureId, flag.flagKey))
          for (const environment of yield* verify(current, edit, path)) {
            touched.add(environment)
          }
          current = new FeatureFlag({ ...current, ...edit.definition, flagKey: edit.flagKey })
        }
        return Array.from(touched)
      })

      const recorded = (action: string, request: FlagChangeRequest) =>
        Audit.record({
          action,
          target: { type: "flag-request", id: request.requestId },
          after: AuditedChange.toJson(request)
        })

      const create = Effect.fn("FlagChangeRequests.create")(function* (request: NewFlagChangeRequest) {
        const { baseVersion, flagKey, steps } = request
        const now = yield* Now.now
        const firstDue = Requests.dateOf(steps[0])
        if (firstDue !== null && firstDue <= now) {
          return yield* new FlagInvalid({
            errors: [{ path: ["steps", 0, "at"], message: "Expected a time that is to come" }]
          })
        }
        const write = Effect.gen(function* () {
          const existing = yield* statements.find(flagKey)
          if (existing === undefined) return yield* new FlagNotFound({ flagKey })
          const { featureId, flag } = existing
          if (flag.version !== baseVersion) {
            return yield* new FlagRequestStale({ baseVersion, currentVersion: flag.version })
          }
          yield* revisions.waiting(requests.lockCount)
          if ((yield* requests.countOpen) >= limits.openMax) {
            return yield* new FlagLimitReached({ limit: limits.openMax })
          }
          const touched = yield* rehearse(featureId, flag, steps)
          const required = yield* approvals.requiredIn(touched)
          const status = required.length > 0 || firstDue === null ? "pending" : "scheduled"
          const requestId = yield* Identifier.next
          const created = yield* requests.insert({ ...request, requestId, featureId, status }, now)
          yield* recorded("flag-request.created", created)
          return created
        })
        return yield* transactionOf(sql)(write)
      })

      const get = Effect.fn("FlagChangeRequests.get")(function* (requestId: string) {
        const stored = yield* requests.find(requestId)
        return stored === undefined ? yield* new FlagRequestNotFound({ requestId }) : stored.request
      })

      const list = Effect.fn("FlagChangeRequests.list")(function* (request: typeof ListRequest.Type) {
        const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* requests.list(before, request.status, Page.limitOf(request) + 1)
        return yield* pages.page(rows, request)
      })

      /** Applies the next step, and moves the request to the one after it. */
      const applyNext = Effect.fnUntraced(function* (
        { featureId, request }: Requests.StoredRequest,
        approver: Actor.Actor | undefined,
        now: Date
      ) {
        const { baseVersion, requestId, steps, stepsDone } = request
        const step = steps[stepsDone]
        const flagKey = yield* statements.keyOf(featureId)
        if (step === undefined || flagKey === undefined) {
          return yield* new FlagNotFound({ flagKey: request.flagKey })
        }
        const isApproved = approver !== undefined || request.approver !== null
        const changed = yield* changes.modify(flagKey, baseVersion, "flag.changed-by-request", ({ flag }) =>
          Effect.map(
            editOf(flag, step.does, ["steps", stepsDone, "does"], definitionAt(featureId, flagKey)),
            (edit) => ({ ...edit, isApproved, reason: `change request ${requestId}` })
          )
        )
        const next = steps[stepsDone + 1]
        yield* requests.update(
          requestId,
          {
            status: next === undefined ? "applied" : "scheduled",
            dueAt: Requests.dateOf(next),
            baseVersion: changed.version,
            stepsDone: stepsDone + 1,
            ...(approver === undefined ? {} : { approver })
          },
          now
        )
      })

      const lockOpen = Effect.fnUntraced(function* (
        requestId: string,
        states: ReadonlyArray<FlagChangeRequest["status"]>
      ) {
        const stored = yield* requests.lock(requestId)
        if (stored === undefined) return yield* new FlagRequestNotFound({ requestId })
        const { status: state } = stored.request
        return states.includes(state) ? stored : yield* new FlagRequestNotOpen({ state })
      })

      const approve = Effect.fn("FlagChangeRequests.approve")(function* (requestId: string) {
        const now = yield* Now.now
        const actor = yield* Actor.Actor
        const write = Effect.gen(function* () {
          const stored = yield* lockOpen(requestId, ["pending"])
          const { author, baseVersion, flagKey, steps } = stored.request
          if (isSamePerson(author, actor)) return yield* new FlagApproverIsAuthor({ requestId })
          const currentVersion = yield* statements.versionNow(stored.featureId)
          if (currentVersion === undefined) return yield* new FlagNotFound({ flagKey })
          if (currentVersion !== baseVersion)
            return yield* new FlagRequestStale({ baseVersion, currentVersion })
          const dueAt = Requests.dateOf(steps[0])
          if (dueAt === null || dueAt <= now) {
            yield* applyNext(stored, actor, now).pipe(
              Effect.catchTag("VersionStale", (stale) =>
                Effect.fail(new FlagRequestStale({ baseVersion, currentVersion: stale.currentVersion }))
              )
            )
          } else {
            yield* requests.update(requestId, { status: "scheduled", dueAt, approver: actor }, now)
          }
          const approved = yield* Effect.orDie(get(requestId))
          yield* recorded("flag-request.approved", approved)
          return approved
        })
        return yield* transactionOf(sql)(write)
      })

      const close = Effect.fn("FlagChangeRequests.close")(function* (requestId: string, reason: string) {
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          yield* lockOpen(requestId, ["pending", "scheduled"])
          yield* requests.update(requestId, { status: "closed", reason }, now)
          const closed = yield* Effect.orDie(get(requestId))
          yield* recorded("flag-request.closed", closed)
          return closed
        })
        return yield* transactionOf(sql)(write)
      })

      const conflict = Effect.fnUntraced(function* (
        requestId: string,
        facts: { readonly flagKey?: string; readonly baseVersion?: number },
        reason: string,
        now: Date
      ) {
        yield* requests.update(requestId, { status: "conflict", reason }, now)
        const outbox = yield* Outbox.Outbox
        yield* outbox.publish([
          yield* Outbox.event({
            domain: "platform",
            name: "flagrequest.conflicted",
            subject: requestId,
            time: now,
            data: { requestId, ...facts, reason }
          })
        ])
        yield* Audit.record({
          action: "flag-request.conflicted",
          target: { type: "flag-request", id: requestId },
          after: { reason }
        })
      })

      const isReadable = (featureId: string) =>
        statements.keyOf(featureId).pipe(
          Effect.flatMap((flagKey) => statements.find(flagKey ?? "")),
          Effect.as(true),
          Effect.catchDefect(() => Effect.succeed(false))
        )

      /** Applies one step of the tenant whose turn it is. Requests that cannot be applied now are left out of its next turns. */
      const turn = Effect.fnUntraced(function* (left: Map<string, unknown>) {
        const now = yield* Now.now
        const due = yield* requests.lockNextDue(now, Array.from(left.keys()))
        if (due === undefined) {
          const [defect] = left.values()
          return left.size === 0 ? { count: 0, hasMore: false } : yield* Effect.die(defect)
        }
        if ("unreadable" in due) {
          yield* conflict(due.unreadable, {}, "this release cannot read the request", now)
          return { count: 1, hasMore: true }
        }
        const { author, baseVersion, flagKey, requestId } = due.request
        // A savepoint: what a refused step has written is undone, and the request remains locked.
        const outcome = yield* sql.withTransaction(applyNext(due, undefined, now)).pipe(
          Effect.provideService(Actor.Actor, { type: author.type, id: author.id }),
          Effect.result,
          Effect.catchDefect((defect) =>
            Schema.isSchemaError(defect) ? Effect.succeed(defect) : Effect.die(defect)
          )
        )
        if (Schema.isSchemaError(outcome)) {
          // Another flag of the environment, else this one.
          if (yield* isReadable(due.featureId)) {
            left.set(requestId, outcome)
            return { count: 0, hasMore: true }
          }
          yield* Effect.logWarning(`Change request ${requestId} has a flag that cannot be read`, outcome)
          yield* conflict(requestId, { flagKey, baseVersion }, "this release cannot read the flag", now)
        } else if (Result.isFailure(outcome)) {
          const reason = conflictReason(outcome.failure, baseVersion)
          if (reason === undefined) return yield* Effect.fail(outcome.failure)
          yield* conflict(requestId, { flagKey, baseVersion }, reason, now)
        }
        return { count: 1, hasMore: true }
      })

      const runDue = Effect.gen(function* () {
        yield* AllTenants
        const tenants = yield* requests.dueTenants(yield* Now.now)
        yield* EachTenant.run({
          loop,
          items: tenants.map(({ tenantId }) => ({ tenantId, left: new Map<string, unknown>() })),
          limit: roundLimit,
          turn: ({ left }) => transactionOf(sql)(turn(left))
        }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
      }).pipe(Effect.withSpan("FlagChangeRequests.runDue"))

      const prune = Effect.gen(function* () {
        yield* AllTenants
        yield* requests.prune(yield* Now.now)
      }).pipe(Effect.withSpan("FlagChangeRequests.prune"))

      return FlagChangeRequests.of({ create, get, list, approve, close, runDue, prune })
    })
  )
}
