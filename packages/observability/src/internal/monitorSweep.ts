/**
 * Background work over all tenants: runs of monitors that did not come, and runs that take too long.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as MonitorWriter from "./monitorWriter.ts"
import * as UnreadableRow from "./unreadableRow.ts"

const roundLimit = "20 seconds"

/** Judges the monitors whose time has come, and publishes each change once. */
export const sweep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const monitors = MonitorWriter.make(sql)
  const due = yield* sql<{ readonly tenantId: string; readonly projectId: number }>`
    SELECT tenant_id AS "tenantId", project_id AS "projectId"
      FROM hm_error_monitor
     WHERE ${MonitorWriter.isOverdue(sql, now)}
     UNION
    SELECT tenant_id, project_id
      FROM hm_error_check_in
     WHERE ends_by < ${now}
  `
  const judged = new Map<string, string | undefined>()
  yield* EachTenant.run({
    loop: "observability.monitor.judge",
    items: due,
    limit: roundLimit,
    turn: (place) =>
      sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`
            SELECT
              FROM hm_error_project
             WHERE tenant_id = ${place.tenantId} AND project_id = ${place.projectId}
               FOR NO KEY UPDATE
          `
          const timedOut = yield* monitors.timeOut(place, now)
          const overdue = yield* monitors.overdue(place, now)
          yield* Effect.forEach(overdue, (monitor) => monitors.miss(place, monitor, now), { discard: true })
          const unreadable = overdue.find(({ schedule }) => schedule === null)
          judged.set(
            place.tenantId,
            judged.get(place.tenantId) ??
              (unreadable && `the schedule of monitor ${unreadable.slug} of project ${place.projectId}`)
          )
          return { count: timedOut + overdue.length, hasMore: false }
        })
      )
  })
  yield* UnreadableRow.record(
    "observability.monitor.read",
    Array.from(judged, ([tenantId, row]) => ({ tenantId, row }))
  )
})
