/**
 * Categories of a tenant, and what recipients have chosen of them.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  CategoryKind,
  type NewNotificationCategory,
  type NewNotificationPreference,
  NotificationCategory,
  NotificationCategoryNotFound,
  NotificationCategoryRequired,
  NotificationLimit,
  NotificationPreference,
  type UnsubscribeClaims
} from "./NotificationPreference.ts"
import { make as recipientOf, partsOf, type Recipient } from "./NotificationRecipient.ts"

/** Categories per tenant: more than any preference page can show. */
const categoriesMax = 200
const freshnessDefaultSeconds = 86_400

const categoryRow = Row.make(NotificationCategory, {
  category: Schema.String,
  name: Schema.String,
  kind: CategoryKind,
  freshnessSeconds: Schema.Int,
  whenUnknown: Schema.Literals(["retry", "park"]),
  heedsQuiet: Schema.Boolean,
  version: Schema.Int,
  updatedAt: Column.Timestamp
})

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationPreferences extends Context.Service<
  NotificationPreferences,
  {
    /** Defines a category, or changes it. A new one is never critical, and heeds quiet hours unless it is required. */
    readonly setCategory: (
      category: NewNotificationCategory
    ) => Effect.Effect<NotificationCategory, NotificationLimit | SqlError, Tenant>
    readonly categories: Effect.Effect<ReadonlyArray<NotificationCategory>, SqlError, Tenant>
    /** Records a choice, with its source and time. */
    readonly set: (
      preference: NewNotificationPreference
    ) => Effect.Effect<
      NotificationPreference,
      NotificationCategoryNotFound | NotificationCategoryRequired | SqlError,
      Tenant
    >
    /** Returns what a recipient gets of each category. */
    readonly get: (to: Recipient) => Effect.Effect<ReadonlyArray<NotificationPreference>, SqlError, Tenant>
    /** Turns off the category of an unsubscribe link, for its recipient alone. Repeating it changes nothing. */
    readonly unsubscribe: (claims: UnsubscribeClaims) => Effect.Effect<void, SqlError, Tenant>
  }
>()("@hypermarket/notifications/NotificationPreferences") {
  static readonly layer: Layer.Layer<NotificationPreferences, never, SqlClient.SqlClient> = Layer.effect(
    NotificationPreferences,
    Effect.suspend(() => makeService)
  )
}

interface ChoiceRow {
  readonly category: string
  readonly kind: typeof CategoryKind.Type
  readonly enabled: boolean | null
  readonly source: string | null
  readonly changedAt: Date | null
}

const preferenceOf = ({ category, changedAt, enabled, kind, source }: ChoiceRow): NotificationPreference =>
  new NotificationPreference({
    category,
    channel: "email",
    enabled: kind === "required" ? true : (enabled ?? kind === "service"),
    because: kind === "required" ? "required" : enabled === null ? "default" : "chosen",
    source: kind === "required" ? null : source,
    changedAt: changedAt === null || kind === "required" ? null : DateTime.fromDateUnsafe(changedAt)
  })

