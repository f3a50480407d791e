/**
 * Thins the events of busy hours: of each hour of an issue the first events of each release and environment are kept. So old
 * events and those of a rare release stay, and a fault that repeats itself does not fill the disk. Counts stay as they are.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Settings from "../ObservabilitySettings.ts"

const hourMillis = 3_600_000
/** An hour is thinned when it is over, and not later than this. */
const lookBackMillis = 26 * hourMillis
const roundLimit = "60 seconds"
/** Events that one statement deletes. An hour with more has several turns, and a tenant's next hour its next turn. */
const eventsMax = 20_000

export const sample = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const kept = yield* Effect.orDie(Settings.eventsKeptPerHour.config)
  if (kept === 0) return
  const now = yield* Now.now
  const currentHour = new Date(Math.floor(now.getTime() / hourMillis) * hourMillis)
  const isDue = sql`
    h.hour >= ${new Date(now.getTime() - lookBackMillis)}
    AND h.hour < ${currentHour}
    AND h.events > ${kept}
    AND NOT h.is_sampled
  `
  const tenants = yield* sql<{ readonly tenantId: string }>`
    SELECT DISTINCT h.tenant_id AS "tenantId"
      FROM hm_error_hour h
     WHERE ${isDue}
  `
  yield* EachTenant.run({
    loop: "observability.event.sample",
    items: tenants,
    limit: roundLimit,
    turn: ({ tenantId }) =>
      sql.withTransaction(
        Effect.gen(function* () {
          const [due] = yield* sql<{
            readonly issueId: string
            readonly projectId: number
            readonly hour: Date
          }>`
            SELECT h.issue_id::text AS "issueId", i.project_id AS "projectId", h.hour
              FROM hm_error_hour h
              JOIN hm_error_issue i ON i.tenant_id = h.tenant_id AND i.issue_id = h.issue_id
             WHERE h.tenant_id = ${tenantId} AND ${isDue}
             ORDER BY h.hour, h.issue_id
             LIMIT 1
          `
          if (due === undefined) return { count: 0, hasMore: false }
          const { hour, issueId, projectId } = due
          const until = new Date(hour.getTime() + hourMillis)
          const [row] = yield* sql<{ readonly events: number }>`
            WITH placed AS (
              SELECT log_id, received_at,
                     row_number() OVER (PARTITION BY release, environment ORDER BY log_id) AS place
                FROM hm_error_log
               WHERE tenant_id = ${tenantId}
                 AND issue_id = ${issueId}::uuid
                 AND received_at >= ${hour}
                 AND received_at < ${until}
            ),
            thinned AS (
              DELETE FROM hm_error_log
               WHERE tenant_id = ${tenantId}
                 AND received_at >= ${hour}
                 AND received_at < ${until}
                 AND log_id IN (
                     SELECT log_id
                       FROM placed
                      WHERE place > ${kept}
                      LIMIT ${eventsMax}
                     )
              RETURNING 1
            )
            SELECT count(*)::int AS events
              FROM thinned
          `
          const events = row?.events ?? 0
          const isDone = events < eventsMax
          // Intake changes the rows that follow, under this lock.
          yield* sql`
            SELECT
              FROM hm_error_project
             WHERE tenant_id = ${tenantId} AND project_id = ${projectId}
               FOR NO KEY UPDATE
          `
          yield* sql`
            WITH thinned_hour AS (
              UPDATE hm_error_hour
                 SET is_sampled = ${isDone}
               WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid AND hour = ${hour}
            ),
            -- The issue that shows a merged one counts for it too.
            issue AS (
              UPDATE hm_error_issue i
                 SET sampled_count = i.sampled_count + ${events}
                FROM hm_error_issue own
               WHERE own.tenant_id = ${tenantId}
                 AND own.issue_id = ${issueId}::uuid
                 AND i.tenant_id = own.tenant_id
                 AND i.issue_id IN (own.issue_id, own.merged_into)
            )
            INSERT INTO hm_error_count AS c (tenant_id, project_id, day, category, outcome, reason, quantity)
            SELECT ${tenantId}, ${projectId}::int4, ${hour.toISOString().slice(0, 10)}::date, 'error', 'sampled', '', ${events}
             WHERE ${events} > 0
                ON CONFLICT (tenant_id, project_id, day, category, outcome, reason)
                DO UPDATE SET quantity = c.quantity + excluded.quantity
          `
          return { count: events, hasMore: true }
        })
      )
  })
})
