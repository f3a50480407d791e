/**
 * Callbacks of mail providers, and mail that came back: `POST /v1/notifications/callbacks/<source>`.
 *
 * | source     | body                                            | opened by                                             |
 * | ---------- | ----------------------------------------------- | ----------------------------------------------------- |
 * | `mailgun`  | Mailgun's webhook                               | its signature, `HM_NOTIFICATIONS_MAILGUN_KEY`         |
 * | `sendgrid` | SendGrid's signed event webhook                 | its signature, `HM_NOTIFICATIONS_SENDGRID_KEY`        |
 * | `ses`      | Amazon SES by SNS                               | SNS's signature, for `HM_NOTIFICATIONS_SES_TOPIC`     |
 * | `postmark` | Postmark's webhook                              | basic authentication with the secret below            |
 * | `webhook`  | `{ "events": [...] }`                           | Standard Webhooks, `HM_NOTIFICATIONS_CALLBACK_SECRET` |
 * | `mail`     | a bounce (RFC 3464) or complaint (RFC 5965)     | basic authentication with the same secret             |
 *
 * A report names a message by its random id, and no tenant.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import { OutboundAddress } from "@hypermarket/core/OutboundAddress"
import { OutboundHttp } from "@hypermarket/core/OutboundHttp"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as Storage from "@hypermarket/core/Storage"
import { AllTenants } from "@hypermarket/core/Tenant"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Feedback } from "./internal/feedback/feedback.ts"
import * as MailReport from "./internal/feedback/mailReport.ts"
import * as Providers from "./internal/feedback/providers.ts"
import * as Ses from "./internal/feedback/ses.ts"
import * as Signatures from "./internal/feedback/signatures.ts"
import * as Sns from "./internal/feedback/sns.ts"
import { NotificationFeedback } from "./NotificationFeedback.ts"
import * as Settings from "./NotificationsSettings.ts"

/**
 * @category errors
 * @since 0.1.0
 */
