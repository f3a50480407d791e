/**
 * Webhooks as operators see them: doctor's check, alerts and the deliveries of a subject.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { waitingMax } from "./Webhook.ts"

/** A worker sends what is due within seconds. */
const lateMillis = 60_000

/** Endpoints that doctor names. */
const endpointsShown = 10

interface Unhealthy {
  readonly tenantId: string
  readonly endpointId: string
  readonly reason: "failing" | "gone" | null
  readonly since: Date
  readonly lastError: string | null
}

const findingOf = (row: Unhealthy): Check.Finding => {
  const since = row.since.toISOString()
  const error = row.lastError ?? "no error is recorded"
  return row.reason === null
    ? {
        status: "warn",
        message: `webhook endpoint ${row.endpointId} of ${row.tenantId} fails since ${since}: ${error}`,
        hint: "it is disabled after five days without a success"
      }
    : {
        status: "warn",
        message: `webhook endpoint ${row.endpointId} of ${row.tenantId} is disabled since ${since} (${row.reason}): ${error}`,
        hint: "its deliveries wait: enable it when the receiver works, or remove it"
      }
}

/**
 * Warns of endpoints that are disabled or fail for a day, and of deliveries that are due and not sent.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check.Check = Check.make(
  "webhooks",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const unhealthy = yield* sql<Unhealthy>`
      SELECT tenant_id AS "tenantId", endpoint_id::text AS "endpointId", disabled_reason AS reason,
             coalesce(disabled_at, failing_since) AS since, last_error AS "lastError"
        FROM hm_webhook_endpoint
       WHERE status = 'disabled'
          OR warned_at IS NOT NULL
       ORDER BY coalesce(disabled_at, failing_since)
       LIMIT ${endpointsShown}
    `
    const [late] = yield* sql<{ readonly late: number }>`
      SELECT count(*)::int AS late
        FROM hm_webhook_endpoint e
       WHERE e.status = 'enabled' AND e.failing_since IS NULL
         AND EXISTS (SELECT 1
                       FROM hm_webhook_delivery d
                      WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'waiting'
                        AND d.next_at < ${new Date(now.getTime() - lateMillis)})
    `
    const findings = unhealthy.map(findingOf)
    if (late !== undefined && late.late > 0) {
      findings.push({
        status: "warn",
        message: `deliveries of ${late.late} webhook endpoints are due for more than a minute`,
        hint: "a worker sends them: is one running?"
      })
    }
    return findings.length > 0
      ? findings
      : [{ status: "ok" as const, message: "webhook endpoints are healthy, no delivery is late" }]
  })
)

/** Endpoints of the tenant whose deliveries are due for more than a minute. One that fails has its own alert. */
const late = Effect.fnUntraced(function* (tenantId: string, before: Date) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly endpointId: string; readonly waiting: number; readonly since: Date }>`
    SELECT e.endpoint_id::text AS "endpointId", d.waiting, d.since
      FROM hm_webhook_endpoint e
      CROSS JOIN LATERAL (
           SELECT count(*)::int AS waiting, min(next_at) AS since
             FROM (
                  SELECT next_at
                    FROM hm_webhook_delivery
                   WHERE tenant_id = e.tenant_id AND endpoint_id = e.endpoint_id AND state = 'waiting'
                     AND next_at < ${before}
                   ORDER BY next_at
                   LIMIT ${waitingMax}) w) d
     WHERE e.tenant_id = ${tenantId} AND e.status = 'enabled' AND e.failing_since IS NULL AND d.waiting > 0
     ORDER BY d.since
     LIMIT ${Overview.alertsMax}
  `
  return rows.map(
    ({ endpointId, since, waiting }) =>
      new Overview.Alert({
        kind: "webhook.late",
        severity: "warning",
        subject: endpointId,
        value: waiting,
        since: DateTime.fromDateUnsafe(since),
        data: {}
      })
  )
})

/**
 * Endpoints of the tenant that are disabled, or fail for a day, and those whose deliveries are late.
 *
 * @category overview
 * @since 0.1.0
 */
export const alerts: Overview.Alerts<SqlClient.SqlClient | Tenant> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const rows = yield* sql<Unhealthy & { readonly waiting: number }>`
    SELECT e.tenant_id AS "tenantId", e.endpoint_id::text AS "endpointId", e.disabled_reason AS reason,
           coalesce(e.disabled_at, e.failing_since) AS since, e.last_error AS "lastError",
           (SELECT count(*)::int
              FROM (
                   SELECT 1
                     FROM hm_webhook_delivery d
                    WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'waiting'
                    LIMIT ${waitingMax}) w) AS waiting
      FROM hm_webhook_endpoint e
     WHERE e.tenant_id = ${tenant.id} AND (e.status = 'disabled' OR e.warned_at IS NOT NULL)
     ORDER BY coalesce(e.disabled_at, e.failing_since)
     LIMIT ${Overview.alertsMax}
  `
  const now = yield* Now.now
  const unhealthy = rows.map(
    (row) =>
      new Overview.Alert({
        kind: row.reason === null ? "webhook.failing" : "webhook.disabled",
        severity: row.reason === null ? "warning" : "critical",
        subject: row.endpointId,
        value: row.waiting,
        since: DateTime.fromDateUnsafe(row.since),
        data: { reason: row.reason, lastError: row.lastError }
      })
  )
  return [...unhealthy, ...(yield* late(tenant.id, new Date(now.getTime() - lateMillis)))]
})

interface Row {
  readonly deliveryId: string
  readonly at: Date
  readonly state: string
  readonly type: string
  readonly endpointId: string
}

/**
 * The deliveries of the events about a subject: those of the shop's facts whose `subject` is its id.
 *
 * @category overview
 * @since 0.1.0
 */
export const timeline: Overview.Timeline<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* ({
  before,
  limit,
  subject
}: Overview.TimelineRequest) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const at = before?.at ?? null
  const rows = yield* sql<Row>`
    WITH delivery AS (
      SELECT d.delivery_id::text COLLATE "C" AS "deliveryId",
             date_trunc('milliseconds', coalesce(d.finished_at, d.recorded_at)) AS at, d.state, m.type,
             d.endpoint_id::text AS "endpointId"
        FROM hm_webhook_message m
        JOIN hm_webhook_delivery d
          ON d.tenant_id = m.tenant_id AND d.message_id = m.message_id
       WHERE m.tenant_id = ${tenant.id}
         AND m.subject = ${subject.id}
         AND starts_with(m.type, ${`com.hypermarket.shop.${subject.kind}.`}))
    SELECT *
      FROM delivery
     WHERE ${at}::timestamptz IS NULL
        OR (at, "deliveryId") < (${at}::timestamptz, ${before?.itemId ?? null}::text COLLATE "C")
     ORDER BY at DESC, "deliveryId" DESC
     LIMIT ${limit}
  `
  return rows.map(
    ({ at, deliveryId, endpointId, state, type }) =>
      new Overview.TimelineItem({
        itemId: deliveryId,
        at: DateTime.fromDateUnsafe(at),
        kind: `webhook.${state}`,
        data: { type, state },
        links: [{ kind: "webhook", id: endpointId }]
      })
  )
})
