/**
 * Recipients: who is told. Schemas only; a browser loads them.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Schema from "effect/Schema"

/**
 * @category schemas
 * @since 0.1.0
 */
export const RecipientKind = Schema.Literals(["customer", "seller", "operator"])

/**
 * @category models
 * @since 0.1.0
 */
export type RecipientKind = typeof RecipientKind.Type

/**
 * A name that the tenant chooses: of a category, template, list or mapping.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Name = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit"
  })
)

/**
 * One recipient by its kind and the shop's own id.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Recipient = Schema.Union([
  Schema.Struct({ customer: Identifier.AdopterId }),
  Schema.Struct({ seller: Identifier.AdopterId }),
  Schema.Struct({ operator: Identifier.AdopterId })
]).annotate({ identifier: "NotificationRecipient" })

/**
 * @category models
 * @since 0.1.0
 */
export type Recipient = typeof Recipient.Type

/**
 * Recipients of a trigger: one recipient, a list, or every recipient of a kind that has a profile.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Audience = Schema.Union([
  ...Recipient.members,
  Schema.Struct({ list: Name }),
  Schema.Struct({ everyone: RecipientKind })
]).annotate({ identifier: "NotificationAudience" })

/**
 * @category models
 * @since 0.1.0
 */
export type Audience = typeof Audience.Type

/**
 * Returns kind and id of a recipient.
 *
 * @category accessors
 * @since 0.1.0
 */
export const partsOf = (recipient: Recipient): { readonly kind: RecipientKind; readonly id: string } => {
  if ("customer" in recipient) return { kind: "customer", id: recipient.customer }
  return "seller" in recipient
    ? { kind: "seller", id: recipient.seller }
    : { kind: "operator", id: recipient.operator }
}

/**
 * Returns the recipient of a kind and id.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (kind: RecipientKind, id: string): Recipient =>
  kind === "customer" ? { customer: id } : kind === "seller" ? { seller: id } : { operator: id }