export class CallbackUnsigned extends HttpApiError.Problem<CallbackUnsigned>()("CallbackUnsigned", {
  type: "urn:hypermarket:problem:notifications:callback-unsigned",
  status: 401,
  title: "The callback's signature is missing or wrong"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class CallbackMalformed extends HttpApiError.Problem<CallbackMalformed>()("CallbackMalformed", {
  type: "urn:hypermarket:problem:notifications:callback-malformed",
  status: 400,
  title: "The body is not what this source sends"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class CallbackNotConfigured extends HttpApiError.Problem<CallbackNotConfigured>()(
  "CallbackNotConfigured",
  {
    type: "urn:hypermarket:problem:notifications:callback-not-configured",
    status: 503,
    title: "The key of this source is not configured"
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class CallbackUnverified extends HttpApiError.Problem<CallbackUnverified>()("CallbackUnverified", {
  type: "urn:hypermarket:problem:notifications:callback-unverified",
  status: 503,
  title: "The provider's certificate or subscription is not available"
}) {}

type Headers = Readonly<Record<string, string | undefined>>

interface Source {
  readonly name: string
  readonly key: Redacted.Redacted | undefined
  /** Checks the signature, and reads what the body reports. */
  readonly read: (input: {
    readonly headers: Headers
    readonly body: Uint8Array
    readonly key: string
  }) => Effect.Effect<ReadonlyArray<Feedback>, CallbackUnsigned | CallbackMalformed | CallbackUnverified>
}

const readAs = <A>(
  decode: (body: Uint8Array) => Option.Option<A>,
  toFeedback: (decoded: A) => ReadonlyArray<Feedback>
) =>
  Effect.fnUntraced(function* (body: Uint8Array) {
    const decoded = decode(body)
    return Option.isNone(decoded) ? yield* new CallbackMalformed() : toFeedback(decoded.value)
  })

const decodeMailgun = Providers.decode(Providers.Mailgun)
const readSendGrid = readAs(Providers.decode(Providers.SendGrid), Providers.ofSendGrid)
const readPostmark = readAs(Providers.decode(Providers.Postmark), Providers.ofPostmark)
const readReports = readAs(Providers.decode(Providers.Reports), Providers.ofReports)

const sources = Effect.gen(function* () {
  const secret = yield* Settings.callbackSecret.config
  const topic = yield* Settings.sesTopic.config
  const sns = Sns.make(yield* OutboundHttp)
  const list: ReadonlyArray<Source> = [
    {
      name: "mailgun",
      key: yield* Settings.mailgunKey.config,
      read: Effect.fnUntraced(function* ({ body, key }) {
        // Its signature is in the body.
        const decoded = decodeMailgun(body)
        if (Option.isNone(decoded)) return yield* new CallbackMalformed()
        const now = yield* Now.now
        if (!Signatures.isMailgun(decoded.value.signature, key, now)) return yield* new CallbackUnsigned()
        return Providers.ofMailgun(decoded.value)
      })
    },
    {
      name: "sendgrid",
      key: yield* Settings.sendGridKey.config,
      read: Effect.fnUntraced(function* ({ body, headers, key }) {
        return Signatures.isSendGrid(headers, body, key)
          ? yield* readSendGrid(body)
          : yield* new CallbackUnsigned()
      })
    },
    {
      name: "ses",
      // The name of the topic is no secret: SNS signs for it.
      key: topic === undefined ? undefined : Redacted.make(topic),
      read: Effect.fnUntraced(function* ({ body, key }) {
        const envelope = Sns.decode(body)
        if (Option.isNone(envelope)) return yield* new CallbackMalformed()
        const message = yield* sns
          .open(key, envelope.value)
          .pipe(
            Effect.mapError((fault) =>
              fault === "unsigned" ? new CallbackUnsigned() : new CallbackUnverified()
            )
          )
        return message === undefined ? [] : Ses.read(message)
      })
    },
    {
      name: "postmark",
      key: secret,
      // Postmark signs nothing: the secret is the password in the address of the webhook.
      read: Effect.fnUntraced(function* ({ body, headers, key }) {
        return Signatures.isBasic(headers, key) ? yield* readPostmark(body) : yield* new CallbackUnsigned()
      })
    },
    {
      name: "webhook",
      key: secret,
      read: Effect.fnUntraced(function* ({ body, headers, key }) {
        const now = yield* Now.now
        return Signatures.isStandard(headers, body, key, now)
          ? yield* readReports(body)
          : yield* new CallbackUnsigned()
      })
    },
    {
      name: "mail",
      key: secret,
      read: Effect.fnUntraced(function* ({ body, headers, key }) {
        return Signatures.isBasic(headers, key) ? yield* MailReport.read(body) : yield* new CallbackUnsigned()
      })
    }
  ]
  return list
})

/** A bounce returns the message; providers send at most some hundreds of events. */
const bodyBytesMax = 1_048_576

const passage = { deadline: Duration.millis(2_500), bodyBytesMax, guard: "database", cost: 1 } as const

const identify = Effect.succeed({
  tenantId: undefined,
  actor: { type: "process", id: "mail-provider" },
  context: Context.make(AllTenants, { actor: "mail-provider" })
} as const)

/**
 * The routes, with another way to the certificates of a provider.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithoutOutbound: Layer.Layer<
  never,
  Config.ConfigError,
  RequestChain.RequestChain | HttpRouter.HttpRouter | NotificationFeedback | OutboundHttp
> = Layer.effectDiscard(
  Effect.gen(function* () {
    const chain = yield* RequestChain.RequestChain
    const router = yield* HttpRouter.HttpRouter
    const service = yield* NotificationFeedback
    for (const { key, name, read } of yield* sources) {
      const handle = Effect.gen(function* () {
        if (key === undefined) return yield* new CallbackNotConfigured()
        const request = yield* HttpServerRequest
        const body = new Uint8Array(yield* Effect.orDie(request.arrayBuffer))
        const list = yield* read({ headers: request.headers, body, key: Redacted.value(key) })
        const changed = yield* service.record(list).pipe(Storage.orUnavailable)
        return HttpServerResponse.jsonUnsafe({ reports: list.length, changed })
      })
      yield* router.add(
        "POST",
        `/v1/notifications/callbacks/${name}`,
        chain.passOpen({ passage, identify }, handle).pipe(Effect.catch(HttpServerRespondable.toResponse))
      )
    }
  })
)

/**
 * The routes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  never,
  Config.ConfigError,
  RequestChain.RequestChain | HttpRouter.HttpRouter | NotificationFeedback
> = layerWithoutOutbound.pipe(Layer.provide(Layer.provide(OutboundHttp.layer, OutboundAddress.layer)))
