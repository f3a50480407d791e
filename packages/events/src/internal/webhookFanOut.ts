/** Writes the deliveries of published events, in the publisher's transaction. */
import type * as SqlClient from "effect/sql/SqlClient"

/** The names of this domain's queues for webhooks. */
export const dispatchQueue = "events.dispatch"
export const attemptQueue = "events.webhook"

export interface Published {
  readonly messageId: string
  readonly source: string
  readonly id: string
  readonly type: string
  readonly subject: string | undefined
  readonly envelope: string
  readonly attributes: string
  /** The domain whose event it is; empty for every other event. */
  readonly domain: string
}

/**
 * One statement for all events and endpoints: a message per event that an endpoint wants, a delivery per endpoint. Returns
 * one row when there is a delivery. A notice about an endpoint does not go to that endpoint.
 */
export const fanOut = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  events: ReadonlyArray<Published>,
  now: Date
) => sql`
  WITH event AS MATERIALIZED (
    SELECT n, message_id, source, event_id, type, nullif(subject, '') AS subject, body, attributes::jsonb AS attributes,
           nullif(domain, '') AS domain
      FROM unnest(${events.map((event) => event.messageId)}::uuid[], ${events.map((event) => event.source)}::text[],
                  ${events.map((event) => event.id)}::text[], ${events.map((event) => event.type)}::text[],
                  ${events.map((event) => event.subject ?? "")}::text[], ${events.map((event) => event.envelope)}::text[],
                  ${events.map((event) => event.attributes)}::text[], ${events.map((event) => event.domain)}::text[])
           WITH ORDINALITY AS e (message_id, source, event_id, type, subject, body, attributes, domain, n)
  ), matched AS MATERIALIZED (
    SELECT e.n, e.message_id, e.subject, w.endpoint_id
      FROM event e
      JOIN hm_webhook_endpoint w
        ON w.tenant_id = ${tenantId}
       AND (w.compiled IS NULL OR e.attributes @@ w.compiled)
       AND (e.domain IS NULL OR w.reads IS NULL OR e.domain = ANY (w.reads))
       AND (e.domain IS DISTINCT FROM 'events' OR e.subject IS DISTINCT FROM w.endpoint_id::text)
  ), message AS (
    INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
    SELECT ${tenantId}, message_id, source, event_id, type, subject, body, ${now}
      FROM event e
     WHERE EXISTS (SELECT 1 FROM matched m WHERE m.n = e.n)
  ), delivery AS (
    INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, next_at, recorded_at)
    SELECT ${tenantId}, gen_random_uuid(), endpoint_id, message_id, subject, 'waiting', ${now}, ${now}
      FROM matched
     ORDER BY n, endpoint_id
    RETURNING 1
  )
  SELECT 1
    FROM delivery
   LIMIT 1
`
