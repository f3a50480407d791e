/**
 * Triggers by facts of the shop. A fact older than its freshness is recorded as expired, so an import sends nothing.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as InputErrors from "@hypermarket/core/InputErrors"
import type { Event } from "@hypermarket/core/Outbox"
import * as Row from "@hypermarket/core/Row"
import * as Subscription from "@hypermarket/core/Subscription"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import * as Facts from "./internal/facts.ts"
import * as Jobs from "./internal/jobs.ts"
import { startOf } from "./internal/line.ts"
import * as PayloadCheck from "./internal/payloadCheck.ts"
import { NotificationRefused, payloadCharactersMax } from "./Notification.ts"
import {
  MappedFact,
  type NewNotificationMapping,
  NotificationMapping,
  NotificationMappingNotFound
} from "./NotificationMapping.ts"
import type { Rule } from "./NotificationPayloadSchema.ts"
import { NotificationLimit } from "./NotificationPreference.ts"

/** Mappings per tenant. */
const mappingsMax = 100

const mappingRow = Row.make(NotificationMapping, {
  mapping: Schema.String,
  fact: MappedFact,
  template: Schema.String,
  category: Schema.String,
  delaySeconds: Schema.Int,
  freshnessSeconds: Schema.NullOr(Schema.Int),
  version: Schema.Int,
  updatedAt: Column.Timestamp
})

const factByType = new Map(MappedFact.literals.map((fact) => [Commerce.typeOf(fact), fact] as const))
const cancellingTypes = new Set([Commerce.typeOf("order.cancelled"), Commerce.typeOf("order.deleted")])

/**
 * The types of facts that trigger or cancel.
 *
 * @category constants
 * @since 0.1.0
 */
export const types: ReadonlyArray<string> = [...factByType.keys(), Commerce.typeOf("order.deleted")]

const OrderData = Schema.Struct({
  orderId: Identifier.AdopterId,
  customerId: Schema.optionalKey(Identifier.AdopterId)
})
const decodeOrder = Schema.decodeUnknownEffect(OrderData)

interface OrderFact {
  readonly event: Event
  readonly order: typeof OrderData.Type
}

/** Facts were checked when they were published, by another release perhaps: one that does not decode is rejected. */
const readOrders = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const facts: Array<OrderFact> = []
  const rejections: Array<Subscription.Rejection> = []
  for (const event of events) {
    const order = yield* Effect.result(decodeOrder(event.data))
    if (Result.isSuccess(order)) facts.push({ event, order: order.success })
    else rejections.push(Subscription.reject(event, Facts.factInvalid, InputErrors.errorsOf(order.failure)))
  }
  return { facts, rejections }
})

interface MappedRow {
  readonly mapping: string
  readonly fact: string
  readonly template: string
  readonly category: string
  readonly delaySeconds: number
  readonly freshnessSeconds: number
  readonly templateVersion: number
  readonly layoutVersion: number | null
  readonly payloadSchema: Schema.Json
}

/** Characters of a key or subject: the rest of a longer one is cut off. */
const keyMax = 200

/** Why a payload is not sent by a template, null when it is. A fact is not refused: what became of it is recorded. */
const unfit = (rule: MappedRow, payload: Rule): string | null => {
  if (JSON.stringify(payload).length > payloadCharactersMax) return "payload-too-large"
  const [fault] = rule.payloadSchema === null ? [] : PayloadCheck.faultsOf(rule.payloadSchema, payload)
  return fault === undefined ? null : startOf(`payload-invalid: ${fault.path.join(".")}`, keyMax)
}

const subjectOf = (orderId: string): string => startOf(`order/${orderId}`, keyMax)

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationMappings extends Context.Service<
  NotificationMappings,
  {
    /** Sets a mapping as a whole. Category and template must exist; the template that is published at the fact is sent. */
    readonly set: (
      mapping: NewNotificationMapping
    ) => Effect.Effect<NotificationMapping, NotificationRefused | NotificationLimit | SqlError, Tenant>
    readonly list: Effect.Effect<ReadonlyArray<NotificationMapping>, SqlError, Tenant>
    readonly remove: (mapping: string) => Effect.Effect<void, NotificationMappingNotFound | SqlError, Tenant>
    /**
     * Triggers by facts, and cancels what waits for orders that are cancelled. Returns the facts that it rejects. The subscription
     * calls it.
     */
    readonly record: (
      events: ReadonlyArray<Event>
    ) => Effect.Effect<ReadonlyArray<Subscription.Rejection>, QueueOverloaded | SqlError, Tenant>
  }
