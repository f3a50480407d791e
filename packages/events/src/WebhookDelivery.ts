/**
 * A delivery of an event to a webhook endpoint, and its attempts. Schemas and errors; the service is `Webhooks`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Page from "@hypermarket/core/Page"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { EndpointId } from "./Webhook.ts"

/**
 * The id of a delivery.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeliveryId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/DeliveryId"))

/**
 * @category models
 * @since 0.1.0
 */
export type DeliveryId = typeof DeliveryId.Type

/**
 * Maximum deliveries of one replay: call it again while it returns this number.
 *
 * @category limits
 * @since 0.1.0
 */
export const replayMax = 10_000

/** Maximum deliveries that a replay names. */
const replayIdsMax = 1_000

/**
 * `waiting` is due at `nextAt`, or waits for its endpoint. `dead` has used up its attempts, or was held for too long.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeliveryState = Schema.Literals(["waiting", "sending", "delivered", "dead"])

/**
 * A delivery: one event for one endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export class WebhookDelivery extends Schema.Class<WebhookDelivery>("@hypermarket/events/WebhookDelivery")({
  deliveryId: DeliveryId,
  endpointId: EndpointId,
  /** The value of the header `webhook-id`: one per event, the same for every attempt, endpoint and replay. */
  messageId: Schema.String,
  source: Schema.String,
  eventId: Schema.String,
  type: Schema.String,
  subject: Schema.NullOr(Schema.String),
  state: DeliveryState,
  /** Attempts that were begun. */
  attempts: Schema.Int,
  /** The next attempt of a delivery that waits. */
  nextAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  firstFailedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Status of the last answer; null without an answer. */
  lastStatus: Schema.NullOr(Schema.Int),
  /** The reason of the last failure. */
  lastError: Schema.NullOr(Schema.String),
  recordedAt: Schema.DateTimeUtcFromString,
  finishedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

/**
 * One attempt of a delivery; kept for 30 days.
 *
 * @category models
 * @since 0.1.0
 */
export class WebhookAttempt extends Schema.Class<WebhookAttempt>("@hypermarket/events/WebhookAttempt")({
  /** From 1. */
  number: Schema.Int,
  attemptedAt: Schema.DateTimeUtcFromString,
  /** Null when there was no answer. */
  status: Schema.NullOr(Schema.Int),
  /** Null for a success. */
  error: Schema.NullOr(Schema.String),
  durationMillis: Schema.Int,
  /** The first 4 KiB of the answer, as text; null when it is withheld. */
  answer: Schema.NullOr(Schema.String),
  ...Withheld.field
}) {}

/**
 * Which deliveries of an endpoint a list returns, newest first.
 *
 * @category models
 * @since 0.1.0
 */
export const DeliveryQuery = Schema.Struct({
  endpointId: EndpointId,
  state: Schema.optionalKey(DeliveryState),
  ...Page.Request.fields
})

const replayFields = {
  since: Schema.optionalKey(Instant),
  until: Schema.optionalKey(Instant),
  /** Default: dead. */
  state: Schema.optionalKey(Schema.Literals(["waiting", "delivered", "dead"])),
  deliveryIds: Schema.optionalKey(
    Schema.Array(DeliveryId).check(Schema.isMinLength(1), Schema.isMaxLength(replayIdsMax))
  )
}

const isSelective = Schema.makeFilter(
  (replay: { readonly since?: unknown; readonly deliveryIds?: unknown }) =>
    replay.since === undefined && replay.deliveryIds === undefined
      ? "Expected since or deliveryIds"
      : undefined
)

/**
 * Deliveries to send again: those of events published from `since` up to, not including, `until`, or named ones. By time
 * the dead ones, unless `state` names another.
 *
 * @category models
 * @since 0.1.0
 */
export const ReplaySelection = Schema.Struct(replayFields).check(isSelective)

/**
 * {@link ReplaySelection} of an endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export const Replay = Schema.Struct({ endpointId: EndpointId, ...replayFields }).check(isSelective)

/**
 * @category models
 * @since 0.1.0
 */
export type Replay = typeof Replay.Type

/**
 * The endpoint has no delivery with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeliveryNotFound extends HttpApiError.Problem<DeliveryNotFound>()(
  "DeliveryNotFound",
  {
    type: "urn:hypermarket:problem:events:delivery-not-found",
    status: 404,
    title: "No such delivery"
  },
  { deliveryId: Schema.String }
) {}