const makeService = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(categoryRow.columns)

  const setCategory = Effect.fn("NotificationPreferences.setCategory")(function* (
    category: NewNotificationCategory
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const heedsQuiet = category.heedsQuiet ?? category.kind !== "required"
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const [row] = yield* sql`
          INSERT INTO hm_notification_category AS c (tenant_id, category, name, kind, freshness_seconds, when_unknown,
                                                     heeds_quiet, updated_at)
          SELECT ${tenant.id}, ${category.category}, ${category.name}, ${category.kind},
                 ${category.freshnessSeconds ?? freshnessDefaultSeconds}, ${category.whenUnknown ?? "retry"}, ${heedsQuiet},
                 ${now}
           WHERE (
                 SELECT count(*)
                   FROM hm_notification_category
                  WHERE tenant_id = ${tenant.id} AND category <> ${category.category}
                 ) < ${categoriesMax}
              ON CONFLICT (tenant_id, category)
              DO UPDATE SET name = excluded.name, kind = excluded.kind, freshness_seconds = excluded.freshness_seconds,
                            when_unknown = excluded.when_unknown, heeds_quiet = excluded.heeds_quiet,
                            version = c.version + 1, updated_at = excluded.updated_at
          RETURNING ${columns}
        `
        if (row === undefined) return yield* new NotificationLimit({ what: "categories", max: categoriesMax })
        const written = yield* categoryRow.decode(row)
        yield* Audit.record({
          action: "notification-category.set",
          target: { type: "notification-category", id: category.category },
          after: { kind: written.kind, heedsQuiet: written.heedsQuiet }
        })
        return written
      })
    )
  })

  const categories = Effect.gen(function* () {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_notification_category
       WHERE tenant_id = ${tenant.id}
       ORDER BY category
    `
    return yield* categoryRow.decodeAll(rows)
  }).pipe(Effect.withSpan("NotificationPreferences.categories"))

  const get = Effect.fn("NotificationPreferences.get")(function* (to: Recipient) {
    const tenant = yield* Tenant
    const { id, kind } = partsOf(to)
    const rows = yield* sql<ChoiceRow>`
      SELECT c.category, c.kind, u.enabled, u.source, u.changed_at AS "changedAt"
        FROM hm_notification_category c
        LEFT JOIN hm_user_preference u
          ON u.tenant_id = c.tenant_id
         AND u.recipient_kind = ${kind}
         AND u.recipient_id = ${id}
         AND u.category = c.category
         AND u.channel = 'email'
       WHERE c.tenant_id = ${tenant.id}
       ORDER BY c.category
    `
    return rows.map(preferenceOf)
  })

  const write = Effect.fnUntraced(function* (preference: NewNotificationPreference) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const { id, kind } = partsOf(preference.to)
    const changeId = yield* Identifier.next
    // The same choice again is no change: the proof of the first one stays.
    yield* sql`
      WITH chosen AS (
        INSERT INTO hm_user_preference AS u (tenant_id, recipient_kind, recipient_id, category, channel, enabled, source,
                                             text_version, changed_at)
        VALUES (${tenant.id}, ${kind}, ${id}, ${preference.category}, ${preference.channel}, ${preference.enabled},
                ${preference.source}, ${preference.textVersion ?? null}, ${now})
            ON CONFLICT (tenant_id, recipient_kind, recipient_id, category, channel)
            DO UPDATE SET enabled = excluded.enabled, source = excluded.source, text_version = excluded.text_version,
                          changed_at = excluded.changed_at
                WHERE u.enabled <> excluded.enabled
        RETURNING enabled
      )
      INSERT INTO hm_notification_preference_change (tenant_id, change_id, recipient_kind, recipient_id, category, channel,
                                                     enabled, source, text_version, changed_at)
      SELECT ${tenant.id}, ${changeId}::uuid, ${kind}, ${id}, ${preference.category}, ${preference.channel}, chosen.enabled,
             ${preference.source}, ${preference.textVersion ?? null}, ${now}
        FROM chosen
    `
  })

  const kindOf = Effect.fnUntraced(function* (category: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly kind: typeof CategoryKind.Type }>`
      SELECT kind
        FROM hm_notification_category
       WHERE tenant_id = ${tenant.id} AND category = ${category}
    `
    return row?.kind
  })

  const set = Effect.fn("NotificationPreferences.set")(function* (preference: NewNotificationPreference) {
    const { category } = preference
    return yield* transactionOf(sql)(
      Effect.gen(function* () {
        const kind = yield* kindOf(category)
        if (kind === undefined) return yield* new NotificationCategoryNotFound({ category })
        if (kind === "required") return yield* new NotificationCategoryRequired({ category })
        yield* write(preference)
        const chosen = (yield* get(preference.to)).find((choice) => choice.category === category)
        return chosen ?? (yield* new NotificationCategoryNotFound({ category }))
      })
    )
  })

  const unsubscribe = Effect.fn("NotificationPreferences.unsubscribe")((claims: UnsubscribeClaims) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const kind = yield* kindOf(claims.category)
        // The category became required since, or is gone: nothing is left to turn off.
        if (kind === undefined || kind === "required") return
        yield* write({
          to: recipientOf(claims.kind, claims.id),
          category: claims.category,
          channel: "email",
          enabled: false,
          source: `unsubscribe link of ${claims.message}`
        })
      })
    )
  )

  return NotificationPreferences.of({ setCategory, categories, set, get, unsubscribe })
})
