/**
 * The service of a tenant's monitors: lists them and their runs.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ErrorProjectNotFound } from "./ErrorProject.ts"
import * as Columns from "./internal/columns.ts"
import {
  Monitor,
  MonitorCheckIn,
  type MonitorName,
  MonitorNotFound,
  MonitorSchedule,
  MonitorStatus
} from "./Monitor.ts"

const monitorRow = Row.make(Monitor, {
  projectId: Schema.Int,
  slug: Schema.String,
  environment: Schema.String,
  schedule: Schema.NullOr(MonitorSchedule),
  status: MonitorStatus,
  since: Column.Timestamp,
  lastCheckIn: Schema.NullOr(Column.Timestamp),
  nextDue: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp
})

const checkInRow = Row.make(MonitorCheckIn, {
  checkInId: Identifier.Uuid,
  status: Schema.Literals(["running", "ok", "error", "missed", "timed-out"]),
  isLate: Schema.Boolean,
  dueAt: Schema.NullOr(Column.Timestamp),
  startedAt: Column.Timestamp,
  endedAt: Schema.NullOr(Column.Timestamp)
})

const pages = Page.make({
  list: "observability.monitors",
  key: Schema.Tuple([Schema.String, Schema.String]),
  keyOf: ({ environment, slug }: Monitor) => [slug, environment] as const
})

const checkInPages = Page.make({
  list: "observability.check-ins",
  key: Schema.Tuple([Schema.String, Identifier.Uuid]),
  keyOf: ({ checkInId, startedAt }: MonitorCheckIn) => [Columns.textOf(startedAt), checkInId] as const
})

/**
 * Reads and removes monitors. Check-ins make them.
 *
 * @category services
 * @since 0.1.0
 */
export class Monitors extends Context.Service<
  Monitors,
  {
    /** Lists the monitors of a project by name. */
    readonly list: (
      projectId: number,
      request: Page.Request
    ) => Effect.Effect<Page.Page<Monitor>, ErrorProjectNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Lists the runs of a monitor, the newest first. */
    readonly checkIns: (
      projectId: number,
      name: MonitorName,
      request: Page.Request
    ) => Effect.Effect<Page.Page<MonitorCheckIn>, MonitorNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Removes a monitor and its runs. Its next check-in makes it again. */
    readonly remove: (
      projectId: number,
      name: MonitorName
    ) => Effect.Effect<void, MonitorNotFound | SqlError, Tenant>
  }
>()("@hypermarket/observability/Monitors") {
  static readonly layer: Layer.Layer<Monitors, never, SqlClient.SqlClient> = Layer.effect(
    Monitors,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const list = Effect.fn("Monitors.list")(function* (projectId: number, request: Page.Request) {
        const tenant = yield* Tenant
        const projects = yield* sql`
          SELECT 1
            FROM hm_error_project
           WHERE tenant_id = ${tenant.id} AND project_id = ${projectId}
        `
        if (projects.length === 0) return yield* new ErrorProjectNotFound({ projectId })
        const [slug, environment] = Option.getOrElse(yield* pages.after(request), () => ["", ""] as const)
        const rows = yield* sql`
          SELECT ${sql.literal(monitorRow.columns)}
            FROM hm_error_monitor
           WHERE tenant_id = ${tenant.id}
             AND project_id = ${projectId}
             AND (slug, environment) > (${slug}, ${environment})
           ORDER BY slug, environment
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(
          yield* monitorRow.decodeAll(
            rows.map((row) => ({ ...row, schedule: Columns.jsonOf(row["schedule"]) }))
          ),
          request
        )
      })

      const checkIns = Effect.fn("Monitors.checkIns")(function* (
        projectId: number,
        { environment, slug }: MonitorName,
        request: Page.Request
      ) {
        const tenant = yield* Tenant
        const found = yield* sql`
          SELECT 1
            FROM hm_error_monitor
           WHERE tenant_id = ${tenant.id}
             AND project_id = ${projectId}
             AND slug = ${slug}
             AND environment = ${environment}
        `
        if (found.length === 0) return yield* new MonitorNotFound({ slug, environment })
        const [at, id] = Option.getOrElse(
          yield* checkInPages.after(request),
          () => [Columns.lastInstant, Page.lastUuid] as const
        )
        const rows = yield* sql`
          SELECT ${sql.literal(checkInRow.columns)}
            FROM hm_error_check_in
           WHERE tenant_id = ${tenant.id}
             AND project_id = ${projectId}
             AND slug = ${slug}
             AND environment = ${environment}
             AND (started_at, check_in_id) < (${at}::timestamptz, ${id}::uuid)
           ORDER BY started_at DESC, check_in_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* checkInPages.page(yield* checkInRow.decodeAll(rows), request)
      })

      const remove = Effect.fn("Monitors.remove")(function* (
        projectId: number,
        { environment, slug }: MonitorName
      ) {
        const tenant = yield* Tenant
        const removed = yield* sql`
          WITH runs AS (
            DELETE FROM hm_error_check_in
             WHERE tenant_id = ${tenant.id}
               AND project_id = ${projectId}
               AND slug = ${slug}
               AND environment = ${environment}
          )
          DELETE FROM hm_error_monitor
           WHERE tenant_id = ${tenant.id}
             AND project_id = ${projectId}
             AND slug = ${slug}
             AND environment = ${environment}
          RETURNING 1
        `
        if (removed.length === 0) return yield* new MonitorNotFound({ slug, environment })
      })

      return Monitors.of({
        list,
        checkIns,
        remove: (projectId, name) =>
          AuditedChange.change(sql, remove(projectId, name), {
            action: "error-monitor.removed",
            target: { type: "error-monitor", id: `${projectId}/${name.slug}/${name.environment}` }
          })
      })
    })
  )
}
