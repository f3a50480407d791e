/**
 * Composes mail (RFC 5322, MIME, DKIM) and hands it to the mail server of `HM_NOTIFICATIONS_SMTP_URL`.
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
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createTransport } from "nodemailer"
import { Readable } from "node:stream"
import { type Outcome, outcomeOf } from "./internal/mail/outcome.ts"
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

/** Time for a connection and for each answer, in milliseconds; half of what a message's lease leaves. */
const connectMillis = 5_000
const socketMillis = 10_000
/** All of one send; a message's lease is more than twice as long. */
const sendDeadline = "20 seconds"
/** Messages in flight per process. A worker runs four chunks of five. */
const connectionsMax = 20

/**
 * @category services
 * @since 0.1.0
 */
export class MailProvider extends Context.Service<
  MailProvider,
  {
    /** True when a mail server is configured. */
    readonly isConfigured: boolean
    /** Returns the message as it goes over the wire, signed when a key is configured. */
    readonly compose: (mail: Mail) => Effect.Effect<Uint8Array>
    /** Sends a composed message. Never fails: the outcome says what is known. */
    readonly send: (address: string, message: Uint8Array) => Effect.Effect<Outcome>
  }
>()("@hypermarket/notifications/MailProvider") {
  static readonly layer: Layer.Layer<MailProvider, Config.ConfigError> = Layer.effect(
    MailProvider,
    Effect.suspend(() => make)
  )
}

/** The domain of a checked address is ASCII, so the rest is of the local part. */
const isAscii = (address: string): boolean => Buffer.byteLength(address) === address.length

/** A source that notes when the server asks for the message: from then on a lost connection leaves the outcome open. */
const noted = (message: Uint8Array) => {
  let hasBegun = false
  const stream = new Readable({
    read() {
      hasBegun = true
      this.push(message)
      this.push(null)
    }
  })
  return { stream, hasBegun: () => hasBegun }
}

const make = Effect.gen(function* () {
  const from = yield* Settings.from.config
  const url = yield* Settings.smtpUrl.config
  const domainName = yield* Settings.dkimDomain.config
  const keySelector = yield* Settings.dkimSelector.config
  const key = yield* Settings.dkimKey.config
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
      isConfigured: false,
      compose,
      send: () =>
        Effect.succeed({ _tag: "deferred", detail: "no mail server is configured", isUnreachable: true })
    })
  }

  const pool = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createTransport({
        url: Redacted.value(url),
        pool: true,
        maxConnections: connectionsMax,
        // A message that was cut off is ours to decide about.
        maxRequeues: 0,
        connectionTimeout: connectMillis,
        greetingTimeout: connectMillis,
        socketTimeout: socketMillis
      })
    ),
    (transport) => Effect.sync(() => transport.close())
  )

  /** Asks the server, because nodemailer sends such an address to one that never announced SMTPUTF8. */
  const takesUtf8 = Effect.suspend(() => {
    let isAnnounced = false
    const note = (_entry: unknown, text?: unknown) => {
      if (typeof text === "string" && /[ -]SMTPUTF8\b/i.test(text)) isAnnounced = true
    }
    const ignore = () => undefined
    const transport = createTransport({
      url: Redacted.value(url),
      connectionTimeout: connectMillis,
      greetingTimeout: connectMillis,
      socketTimeout: socketMillis,
      transactionLog: true,
      logger: {
        level: ignore,
        trace: ignore,
        debug: note,
        info: ignore,
        warn: ignore,
        error: ignore,
        fatal: ignore
      }
    })
    return Effect.tryPromise({
      try: () => transport.verify().then(() => isAnnounced),
      catch: (error) => outcomeOf(error, false)
    })
  })

  const send = Effect.fn("MailProvider.send")(function* (address: string, message: Uint8Array) {
    if (isAscii(address)) return yield* submit(address, message)
    const supported = yield* Effect.result(takesUtf8)
    if (Result.isFailure(supported)) return supported.failure
    return supported.success
      ? yield* submit(address, message)
      : ({ _tag: "unsupported", detail: "the server lacks SMTPUTF8", isUnreachable: false } as const)
  })

  const submit = (address: string, message: Uint8Array) =>
    Effect.suspend(() => {
      const { hasBegun, stream } = noted(message)
      return Effect.tryPromise({
        try: () => pool.sendMail({ envelope: { from, to: [address] }, raw: stream }),
        catch: (error) => outcomeOf(error, hasBegun())
      }).pipe(
        Effect.map((info): Outcome => ({ _tag: "accepted", detail: info.response, isUnreachable: false })),
        // The pool cannot take it back: the message may still go out.
        Effect.timeoutOrElse({
          duration: sendDeadline,
          orElse: () =>
            Effect.succeed<Outcome>({ _tag: "unknown", detail: "no answer in time", isUnreachable: false })
        }),
        Effect.catch(Effect.succeed)
      )
    })

  return MailProvider.of({ isConfigured: true, compose, send })
})
