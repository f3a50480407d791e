/**
 * The types of events that a tenant retains for 90 days, so that a new webhook endpoint can get them. Schemas only; the
 * methods are those of `Webhooks`.
 *
 * @since 0.1.0
 */
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import { EndpointId } from "./Webhook.ts"

/**
 * Days that an event of a retained type is kept.
 *
 * @category limits
 * @since 0.1.0
 */
export const retentionDays = 90

/**
 * Maximum types and beginnings of types per tenant.
 *
 * @category limits
 * @since 0.1.0
 */
export const typesMax = 100

/**
 * Maximum deliveries of one backfill: call it again while it returns this number.
 *
 * @category limits
 * @since 0.1.0
 */
export const backfillMax = 10_000

const Types = Schema.Array(Text.make({ max: 200 })).check(Schema.isMaxLength(typesMax))

/**
 * The types of events to retain. One that ends with a dot stands for all types that begin with it.
 *
 * @category models
 * @since 0.1.0
 */
export const RetainedTypes = Schema.Struct({ types: Types })

/**
 * The types that a tenant retains. The version is 0 until it is first changed.
 *
 * @category models
 * @since 0.1.0
 */
export class EventRetention extends Schema.Class<EventRetention>("@hypermarket/events/EventRetention")({
  types: Schema.Array(Schema.String),
  version: Schema.Int
}) {}

const backfillFields = { since: Instant, until: Schema.optionalKey(Instant) }

/**
 * Retained events to deliver: those published from `since` up to, not including, `until`.
 *
 * @category models
 * @since 0.1.0
 */
export const BackfillSelection = Schema.Struct(backfillFields)

/**
 * {@link BackfillSelection} for an endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export const Backfill = Schema.Struct({ endpointId: EndpointId, ...backfillFields })

/**
 * @category models
 * @since 0.1.0
 */
export type Backfill = typeof Backfill.Type
