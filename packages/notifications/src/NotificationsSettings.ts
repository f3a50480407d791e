/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Sns from "./internal/feedback/sns.ts"

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

/** RFC 5321 bounds a local part to 64 octets; `+` and a message's id need 33. */
const bounceLocalMax = 31

const BounceAddress = Schema.String.check(
  Schema.makeFilter((text: string) =>
    Result.match(EmailAddress.parse(text), {
      onFailure: () => false,
      onSuccess: ({ local, normal }) =>
        normal === text && Buffer.byteLength(local) <= bounceLocalMax && !local.includes("+")
    })
      ? undefined
      : `Expected a lower-case address with at most ${bounceLocalMax} characters and no + before the @`
  )
)

/**
 * @category settings
 * @since 0.1.0
 */
export const bounce = Setting.make<string | undefined>({
  name: "HM_NOTIFICATIONS_BOUNCE_ADDRESS",
  doc: "The address that bounces come back to, `bounces@shop.example`. Each message's is `bounces+<id>@shop.example`. Give what arrives there to `/v1/notifications/callbacks/mail`.",
  read: (name) => Config.schema(BounceAddress, name),
  defaultValue: undefined,
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const callbackSecret = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_CALLBACK_SECRET",
  doc: "The secret of `/v1/notifications/callbacks/mail` and `/callbacks/postmark` (as the password of basic authentication), and of `/v1/notifications/callbacks/webhook` (as the `whsec_` secret of Standard Webhooks)."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const mailgunKey = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_MAILGUN_KEY",
  doc: "Mailgun's webhook signing key, for `/v1/notifications/callbacks/mailgun`."
})

/**
 * @category settings
 * @since 0.1.0
 */
export const sendGridKey = Setting.optionalSecret({
  name: "HM_NOTIFICATIONS_SENDGRID_KEY",
  doc: "The public key of SendGrid's event webhook, for `/v1/notifications/callbacks/sendgrid`."
})

const Topic = Schema.String.check(
  Schema.makeFilter((text: string) =>
    Sns.hostOf(text) === undefined
      ? "Expected the ARN of a topic, such as arn:aws:sns:eu-central-1:123456789012:mail"
      : undefined
  )
)

/**
 * @category settings
 * @since 0.1.0
 */
export const sesTopic = Setting.make<string | undefined>({
  name: "HM_NOTIFICATIONS_SES_TOPIC",
  doc: "The ARN of the SNS topic to which Amazon SES publishes bounces, complaints and deliveries, for `/v1/notifications/callbacks/ses`. A subscription of this topic confirms itself.",
  read: (name) => Config.schema(Topic, name),
  defaultValue: undefined,
  defaultText: ""
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
  bounce,
  callbackSecret,
  mailgunKey,
  sendGridKey,
  sesTopic,
  publicUrl,
  dkimDomain,
  dkimSelector,
  dkimKey
]
