/** The statements of webhook endpoints and their deliveries. */
import * as Column from "@hypermarket/core/Column"
import * as Row from "@hypermarket/core/Row"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as SqlClient from "effect/sql/SqlClient"
import { EndpointId, waitingMax, WebhookEndpoint } from "../Webhook.ts"
import { DeliveryId, WebhookDelivery } from "../WebhookDelivery.ts"

/** The select list of an endpoint `e`, with the deliveries that wait for it. */
export const endpoint = `
  e.endpoint_id::text AS "endpointId", e.url, e.description, e.filters, e.ordered, e.format, e.status,
  e.disabled_reason AS "disabledReason", e.disabled_at AS "disabledAt", e.failing_since AS "failingSince",
  e.last_error AS "lastError", e.version, e.recorded_at AS "recordedAt", e.updated_at AS "updatedAt",
  (SELECT s.public_key
     FROM hm_webhook_secret s
    WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.endpoint_id AND s.expires_at IS NULL) AS "publicKey",
  (SELECT count(*)::int
     FROM (
          SELECT 1
            FROM hm_webhook_delivery d
           WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'waiting'
           LIMIT ${waitingMax}) w) AS waiting
`

export const EndpointRow = Row.make(WebhookEndpoint, {
  ...WebhookEndpoint.fields,
  disabledAt: Schema.NullOr(Column.Timestamp),
  failingSince: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

/** The select list of a delivery `d` of a message `m`. */
export const delivery = `
  d.delivery_id::text AS "deliveryId", d.endpoint_id::text AS "endpointId", 'msg_' || m.message_id AS "messageId",
  m.source, m.event_id AS "eventId", m.type, m.subject, d.state, d.sends AS attempts,
  CASE WHEN d.state = 'waiting' THEN d.next_at END AS "nextAt", d.first_failed_at AS "firstFailedAt",
  d.last_status AS "lastStatus", d.last_error AS "lastError", d.recorded_at AS "recordedAt",
  d.finished_at AS "finishedAt", d.seq::text AS seq
`

/** A delivery with its place in the list. */
export class Listed extends WebhookDelivery.extend<Listed>("@hypermarket/events/internal/Listed")({
  seq: Schema.String
}) {}

export const DeliveryRow = Row.make(Listed, {
  ...Listed.fields,
  deliveryId: DeliveryId,
  endpointId: EndpointId,
  nextAt: Schema.NullOr(Column.Timestamp),
  firstFailedAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  finishedAt: Schema.NullOr(Column.Timestamp)
})

/** Attempts at the same time of one endpoint: a receiver that hangs holds four slots and no more. */
const endpointConcurrency = 4

/** From this number of time-outs in a row an endpoint has one attempt at a time. */
const timeoutsMax = 3

/** A quarter of the slots of a worker, so that one tenant's receivers never hold them all. */
export const tenantConcurrency = 50

/**
 * Chooses due deliveries of a tenant and marks them as sent by a new job each. Endpoints that time out come last. The caller
 * holds the tenant's lock: two of these at once would both count the same free slots.
 */
export const dispatch = (sql: SqlClient.SqlClient, tenantId: string, now: Date) => sql<{
  readonly deliveryId: string
  readonly dispatchId: string
}>`
  WITH busy AS (
    SELECT endpoint_id, count(*)::int AS sending
      FROM hm_webhook_delivery
     WHERE tenant_id = ${tenantId} AND state = 'sending'
     GROUP BY endpoint_id
  ), candidate AS (
    SELECT d.row_at, d.place, d.next_at, e.timeouts >= ${timeoutsMax}::int AS is_slow
      FROM (
            SELECT e.endpoint_id, e.ordered, e.timeouts,
                   greatest(0, CASE WHEN e.timeouts >= ${timeoutsMax}::int THEN 1 ELSE ${endpointConcurrency}::int END
                               - coalesce(b.sending, 0)) AS free
              FROM hm_webhook_endpoint e
              LEFT JOIN busy b ON b.endpoint_id = e.endpoint_id
             WHERE e.tenant_id = ${tenantId} AND e.status = 'enabled') e
      CROSS JOIN LATERAL (
           SELECT w.row_at, w.next_at, row_number() OVER (ORDER BY w.next_at, w.seq) AS place
             FROM (
                   SELECT w.ctid AS row_at, w.next_at, w.seq
                     FROM hm_webhook_delivery w
                    WHERE w.tenant_id = ${tenantId} AND w.endpoint_id = e.endpoint_id AND w.state = 'waiting'
                      AND w.next_at <= ${now}
                      AND (NOT e.ordered OR w.subject IS NULL
                           OR NOT EXISTS (
                              SELECT 1
                                FROM hm_webhook_delivery p
                               WHERE p.tenant_id = ${tenantId} AND p.endpoint_id = e.endpoint_id
                                 AND p.subject = w.subject AND p.seq < w.seq AND p.state IN ('waiting', 'sending')))
                    ORDER BY w.next_at, w.seq
                    LIMIT e.free) w) d
  ), chosen AS MATERIALIZED (
    SELECT row_at, row_number() OVER (ORDER BY is_slow, place, next_at) AS n
      FROM candidate
     ORDER BY is_slow, place, next_at
     LIMIT greatest(0, ${tenantConcurrency}::int - (SELECT coalesce(sum(sending), 0)::int FROM busy))
  ), marked AS (
    UPDATE hm_webhook_delivery d
       SET state = 'sending', dispatch_id = gen_random_uuid(), dispatched_at = ${now}, started_at = NULL
      FROM chosen c
     -- Without statistics, by the key, Postgres 18 read all that waits once per row: 45 ms with 800 of them.
     WHERE d.ctid = c.row_at AND d.state = 'waiting'
    RETURNING c.n, d.delivery_id, d.dispatch_id
  )
  SELECT delivery_id::text AS "deliveryId", dispatch_id::text AS "dispatchId"
    FROM marked
   ORDER BY n
`

/** Puts a delivery back whose endpoint was paused, disabled or removed before its attempt. */
export const release = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  job: { readonly deliveryId: string; readonly dispatchId: string }
) => sql`
  UPDATE hm_webhook_delivery
     SET state = 'waiting', dispatch_id = NULL, dispatched_at = NULL, started_at = NULL
   WHERE tenant_id = ${tenantId} AND delivery_id = ${job.deliveryId}::uuid AND dispatch_id = ${job.dispatchId}::uuid
`

/**
 * Makes due at once what waits for an endpoint, and what died since an instant, with all attempts. What ended for one of the
 * reasons stays dead.
 */
export const revive = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  endpointId: string,
  options: { readonly now: Date; readonly since: DateTime.Utc | null; readonly except: ReadonlyArray<string> }
) => sql`
  UPDATE hm_webhook_delivery
     SET state = 'waiting', attempts = 0, next_at = ${options.now}, finished_at = NULL
   WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId}::uuid
     AND (state = 'waiting'
          OR state = 'dead'
             AND finished_at >= ${options.since === null ? null : DateTime.toDateUtc(options.since)}::timestamptz
             AND (last_error = ANY (${options.except}::text[])) IS NOT TRUE)
`

