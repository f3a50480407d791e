/**
 * Triggers and messages: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import * as Text from "@hypermarket/core/Text"
import * as Duration from "effect/Duration"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Audience, Name, Recipient } from "./NotificationRecipient.ts"

/**
 * Longest payload of a trigger, in characters of JSON: it is stored once per trigger and read for each message.
 *
 * @category limits
 * @since 0.1.0
 */
export const payloadCharactersMax = 65_536

/** Deeper payloads are refused: each level costs every template that walks them. */
const payloadDepthMax = 100

const keyCharactersMax = 200

/**
 * Data for the template: an object of at most 64 Ki characters of JSON and 100 levels.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Payload = Schema.Record(Schema.String, Schema.Json).check(
  Schema.makeFilter(
    (payload: { readonly [name: string]: Schema.Json }) => {
      const problem = Json.problemOf(payload, payloadDepthMax)
      if (problem !== undefined) return problem
      return JSON.stringify(payload).length > payloadCharactersMax
        ? `Expected at most ${payloadCharactersMax} characters of JSON`
        : undefined
    },
    { expected: "an object of at most 64 Ki characters of JSON", toJsonSchema: () => ({}) }
  )
)

/** A year: what is meant for later belongs to a schedule. */
const delayMax = Duration.days(366)
const durationPattern = /^\d{1,9} (?:second|minute|hour|day|week)s?$/

/**
 * A duration such as `2 days` or `30 minutes`, up to 366 days.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DurationText = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      durationPattern.test(text) &&
      Option.match(durationOf(text), {
        onNone: () => false,
        onSome: (duration) =>
          Duration.isGreaterThan(duration, Duration.zero) && !Duration.isGreaterThan(duration, delayMax)
      })
        ? undefined
        : "Expected a duration such as 30 minutes or 2 days, at most 366 days",
    { expected: "a duration such as 2 days", toJsonSchema: () => ({ pattern: durationPattern.source }) }
  )
)

const units = { second: 1, minute: 60, hour: 3_600, day: 86_400, week: 604_800 } as const
const isUnit = (text: string): text is keyof typeof units => Object.hasOwn(units, text)

/**
 * Reads a duration's text.
 *
 * @category conversions
 * @since 0.1.0
 */
export const durationOf = (text: string): Option.Option<Duration.Duration> => {
  const [count = "", unit = ""] = text.split(" ")
  const singular = unit.replace(/s$/, "")
  return isUnit(singular) ? Option.some(Duration.seconds(Number(count) * units[singular])) : Option.none()
}

/**
 * A locale of BCP 47, such as `de-AT`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Locale = Schema.String.check(
  Schema.isPattern(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/, {
    message: "Expected a locale such as de or de-AT"
  })
)

/**
 * The key of a trigger: the same key triggers once.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NotificationKey = Text.make({ max: keyCharactersMax })

/**
 * A trigger. The key is remembered for 90 days. Without `sendAt` it is sent now; without `expiresIn` it does not expire.
 * `critical` overrides preference and quiet hours, and is allowed in required and service categories only.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotification = Schema.Struct({
  key: NotificationKey,
  category: Name,
  template: Name,
  to: Audience,
  payload: Payload,
  locale: Schema.optionalKey(Locale),
  sendAt: Schema.optionalKey(Instant),
  expiresIn: Schema.optionalKey(DurationText),
  critical: Schema.optionalKey(Schema.Boolean),
  subject: Schema.optionalKey(NotificationKey)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotification = typeof NewNotification.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const TriggerState = Schema.Literals(["expanding", "expanded", "cancelled", "expired"])

/**
 * The answer to a trigger. `duplicate`: the key was triggered before, and nothing was added.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationTrigger extends Schema.Class<NotificationTrigger>(
  "@hypermarket/notifications/NotificationTrigger"
)({
  triggerId: Identifier.Uuid,
  key: Schema.String,
  state: TriggerState,
  duplicate: Schema.Boolean
}) {}

/**
 * States of a message. `pending`, `held`, `leased`, `sending` and `retry` are open; the others are final.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessageState = Schema.Literals([
  "pending",
  "filtered",
  "suppressed",
  "expired",
  "cancelled",
  "held",
  "leased",
  "sending",
  "accepted",
  "caught",
  "delivered",
  "bounced",
  "complained",
  "retry",
  "unknown",
  "dead"
])

/**
 * @category models
 * @since 0.1.0
 */
