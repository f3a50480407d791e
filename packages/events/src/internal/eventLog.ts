/** The log of retained events: written by publishing, read for endpoints that are made later. */
import * as Now from "@hypermarket/core/Now"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Backfill, backfillMax, EventRetention, type RetainedTypes } from "../EventRetention.ts"
import type { EndpointId, WebhookEndpoint, WebhookNotFound } from "../Webhook.ts"
import type { Published } from "./webhookFanOut.ts"

/** Writes the events whose types the tenant retains. */
export const record = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  events: ReadonlyArray<Published>,
  now: Date
) => sql`
  INSERT INTO hm_event_log (tenant_id, recorded_at, message_id, source, event_id, type, subject, domain, attributes, body)
  SELECT r.tenant_id, ${now}, message_id, source, event_id, type, nullif(subject, ''), nullif(domain, ''),
         attributes::jsonb, body
    FROM unnest(${events.map((event) => event.messageId)}::uuid[], ${events.map((event) => event.source)}::text[],
                ${events.map((event) => event.id)}::text[], ${events.map((event) => event.type)}::text[],
                ${events.map((event) => event.subject ?? "")}::text[], ${events.map((event) => event.envelope)}::text[],
                ${events.map((event) => event.attributes)}::text[], ${events.map((event) => event.domain)}::text[])
         AS e (message_id, source, event_id, type, subject, body, attributes, domain)
    JOIN hm_event_retention r
      ON r.tenant_id = ${tenantId}
   WHERE EXISTS (
                 SELECT 1
                   FROM unnest(r.types) AS t (type)
                  WHERE t.type = e.type OR (t.type LIKE '%.' AND starts_with(e.type, t.type)))
`

/**
 * Writes a delivery of each retained event that the endpoint wants and has none of. A message that other endpoints share is
 * there already.
 */
const deliver = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  { endpointId, since, until }: Backfill,
  now: Date
) => sql<{ readonly count: number }>`
  WITH logged AS MATERIALIZED (
    SELECT l.recorded_at, l.message_id, l.source, l.event_id, l.type, l.subject, l.body, w.endpoint_id
      FROM hm_webhook_endpoint w
      JOIN hm_event_log l
        ON l.tenant_id = w.tenant_id
     WHERE w.tenant_id = ${tenantId} AND w.endpoint_id = ${endpointId}::uuid
       AND l.recorded_at >= ${DateTime.toDateUtc(since)}
       AND l.recorded_at < ${until === undefined ? now : DateTime.toDateUtc(until)}
       AND (w.compiled IS NULL OR l.attributes @@ w.compiled)
       AND (l.domain IS NULL OR w.reads IS NULL OR l.domain = ANY (w.reads))
       AND (l.domain IS DISTINCT FROM 'events' OR l.subject IS DISTINCT FROM w.endpoint_id::text)
       AND NOT EXISTS (
                       SELECT 1
                         FROM hm_webhook_delivery d
                        WHERE d.tenant_id = w.tenant_id AND d.endpoint_id = w.endpoint_id
                          AND d.message_id = l.message_id)
     ORDER BY l.recorded_at, l.message_id
     LIMIT ${backfillMax}
  ), message AS (
    INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
    SELECT ${tenantId}, message_id, source, event_id, type, subject, body, recorded_at
      FROM logged
        ON CONFLICT (tenant_id, message_id) DO NOTHING
  ), delivery AS (
    INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, next_at, recorded_at)
    SELECT ${tenantId}, gen_random_uuid(), endpoint_id, message_id, subject, 'waiting', ${now}, recorded_at
      FROM logged
     ORDER BY recorded_at, message_id
        ON CONFLICT ON CONSTRAINT one_per_message DO NOTHING
    RETURNING 1
  )
  SELECT count(*)::int AS count
    FROM delivery
`

export const makeEventLog = Effect.fnUntraced(function* (endpoints: {
  readonly dispatch: Effect.Effect<unknown, SqlError, Tenant>
  readonly get: (id: EndpointId) => Effect.Effect<WebhookEndpoint, WebhookNotFound | SqlError, Tenant>
}) {
  const sql = yield* SqlClient.SqlClient

  const retention = Effect.gen(function* () {
    const tenant = yield* Tenant
    const [row] = yield* sql<EventRetention>`
      SELECT types, version
        FROM hm_event_retention
       WHERE tenant_id = ${tenant.id}
    `
    return new EventRetention(row ?? { types: [], version: 0 })
  }).pipe(Effect.withSpan("Webhooks.retention"))

  const retain = Effect.fn("Webhooks.retain")(function* (
    version: number,
    { types }: typeof RetainedTypes.Type
  ) {
    const tenant = yield* Tenant
    const [row] = yield* sql<EventRetention>`
      INSERT INTO hm_event_retention AS r (tenant_id, types, version, updated_at)
      SELECT ${tenant.id}, ${types}::text[], 1, ${yield* Now.now}
       WHERE ${version}::int = 0
          OR EXISTS (SELECT 1 FROM hm_event_retention WHERE tenant_id = ${tenant.id})
          ON CONFLICT (tenant_id)
          DO UPDATE SET types = excluded.types, version = r.version + 1, updated_at = excluded.updated_at
              WHERE r.version = ${version}
      RETURNING types, version
    `
    if (row !== undefined) return new EventRetention(row)
    return yield* new VersionStale({ currentVersion: (yield* retention).version })
  })

  const backfill = Effect.fn("Webhooks.backfill")(function* (request: Backfill) {
    const tenant = yield* Tenant
    yield* endpoints.get(request.endpointId)
    const now = yield* Now.now
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const [row] = yield* deliver(sql, tenant.id, request, now)
        const count = row?.count ?? 0
        if (count > 0) yield* endpoints.dispatch
        return count
      })
    )
  })

  return { retention, retain, backfill }
})