/** The health of an endpoint after a failure, and what the failure changed. */
export interface Health {
  readonly isDisabled: boolean
  readonly isWarned: boolean
  readonly disabledReason: "failing" | "gone" | null
  readonly failingSince: Date | null
  readonly lastError: string | null
}

/** Records a failure of an endpoint, and disables it when it is gone or has failed for too long. */
export const fail = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  endpointId: string,
  failure: {
    readonly error: string
    readonly isTimeout: boolean
    readonly isGone: boolean
    readonly disableBefore: Date
    readonly warnBefore: Date
    readonly now: Date
  }
) => sql<Health>`
  WITH before AS (
    SELECT status, warned_at, failing_since,
           status = 'enabled'
             AND (${failure.isGone}::boolean OR failing_since <= ${failure.disableBefore}) IS TRUE AS disables
      FROM hm_webhook_endpoint
     WHERE tenant_id = ${tenantId} AND endpoint_id = ${endpointId}::uuid
       FOR NO KEY UPDATE
  )
  UPDATE hm_webhook_endpoint e
     SET failing_since = coalesce(e.failing_since, ${failure.now}), last_error = ${failure.error},
         timeouts = CASE WHEN ${failure.isTimeout}::boolean THEN e.timeouts + 1 ELSE 0 END,
         warned_at = CASE WHEN b.failing_since <= ${failure.warnBefore} THEN coalesce(e.warned_at, ${failure.now})
                          ELSE e.warned_at END,
         status = CASE WHEN b.disables THEN 'disabled' ELSE e.status END,
         disabled_reason = CASE WHEN NOT b.disables THEN e.disabled_reason
                                WHEN ${failure.isGone}::boolean THEN 'gone' ELSE 'failing' END,
         disabled_at = CASE WHEN b.disables THEN ${failure.now} ELSE e.disabled_at END,
         version = e.version + CASE WHEN b.disables THEN 1 ELSE 0 END
    FROM before b
   WHERE e.tenant_id = ${tenantId} AND e.endpoint_id = ${endpointId}::uuid
  RETURNING b.disables AS "isDisabled", b.warned_at IS NULL AND e.warned_at IS NOT NULL AS "isWarned",
            e.disabled_reason AS "disabledReason", e.failing_since AS "failingSince", e.last_error AS "lastError"
`