export type MessageState = typeof MessageState.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const Channel = Schema.Literals(["email"])

const Change = Schema.Struct({
  state: MessageState,
  reason: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString
})

/**
 * One message to one recipient over one channel, with each change of its state.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationMessage extends Schema.Class<NotificationMessage>(
  "@hypermarket/notifications/NotificationMessage"
)({
  notificationId: Identifier.Uuid,
  triggerId: Identifier.Uuid,
  to: Recipient,
  channel: Channel,
  category: Name,
  state: MessageState,
  reason: Schema.NullOr(Schema.String),
  /** When an open message is due; null for the others. */
  until: Schema.NullOr(Schema.DateTimeUtcFromString),
  attempts: Schema.Int,
  /** Attempts whose outcome is unknown: the recipient may have the message as often again. */
  uncertain: Schema.Int,
  history: Schema.Array(Change),
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * Why a recipient was or was not told, per channel.
 *
 * @category models
 * @since 0.1.0
 */
export const Explanation = Schema.Struct({
  channel: Channel,
  state: MessageState,
  reason: Schema.NullOr(Schema.String),
  until: Schema.NullOr(Schema.DateTimeUtcFromString)
}).annotate({ identifier: "NotificationExplanation" })

/**
 * @category models
 * @since 0.1.0
 */
export type Explanation = typeof Explanation.Type

/**
 * @category models
 * @since 0.1.0
 */
export const ExplainRequest = Schema.Struct({ key: NotificationKey, to: Recipient })

/**
 * @category models
 * @since 0.1.0
 */
export type ExplainRequest = typeof ExplainRequest.Type

/**
 * The outcome of a cancellation: messages that will not be sent, and messages that are being sent or were.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationCancellation extends Schema.Class<NotificationCancellation>(
  "@hypermarket/notifications/NotificationCancellation"
)({ cancelled: Schema.Int, tooLate: Schema.Int }) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationNotFound extends HttpApiError.Problem<NotificationNotFound>()(
  "NotificationNotFound",
  { type: "urn:hypermarket:problem:notifications:notification-not-found", status: 404, title: "Not found" },
  { key: Schema.String }
) {}

/**
 * The key was triggered with another body. Use one key per notification.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationKeyReused extends HttpApiError.Problem<NotificationKeyReused>()(
  "NotificationKeyReused",
  {
    type: "urn:hypermarket:problem:notifications:key-reused",
    status: 409,
    title: "The key was used with another body"
  },
  { key: Schema.String }
) {}

/**
 * The trigger cannot be sent as it is; `field` names what the caller sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationRefused extends HttpApiError.Problem<NotificationRefused>()(
  "NotificationRefused",
  { type: "urn:hypermarket:problem:notifications:refused", status: 422, title: "Notification refused" },
  {
    field: Schema.String,
    reason: Schema.Literals(["category-unknown", "template-unknown", "critical-marketing"])
  }
) {}

/**
 * The payload does not fit the schema of the template's version. `errors` are at most 20, with the way to each field.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationPayloadInvalid extends HttpApiError.Problem<NotificationPayloadInvalid>()(
  "NotificationPayloadInvalid",
  {
    type: "urn:hypermarket:problem:notifications:payload-invalid",
    status: 422,
    title: "The payload does not fit its schema"
  },
  {
    template: Schema.String,
    templateVersion: Schema.Int,
    errors: Schema.Array(
      Schema.Struct({
        path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
        message: Schema.String
      })
    )
  }
) {}
