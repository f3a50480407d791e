/**
 * The part of errors in the page of what needs attention: new, regressed and escalating issues, and monitors that failed.
 */
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const dayMillis = 24 * 3_600_000
/** A new issue is news for a day, a regression for a week. */
const newMillis = dayMillis
const regressedMillis = 7 * dayMillis
/** Sentry's rule: the hour above 10 events, and three times the highest of the week before. */
const escalatingMin = 10
const escalatingFactor = 3

const severities = {
  "monitor.error": "critical",
  "monitor.missed": "critical",
  "monitor.timed-out": "critical",
  "issue.escalating": "critical",
  "issue.regressed": "critical",
  "issue.new": "warning",
  "monitor.late": "warning"
} as const
type Kind = keyof typeof severities

const decodeRows = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      kind: Schema.Literals([
        "monitor.error",
        "monitor.missed",
        "monitor.timed-out",
        "issue.escalating",
        "issue.regressed",
        "issue.new",
        "monitor.late"
      ]),
      subject: Schema.String,
      title: Schema.String,
      projectId: Schema.Int,
      events: Schema.NullOr(Schema.Finite),
      since: Column.Timestamp
    })
  )
)

const order = Object.keys(severities)

export const alerts: Overview.Alerts<SqlClient.SqlClient | Tenant> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const now = yield* Now.now
  const at = now.getTime()
  const hour = new Date(Math.floor(at / 3_600_000) * 3_600_000)
  const rows = yield* sql`
    WITH issue AS (
      SELECT issue_id, project_id, title, recorded_at, regressed_at, event_count
        FROM hm_error_issue
       WHERE tenant_id = ${tenant.id}
         AND status = 'unresolved'
         AND merged_into IS NULL
         AND last_seen > ${new Date(at - regressedMillis)}
       ORDER BY last_seen DESC, issue_id DESC
       LIMIT 500
    ),
    hours AS (
      SELECT i.issue_id,
             coalesce(max(h.events) FILTER (WHERE h.hour = ${hour}), 0) AS current,
             coalesce(max(h.events) FILTER (WHERE h.hour < ${hour}), 0) AS highest
        FROM issue i
        JOIN hm_error_hour h ON h.tenant_id = ${tenant.id}
                            AND h.issue_id = i.issue_id
                            AND h.hour >= ${new Date(hour.getTime() - regressedMillis)}
       GROUP BY i.issue_id
    )
    SELECT CASE WHEN h.current > ${escalatingMin} AND h.highest > 0 AND h.current > ${escalatingFactor} * h.highest
                THEN 'issue.escalating'
                WHEN i.regressed_at > ${new Date(at - regressedMillis)} THEN 'issue.regressed'
                ELSE 'issue.new'
            END AS kind,
           i.issue_id::text AS subject, i.title, i.project_id AS "projectId", i.event_count::float8 AS events,
           coalesce(i.regressed_at, i.recorded_at) AS since
      FROM issue i
      JOIN hours h ON h.issue_id = i.issue_id
     WHERE i.recorded_at > ${new Date(at - newMillis)}
        OR i.regressed_at > ${new Date(at - regressedMillis)}
        OR (h.current > ${escalatingMin} AND h.highest > 0 AND h.current > ${escalatingFactor} * h.highest)
     UNION ALL
    SELECT *
      FROM (
           SELECT 'monitor.' || status, project_id || '/' || slug || '/' || environment, slug, project_id, NULL::float8, since
             FROM hm_error_monitor
            WHERE tenant_id = ${tenant.id} AND status <> 'ok'
            ORDER BY since
            LIMIT ${Overview.alertsMax}
           ) monitors
  `
  const found = yield* Effect.orDie(decodeRows(rows))
  return found
    .toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || (b.events ?? 0) - (a.events ?? 0))
    .slice(0, Overview.alertsMax)
    .map(({ events, kind, projectId, since, subject, title }) =>
      Overview.Alert.make({
        kind: kind satisfies Kind,
        severity: severities[kind],
        subject,
        value: events,
        since,
        data: { projectId, title }
      })
    )
})
