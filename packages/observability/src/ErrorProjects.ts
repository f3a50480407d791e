/**
 * The service of a tenant's error projects, their releases, and the counts of what was sent to them.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  ErrorProject,
  type ErrorProjectChange,
  ErrorProjectExists,
  ErrorProjectLimit,
  ErrorProjectNotFound,
  ErrorRelease,
  ItemCount,
  type NewErrorProject,
  ReleaseNotFound
} from "./ErrorProject.ts"
import { GroupingRules } from "./GroupingRule.ts"
import * as Columns from "./internal/columns.ts"
import * as LiveProjects from "./internal/liveProjects.ts"
import * as Settings from "./ObservabilitySettings.ts"

const projectRow = Row.make(ErrorProject, {
  projectId: Schema.Int,
  slug: Schema.String,
  name: Schema.String,
  status: Schema.Literals(["active", "closed"]),
  keepsAddresses: Schema.Boolean,
  groupingRules: Schema.Union([GroupingRules, Schema.fromJsonString(GroupingRules)]),
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const releaseRow = Row.make(ErrorRelease, {
  release: Schema.String,
  eventCount: Columns.Count,
  firstSeen: Column.Timestamp,
  lastSeen: Column.Timestamp
})

const countRow = Row.make(ItemCount, {
  day: Column.Timestamp,
  category: Schema.String,
  outcome: Schema.Literals(["stored", "counted", "dropped", "client", "sampled", "removed"]),
  reason: Schema.String,
  quantity: Columns.Count
})

const pages = Page.make({
  list: "observability.projects",
  key: Schema.Tuple([Schema.Int]),
  keyOf: (project: ErrorProject) => [project.projectId] as const
})

const releasePages = Page.make({
  list: "observability.releases",
  key: Schema.Tuple([Schema.String, Schema.String]),
  keyOf: ({ firstSeen, release }: ErrorRelease) => [Columns.textOf(firstSeen), release] as const
})

/** A month of days with a few dozen rows each. */
const countDays = 30
const countsMax = 2_000
const dayMillis = 24 * 3_600_000

/**
 * Creates and changes projects, and reads what they were sent.
 *
 * @category services
 * @since 0.1.0
 */
export class ErrorProjects extends Context.Service<
  ErrorProjects,
  {
    readonly create: (
      project: NewErrorProject
    ) => Effect.Effect<ErrorProject, ErrorProjectExists | ErrorProjectLimit | SqlError, Tenant>
    readonly get: (projectId: number) => Effect.Effect<ErrorProject, ErrorProjectNotFound | SqlError, Tenant>
    /** Lists by id. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<ErrorProject>, Page.CursorInvalid | SqlError, Tenant>
    readonly change: (
      projectId: number,
      version: number,
      change: ErrorProjectChange
    ) => Effect.Effect<ErrorProject, ErrorProjectNotFound | VersionStale | SqlError, Tenant>
    /** Returns the counts of the last 30 days, the newest day first. */
    readonly counts: (
      projectId: number
    ) => Effect.Effect<ReadonlyArray<ItemCount>, ErrorProjectNotFound | SqlError, Tenant>
    /** Lists releases, the newest first. */
    readonly releases: (
      projectId: number,
      request: Page.Request
    ) => Effect.Effect<Page.Page<ErrorRelease>, ErrorProjectNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Removes a release from the list. Resolutions that compare with it stay as they are. */
    readonly removeRelease: (
      projectId: number,
      release: string
    ) => Effect.Effect<void, ErrorProjectNotFound | ReleaseNotFound | SqlError, Tenant>
  }
