/** Callbacks of providers. */
import { assert, layer } from "@effect/vitest"
import { MailProvider } from "@hypermarket/notifications/MailProvider"
import { ConfigProvider, Effect, Layer } from "effect"
import { Webhook } from "standardwebhooks"
import {
  accepted,
  basic,
  byProvider,
  mailgun,
  post,
  secret,
  sent,
  stateOf,
  suppression,
  TestLayer
} from "./feedbackFixture.ts"
import * as Laboratory from "./Laboratory.ts"

layer(TestLayer, { excludeTestServices: true })("Callbacks", (it) => {
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
            name.endsWith("signature") || name === "authorization"
              ? `${value.slice(0, 20)}${value[20] === "A" ? "B" : "A"}${value.slice(21)}`
              : value
          ])
        )
        const wrong = source === "mailgun" ? body.replace(/"signature":"./, '"signature":"g') : body
        const bodies: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
          [wrong, altered],
          [wrong, source === "mailgun" ? headers : {}],
          // Postmark signs no body.
          [source === "mailgun" ? wrong : `${body} `, source === "postmark" ? {} : headers]
        ]
        for (const [sentBody, sentHeaders] of bodies) {
          assert.strictEqual((yield* post(source, sentBody, sentHeaders)).status, 401)
        }
        assert.strictEqual(yield* stateOf(mail.id), "accepted")
        assert.strictEqual((yield* accepted(source, body, headers)).changed, 1)
      }).pipe(Laboratory.inAcme)
    )
  }

  it.effect("mailgun: a signature of more than twelve hours is refused, whatever it signs", () =>
    Effect.gen(function* () {
      const mail = yield* sent("replayed")
      const aged = (hours: number) =>
        mailgun(mail, { kind: "bounced", reason: "550 5.1.1 No such user" }, hours)
      for (const hours of [12.1, 400, -13]) {
        assert.strictEqual((yield* post("mailgun", aged(hours).body, {})).status, 401)
      }
      assert.strictEqual(yield* stateOf("replayed"), "accepted")
      assert.strictEqual((yield* accepted("mailgun", aged(11.8).body, {})).changed, 1)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("postmark: what it still tries, answers by itself or does not name is left out", () =>
    Effect.gen(function* () {
      const mail = yield* sent("postmark")
      const { body = "", headers = {} } =
        byProvider["postmark"]?.(mail, { kind: "bounced", reason: "" }) ?? {}
      const changed = (from: string, to: string) => accepted("postmark", body.replace(from, to), headers)
      for (const type of ["Transient", "AutoResponder", "constructor", "DnsError"]) {
        assert.deepStrictEqual(yield* changed("HardBounce", type), { reports: 0, changed: 0 })
      }
      assert.strictEqual((yield* changed('"RecordType":"Bounce"', '"RecordType":"Open"')).reports, 0)
      assert.strictEqual((yield* changed("hm-notification", "other")).reports, 0)
      assert.strictEqual((yield* changed("HardBounce", "SoftBounce")).changed, 1)
      assert.strictEqual(yield* stateOf("postmark"), "bounced")
      assert.strictEqual(yield* suppression(mail.address), "none")
      const unknown = yield* sent("postmark-unknown")
      const hard = byProvider["postmark"]?.(unknown, { kind: "bounced", reason: "" })
      yield* accepted("postmark", hard?.body ?? "", headers)
      assert.strictEqual(yield* suppression(unknown.address), "bounce")
    }).pipe(Laboratory.inAcme)
  )

  it.effect(
    "mail for Postmark and SES has the message's id in a header of theirs, and other mail has not",
    () =>
      Effect.gen(function* () {
        const id = "019ac3f0-7d2b-7cc1-9d0e-1f2a3b4c5d6e"
        const headersOf = (url: string) =>
          Effect.gen(function* () {
            const provider = yield* MailProvider
            const message = yield* provider.compose({
              id,
              to: { address: "ann@mail.example", name: undefined },
              fromName: undefined,
              replyTo: undefined,
              subject: "s",
              text: "t",
              html: undefined,
              unsubscribeUrl: undefined,
              date: new Date(0)
            })
            return Buffer.from(message).toString("utf8")
          }).pipe(
            Effect.provide(
              Layer.fresh(MailProvider.layer).pipe(
                Layer.provide(
                  ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_NOTIFICATIONS_SMTP_URL: url }))
                )
              )
            )
          )
        const header = `X-PM-Metadata-hm-notification: ${id}`.toLowerCase()
        const composed = yield* headersOf("smtp://key:key@smtp.postmarkapp.com:587")
        assert.include(composed.toLowerCase(), header)
        const tag = `X-SES-MESSAGE-TAGS: hm-notification=${id}`.toLowerCase()
        const ses = yield* headersOf("smtp://user:key@email-smtp.eu-central-1.amazonaws.com:587")
        assert.include(ses.toLowerCase().replaceAll("\r\n ", " "), tag)
        assert.notInclude(composed.toLowerCase(), "x-ses-")
        for (const url of [
          "smtp://mail.example:25",
          "smtp://postmarkapp.com.evil.example:25",
          "smtp://email-smtp.eu-central-1.amazonaws.com.evil.example:587"
        ]) {
          assert.notMatch((yield* headersOf(url)).toLowerCase(), /x-pm-metadata|x-ses-/)
        }
      })
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
})
