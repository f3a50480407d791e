/**
 * Mappings from facts of the shop to triggers: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { Name } from "./NotificationRecipient.ts"

const delaySecondsMax = 31_536_000
const freshnessSecondsMin = 60

/**
 * Facts that trigger. Both have a customer, unless a guest has ordered.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MappedFact = Schema.Literals(["order.placed", "order.cancelled"])

/**
 * A mapping. `delaySeconds` sends later, unless the order is cancelled or deleted by then. `freshnessSeconds` replaces
 * that of the category.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationMapping = Schema.Struct({
  mapping: Name,
  fact: MappedFact,
  template: Name,
  category: Name,
  delaySeconds: Schema.optionalKey(BoundedInt.make({ minimum: 0, maximum: delaySecondsMax })),
  freshnessSeconds: Schema.optionalKey(
    BoundedInt.make({ minimum: freshnessSecondsMin, maximum: BoundedInt.int4Max })
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationMapping = typeof NewNotificationMapping.Type

/**
 * @category models
 * @since 0.1.0
 */
export class NotificationMapping extends Schema.Class<NotificationMapping>(
  "@hypermarket/notifications/NotificationMapping"
)({
  mapping: Name,
  fact: MappedFact,
  template: Name,
  category: Name,
  delaySeconds: Schema.Int,
  freshnessSeconds: Schema.NullOr(Schema.Int),
  version: Schema.Int,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationMappingNotFound extends HttpApiError.Problem<NotificationMappingNotFound>()(
  "NotificationMappingNotFound",
  { type: "urn:hypermarket:problem:notifications:mapping-not-found", status: 404, title: "Not found" },
  { mapping: Schema.String }
) {}
