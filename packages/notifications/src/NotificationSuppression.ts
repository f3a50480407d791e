/**
 * Suppressions of addresses: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import { Instant } from "@hypermarket/core/Instant"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { headerText } from "./internal/headerText.ts"
import { Address } from "./NotificationProfile.ts"

const detailMax = 500

/**
 * An address that gets no more mail, until `expiresAt` or for ever.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationSuppression = Schema.Struct({
  address: Address,
  reason: Schema.Literals(["bounce", "complaint", "manual"]),
  detail: Schema.optionalKey(headerText(detailMax)),
  expiresAt: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationSuppression = typeof NewNotificationSuppression.Type

/**
 * A suppression. The address itself is not stored.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationSuppression extends Schema.Class<NotificationSuppression>(
  "@hypermarket/notifications/NotificationSuppression"
)({
  reason: Schema.Literals(["bounce", "complaint", "manual"]),
  detail: Schema.NullOr(Schema.String),
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationSuppressionNotFound extends HttpApiError.Problem<NotificationSuppressionNotFound>()(
  "NotificationSuppressionNotFound",
  { type: "urn:hypermarket:problem:notifications:suppression-not-found", status: 404, title: "Not found" },
  {}
) {}
