/**
 * The branding of a tenant: what its templates and layouts see as `brand`.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"
import { Address } from "./NotificationProfile.ts"
import { headerText } from "./internal/headerText.ts"

const nameMax = 100
const urlMax = 2_000
const addressMax = 500
const footerMax = 1_000

/** A link that a mail client may load: no other scheme, no credentials, and no character that ends an attribute. */
const Link = Text.make({ max: urlMax }).check(
  Schema.makeFilter(
    (text: string) => {
      const url = /^https:\/\/[^\s"'<>\\]+$/.test(text) ? URL.parse(text) : null
      return url !== null && url.username === "" && url.password === ""
        ? undefined
        : "Expected a URL that begins with https://"
    },
    { expected: "a URL that begins with https://", toJsonSchema: () => ({ format: "uri" }) }
  )
)

/** Six digits: it is written into styles. */
const Color = Schema.String.check(Schema.isPattern(/^#[0-9a-fA-F]{6}$/))

/**
 * The branding as a whole. It is read when a message is sent, as the sender's name is.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationBranding = Schema.Struct({
  name: headerText(nameMax),
  logoUrl: Schema.optionalKey(Link),
  websiteUrl: Schema.optionalKey(Link),
  primaryColor: Schema.optionalKey(Color),
  secondaryColor: Schema.optionalKey(Color),
  postalAddress: Schema.optionalKey(Text.make({ max: addressMax })),
  footer: Schema.optionalKey(Text.make({ max: footerMax })),
  supportEmail: Schema.optionalKey(Address)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationBranding = typeof NewNotificationBranding.Type

/**
 * All is null, and the version 0, where a tenant has set none.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationBranding extends Schema.Class<NotificationBranding>(
  "@hypermarket/notifications/NotificationBranding"
)({
  name: Schema.NullOr(Schema.String),
  logoUrl: Schema.NullOr(Schema.String),
  websiteUrl: Schema.NullOr(Schema.String),
  primaryColor: Schema.NullOr(Schema.String),
  secondaryColor: Schema.NullOr(Schema.String),
  postalAddress: Schema.NullOr(Schema.String),
  footer: Schema.NullOr(Schema.String),
  supportEmail: Schema.NullOr(Schema.String),
  version: Schema.Int
}) {}
