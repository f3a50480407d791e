/**
 * Composes mail (RFC 5322, MIME, DKIM) and hands it to the mail server of `HM_NOTIFICATIONS_SMTP_URL`, or to that of
 * `HM_NOTIFICATIONS_SMTP_FALLBACK_URL` when the first is unavailable.
 *
 * One recipient per message. The message is composed whole before the server is asked, so that a mistake in it is found
 * while nothing is being sent.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Redacted from "effect/Redacted"
import { createTransport } from "nodemailer"
import * as Feedback from "./internal/feedback/feedback.ts"
import * as Failover from "./internal/mail/failover.ts"
import type { Outcome } from "./internal/mail/outcome.ts"
import * as Relay from "./internal/mail/relay.ts"
import * as Settings from "./NotificationsSettings.ts"

/**
 * A message to one recipient.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mail {
  /** The local part of Message-ID: the same on every attempt. */
  readonly id: string
  readonly to: { readonly address: string; readonly name: string | undefined }
  readonly fromName: string | undefined
  readonly replyTo: string | undefined
  readonly subject: string
  readonly text: string
  readonly html: string | undefined
  /** The one-click address of RFC 8058; undefined in a required category. */
  readonly unsubscribeUrl: string | undefined
  /** The date of the message: the same on every attempt. */
  readonly date: Date
}

/**
 * @category models
 * @since 0.1.0
 */
export type SendOutcome = Outcome

/** The headers that DKIM signs: nodemailer's own list lacks List-Unsubscribe-Post, which RFC 8058 (4) asks for. */
const signedHeaders =
  "From:Reply-To:Subject:Date:Message-ID:To:MIME-Version:Content-Type:Content-Transfer-Encoding:List-Unsubscribe:List-Unsubscribe-Post"

/**
 * @category services
 * @since 0.1.0
 */
export class MailProvider extends Context.Service<
  MailProvider,
  {
    /** Returns the message as it goes over the wire, signed when a key is configured. */
    readonly compose: (mail: Mail) => Effect.Effect<Uint8Array>
    /** Sends a composed message. Never fails: the outcome says what is known. */
    readonly send: (id: string, address: string, message: Uint8Array) => Effect.Effect<Outcome>
  }
>()("@hypermarket/notifications/MailProvider") {
  static readonly layer: Layer.Layer<MailProvider, Config.ConfigError> = Layer.effect(
    MailProvider,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))
}

/** Headers with the message's id by the host of a mail server that replaces Message-ID and returns these in its callbacks. */
const idHeaders: ReadonlyArray<readonly [RegExp, (id: string) => readonly [string, string]]> = [
  [/^(?:.+\.)?postmarkapp\.com$/, (id) => [`X-PM-Metadata-${Feedback.metadataKey}`, id]],
  [
    /^email-smtp(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/,
    (id) => ["X-SES-MESSAGE-TAGS", `${Feedback.metadataKey}=${id}`]
  ]
]

const hostOf = (url: Redacted.Redacted | undefined): string =>
  url === undefined ? "" : (URL.parse(Redacted.value(url))?.hostname ?? "")

const make = Effect.gen(function* () {
  const from = yield* Settings.from.config
  const url = yield* Settings.smtpUrl.config
  const fallbackUrl = yield* Settings.smtpFallbackUrl.config
  const bounce = yield* Settings.bounce.config
  const domainName = yield* Settings.dkimDomain.config
  const keySelector = yield* Settings.dkimSelector.config
  const key = yield* Settings.dkimKey.config
  const hosts = [url, fallbackUrl].map(hostOf)
  const idHeadersOf = idHeaders.filter(([pattern]) => hosts.some((name) => pattern.test(name)))
  const host = from.slice(from.lastIndexOf("@") + 1)
  const composer = createTransport({
    streamTransport: true,
    buffer: true,
    newline: "windows",
    ...(key === undefined || domainName === ""
      ? {}
      : {
          dkim: { domainName, keySelector, privateKey: Redacted.value(key), headerFieldNames: signedHeaders }
        })
  })

  const compose = Effect.fn("MailProvider.compose")(function* (mail: Mail) {
    const composed = yield* Effect.promise(() =>
      composer.sendMail({
        // Objects, never text: a parser of address lists would find more than one address in it.
        from: { name: mail.fromName ?? "", address: from },
        to: { name: mail.to.name ?? "", address: mail.to.address },
        ...(mail.replyTo === undefined ? {} : { replyTo: { name: "", address: mail.replyTo } }),
        subject: mail.subject,
        text: mail.text,
        ...(mail.html === undefined ? {} : { html: mail.html }),
        messageId: `<${mail.id}@${host}>`,
        date: mail.date,
        disableFileAccess: true,
        disableUrlAccess: true,
        xMailer: false,
        headers: {
          "Auto-Submitted": "auto-generated",
          ...Object.fromEntries(idHeadersOf.map(([, make]) => make(mail.id))),
          ...(mail.unsubscribeUrl === undefined
            ? {}
            : {
                "List-Unsubscribe": { prepared: true, value: `<${mail.unsubscribeUrl}>` },
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"
              })
        }
      })
    )
    const { message } = composed
    return Buffer.isBuffer(message)
      ? new Uint8Array(message)
      : yield* Effect.die(new Error("The composer returned no buffer"))
  })

  if (url === undefined) {
    return MailProvider.of({
      compose,
      send: () =>
        Effect.succeed({ _tag: "deferred", detail: "no mail server is configured", isUnavailable: true })
    })
  }
  const primary = yield* Relay.make("primary", url)
  const relays: readonly [Relay.Relay, ...ReadonlyArray<Relay.Relay>] =
    fallbackUrl === undefined ? [primary] : [primary, yield* Relay.make("fallback", fallbackUrl)]
  const submit = yield* Failover.make(relays)

  /** Bounces come back to an address that names the message. */
  const senderOf = (id: string): string => (bounce === undefined ? from : Feedback.senderOf(bounce, id))

  const send = Effect.fn("MailProvider.send")((id: string, address: string, message: Uint8Array) =>
    submit({ from: senderOf(id), to: address }, message)
  )

  return MailProvider.of({ compose, send })
})
