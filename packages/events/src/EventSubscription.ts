/**
 * A subscription of a tenant: matching events go to one of the tenant's queues. Schemas and errors; the service is
 * `EventSubscriptions`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as EventFilter from "./EventFilter.ts"

/**
 * The id of a subscription, a UUIDv7.
 *
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
 * The name of a tenant's queue. Names that begin with `handler.` and `job.` belong to the installation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueName = Reserved.QueueName

/**
 * The name of a subscription.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubscriptionName = Text.make({ max: 200 })

const Name = SubscriptionName
const { Filters } = EventFilter
const Status = Schema.Literals(["active", "paused"])

/**
 * A subscription of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export class EventSubscription extends Schema.Class<EventSubscription>(
  "@hypermarket/events/EventSubscription"
)({
  subscriptionId: SubscriptionId,
  name: Name,
  status: Status,
  /** An event must match every filter; without filters every event matches. */
  filters: Filters,
  queue: QueueName,
  /** Events of one subject run one at a time, in the order of publishing; events without a subject in any order. */
  ordered: Schema.Boolean,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The fields of a new subscription; `ordered` is false by default.
 *
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
 * A subscription as `ensure` wants it, without its name. Without `filters` every event matches; `ordered` is false by
 * default.
 *
 * @category models
 * @since 0.1.0
 */
export const WantedSubscription = Schema.Struct({
  queue: QueueName,
  filters: Schema.optionalKey(Filters),
  ordered: Schema.optionalKey(Schema.Boolean)
})

/**
 * The fields that can change; an absent field keeps its value. Events that are published during a pause are never
 * delivered to the paused subscription.
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
 * The tenant has no subscription with this id.
 *
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
