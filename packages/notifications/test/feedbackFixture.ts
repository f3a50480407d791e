/** Messages that were sent, and what mail servers and providers report of them. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Credentials } from "@hypermarket/core/Credentials"
import { OutboundFailed, OutboundHttp } from "@hypermarket/core/OutboundHttp"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as CallbackProtocol from "@hypermarket/notifications/CallbackProtocol"
import { NotificationSuppressions } from "@hypermarket/notifications/NotificationSuppressions"
import { Effect, Layer, Option, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { createHmac, generateKeyPairSync, sign } from "node:crypto"
import { Webhook } from "standardwebhooks"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"
import * as Reports from "./deliveryReports.ts"

export const secret = `whsec_${Buffer.from(Array.from({ length: 24 }, (_, index) => index * 5)).toString("base64")}`
export const mailgunKey = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
export const ecdsa = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
})

/** Callbacks over HTTP, with settings beside those of the laboratory and a client of certificates. */
export const layerUnder = (settings: Readonly<Record<string, string>>, outbound: Layer.Layer<OutboundHttp>) =>
  ApiServer.layer(
    CallbackProtocol.layerWithoutOutbound.pipe(Layer.provide([RequestChain.layer, outbound]))
  ).pipe(
    Layer.provide([
      AccessLog.layerDiscard,
      Shutdown.layer,
      Layer.succeed(Credentials, { authenticate: () => Effect.succeed(Option.none()) })
    ]),
    Layer.provideMerge(NodeHttpServer.layerTest),
    Layer.provideMerge(
      Laboratory.layer({
        HM_NOTIFICATIONS_BOUNCE_ADDRESS: "bounces@shop.example",
        HM_NOTIFICATIONS_CALLBACK_SECRET: secret,
        HM_NOTIFICATIONS_MAILGUN_KEY: mailgunKey,
        HM_NOTIFICATIONS_SENDGRID_KEY: ecdsa.publicKey.toString("base64"),
        ...settings
      })
    ),
    Layer.provideMerge(MailServer.layer())
  )

/** Nothing is fetched. */
const Unconnected = Layer.succeed(OutboundHttp, {
  check: () => Effect.void,
  send: () => Effect.fail(new OutboundFailed({ reason: "connect", isSent: false }))
})

export const layerWith = (settings: Readonly<Record<string, string>>) => layerUnder(settings, Unconnected)

export const TestLayer = layerWith({})

export interface Sent {
  readonly id: string
  readonly address: string
  readonly from: string
  readonly messageId: string
}

/** Sends a message and returns what its server knows of it. */
export const sent = (id: string) =>
  Effect.gen(function* () {
    const server = yield* MailServer.MailServer
    yield* Laboratory.seed
    yield* Laboratory.customer(id)
    yield* Laboratory.trigger(id, { customer: id })
    yield* Laboratory.work
    const address = `${id}@mail.example`
    const mail = server.received.find(({ to }) => to.includes(address))
    const messageId = /^Message-ID: (\S+)/im.exec(mail?.raw.toString("utf8") ?? "")?.[1] ?? ""
    return { id, address, from: mail?.from ?? "", messageId } satisfies Sent
  })

export const stateOf = (id: string) =>
  Effect.map(Laboratory.explain(id, id), ([explanation]) => explanation?.state)

export const suppression = (address: string) =>
  Effect.gen(function* () {
    const suppressions = yield* NotificationSuppressions
    return yield* suppressions.find(address).pipe(
      Effect.map(({ reason }): string => reason),
      Effect.catchTag("NotificationSuppressionNotFound", () => Effect.succeed("none"))
    )
  })

const Answer = Schema.Struct({ reports: Schema.Int, changed: Schema.Int })

export const post = (source: string, body: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const request = HttpClientRequest.post(`/v1/notifications/callbacks/${source}`).pipe(
      HttpClientRequest.bodyText(body, headers["content-type"] ?? "application/json"),
      HttpClientRequest.setHeaders(headers)
    )
    return yield* HttpClient.execute(request)
  })

