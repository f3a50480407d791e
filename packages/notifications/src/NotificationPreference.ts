/**
 * Categories and preferences: schemas and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { headerText } from "./internal/headerText.ts"
import { Channel } from "./Notification.ts"
import { Name, Recipient, RecipientKind } from "./NotificationRecipient.ts"

const nameMax = 200
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

/**
 * The category of the mail that follows a change in the preference centre. It is there from a tenant's first one on, and is
 * always required: who has found a link may not switch it off.
 *
 * @category constants
 * @since 0.1.0
 */
export const noticeCategory = "preference-changes"

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
    ({ category, heedsQuiet, kind }) => {
      if (kind === "required") return undefined
      if (category === noticeCategory) {
        return { path: ["kind"], issue: `Expected required: ${noticeCategory} is owed` }
      }
      return heedsQuiet === false
        ? { path: ["heedsQuiet"], issue: "Expected true: only a required category ignores quiet hours" }
        : undefined
    },
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

/**
 * The purpose of the token of a preference centre's link.
 *
 * @category constants
 * @since 0.1.0
 */
export const preferencesPurpose = "preferences"

/**
 * The claims of the token of a preference centre's link: the recipient.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PreferencesClaims = Schema.Struct({ kind: RecipientKind, id: Identifier.AdopterId })

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
