import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Credentials } from "@hypermarket/core/Credentials"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as CallbackProtocol from "@hypermarket/notifications/CallbackProtocol"
import { NotificationSuppressions } from "@hypermarket/notifications/NotificationSuppressions"
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { createHmac, generateKeyPairSync, sign } from "node:crypto"
import { Webhook } from "standardwebhooks"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"
import * as Reports from "./deliveryReports.ts"

const secret = `whsec_${Buffer.from(Array.from({ length: 24 }, (_, index) => index * 5)).toString("base64")}`
const mailgunKey = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
const ecdsa = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
})

const TestLayer = ApiServer.layer(CallbackProtocol.layer.pipe(Layer.provide(RequestChain.layer))).pipe(
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
      HM_NOTIFICATIONS_SENDGRID_KEY: ecdsa.publicKey.toString("base64")
    })
  ),
  Layer.provideMerge(MailServer.layer())
)

interface Sent {
  readonly id: string
  readonly address: string
  readonly from: string
  readonly messageId: string
}

/** Sends a message and returns what its server knows of it. */
const sent = (id: string) =>
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

const stateOf = (id: string) => Effect.map(Laboratory.explain(id, id), ([explanation]) => explanation?.state)

const suppression = (address: string) =>
  Effect.gen(function* () {
    const suppressions = yield* NotificationSuppressions
    return yield* suppressions.find(address).pipe(
      Effect.map(({ reason }): string => reason),
      Effect.catchTag("NotificationSuppressionNotFound", () => Effect.succeed("none"))
    )
  })

const Answer = Schema.Struct({ reports: Schema.Int, changed: Schema.Int })

const post = (source: string, body: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const request = HttpClientRequest.post(`/v1/notifications/callbacks/${source}`).pipe(
      HttpClientRequest.bodyText(body, headers["content-type"] ?? "application/json"),
      HttpClientRequest.setHeaders(headers)
    )
    return yield* HttpClient.execute(request)
  })

const accepted = (source: string, body: string, headers: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const answer = yield* post(source, body, headers)
    assert.strictEqual(answer.status, 200, source)
    return yield* Schema.decodeUnknownEffect(Answer)(yield* answer.json)
  })

