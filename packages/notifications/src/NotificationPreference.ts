/**
 * Categories, preferences, profiles, defaults and suppressions: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Channel, Locale } from "./Notification.ts"
import { Name, Recipient, RecipientKind } from "./NotificationRecipient.ts"

// eslint-disable-next-line no-control-regex -- refusing control characters is the point
const noControls = Schema.isPattern(/^[^\u0000-\u001f\u007f\u0080-\u009f\u2028\u2029]+$/u, {
  message: "Expected no control characters"
})

/** Text for a header: a name or a subject. */
const headerText = (max: number) => Schema.String.check(Text.isText({ max }), noControls)

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
/** Ten years: an import may want all of its history. */
const freshnessSecondsMax = 315_360_000
const freshnessSecondsMin = 60

/**
 * Kind of a category. `required` is owed by law or contract: no preference and no unsubscribe header. `service` is on until
 * it is switched off. `marketing` is off until a consent is recorded.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CategoryKind = Schema.Literals(["required", "service", "marketing"])

const categoryFields = {
  name: headerText(nameMax),
  kind: CategoryKind,
  /** A fact that is older when it triggers is recorded as expired. 24 hours by default. */
  freshnessSeconds: BoundedInt.make({ minimum: freshnessSecondsMin, maximum: freshnessSecondsMax }),
  /** The fate of a message whose outcome is unknown: sent again, or parked. `retry` by default. */
  whenUnknown: Schema.Literals(["retry", "park"]),
  /** False for a required category by default: it is sent in quiet hours too. */
  heedsQuiet: Schema.Boolean
} as const

/**
 * A category of messages.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationCategory extends Schema.Class<NotificationCategory>(
  "@hypermarket/notifications/NotificationCategory"
)({
  category: Name,
  ...categoryFields,
  version: Schema.Int,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * A category as the tenant defines it.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationCategory = Schema.Struct({
  category: Name,
  name: categoryFields.name,
  kind: CategoryKind,
  freshnessSeconds: Schema.optionalKey(categoryFields.freshnessSeconds),
  whenUnknown: Schema.optionalKey(categoryFields.whenUnknown),
  heedsQuiet: Schema.optionalKey(Schema.Boolean)
}).check(
  Schema.makeFilter(
    ({ heedsQuiet, kind }) =>
      kind !== "required" && heedsQuiet === false
        ? { path: ["heedsQuiet"], issue: "Expected true: only a required category ignores quiet hours" }
        : undefined,
    { expected: "a category", toJsonSchema: () => ({}) }
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationCategory = typeof NewNotificationCategory.Type

const sourceMax = 100

/**
 * A choice of a recipient. `source` names where it was made, `textVersion` the text that was agreed to.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationPreference = Schema.Struct({
  to: Recipient,
  category: Name,
  channel: Channel,
  enabled: Schema.Boolean,
  source: headerText(sourceMax),
  textVersion: Schema.optionalKey(headerText(sourceMax))
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationPreference = typeof NewNotificationPreference.Type

/**
 * Messages of a category that a recipient gets, and why: `chosen` by the recipient, the `default` of the kind, or `required`.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationPreference extends Schema.Class<NotificationPreference>(
  "@hypermarket/notifications/NotificationPreference"
)({
  category: Name,
  channel: Channel,
  enabled: Schema.Boolean,
  because: Schema.Literals(["chosen", "default", "required"]),
  source: Schema.NullOr(Schema.String),
  changedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

/**
 * The purpose of the token of an unsubscribe link. It opens nothing else.
 *
 * @category constants
 * @since 0.1.0
 */
export const unsubscribePurpose = "unsubscribe"

/**
 * The claims of the token of an unsubscribe link: recipient, category and message.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UnsubscribeClaims = Schema.Struct({
  kind: RecipientKind,
  id: Identifier.AdopterId,
  category: Name,
  message: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type UnsubscribeClaims = typeof UnsubscribeClaims.Type

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
  updatedAt: Schema.DateTimeUtcFromString
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
export class NotificationCategoryNotFound extends HttpApiError.Problem<NotificationCategoryNotFound>()(
  "NotificationCategoryNotFound",
  { type: "urn:hypermarket:problem:notifications:category-not-found", status: 404, title: "Not found" },
  { category: Schema.String }
) {}

/**
 * A category of a required kind has no preference: it is owed.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationCategoryRequired extends HttpApiError.Problem<NotificationCategoryRequired>()(
  "NotificationCategoryRequired",
  {
    type: "urn:hypermarket:problem:notifications:category-required",
    status: 409,
    title: "A required category cannot be switched"
  },
  { category: Schema.String }
) {}

/**
 * The tenant has as many categories, templates or mappings as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationLimit extends HttpApiError.Problem<NotificationLimit>()(
  "NotificationLimit",
  { type: "urn:hypermarket:problem:notifications:limit", status: 409, title: "Too many" },
  { what: Schema.String, max: Schema.Int }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationProfileNotFound extends HttpApiError.Problem<NotificationProfileNotFound>()(
  "NotificationProfileNotFound",
  { type: "urn:hypermarket:problem:notifications:profile-not-found", status: 404, title: "Not found" },
  { recipient: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationSuppressionNotFound extends HttpApiError.Problem<NotificationSuppressionNotFound>()(
  "NotificationSuppressionNotFound",
  { type: "urn:hypermarket:problem:notifications:suppression-not-found", status: 404, title: "Not found" },
  {}
) {}
