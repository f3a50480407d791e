/**
 * Profiles, lists and defaults of recipients: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { headerText } from "./internal/headerText.ts"
import { Locale } from "./Notification.ts"
import { Name, Recipient } from "./NotificationRecipient.ts"

const reasons: Readonly<Record<EmailAddress.Reason, string>> = {
  too_long: "Expected at most 254 bytes, and 64 before the @",
  control_character: "Expected no control characters",
  syntax: "Expected one address local@domain, without a name, comment, group or quotes",
  domain: "Expected a domain name with at least two labels"
}

/**
 * One e-mail address, checked by core's parser.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Address = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      Result.match(EmailAddress.parse(text), {
        onFailure: (reason) => reasons[reason],
        onSuccess: () => undefined
      }),
    { expected: "an e-mail address", toJsonSchema: () => ({ format: "email" }) }
  )
)

/**
 * An IANA time zone that this runtime knows.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeZone = Schema.String.check(
  Schema.makeFilter(
    (id: string) =>
      Result.match(CalendarTime.zone(id), { onFailure: (message) => message, onSuccess: () => undefined }),
    { expected: "an IANA time zone", toJsonSchema: () => ({}) }
  )
)

const WallTime = Schema.String.check(
  Schema.isPattern(/^(?:[01]\d|2[0-3]):[0-5]\d$/, { message: "Expected a local time such as 22:00" })
)

/**
 * Local hours in which nothing is sent, `[from, until)`. A window may pass midnight; an empty one is refused.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QuietHours = Schema.Struct({ from: WallTime, until: WallTime })
  .check(
    Schema.makeFilter(
      ({ from, until }: { readonly from: string; readonly until: string }) =>
        from === until ? { path: ["until"], issue: "Expected another time than from" } : undefined,
      { expected: "quiet hours", toJsonSchema: () => ({}) }
    )
  )
  .annotate({ identifier: "NotificationQuietHours" })

/**
 * @category models
 * @since 0.1.0
 */
export type QuietHours = typeof QuietHours.Type

const nameMax = 200
const fromNameMax = 100

const profileFields = {
  email: Address,
  name: headerText(nameMax),
  locale: Locale,
  timeZone: TimeZone,
  quiet: QuietHours
} as const

/**
 * A recipient's address, language, zone and quiet hours. What is left out is removed.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationProfile = Schema.Struct({
  to: Recipient,
  email: Schema.optionalKey(profileFields.email),
  name: Schema.optionalKey(profileFields.name),
  locale: Schema.optionalKey(profileFields.locale),
  timeZone: Schema.optionalKey(profileFields.timeZone),
  quiet: Schema.optionalKey(profileFields.quiet)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationProfile = typeof NewNotificationProfile.Type

/**
 * @category models
 * @since 0.1.0
 */
export class NotificationProfile extends Schema.Class<NotificationProfile>(
  "@hypermarket/notifications/NotificationProfile"
)({
  to: Recipient,
  email: Schema.NullOr(Schema.String),
  /** Why an address of a fact was not taken; null when it was. */
  emailProblem: Schema.NullOr(Schema.Literals(["too_long", "control_character", "syntax", "domain"])),
  name: Schema.NullOr(Schema.String),
  locale: Schema.NullOr(Schema.String),
  timeZone: Schema.NullOr(Schema.String),
  quiet: Schema.NullOr(QuietHours),
  updatedAt: Schema.DateTimeUtcFromString,
  ...Withheld.field
}) {}

/**
 * Defaults of a tenant: for recipients without their own locale, zone or quiet hours, and the sender's name.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationDefaults = Schema.Struct({
  locale: Locale,
  timeZone: TimeZone,
  fromName: Schema.optionalKey(headerText(fromNameMax)),
  replyTo: Schema.optionalKey(Address),
  quiet: Schema.optionalKey(QuietHours)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationDefaults = typeof NewNotificationDefaults.Type

/**
 * @category models
 * @since 0.1.0
 */
export class NotificationDefaults extends Schema.Class<NotificationDefaults>(
  "@hypermarket/notifications/NotificationDefaults"
)({
  locale: Schema.String,
  timeZone: Schema.String,
  fromName: Schema.NullOr(Schema.String),
  replyTo: Schema.NullOr(Schema.String),
  quiet: Schema.NullOr(QuietHours),
  version: Schema.Int
}) {}

/** Members per call: a statement of some tens of milliseconds. */
const membersMax = 1_000

/**
 * Members to add to or remove from a list.
 *
 * @category models
 * @since 0.1.0
 */
export const ListChange = Schema.Struct({
  list: Name,
  add: Schema.optionalKey(Schema.Array(Recipient).check(Schema.isMaxLength(membersMax))),
  remove: Schema.optionalKey(Schema.Array(Recipient).check(Schema.isMaxLength(membersMax)))
}).annotate({ identifier: "NotificationListChange" })

/**
 * @category models
 * @since 0.1.0
 */
export type ListChange = typeof ListChange.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationProfileNotFound extends HttpApiError.Problem<NotificationProfileNotFound>()(
  "NotificationProfileNotFound",
  { type: "urn:hypermarket:problem:notifications:profile-not-found", status: 404, title: "Not found" },
  { recipient: Schema.String }
) {}