const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`mail:${password}`).toString("base64")}`,
  "content-type": "message/rfc822"
})

const returned = (mail: string) => accepted("mail", mail, basic(secret))

const reportOf = (
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

/** The same report by each provider, and its headers. */
const byProvider: Readonly<
  Record<
    string,
    (
      mail: Sent,
      report: { readonly kind: "delivered" | "bounced" | "complained"; readonly reason: string }
    ) => { readonly body: string; readonly headers: Readonly<Record<string, string>> }
  >
> = {
  mailgun: ({ address, messageId }, { kind, reason }) => {
    const timestamp = "1795939867"
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
  },
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

layer(TestLayer, { excludeTestServices: true })("Reports", (it) => {
  it.effect("a bounce by mail suppresses an address that does not exist, once", () =>
    Effect.gen(function* () {
      const mail = yield* sent("gone")
      assert.match(mail.from, /^bounces\+[0-9a-f]{32}@shop\.example$/)
      assert.deepStrictEqual(yield* returned(reportOf(mail)), { reports: 1, changed: 1 })
      assert.strictEqual(yield* stateOf("gone"), "bounced")
      assert.strictEqual(yield* suppression(mail.address), "bounce")
      assert.deepStrictEqual(yield* returned(reportOf(mail)), { reports: 1, changed: 0 })
      yield* Laboratory.trigger("gone-again", { customer: "gone" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("gone-again", "gone"))[0], {
        state: "suppressed",
        reason: "bounce"
      })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("only a mailbox that does not exist is suppressed: no block, full mailbox, delay or reply", () =>
    Effect.gen(function* () {
      const cases: Readonly<
        Record<string, readonly [state: string, suppressed: string, report: (mail: Sent) => string]>
      > = {
        generic: [
          "bounced",
          "bounce",
          (mail) => reportOf(mail, { status: "5.0.0", diagnostic: "550 5.1.10 No such recipient" })
        ],
        "bare-550": [
          "bounced",
          "bounce",
          (mail) => reportOf(mail, { status: "", diagnostic: "550 No such user here" })
        ],
        closed: ["bounced", "bounce", (mail) => reportOf(mail, { status: "5.2.1", diagnostic: "" })],
        blocked: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.7.1", diagnostic: "550 5.7.1 Blocked by policy" })
        ],
        "bare-block": [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "", diagnostic: "550 listed at a blocklist" })
        ],
        sender: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.1.8", diagnostic: "550 5.1.8 Bad sender domain" })
        ],
        address: [
          "bounced",
          "none",
          (mail) =>
            reportOf(mail, { status: "5.3.0", diagnostic: "554 refused by 5.1.1.20 (mx5.mail.example)" })
        ],
        full: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "5.2.2", diagnostic: "552 5.2.2 Over quota" })
        ],
        late: [
          "bounced",
          "none",
          (mail) => reportOf(mail, { status: "4.4.7", diagnostic: "451 4.4.7 Delivery time expired" })
        ],
        delayed: [
          "accepted",
          "none",
          (mail) => reportOf(mail, { action: "delayed", status: "4.4.1", diagnostic: "no route" })
        ],
        relayed: ["accepted", "none", (mail) => reportOf(mail, { action: "relayed", status: "2.1.9" })],
        vacation: ["accepted", "none", (mail) => Reports.automaticReply(mail.from, mail.messageId)],
        noise: ["accepted", "none", () => "\u0000\u00ff--\r\n\r\n=="]
      }
      for (const [id, [state, suppressed, report]] of Object.entries(cases)) {
        const mail = yield* sent(id)
        yield* returned(report(mail))
        assert.strictEqual(yield* stateOf(id), state, id)
        assert.strictEqual(yield* suppression(mail.address), suppressed, id)
      }
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a report about another address suppresses neither: the recipient's mail is forwarded", () =>
    Effect.gen(function* () {
      const victim = yield* sent("victim")
      const forger = yield* sent("forger")
      yield* returned(reportOf(forger, { finalRecipient: victim.address }))
      assert.strictEqual(yield* suppression(victim.address), "none")
      assert.strictEqual(yield* suppression(forger.address), "none")
      assert.strictEqual(yield* stateOf("victim"), "accepted")
      // With the recipient that we gave to the server, the report is of that one.
      const forwarded = yield* sent("forwarded")
      yield* returned(
        reportOf(forwarded, { finalRecipient: victim.address, originalRecipient: forwarded.address })
      )
      assert.strictEqual(yield* suppression(forwarded.address), "bounce")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a complaint stops all but what is owed, and replaces no bounce", () =>
    Effect.gen(function* () {
      const mail = yield* sent("angry")
      const complaint = (type: string) => Reports.complaintReport({ messageId: mail.messageId, type })
      assert.deepStrictEqual(yield* returned(complaint("not-spam")), { reports: 0, changed: 0 })
      yield* returned(complaint("abuse"))
      assert.strictEqual(yield* stateOf("angry"), "complained")
      assert.strictEqual(yield* suppression(mail.address), "complaint")
      const gone = yield* sent("gone-then-angry")
      yield* returned(reportOf(gone))
      yield* returned(Reports.complaintReport({ messageId: gone.messageId, type: "abuse" }))
      assert.strictEqual(yield* stateOf("gone-then-angry"), "complained")
      assert.strictEqual(yield* suppression(gone.address), "bounce")
    }).pipe(Laboratory.inAcme)
  )

  for (const [source, make] of Object.entries(byProvider)) {
    it.effect(`${source}: reports are idempotent, and harmless out of order`, () =>
      Effect.gen(function* () {
        const mail = yield* sent(`order-${source}`)
        const bounce = make(mail, { kind: "bounced", reason: "550 5.1.1 No such user" })
        const delivery = make(mail, { kind: "delivered", reason: "250 OK" })
        assert.strictEqual((yield* accepted(source, bounce.body, bounce.headers)).changed, 1)
        assert.strictEqual((yield* accepted(source, bounce.body, bounce.headers)).changed, 0)
        assert.strictEqual((yield* accepted(source, delivery.body, delivery.headers)).changed, 0)
        assert.strictEqual(yield* stateOf(mail.id), "bounced")
        assert.strictEqual(yield* suppression(mail.address), "bounce")
        const other = yield* sent(`blocked-${source}`)
        const block = make(other, { kind: "bounced", reason: "550 5.7.1 Message blocked" })
        assert.strictEqual((yield* accepted(source, block.body, block.headers)).changed, 1)
        assert.strictEqual(yield* suppression(other.address), "none")
      }).pipe(Laboratory.inAcme)
    )

    it.effect(`${source}: a callback without its signature changes nothing`, () =>
      Effect.gen(function* () {
        const mail = yield* sent(`unsigned-${source}`)
        const { body, headers } = make(mail, { kind: "complained", reason: "" })
        const altered = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [
            name,
            name.endsWith("signature")
              ? `${value.slice(0, 20)}${value[20] === "A" ? "B" : "A"}${value.slice(21)}`
              : value
          ])
        )
        const wrong = source === "mailgun" ? body.replace(/"signature":"./, '"signature":"g') : body
        const bodies: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
          [wrong, altered],
          [wrong, source === "mailgun" ? headers : {}],
          [source === "mailgun" ? wrong : `${body} `, headers]
        ]
        for (const [sentBody, sentHeaders] of bodies) {
          assert.strictEqual((yield* post(source, sentBody, sentHeaders)).status, 401)
        }
        assert.strictEqual(yield* stateOf(mail.id), "accepted")
        assert.strictEqual((yield* accepted(source, body, headers)).changed, 1)
      }).pipe(Laboratory.inAcme)
    )
  }

  it.effect("a mail without the secret changes nothing, and an old webhook is a replay", () =>
    Effect.gen(function* () {
      const mail = yield* sent("secret")
      for (const password of ["", "x", secret.slice(0, -1), `${secret}x`]) {
        assert.strictEqual((yield* post("mail", reportOf(mail), basic(password))).status, 401)
      }
      assert.strictEqual((yield* post("mail", reportOf(mail), {})).status, 401)
      const body = JSON.stringify({ events: [{ type: "bounced", messageId: mail.messageId }] })
      const old = new Date((yield* Clock.currentTimeMillis) - 600_000)
      const headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": String(Math.floor(old.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("msg_2", old, body)
      }
      assert.strictEqual((yield* post("webhook", body, headers)).status, 401)
      assert.strictEqual(yield* stateOf("secret"), "accepted")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a body that the source does not send is refused, and one beyond a mebibyte too", () =>
    Effect.gen(function* () {
      const at = new Date()
      const signed = (body: string) => ({
        "webhook-id": "msg_3",
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign("msg_3", at, body)
      })
      for (const body of ["", "[]", '{"events":[{"type":"opened","messageId":"x"}]}']) {
        assert.strictEqual((yield* post("webhook", body, signed(body))).status, 400)
      }
      const large = "x".repeat(1_048_577)
      assert.strictEqual((yield* post("mail", large, basic(secret))).status, 413)
      const none = { events: [{ type: "bounced", messageId: "<someone-elses@shop.example>" }] }
      const body = JSON.stringify(none)
      assert.deepStrictEqual(yield* accepted("webhook", body, signed(body)), { reports: 0, changed: 0 })
    })
  )

  it.effect("a delivery settles a message whose outcome was unknown", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const sql = yield* SqlClient.SqlClient
      server.behaviour.current = { ...MailServer.plain, hangsUp: () => true }
      const mail = yield* sent("doubtful")
      server.behaviour.current = MailServer.plain
      assert.strictEqual(yield* stateOf("doubtful"), "retry")
      const { body, headers } = byProvider["webhook"]?.(mail, { kind: "delivered", reason: "" }) ?? {
        body: "",
        headers: {}
      }
      assert.strictEqual((yield* accepted("webhook", body, headers)).changed, 1)
      const [row] = yield* sql<{ readonly id: string; readonly dueAt: Date | null }>`
        UPDATE hm_notification_queue
           SET updated_at = updated_at
         WHERE recipient_id = 'doubtful'
        RETURNING notification_id::text AS id, due_at AS "dueAt"
      `
      assert.isNull(row?.dueAt)
      const delivery = yield* Laboratory.delivery
      yield* delivery.send([row?.id ?? ""])
      assert.lengthOf(
        server.received.filter(({ to }) => to.includes(mail.address)),
        1
      )
      assert.strictEqual(yield* stateOf("doubtful"), "delivered")
    }).pipe(Laboratory.inAcme)
  )
})
