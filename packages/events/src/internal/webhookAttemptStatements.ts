/** The statements of attempts that begin or end together, of one tenant. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { WebhookFormat } from "../Webhook.ts"
import type { Message } from "./webhookBody.ts"
import { tenantConcurrency } from "./webhookStatements.ts"

/** The job of an attempt. Its delivery has one job at a time. */
export interface AttemptJob {
  readonly deliveryId: string
  readonly dispatchId: string
}

export interface Begun extends Message, AttemptJob {
  readonly endpointId: string
  readonly messageId: string
  readonly url: string
  readonly format: WebhookFormat
  readonly attempts: number
  readonly sends: number
  /** Base64 of the sealed secrets, the newest first. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * Counts the attempts before anything is sent, and returns what to send. No row for a delivery that another job has, or
 * whose endpoint is not enabled. Each row is looked up by its key: with joins, and without statistics, Postgres 18 read
 * every delivery and message of the tenant, 127 ms for 7 attempts of 2,400 deliveries.
 */
export const begin = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  attempts: ReadonlyArray<{ readonly job: AttemptJob; readonly at: Date }>
) => {
  const startedAt = new Date(Math.max(...attempts.map(({ at }) => at.getTime())))
  const rows = JSON.stringify(attempts.map(({ job }) => ({ ...job, tenantId })))
  return sql<Begun>`
    WITH attempt AS MATERIALIZED (
      SELECT DISTINCT "deliveryId" AS delivery_id, "dispatchId" AS dispatch_id
        FROM json_to_recordset(${rows}::text::json) AS a ("tenantId" text, "deliveryId" uuid, "dispatchId" uuid)
       -- All rows match. Without it Postgres expects 100 rows, and reads the table instead by their place.
       WHERE "tenantId" = ${tenantId}
    ), due AS MATERIALIZED (
      SELECT d.*, e.url, e.format, m.body, m.recorded_at
        FROM attempt a
        CROSS JOIN LATERAL (
             SELECT ctid AS row_at, delivery_id, dispatch_id, endpoint_id, message_id, attempts
               FROM hm_webhook_delivery
              WHERE tenant_id = ${tenantId} AND delivery_id = a.delivery_id AND dispatch_id = a.dispatch_id
              LIMIT 1
                FOR NO KEY UPDATE) d
        CROSS JOIN LATERAL (
             SELECT url, format
               FROM hm_webhook_endpoint
              WHERE tenant_id = ${tenantId} AND endpoint_id = d.endpoint_id AND status = 'enabled'
              LIMIT 1) e
        CROSS JOIN LATERAL (
             SELECT body, recorded_at
               FROM hm_webhook_message
              WHERE tenant_id = ${tenantId} AND message_id = d.message_id
              LIMIT 1) m
    ), counted AS (
      UPDATE hm_webhook_delivery d
         SET sends = d.sends + 1, started_at = ${startedAt}
        FROM due a
       WHERE d.ctid = a.row_at
      RETURNING d.delivery_id, d.sends
    )
    SELECT d.delivery_id::text AS "deliveryId", d.dispatch_id::text AS "dispatchId", d.endpoint_id::text AS "endpointId",
           d.message_id::text AS "messageId", d.url, d.body AS envelope, d.recorded_at AS "recordedAt", d.format,
           d.attempts, c.sends,
           ARRAY (SELECT encode(s.sealed, 'base64')
                    FROM hm_webhook_secret s
                   WHERE s.tenant_id = ${tenantId} AND s.endpoint_id = d.endpoint_id
                     AND (s.expires_at IS NULL OR s.expires_at > ${startedAt})
                   ORDER BY s.expires_at DESC NULLS FIRST) AS secrets
      FROM due d
      JOIN counted c
        ON c.delivery_id = d.delivery_id
  `
}

export interface Ended {
  readonly job: AttemptJob
  readonly state: "delivered" | "dead" | "waiting"
  readonly attempts: number
  readonly nextAt: Date
  readonly number: number
  readonly attemptedAt: Date
  readonly durationMillis: number
  readonly status: number | null
  readonly error: string | null
  readonly answer: Uint8Array
  readonly now: Date
}

/**
 * Ends attempts and records them. Returns the indexes of those that counted: a delivery that another worker has taken over
 * has that worker's attempt.
 */