>()("@hypermarket/notifications/NotificationMappings") {
  static readonly layer: Layer.Layer<NotificationMappings, never, SqlClient.SqlClient | Wakeup> =
    Layer.effect(
      NotificationMappings,
      Effect.suspend(() => makeService)
    )
}

const makeService = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix: Jobs.prefix })
  const columns = sql.literal(mappingRow.columns)

  const set = Effect.fn("NotificationMappings.set")(function* (mapping: NewNotificationMapping) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const [known] = yield* sql<{ readonly category: boolean; readonly template: boolean }>`
      SELECT EXISTS (
             SELECT
               FROM hm_notification_category
              WHERE tenant_id = ${tenant.id} AND category = ${mapping.category}
             ) AS category,
             EXISTS (
             SELECT
               FROM hm_notification_template
              WHERE tenant_id = ${tenant.id}
                AND template = ${mapping.template}
                AND state = 'published'
                AND kind = 'message'
             ) AS template
    `
    if (known?.category !== true) {
      return yield* new NotificationRefused({ field: "category", reason: "category-unknown" })
    }
    if (!known.template) {
      return yield* new NotificationRefused({ field: "template", reason: "template-unknown" })
    }
    const [row] = yield* sql`
      INSERT INTO hm_notification_mapping AS m (tenant_id, mapping, fact, template, category, delay_seconds,
                                                freshness_seconds, updated_at)
      SELECT ${tenant.id}, ${mapping.mapping}, ${mapping.fact}, ${mapping.template}, ${mapping.category},
             ${mapping.delaySeconds ?? 0}::integer, ${mapping.freshnessSeconds ?? null}::integer, ${now}
       WHERE (
             SELECT count(*)
               FROM hm_notification_mapping
              WHERE tenant_id = ${tenant.id} AND mapping <> ${mapping.mapping}
             ) < ${mappingsMax}
          ON CONFLICT (tenant_id, mapping)
          DO UPDATE SET fact = excluded.fact, template = excluded.template, category = excluded.category,
                        delay_seconds = excluded.delay_seconds, freshness_seconds = excluded.freshness_seconds,
                        version = m.version + 1, updated_at = excluded.updated_at
      RETURNING ${columns}
    `
    if (row === undefined) return yield* new NotificationLimit({ what: "mappings", max: mappingsMax })
    yield* Audit.record({
      action: "notification-mapping.set",
      target: { type: "notification-mapping", id: mapping.mapping },
      after: { fact: mapping.fact, template: mapping.template, category: mapping.category }
    })
    return yield* mappingRow.decode(row)
  }, transactionOf(sql))

  const list = Effect.gen(function* () {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_notification_mapping
       WHERE tenant_id = ${tenant.id}
       ORDER BY mapping
    `
    return yield* mappingRow.decodeAll(rows)
  }).pipe(Effect.withSpan("NotificationMappings.list"))

  const remove = Effect.fn("NotificationMappings.remove")(function* (mapping: string) {
    const tenant = yield* Tenant
    const removed = yield* sql`
      DELETE FROM hm_notification_mapping
       WHERE tenant_id = ${tenant.id} AND mapping = ${mapping}
      RETURNING 1
    `
    if (removed.length === 0) return yield* new NotificationMappingNotFound({ mapping })
    yield* Audit.record({
      action: "notification-mapping.removed",
      target: { type: "notification-mapping", id: mapping }
    })
  }, transactionOf(sql))

  const cancelWaiting = Effect.fnUntraced(function* (orderIds: ReadonlyArray<string>, now: Date) {
    const tenant = yield* Tenant
    // Only reminders wait: a confirmation of the cancellation has no delay.
    yield* sql`
      WITH cancelled AS (
        UPDATE hm_notification_trigger
           SET state = 'cancelled', reason = 'subject-cancelled', updated_at = ${now}
         WHERE tenant_id = ${tenant.id}
           AND subject = ANY (${orderIds.map(subjectOf)}::text[])
           AND send_at IS NOT NULL
           AND state IN ('expanding', 'expanded')
        RETURNING trigger_id
      )
      UPDATE hm_notification_queue q
         SET state = 'cancelled', reason = 'subject-cancelled', due_at = NULL, lease_id = NULL, updated_at = ${now},
             history = q.history || jsonb_build_object('state', 'cancelled', 'reason', 'subject-cancelled',
                                                       'at', ${now.toISOString()}::text)
        FROM cancelled c
       WHERE q.tenant_id = ${tenant.id}
         AND q.trigger_id = c.trigger_id
         AND q.state IN ('pending', 'held', 'leased', 'retry')
    `
  })

  const mappings = Effect.fnUntraced(function* () {
    const tenant = yield* Tenant
    return yield* sql<MappedRow>`
      SELECT m.mapping, m.fact, m.template, m.category, m.delay_seconds AS "delaySeconds",
             coalesce(m.freshness_seconds, c.freshness_seconds) AS "freshnessSeconds",
             t.template_version AS "templateVersion", t.payload_schema AS "payloadSchema",
             l.template_version AS "layoutVersion"
        FROM hm_notification_mapping m
        JOIN hm_notification_category c ON c.tenant_id = m.tenant_id AND c.category = m.category
        JOIN hm_notification_template t
          ON t.tenant_id = m.tenant_id
         AND t.template = m.template
         AND t.state = 'published'
         AND t.kind = 'message'
        LEFT JOIN hm_notification_template l
          ON l.tenant_id = t.tenant_id
         AND l.template = t.layout
         AND l.state = 'published'
       WHERE m.tenant_id = ${tenant.id}
    `
  })

  const record = Effect.fn("NotificationMappings.record")(function* (events: ReadonlyArray<Event>) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const { facts, rejections } = yield* readOrders(events)
    const rules = yield* mappings()
    if (rules.length > 0) {
      const rows: Array<Readonly<Record<string, unknown>>> = []
      for (const { event, order } of facts) {
        const fact = factByType.get(event.type)
        if (fact === undefined || order.customerId === undefined) continue
        const payload = { order: event.data }
        for (const rule of rules) {
          if (rule.fact !== fact) continue
          const key = startOf(`${rule.mapping}/${order.orderId}`, keyMax)
          const isStale = event.time.getTime() < now.getTime() - rule.freshnessSeconds * 1_000
          const sendAt =
            rule.delaySeconds === 0 ? null : new Date(event.time.getTime() + rule.delaySeconds * 1_000)
          const reason = isStale ? "freshness" : unfit(rule, payload)
          rows.push({
            trigger_id: yield* Identifier.next,
            key,
            body_hash: createHash("sha256").update(key).digest("hex"),
            category: rule.category,
            template: rule.template,
            template_version: rule.templateVersion,
            layout_version: rule.layoutVersion,
            recipient_id: order.customerId,
            payload: reason === null ? JSON.stringify(payload) : "{}",
            subject: subjectOf(order.orderId),
            state: reason === null ? "expanding" : "expired",
            reason,
            send_at: sendAt
          })
        }
      }
      const written = yield* sql<{
        readonly triggerId: string
        readonly state: string
        readonly sendAt: Date | null
      }>`
        INSERT INTO hm_notification_trigger (tenant_id, trigger_id, key, body_hash, category, template, template_version,
                                             layout_version, audience_kind, recipient_kind, recipient_id, payload, critical, subject, state,
                                             reason, send_at, recorded_at, updated_at)
        SELECT ${tenant.id}, x.trigger_id, x.key, decode(x.body_hash, 'hex'), x.category, x.template, x.template_version,
               x.layout_version, 'recipient', 'customer', x.recipient_id, x.payload::jsonb, false, x.subject, x.state, x.reason, x.send_at,
               ${now}, ${now}
          FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
            AS x (trigger_id uuid, key text, body_hash text, category text, template text, template_version integer,
                  layout_version integer, recipient_id text, payload text, subject text, state text, reason text, send_at timestamptz)
            ON CONFLICT ON CONSTRAINT trigger_key_is_unique DO NOTHING
        RETURNING trigger_id::text AS "triggerId", state, send_at AS "sendAt"
      `
      yield* Jobs.enqueue(
        queue,
        written.flatMap(({ sendAt, state, triggerId }) =>
          state === "expanding" ? [Jobs.triggerJob(triggerId, sendAt ?? undefined)] : []
        )
      )
    }
    const cancelled = facts.flatMap(({ event, order }) =>
      cancellingTypes.has(event.type) ? [order.orderId] : []
    )
    if (cancelled.length > 0) yield* cancelWaiting(cancelled, now)
    return rejections
  })

  return NotificationMappings.of({ set, list, remove, record })
})
