/** The deliveries of endpoints: lists, attempts, replay and the test event. */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as CloudEvent from "../CloudEvent.ts"
import type { EndpointId, WebhookEndpoint, WebhookNotFound } from "../Webhook.ts"
import {
  type DeliveryId,
  DeliveryNotFound,
  type DeliveryQuery,
  type Replay,
  replayMax,
  WebhookAttempt,
  WebhookDelivery
} from "../WebhookDelivery.ts"
import * as Statements from "./webhookStatements.ts"

const pages = Page.make({
  list: "events.webhook-deliveries",
  key: Schema.Tuple([BoundedInt.Int8Text]),
  keyOf: (delivery: Statements.Listed) => [delivery.seq] as const
})

/** The newest attempts of a delivery; one that is not replayed has ten. */
const attemptsShown = 200

/** No column: the handlers of HTTP withhold. */
const { withheld: _withheld, ...attemptFields } = WebhookAttempt.fields

const AttemptRow = Row.make(WebhookAttempt, {
  ...attemptFields,
  attemptedAt: Column.Timestamp,
  answer: Schema.Uint8Array.pipe(Schema.decodeTo(Schema.String, Statements.lossyText))
})

const withoutSeq = ({ seq: _seq, ...delivery }: Statements.Listed) => new WebhookDelivery(delivery)

export const makeDeliveries = Effect.fnUntraced(function* (endpoints: {
  readonly dispatch: Effect.Effect<unknown, SqlError, Tenant>
  readonly get: (id: EndpointId) => Effect.Effect<WebhookEndpoint, WebhookNotFound | SqlError, Tenant>
}) {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(Statements.delivery)
  const inTransaction = transactionOf(sql)

  const deliveries = Effect.fn("Webhooks.deliveries")(function* (query: typeof DeliveryQuery.Type) {
    const tenant = yield* Tenant
    yield* endpoints.get(query.endpointId)
    const [before] = Option.getOrElse(yield* pages.after(query), () => [String(BoundedInt.int8Max)] as const)
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_webhook_delivery d
        JOIN hm_webhook_message m
          ON m.tenant_id = d.tenant_id AND m.message_id = d.message_id
       WHERE d.tenant_id = ${tenant.id} AND d.endpoint_id = ${query.endpointId}::uuid
         AND d.seq < ${before}::bigint
         AND (${query.state ?? null}::text IS NULL OR d.state = ${query.state ?? null}::text)
       ORDER BY d.seq DESC
       LIMIT ${Page.limitOf(query) + 1}
    `
    const { items, nextCursor } = yield* pages.page(yield* Statements.DeliveryRow.decodeAll(rows), query)
    return { items: items.map(withoutSeq), nextCursor }
  })

  const attempts = Effect.fn("Webhooks.attempts")(function* (endpointId: EndpointId, deliveryId: DeliveryId) {
    const tenant = yield* Tenant
    const [delivery] = yield* sql`
      SELECT 1
        FROM hm_webhook_delivery
       WHERE tenant_id = ${tenant.id} AND delivery_id = ${deliveryId}::uuid AND endpoint_id = ${endpointId}::uuid
    `
    if (delivery === undefined) return yield* new DeliveryNotFound({ deliveryId })
    const rows = yield* sql`
      SELECT ${sql.literal(AttemptRow.columns)}
        FROM hm_webhook_attempt
       WHERE tenant_id = ${tenant.id} AND delivery_id = ${deliveryId}::uuid
       ORDER BY attempted_at DESC, number DESC
       LIMIT ${attemptsShown}
    `
    return yield* AttemptRow.decodeAll(rows)
  })

  const replay = Effect.fn("Webhooks.replay")(function* (request: Replay) {
    const tenant = yield* Tenant
    yield* endpoints.get(request.endpointId)
    const now = yield* Now.now
    const { deliveryIds, since, state, until } = request
    const states =
      state === undefined
        ? deliveryIds === undefined
          ? ["dead"]
          : ["waiting", "delivered", "dead"]
        : [state]
    return yield* inTransaction(
      Effect.gen(function* () {
        const rows = yield* sql`
          UPDATE hm_webhook_delivery
             SET state = 'waiting', attempts = 0, next_at = ${now}, finished_at = NULL
           WHERE tenant_id = ${tenant.id}
             AND delivery_id = ANY (ARRAY (
                 SELECT delivery_id
                   FROM hm_webhook_delivery
                  WHERE tenant_id = ${tenant.id} AND endpoint_id = ${request.endpointId}::uuid
                    AND state = ANY (${states}::text[])
                    AND (${since === undefined ? null : DateTime.toDateUtc(since)}::timestamptz IS NULL
                         OR recorded_at >= ${since === undefined ? null : DateTime.toDateUtc(since)}::timestamptz)
                    AND (${until === undefined ? null : DateTime.toDateUtc(until)}::timestamptz IS NULL
                         OR recorded_at < ${until === undefined ? null : DateTime.toDateUtc(until)}::timestamptz)
                    AND (${deliveryIds === undefined}::boolean OR delivery_id = ANY (${deliveryIds ?? []}::uuid[]))
                  ORDER BY seq
                  LIMIT ${replayMax}
                    FOR NO KEY UPDATE))
          RETURNING 1
        `
        if (rows.length > 0) yield* endpoints.dispatch
        return rows.length
      })
    )
  })

  const test = Effect.fn("Webhooks.test")(function* (endpointId: EndpointId) {
    const tenant = yield* Tenant
    yield* endpoints.get(endpointId)
    const now = yield* Now.now
    const messageId = yield* Identifier.next
    const event = yield* Outbox.event({
      domain: "events",
      name: "webhook.tested",
      subject: endpointId,
      time: now,
      data: { endpointId }
    })
    const body = CloudEvent.toJson({ ...event, specversion: "1.0", time: DateTime.fromDateUnsafe(now) })
    return yield* inTransaction(
      Effect.gen(function* () {
        yield* sql`
          INSERT INTO hm_webhook_message (tenant_id, message_id, source, event_id, type, subject, body, recorded_at)
          VALUES (${tenant.id}, ${messageId}::uuid, ${event.source}, ${event.id}, ${event.type}, ${endpointId}, ${body}, ${now})
        `
        yield* sql`
          INSERT INTO hm_webhook_delivery (tenant_id, delivery_id, endpoint_id, message_id, subject, state, next_at, recorded_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${endpointId}::uuid, ${messageId}::uuid, ${endpointId},
                  'waiting', ${now}, ${now})
        `
        yield* endpoints.dispatch
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_webhook_delivery d
            JOIN hm_webhook_message m
              ON m.tenant_id = d.tenant_id AND m.message_id = d.message_id
           WHERE d.tenant_id = ${tenant.id} AND d.message_id = ${messageId}::uuid
        `
        return withoutSeq(yield* Statements.DeliveryRow.decode(row))
      })
    )
  })

  return { deliveries, attempts, replay, test }
})