export const accepted = (source: string, body: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const answer = yield* post(source, body, headers)
    assert.strictEqual(answer.status, 200, source)
    return yield* Schema.decodeUnknownEffect(Answer)(yield* answer.json)
  })

export const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`mail:${password}`).toString("base64")}`,
  "content-type": "message/rfc822"
})

export const returned = (mail: string) => accepted("mail", mail, basic(secret))

export const reportOf = (
  { address, from, messageId }: Sent,
  more: Partial<Parameters<typeof Reports.statusReport>[0]> = {}
) =>
  Reports.statusReport({
    to: from,
    messageId,
    action: "failed",
    status: "5.1.1",
    finalRecipient: address,
    diagnostic: "550 5.1.1 <x>: Recipient address rejected: User unknown",
    ...more
  })

interface ProviderReport {
  readonly kind: "delivered" | "bounced" | "complained"
  readonly reason: string
}

/** Mailgun's webhook, signed so many hours ago. */
export const mailgun = ({ address, messageId }: Sent, { kind, reason }: ProviderReport, ageHours = 0) => {
  const timestamp = String(Math.floor(new Date().getTime() / 1_000 - ageHours * 3_600))
  const token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
  return {
    body: JSON.stringify({
      signature: {
        timestamp,
        token,
        signature: createHmac("sha256", mailgunKey).update(`${timestamp}${token}`).digest("hex")
      },
      "event-data": {
        id: "CPgfbmQMTCKtHW6uIWtuVe",
        event: kind === "bounced" ? "failed" : kind,
        severity: "permanent",
        recipient: address,
        message: { headers: { "message-id": messageId.slice(1, -1) }, size: 867 },
        "delivery-status": { code: Number(reason.slice(0, 3)) || 250, message: reason.slice(4) }
      }
    }),
    headers: {}
  }
}

/** The same report by each provider, and its headers. */
export const byProvider: Readonly<
  Record<
    string,
    (
      mail: Sent,
      report: ProviderReport
    ) => { readonly body: string; readonly headers: Readonly<Record<string, string>> }
  >
> = {
  mailgun: (mail, report) => mailgun(mail, report),
  sendgrid: ({ address, messageId }, { kind, reason }) => {
    const names = { delivered: "delivered", bounced: "bounce", complained: "spamreport" }
    const body = JSON.stringify([
      { email: address, event: names[kind], "smtp-id": messageId, reason, type: "bounce", sg_event_id: "x" },
      { email: address, event: "open", "smtp-id": messageId }
    ])
    return {
      body,
      headers: {
        "x-twilio-email-event-webhook-timestamp": "1795939867",
        "x-twilio-email-event-webhook-signature": sign(
          "sha256",
          Buffer.from(`1795939867${body}`),
          ecdsa.privateKey
        ).toString("base64")
      }
    }
  },
  postmark: ({ address, messageId }, { kind, reason }) => {
    const [id = ""] = messageId.slice(1).split("@")
    const records = { delivered: "Delivery", bounced: "Bounce", complained: "SpamComplaint" }
    return {
      body: JSON.stringify({
        RecordType: records[kind],
        Type: kind === "bounced" ? "HardBounce" : undefined,
        MessageID: "00000000-0000-0000-0000-000000000000",
        Metadata: { "hm-notification": id },
        ...(kind === "delivered" ? { Recipient: address } : { Email: address }),
        Details: reason,
        ServerID: 23
      }),
      headers: {
        authorization: `Basic ${Buffer.from(`postmark:${secret}`).toString("base64")}`,
        "content-type": "application/json"
      }
    }
  },
  webhook: ({ address, messageId }, { kind, reason }) => {
    const body = JSON.stringify({
      events: [{ type: kind, messageId, recipient: address, detail: reason }]
    })
    const at = new Date()
    return {
      body,
      headers: {
        "webhook-id": "msg_1",
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("msg_1", at, body)
      }
    }
  }
}
