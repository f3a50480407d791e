/**
 * Messages that were caught and not sent: schemas. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Schema from "effect/Schema"

/**
 * A caught message, without its content.
 *
 * @category models
 * @since 0.1.0
 */
export class CaughtMessage extends Schema.Class<CaughtMessage>("@hypermarket/notifications/CaughtMessage")({
  notificationId: Identifier.Uuid,
  address: Schema.String,
  subject: Schema.String,
  recordedAt: Schema.DateTimeUtcFromString
}) {}