/** An attempt ends within 30 seconds: after twice the time its worker is lost. */
const lostMillis = 60_000

/** Tenants with something to send, or with an attempt whose worker is lost. */
export const dueTenants = (sql: SqlClient.SqlClient, now: Date) => sql<{ readonly tenantId: string }>`
  SELECT DISTINCT e.tenant_id AS "tenantId"
    FROM hm_webhook_endpoint e
   WHERE e.status = 'enabled'
     AND EXISTS (SELECT 1
                   FROM hm_webhook_delivery d
                  WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'waiting'
                    AND d.next_at <= ${now})
  UNION
  SELECT DISTINCT tenant_id
    FROM hm_webhook_delivery
   WHERE state = 'sending' AND coalesce(started_at, dispatched_at) < ${new Date(now.getTime() - lostMillis)}
`

/** Returns attempts whose worker is lost to the schedule. One that had begun counts as a failed attempt. */
export const reclaim = (sql: SqlClient.SqlClient, tenantId: string, now: Date, attemptsMax: number) => sql`
  UPDATE hm_webhook_delivery d
     SET attempts = d.attempts + b.begun, dispatch_id = NULL, dispatched_at = NULL, started_at = NULL,
         next_at = ${now},
         state = CASE WHEN d.attempts + b.begun >= ${attemptsMax}::int THEN 'dead' ELSE 'waiting' END,
         finished_at = CASE WHEN d.attempts + b.begun >= ${attemptsMax}::int THEN ${now}::timestamptz END,
         last_error = CASE WHEN b.begun = 1 THEN 'The worker was lost during the attempt' ELSE d.last_error END
    FROM (
          SELECT delivery_id, CASE WHEN started_at IS NULL THEN 0 ELSE 1 END AS begun
            FROM hm_webhook_delivery
           WHERE tenant_id = ${tenantId} AND state = 'sending'
             AND coalesce(started_at, dispatched_at) < ${new Date(now.getTime() - lostMillis)}
             FOR NO KEY UPDATE SKIP LOCKED) b
   WHERE d.tenant_id = ${tenantId} AND d.delivery_id = b.delivery_id
  RETURNING 1
`

/** How long finished deliveries, messages and attempts are kept. */
export const keepMillis = 30 * 24 * 60 * 60 * 1000

/** Few enough rows that a delete holds its locks for milliseconds. */
export const pruneMax = 5_000

export const pruneDeliveries = (sql: SqlClient.SqlClient, before: Date) => sql`
  DELETE FROM hm_webhook_delivery
   WHERE ctid = ANY (ARRAY (
         SELECT ctid
           FROM hm_webhook_delivery
          WHERE finished_at < ${before}
          ORDER BY finished_at
          LIMIT ${pruneMax}
            FOR UPDATE SKIP LOCKED))
  RETURNING 1
`

export const pruneMessages = (sql: SqlClient.SqlClient, before: Date) => sql`
  DELETE FROM hm_webhook_message
   WHERE ctid = ANY (ARRAY (
         SELECT m.ctid
           FROM hm_webhook_message m
          WHERE m.recorded_at < ${before}
            AND NOT EXISTS (SELECT 1
                              FROM hm_webhook_delivery d
                             WHERE d.tenant_id = m.tenant_id AND d.message_id = m.message_id)
          ORDER BY m.recorded_at
          LIMIT ${pruneMax}
            FOR UPDATE SKIP LOCKED))
  RETURNING 1
`

/** Bytes of a stranger as text: what is no UTF-8 is replaced, and U+0000 too. */
export const lossyText = SchemaTransformation.transform({
  decode: (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll("\u0000", "\uFFFD"),
  encode: (text: string): Uint8Array => new TextEncoder().encode(text)
})
