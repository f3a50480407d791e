/**
 * Triggers notifications in the caller's transaction, and answers what became of them.
 *
 * A trigger exists if and only if the caller's transaction commits. Its messages are at most one per recipient and channel,
 * and each has a reason for its state. Sending is the worker's: `NotificationDelivery`.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import * as Expansion from "./internal/expansion.ts"
import * as Jobs from "./internal/jobs.ts"
import * as PayloadCheck from "./internal/payloadCheck.ts"
import * as BuiltIn from "./internal/template/builtIn.ts"
import {
  Channel,
  durationOf,
  type ExplainRequest,
  type Explanation,
  MessageState,
  type NewNotification,
  NotificationCancellation,
  NotificationKeyReused,
  NotificationMessage,
  NotificationNotFound,
  type NotificationPayloadInvalid,
  NotificationRefused,
  NotificationTrigger,
  type TriggerState
} from "./Notification.ts"
import { make as recipientOf, partsOf, RecipientKind } from "./NotificationRecipient.ts"

interface Known {
  readonly kind: string | null
  readonly version: number | null
  readonly layoutVersion: number | null
  readonly payloadSchema: Schema.Json
}

interface TriggerRow {
  readonly triggerId: string
  readonly state: typeof TriggerState.Type
  readonly reason: string | null
  readonly sendAt: Date | null
  readonly isSame: boolean
}

const messageFields = {
  notificationId: Schema.String,
  triggerId: Schema.String,
  recipientKind: RecipientKind,
  recipientId: Schema.String,
  channel: Channel,
  category: Schema.String,
  state: MessageState,
  reason: Schema.NullOr(Schema.String),
  dueAt: Schema.NullOr(Column.Timestamp),
  attempts: Schema.Int,
  uncertain: Schema.Int,
  history: Schema.Array(
    Schema.Struct({
      state: MessageState,
      reason: Schema.NullOr(Schema.String),
      at: Schema.DateTimeUtcFromString
    })
  ),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
} as const

class MessageRow extends Schema.Class<MessageRow>("@hypermarket/notifications/MessageRow")(messageFields) {}

const messageRow = Row.make(MessageRow, messageFields, { uuid: ["notificationId", "triggerId"] })

const messageOf = ({ dueAt, recipientId, recipientKind, ...row }: MessageRow): NotificationMessage =>
  new NotificationMessage({ ...row, to: recipientOf(recipientKind, recipientId), until: dueAt })

const pages = Page.make({
  list: "notifications.messages",
  key: Schema.Tuple([Identifier.Uuid]),
  keyOf: (message: NotificationMessage) => [message.notificationId] as const
})

/** Keys of objects in order: two spellings of one body are the same. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== "object" || value === null) return value
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => [name, canonical(member)])
  )
}

const hashOf = (notification: NewNotification): Uint8Array =>
  createHash("sha256")
    .update(JSON.stringify(canonical(notification)))
    .digest()

/**
 * @category services
 * @since 0.1.0
 */
export class Notifications extends Context.Service<
  Notifications,
  {
    /**
     * Records a trigger in the caller's transaction, and wakes the workers when it commits. The same key with the same body
     * is a duplicate and adds nothing, for 90 days.
     */
    readonly trigger: (
      notification: NewNotification
    ) => Effect.Effect<
      NotificationTrigger,
      NotificationRefused | NotificationPayloadInvalid | NotificationKeyReused | QueueOverloaded | SqlError,
      Tenant
    >
    /** Cancels what is not being sent yet. A second call changes nothing. */
    readonly cancel: (
      key: string
    ) => Effect.Effect<NotificationCancellation, NotificationNotFound | SqlError, Tenant>
    /** Returns, per channel, why a recipient was or was not told. */
    readonly explain: (
      request: ExplainRequest
    ) => Effect.Effect<ReadonlyArray<Explanation>, NotificationNotFound | SqlError, Tenant>
    readonly get: (
      notificationId: string
    ) => Effect.Effect<NotificationMessage, NotificationNotFound | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<NotificationMessage>, Page.CursorInvalid | SqlError, Tenant>
    /** Expands a trigger to its messages. The worker calls it. */
    readonly expand: (triggerId: string) => Effect.Effect<void, QueueOverloaded | SqlError, Tenant>
  }
>()("@hypermarket/notifications/Notifications") {
  static readonly layer: Layer.Layer<Notifications, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    Notifications,
    Effect.suspend(() => makeService)
  )
}