export const end = (sql: SqlClient.SqlClient, tenantId: string, ended: ReadonlyArray<Ended>) => {
  const rows = ended.map(({ answer, job, ...rest }, index) => ({
    ...job,
    ...rest,
    index,
    tenantId,
    answer: Buffer.from(answer).toString("base64")
  }))
  return sql<{ readonly index: number }>`
    WITH attempt AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
             AS a (index integer, "tenantId" text, "deliveryId" uuid, "dispatchId" uuid, state text, attempts integer, "nextAt" timestamptz,
                   number integer, "attemptedAt" timestamptz, "durationMillis" integer, status integer, error text,
                   answer text, now timestamptz)
       -- As above.
       WHERE "tenantId" = ${tenantId}
    ), held AS MATERIALIZED (
      SELECT d.row_at, a.*
        FROM attempt a
        CROSS JOIN LATERAL (
             SELECT ctid AS row_at
               FROM hm_webhook_delivery
              WHERE tenant_id = ${tenantId} AND delivery_id = a."deliveryId" AND dispatch_id = a."dispatchId"
              LIMIT 1
                FOR NO KEY UPDATE) d
    ), ended AS (
      UPDATE hm_webhook_delivery d
         SET state = a.state, attempts = a.attempts, next_at = a."nextAt", dispatch_id = NULL, dispatched_at = NULL,
             started_at = NULL, last_status = a.status, last_error = a.error,
             first_failed_at = CASE WHEN a.error IS NULL THEN d.first_failed_at
                                    ELSE coalesce(d.first_failed_at, a.now) END,
             finished_at = CASE WHEN a.state = 'waiting' THEN NULL ELSE a.now END
        FROM held a
       WHERE d.ctid = a.row_at
      RETURNING a.index
    ), recorded AS (
      INSERT INTO hm_webhook_attempt (tenant_id, delivery_id, attempted_at, number, status, error, duration_millis, answer)
      SELECT ${tenantId}, "deliveryId", "attemptedAt", number, status, error, "durationMillis", decode(answer, 'base64')
        FROM attempt
       WHERE index IN (SELECT index FROM ended)
    )
    SELECT index
      FROM ended
     ORDER BY index
  `
}

/**
 * Locks the endpoints that these outcomes change, in one order: two workers with the same endpoints do not wait for each
 * other.
 */
export const lockChanged = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  endpoints: { readonly failed: ReadonlyArray<string>; readonly delivered: ReadonlyArray<string> }
) => sql`
  SELECT 1
    FROM hm_webhook_endpoint
   WHERE tenant_id = ${tenantId}
     AND (endpoint_id = ANY (${endpoints.failed}::uuid[])
          OR endpoint_id = ANY (${endpoints.delivered}::uuid[]) AND failing_since IS NOT NULL)
   ORDER BY endpoint_id
     FOR NO KEY UPDATE
`

/** Ends the failing of endpoints. Writes nothing for a healthy one, whose row all its deliveries share. */
export const recover = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  endpointIds: ReadonlyArray<string>
) => sql`
  UPDATE hm_webhook_endpoint
     SET failing_since = NULL, warned_at = NULL, last_error = NULL, timeouts = 0
   WHERE tenant_id = ${tenantId} AND status <> 'disabled' AND failing_since IS NOT NULL
     AND endpoint_id = ANY (ARRAY (
         SELECT endpoint_id
           FROM hm_webhook_endpoint
          WHERE tenant_id = ${tenantId} AND endpoint_id = ANY (${endpointIds}::uuid[]) AND failing_since IS NOT NULL
          ORDER BY endpoint_id
            FOR NO KEY UPDATE))
`

/** Returns true when attempts that ended should be followed by others of the tenant. */
export const isMoreDue = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  ended: { readonly endpointIds: ReadonlyArray<string>; readonly count: number; readonly now: Date }
) => sql<{ readonly isDue: boolean }>`
  SELECT EXISTS (
                 SELECT 1
                   FROM unnest(${ended.endpointIds}::uuid[]) AS e (endpoint_id)
                  CROSS JOIN LATERAL (
                       SELECT 1
                         FROM hm_webhook_delivery
                        WHERE tenant_id = ${tenantId} AND endpoint_id = e.endpoint_id AND state = 'waiting'
                          AND next_at <= ${ended.now}
                        LIMIT 1) d)
         OR (
             SELECT count(*)
               FROM hm_webhook_delivery
              WHERE tenant_id = ${tenantId} AND state = 'sending') >= ${tenantConcurrency - ended.count}::int AS "isDue"
`