>()("@hypermarket/observability/ErrorProjects") {
  static readonly layer: Layer.Layer<ErrorProjects, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ErrorProjects,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const projectsMax = yield* Settings.projectsMax.config
      const columns = sql.literal(projectRow.columns)
      const listening = yield* Effect.serviceOption(Wakeup.Wakeup)
      const signal = (tenantId: string) =>
        Option.match(listening, {
          onNone: () => Effect.void,
          onSome: (wakeup) => wakeup.signal(LiveProjects.channel, tenantId)
        })

      const create = Effect.fn("ErrorProjects.create")(function* (project: NewErrorProject) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const write = Effect.gen(function* () {
          // Two that are made at once would get the same number.
          yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`hm_error_project ${tenant.id}`}, 0))::text`
          const [existing] = yield* sql<{
            readonly count: number
            readonly last: number
            readonly isTaken: boolean
          }>`
            SELECT count(*)::int AS count, coalesce(max(project_id), 0) AS last,
                   coalesce(bool_or(slug = ${project.slug}), false) AS "isTaken"
              FROM hm_error_project
             WHERE tenant_id = ${tenant.id}
          `
          if (existing?.isTaken === true) return yield* new ErrorProjectExists({ slug: project.slug })
          if ((existing?.count ?? 0) >= projectsMax) return yield* new ErrorProjectLimit({ projectsMax })
          const [row] = yield* sql`
            INSERT INTO hm_error_project (tenant_id, project_id, slug, name, keeps_addresses, recorded_at, updated_at)
            VALUES (${tenant.id}, ${(existing?.last ?? 0) + 1}::int4, ${project.slug}, ${project.name ?? project.slug},
                    ${project.keepsAddresses ?? false}, ${now}, ${now})
            RETURNING ${columns}
          `
          yield* signal(tenant.id)
          return yield* projectRow.decode(row)
        })
        return yield* transactionOf(sql)(write)
      })

      const get = Effect.fn("ErrorProjects.get")(function* (projectId: number) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_error_project
           WHERE tenant_id = ${tenant.id} AND project_id = ${projectId}
        `
        if (row === undefined) return yield* new ErrorProjectNotFound({ projectId })
        return yield* projectRow.decode(row)
      })

      const list = Effect.fn("ErrorProjects.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [0] as const)
        const rows = yield* sql`
          SELECT ${columns}
            FROM hm_error_project
           WHERE tenant_id = ${tenant.id} AND project_id > ${after}
           ORDER BY project_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* projectRow.decodeAll(rows), request)
      })

      const change = Effect.fn("ErrorProjects.change")(function* (
        projectId: number,
        version: number,
        change: ErrorProjectChange
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const [row] = yield* sql`
          UPDATE hm_error_project
             SET name = coalesce(${change.name ?? null}, name),
                 status = coalesce(${change.status ?? null}, status),
                 keeps_addresses = coalesce(${change.keepsAddresses ?? null}::boolean, keeps_addresses),
                 grouping_rules = coalesce(${change.groupingRules === undefined ? null : JSON.stringify(change.groupingRules)}::jsonb,
                                           grouping_rules),
                 version = version + 1,
                 updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND project_id = ${projectId} AND version = ${version}
          RETURNING ${columns}
        `
        if (row === undefined) {
          const existing = yield* get(projectId)
          return yield* new VersionStale({ currentVersion: existing.version })
        }
        yield* signal(tenant.id)
        return yield* projectRow.decode(row)
      })

      const counts = Effect.fn("ErrorProjects.counts")(function* (projectId: number) {
        const tenant = yield* Tenant
        yield* get(projectId)
        const now = yield* Now.now
        const since = new Date(now.getTime() - countDays * dayMillis).toISOString().slice(0, 10)
        const rows = yield* sql`
          SELECT day::timestamp AT TIME ZONE 'UTC' AS day, category, outcome, reason, quantity
            FROM hm_error_count
           WHERE tenant_id = ${tenant.id} AND project_id = ${projectId} AND day > ${since}::date
           ORDER BY hm_error_count.day DESC, category, outcome, reason
           LIMIT ${countsMax}
        `
        return yield* countRow.decodeAll(rows)
      })

      const releases = Effect.fn("ErrorProjects.releases")(function* (
        projectId: number,
        request: Page.Request
      ) {
        const tenant = yield* Tenant
        yield* get(projectId)
        const [at, name] = Option.getOrElse(
          yield* releasePages.after(request),
          () => [Columns.lastInstant, ""] as const
        )
        const rows = yield* sql`
          SELECT ${sql.literal(releaseRow.columns)}
            FROM hm_error_release
           WHERE tenant_id = ${tenant.id}
             AND project_id = ${projectId}
             AND status = 'listed'
             AND (first_seen, release) < (${at}::timestamptz, ${name})
           ORDER BY first_seen DESC, release DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* releasePages.page(yield* releaseRow.decodeAll(rows), request)
      })

      const removeRelease = Effect.fn("ErrorProjects.removeRelease")(function* (
        projectId: number,
        release: string
      ) {
        const tenant = yield* Tenant
        yield* get(projectId)
        const removed = yield* sql`
          UPDATE hm_error_release
             SET status = 'removed'
           WHERE tenant_id = ${tenant.id} AND project_id = ${projectId} AND release = ${release} AND status = 'listed'
          RETURNING 1
        `
        if (removed.length === 0) return yield* new ReleaseNotFound({ release })
      })

      const target = (projectId: number) => ({ type: "error-project", id: String(projectId) })

      return ErrorProjects.of({
        create: (project) =>
          AuditedChange.change(sql, create(project), {
            action: "error-project.created",
            target: ({ projectId }) => target(projectId),
            after: (created) => created
          }),
        get,
        list,
        change: (projectId, version, changed) =>
          AuditedChange.change(sql, change(projectId, version, changed), {
            action: "error-project.changed",
            target: target(projectId),
            before: get(projectId),
            after: (after) => after
          }),
        counts,
        releases,
        removeRelease: (projectId, release) =>
          AuditedChange.change(sql, removeRelease(projectId, release), {
            action: "error-release.removed",
            target: { type: "error-release", id: `${projectId}/${release}` }
          })
      })
    })
  )
}
