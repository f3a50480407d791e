/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"

/**
 * Modes of delivery: all caught, all but those to allowed addresses caught, or all sent.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Delivery = Schema.Literals(["catch", "allow-list", "live"])

/**
 * @category settings
 * @since 0.1.0
 */
export const delivery = Setting.make<typeof Delivery.Type>({
  name: "HM_NOTIFICATIONS_DELIVERY",
  doc: "What happens to messages. `catch` keeps every message in `hm_notification_caught` and sends none. `allow-list` sends to `HM_NOTIFICATIONS_ALLOW` and catches the rest. `live` sends all.",
  read: (name) => Config.schema(Delivery, name),
  defaultValue: "catch"
})

const entriesOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "")

/**
 * @category settings
 * @since 0.1.0
 */
export const allow = Setting.make<ReadonlyArray<string>>({
  name: "HM_NOTIFICATIONS_ALLOW",
  doc: "Addresses and domains (`ann@example.com,@example.org`) that `allow-list` sends to.",
  read: (name) => Config.map(Config.String(name), entriesOf),
  defaultValue: [],
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const smtpUrl = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_SMTP_URL",
  doc: "The mail server, `smtp://user:password@host:587` or `smtps://...:465`. Without it, messages that would be sent are retried."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const smtpFallbackUrl = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_SMTP_FALLBACK_URL",
  doc: "A second mail server, for messages that the first did not take because it is unavailable."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const from = Setting.make({
  name: "HM_NOTIFICATIONS_FROM",
  doc: "The address that mail is from. Its domain is the one of Message-ID.",
  read: (name) => Config.String(name),
  defaultValue: "no-reply@hypermarket.example"
})

/**
 * @category settings
 * @since 0.1.0
 */
export const publicUrl = Setting.make({
  name: "HM_NOTIFICATIONS_URL",
  doc: "The public HTTPS address of the API, for unsubscribe links. Without it, mail that needs such a link is not sent live.",
  read: (name) => Config.String(name),
  defaultValue: "",
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const dkimDomain = Setting.make({
  name: "HM_NOTIFICATIONS_DKIM_DOMAIN",
  doc: "The signing domain of DKIM, with `HM_NOTIFICATIONS_DKIM_KEY`.",
  read: (name) => Config.String(name),
  defaultValue: "",
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const dkimSelector = Setting.make({
  name: "HM_NOTIFICATIONS_DKIM_SELECTOR",
  doc: "The selector of the DKIM key's DNS record.",
  read: (name) => Config.String(name),
  defaultValue: "hypermarket"
})

/**
 * @category settings
 * @since 0.1.0
 */
export const dkimKey = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_DKIM_KEY",
  doc: "The private key of DKIM as PEM. Without it, mail is not signed."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [
  delivery,
  allow,
  smtpUrl,
  smtpFallbackUrl,
  from,
  publicUrl,
  dkimDomain,
  dkimSelector,
  dkimKey
]