const makeService = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix: Jobs.prefix })
  const { expand } = Expansion.make(sql, queue)
  const columns = sql.literal(messageRow.columns)

  /** The kind of the category and the published versions of the template and its layout, in one snapshot. */
  const known = (tenant: string, notification: NewNotification) => sql<Known>`
    SELECT (
           SELECT c.kind
             FROM hm_notification_category c
            WHERE c.tenant_id = ${tenant} AND c.category = ${notification.category}
           ) AS kind,
           t.template_version AS version, t.payload_schema AS "payloadSchema", l.template_version AS "layoutVersion"
      FROM (VALUES (1)) AS one (n)
      LEFT JOIN hm_notification_template t
        ON t.tenant_id = ${tenant}
       AND t.template = ${notification.template}
       AND t.state = 'published'
       AND t.kind = 'message'
      LEFT JOIN hm_notification_template l
        ON l.tenant_id = ${tenant}
       AND l.template = t.layout
       AND l.state = 'published'
  `

  const existing = (tenant: string, key: string, hash: Uint8Array) => sql<TriggerRow>`
    SELECT trigger_id::text AS "triggerId", state, reason, send_at AS "sendAt", body_hash = ${hash} AS "isSame"
      FROM hm_notification_trigger
     WHERE tenant_id = ${tenant} AND key = ${key}
  `

  const trigger = Effect.fn("Notifications.trigger")(function* (notification: NewNotification) {
    const tenant = yield* Tenant
    const { key, to } = notification
    const [row] = yield* known(tenant.id, notification)
    if (row?.kind === null || row === undefined) {
      return yield* new NotificationRefused({ field: "category", reason: "category-unknown" })
    }
    const version =
      row.version ?? (BuiltIn.get(notification.template) === undefined ? undefined : BuiltIn.builtInVersion)
    if (version === undefined) {
      return yield* new NotificationRefused({ field: "template", reason: "template-unknown" })
    }
    if (notification.critical === true && row.kind === "marketing") {
      return yield* new NotificationRefused({ field: "critical", reason: "critical-marketing" })
    }
    const now = yield* Now.now
    const triggerId = yield* Identifier.next
    const hash = hashOf(notification)
    yield* PayloadCheck.check(
      { template: notification.template, templateVersion: version, payloadSchema: row.payloadSchema },
      notification.payload
    ).pipe(
      Effect.catch((invalid) =>
        // A trigger that is repeated stays a duplicate, whatever the template has become since.
        Effect.flatMap(existing(tenant.id, key, hash), ([first]) =>
          first?.isSame === true ? Effect.void : Effect.fail(invalid)
        )
      )
    )
    const sendAt = notification.sendAt === undefined ? undefined : DateTime.toDateUtc(notification.sendAt)
    const from = Math.max(now.getTime(), sendAt?.getTime() ?? 0)
    const expiresIn =
      notification.expiresIn === undefined ? Option.none() : durationOf(notification.expiresIn)
    const expiresAt = Option.match(expiresIn, {
      onNone: () => null,
      onSome: (duration) => new Date(from + Duration.toMillis(duration))
    })
    const audienceKind = "list" in to ? "list" : "everyone" in to ? "everyone" : "recipient"
    const recipient = "list" in to || "everyone" in to ? undefined : partsOf(to)
    const kind = "everyone" in to ? to.everyone : (recipient?.kind ?? null)
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const inserted = yield* sql`
          INSERT INTO hm_notification_trigger (tenant_id, trigger_id, key, body_hash, category, template, template_version,
                                               layout_version, audience_kind, recipient_kind, recipient_id, list, payload, locale, critical,
                                               subject, state, send_at, expires_at, recorded_at, updated_at)
          VALUES (${tenant.id}, ${triggerId}::uuid, ${key}, ${hash}, ${notification.category}, ${notification.template},
                  ${version}, ${row.layoutVersion}, ${audienceKind}, ${kind}, ${recipient?.id ?? null},
                  ${"list" in to ? to.list : null},
                  ${JSON.stringify(notification.payload)}::text::jsonb, ${notification.locale ?? null},
                  ${notification.critical ?? false}, ${notification.subject ?? null}, 'expanding', ${sendAt ?? null},
                  ${expiresAt}, ${now}, ${now})
              ON CONFLICT ON CONSTRAINT trigger_key_is_unique DO NOTHING
          RETURNING 1
        `
        if (inserted.length === 0) {
          const [first] = yield* existing(tenant.id, key, hash)
          if (first?.isSame !== true) return yield* new NotificationKeyReused({ key })
          return new NotificationTrigger({
            triggerId: first.triggerId,
            key,
            state: first.state,
            duplicate: true
          })
        }
        yield* Jobs.enqueue(queue, [Jobs.triggerJob(triggerId, sendAt)])
        return new NotificationTrigger({ triggerId, key, state: "expanding", duplicate: false })
      })
    )
  })

  const cancel = Effect.fn("Notifications.cancel")(function* (key: string) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const [row] = yield* sql<{ readonly triggerId: string }>`
          UPDATE hm_notification_trigger
             SET state = CASE WHEN state = 'expired' THEN state ELSE 'cancelled' END, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND key = ${key}
          RETURNING trigger_id::text AS "triggerId"
        `
        if (row === undefined) return yield* new NotificationNotFound({ key })
        const [counts] = yield* sql<{ readonly cancelled: number; readonly tooLate: number }>`
          WITH cancelled AS (
            UPDATE hm_notification_queue
               SET state = 'cancelled', reason = 'request', due_at = NULL, lease_id = NULL, updated_at = ${now},
                   history = history || jsonb_build_object('state', 'cancelled', 'reason', 'request',
                                                           'at', ${now.toISOString()}::text)
             WHERE tenant_id = ${tenant.id}
               AND trigger_id = ${row.triggerId}::uuid
               AND state IN ('pending', 'held', 'leased', 'retry')
            RETURNING 1
          )
          SELECT (SELECT count(*)::int FROM cancelled) AS cancelled,
                 (SELECT count(*)::int
                    FROM hm_notification_queue
                   WHERE tenant_id = ${tenant.id}
                     AND trigger_id = ${row.triggerId}::uuid
                     AND state IN ('sending', 'accepted', 'caught', 'delivered', 'bounced', 'complained', 'unknown',
                                   'dead')) AS "tooLate"
        `
        yield* Audit.record({
          action: "notification.cancelled",
          target: { type: "notification", id: key }
        })
        return new NotificationCancellation({
          cancelled: counts?.cancelled ?? 0,
          tooLate: counts?.tooLate ?? 0
        })
      })
    )
  })

  const explain = Effect.fn("Notifications.explain")(function* ({ key, to }: ExplainRequest) {
    const tenant = yield* Tenant
    const { id, kind } = partsOf(to)
    const [row] = yield* existing(tenant.id, key, new Uint8Array())
    if (row === undefined) return yield* new NotificationNotFound({ key })
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_notification_queue
       WHERE tenant_id = ${tenant.id}
         AND trigger_id = ${row.triggerId}::uuid
         AND recipient_kind = ${kind}
         AND recipient_id = ${id}
       ORDER BY channel
    `
    const messages = yield* messageRow.decodeAll(rows)
    if (messages.length > 0) {
      return messages.map(({ channel, dueAt, reason, state }) => ({ channel, state, reason, until: dueAt }))
    }
    // Before the expansion has reached the recipient, the trigger's own state answers.
    const explanation = (state: typeof MessageState.Type, reason: string): ReadonlyArray<Explanation> => [
      {
        channel: "email",
        state,
        reason,
        until: row.sendAt === null ? null : DateTime.fromDateUnsafe(row.sendAt)
      }
    ]
    if (row.state === "expanding") return explanation("pending", "expansion")
    if (row.state === "cancelled") return explanation("cancelled", row.reason ?? "request")
    if (row.state === "expired") return explanation("expired", row.reason ?? "expiry")
    return yield* new NotificationNotFound({ key })
  })

  const get = Effect.fn("Notifications.get")(function* (notificationId: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${columns}
        FROM hm_notification_queue
       WHERE tenant_id = ${tenant.id} AND notification_id = ${notificationId}::uuid
    `
    if (row === undefined) return yield* new NotificationNotFound({ key: notificationId })
    return messageOf(yield* messageRow.decode(row))
  })

  const list = Effect.fn("Notifications.list")(function* (request: Page.Request) {
    const tenant = yield* Tenant
    const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_notification_queue
       WHERE tenant_id = ${tenant.id} AND notification_id < ${before}::uuid
       ORDER BY notification_id DESC
       LIMIT ${Page.limitOf(request) + 1}
    `
    const messages = yield* messageRow.decodeAll(rows)
    return yield* pages.page(messages.map(messageOf), request)
  })

  return Notifications.of({ trigger, cancel, explain, get, list, expand })
})
