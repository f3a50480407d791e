/**
 * A tenant's subscriptions: events that match go to one of the tenant's queues.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @category schemas
 * @since 0.1.0
 */
export const SubscriptionId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/SubscriptionId"))

/**
 * @category models
 * @since 0.1.0
 */
export type SubscriptionId = typeof SubscriptionId.Type

/**
 * A tenant's own queue. Names that begin with `handler.` and `job.` belong to the installation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueName = Schema.String.check(
  Schema.isPattern(/^(?!handler\.|job\.)[a-z0-9][a-z0-9._-]{0,126}$/, {
    message: "Expected 1 to 127 of a-z, 0-9, '.', '_' and '-', not beginning with handler. or job."
  })
)

const filtersMax = 20
const Value = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500))
const Attributes = Schema.Struct({
  type: Schema.optionalKey(Value),
  source: Schema.optionalKey(Value),
  subject: Schema.optionalKey(Value)
}).check(
  Schema.makeFilter((attributes) =>
    Object.keys(attributes).length === 0 ? "Expected at least one attribute" : undefined
  )
)

/**
 * CloudEvents Subscriptions 1.0, dialects `exact` and `prefix`, over `type`, `source` and `subject`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Filter = Schema.Union([
  Schema.Struct({ exact: Attributes }),
  Schema.Struct({ prefix: Attributes })
])

const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))
const Filters = Schema.Array(Filter).check(Schema.isMaxLength(filtersMax))
const Status = Schema.Literals(["active", "paused"])

/**
 * @category models
 * @since 0.1.0
 */
export class EventSubscription extends Schema.Class<EventSubscription>(
  "@hypermarket/events/EventSubscription"
)({
  subscriptionId: SubscriptionId,
  name: Name,
  status: Status,
  /** All of them must hold; none of them means every event. */
  filters: Filters,
  queue: QueueName,
  /** Events of one subject run one at a time, in the order of their publishing; those without a subject in any order. */
  ordered: Schema.Boolean,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewSubscription = Schema.Struct({
  name: Name,
  filters: Filters,
  queue: QueueName,
  ordered: Schema.optionalKey(Schema.Boolean)
})

/**
 * Absent fields stay. A paused subscription gets no events, and none later for the time of the pause.
 *
 * @category models
 * @since 0.1.0
 */
export const SubscriptionChange = Schema.Struct({
  name: Schema.optionalKey(Name),
  status: Schema.optionalKey(Status),
  filters: Schema.optionalKey(Filters),
  ordered: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category errors
 * @since 0.1.0
 */
export class SubscriptionNotFound extends HttpApiError.Problem<SubscriptionNotFound>()(
  "SubscriptionNotFound",
  {
    type: "urn:hypermarket:problem:events:subscription-not-found",
    status: 404,
    title: "No such subscription"
  },
  { subscriptionId: Schema.String }
) {}

const Row = Schema.Struct({
  subscriptionId: SubscriptionId,
  name: Name,
  status: Status,
  filters: Filters,
  queue: QueueName,
  ordered: Schema.Boolean,
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const columns = `
  subscription_id::text AS "subscriptionId", name, status, filters, queue, ordered, version,
  recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const pages = Page.make({
  key: Schema.Tuple([SubscriptionId]),
  keyOf: (subscription: EventSubscription) => [subscription.subscriptionId] as const
})

const beforeAll = "00000000-0000-0000-0000-000000000000"

type Stale = SubscriptionNotFound | VersionStale

/**
 * @category services
 * @since 0.1.0
 */
export class EventSubscriptions extends Context.Service<
  EventSubscriptions,
  {
    readonly create: (
      subscription: typeof NewSubscription.Type
    ) => Effect.Effect<EventSubscription, SqlError, Tenant>
    readonly get: (
      id: SubscriptionId
    ) => Effect.Effect<EventSubscription, SubscriptionNotFound | SqlError, Tenant>
    /** Oldest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<EventSubscription>, Page.CursorInvalid | SqlError, Tenant>
    readonly change: (
      id: SubscriptionId,
      version: number,
      change: typeof SubscriptionChange.Type
    ) => Effect.Effect<EventSubscription, Stale | SqlError, Tenant>
    /** Events already in the queue stay there. */
    readonly remove: (id: SubscriptionId, version: number) => Effect.Effect<void, Stale | SqlError, Tenant>
  }
>()("@hypermarket/events/EventSubscriptions") {
  static readonly layer: Layer.Layer<EventSubscriptions, never, SqlClient.SqlClient> = Layer.effect(
    EventSubscriptions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toSubscription = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new EventSubscription(decoded)))

      const create = Effect.fn("EventSubscriptions.create")(function* (
        subscription: typeof NewSubscription.Type
      ) {
        const tenant = yield* Tenant
        const moment = yield* now
        const [row] = yield* sql`
          INSERT INTO hm_event_subscription (tenant_id, subscription_id, name, status, filters, queue, ordered, recorded_at,
                                             updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${subscription.name}, 'active',
                  ${JSON.stringify(subscription.filters)}::text::jsonb, ${subscription.queue},
                  ${subscription.ordered ?? false}, ${moment}, ${moment})
          RETURNING ${returned}
        `
        return yield* toSubscription(row)
      })

      const get = Effect.fn("EventSubscriptions.get")(function* (subscriptionId: SubscriptionId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned} FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid
        `
        if (row === undefined) return yield* new SubscriptionNotFound({ subscriptionId })
        return yield* toSubscription(row)
      })

      const list = Effect.fn("EventSubscriptions.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [beforeAll] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id > ${after}::uuid
           ORDER BY subscription_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toSubscription), request)
      })

      /** Why a conditional write found no row. */
      const whyMissed = (subscriptionId: SubscriptionId) =>
        Effect.flatMap(get(subscriptionId), (current) =>
          Effect.fail(new VersionStale({ currentVersion: current.version }))
        )

      const change = Effect.fn("EventSubscriptions.change")(function* (
        subscriptionId: SubscriptionId,
        version: number,
        changed: typeof SubscriptionChange.Type
      ) {
        const tenant = yield* Tenant
        const filters = changed.filters === undefined ? null : JSON.stringify(changed.filters)
        const [row] = yield* sql`
          UPDATE hm_event_subscription
             SET name = coalesce(${changed.name ?? null}, name), status = coalesce(${changed.status ?? null}, status),
                 filters = coalesce(${filters}::text::jsonb, filters),
                 ordered = coalesce(${changed.ordered ?? null}::boolean, ordered),
                 version = version + 1, updated_at = ${yield* now}
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid AND version = ${version}
          RETURNING ${returned}
        `
        return row === undefined ? yield* whyMissed(subscriptionId) : yield* toSubscription(row)
      })

      const remove = Effect.fn("EventSubscriptions.remove")(function* (
        subscriptionId: SubscriptionId,
        version: number
      ) {
        const tenant = yield* Tenant
        const rows = yield* sql`
          DELETE FROM hm_event_subscription
           WHERE tenant_id = ${tenant.id} AND subscription_id = ${subscriptionId}::uuid AND version = ${version}
          RETURNING 1
        `
        if (rows.length === 0) return yield* whyMissed(subscriptionId)
      })

      return EventSubscriptions.of({ create, get, list, change, remove })
    })
  )
}
