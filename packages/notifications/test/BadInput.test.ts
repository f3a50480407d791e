/** Input that is refused at the door, or fails its own message with a reason. */
import { assert, describe, it as plain, layer } from "@effect/vitest"
import { CaughtMessages } from "@hypermarket/notifications/CaughtMessages"
import { NewNotification } from "@hypermarket/notifications/Notification"
import {
  NewNotificationDefaults,
  NewNotificationProfile
} from "@hypermarket/notifications/NotificationProfile"
import type { NewNotificationTemplate } from "@hypermarket/notifications/NotificationTemplate"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

const publish = (draft: typeof NewNotificationTemplate.Type) =>
  Effect.gen(function* () {
    const templates = yield* NotificationTemplates
    const { templateVersion } = yield* templates.draft(draft)
    yield* templates.publish(draft.template, templateVersion)
  })

const sent = Effect.fnUntraced(function* (address: string) {
  const { received } = yield* MailServer.MailServer
  return yield* Effect.forEach(
    received.filter(({ to }) => to.includes(address)),
    MailServer.read
  )
})

layer(TestLayer, { excludeTestServices: true })("A message", (it) => {
  it.effect(
    "fails with part, line and column for a variable that it lacks, and is sent where that is allowed",
    () =>
      Effect.gen(function* () {
        yield* Laboratory.seed
        const contents = [{ subject: "Parcel", text: "Parcel\nby {{ carrier.name }}." }]
        yield* publish({ template: "strict", contents })
        yield* publish({ template: "lenient", strict: false, contents })
        for (const template of ["strict", "lenient"]) {
          yield* Laboratory.customer(template)
          yield* Laboratory.trigger(template, { customer: template }, { template, payload: { carrier: {} } })
        }
        yield* Laboratory.work
        assert.deepInclude((yield* Laboratory.explain("strict", "strict"))[0], {
          state: "dead",
          reason: "template: text 2:7: undefined variable: carrier.name"
        })
        assert.lengthOf(yield* sent("strict@mail.example"), 0)
        const [mail] = yield* sent("lenient@mail.example")
        assert.strictEqual(mail?.text?.trim(), "Parcel\nby .")
      }).pipe(Laboratory.inAcme)
  )

  it.effect("has no control character in its subject, and no header that a value made", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* publish({ template: "titled", contents: [{ subject: "About {{ title }}", text: "x" }] })
      for (const [id, title] of [
        ["bell", "a bell \u0007"],
        ["lines", "lines\r\nBcc: eve@mail.example\r\n\r\n<p>"]
      ] as const) {
        yield* Laboratory.customer(id)
        yield* Laboratory.trigger(id, { customer: id }, { template: "titled", payload: { title } })
      }
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("bell", "bell"))[0], {
        state: "dead",
        reason: "template: subject 1:1: Expected no control characters"
      })
      const [mail] = yield* sent("lines@mail.example")
      assert.strictEqual(mail?.subject, "About lines Bcc: eve@mail.example <p>")
      assert.isUndefined(mail?.bcc)
      assert.lengthOf(yield* sent("eve@mail.example"), 0)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("that grows without bound fails alone, and the one beside it is sent", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* publish({
        template: "growing",
        contents: [
          { subject: "x", text: "{% for a in list %}{% for b in list %}{{ b }}{% endfor %}{% endfor %}" }
        ]
      })
      yield* Laboratory.customer("growing")
      yield* Laboratory.customer("beside")
      const list = Array.from({ length: 2_000 }, (_, index) => index)
      yield* Laboratory.trigger(
        "growing",
        { customer: "growing" },
        { template: "growing", payload: { list } }
      )
      yield* Laboratory.trigger("beside", { customer: "beside" })
      yield* Laboratory.work
      const [explanation] = yield* Laboratory.explain("growing", "growing")
      assert.strictEqual(explanation?.state, "dead")
      assert.match(explanation?.reason ?? "", /^template: text \d+:\d+: Expected at most 100000 steps$/)
      assert.lengthOf(yield* sent("beside@mail.example"), 1)
      const attempts = yield* sql`
        SELECT attempts
          FROM hm_notification_queue
         WHERE recipient_id = 'growing'
      `
      assert.deepStrictEqual(attempts, [{ attempts: 0 }])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("of a template that cannot be parsed is never drafted, and its trigger queues nothing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const templates = yield* NotificationTemplates
      yield* Laboratory.seed
      const refused = yield* Effect.flip(
        templates.draft({
          template: "unparsed",
          contents: [
            { subject: "x", text: "x" },
            { locale: "pt-BR", subject: "x", text: "x", html: "<p>\n <a href={{ url }}>" }
          ]
        })
      )
      assert.deepInclude(refused, {
        _tag: "NotificationTemplateInvalid",
        part: "pt-BR/html",
        line: 2,
        column: 10
      })
      const trigger = Laboratory.trigger("unparsed", { customer: "beside" }, { template: "unparsed" })
      assert.deepInclude(yield* Effect.flip(trigger), { _tag: "NotificationRefused", field: "template" })
      const rows = yield* sql`
        SELECT count(*)::int AS triggers
          FROM hm_notification_trigger
         WHERE key = 'unparsed'
      `
      assert.deepStrictEqual(rows, [{ triggers: 0 }])
    }).pipe(Laboratory.inAcme)
  )
})

describe("The door", () => {
  plain("refuses control characters, and what is over a limit", () => {
    const to = { customer: "c" }
    const profile = (more: object) => Schema.is(NewNotificationProfile)({ to, ...more })
    const defaults = (more: object) =>
      Schema.is(NewNotificationDefaults)({ locale: "en", timeZone: "UTC", ...more })
    const notification = (more: object) =>
      Schema.is(NewNotification)({
        key: "k",
        category: "orders",
        template: "order",
        to,
        payload: {},
        ...more
      })
    for (const accepted of [
      profile({ name: "Zoë", email: "zoe@mail.example" }),
      defaults({ fromName: "Shop", replyTo: "help@shop.example" }),
      notification({ subject: "order/1" })
    ]) {
      assert.isTrue(accepted)
    }
    const refused = {
      name: profile({ name: "Zoë\r\nBcc: eve@mail.example" }),
      longName: profile({ name: "n".repeat(201) }),
      address: profile({ email: "zoe@mail.example\r\nBcc: eve@mail.example" }),
      longLocal: profile({ email: `${"l".repeat(65)}@mail.example` }),
      longDomain: profile({ email: `zoe@${"d".repeat(60)}.${"d".repeat(64)}.example` }),
      longAddress: profile({ email: `zoe@${"mail.".repeat(50)}example` }),
      sender: defaults({ fromName: "Shop\u0000" }),
      reply: defaults({ replyTo: "help@shop.example, eve@mail.example" }),
      quiet: defaults({ quiet: { from: "22:00", until: "22:00" } }),
      key: notification({ key: "k".repeat(201) }),
      emptyKey: notification({ key: "" }),
      payload: notification({ payload: { long: "p".repeat(65_536) } }),
      template: notification({ template: "../order" }),
      lonely: notification({ payload: { half: "\uD800" } })
    }
    for (const [name, isTaken] of Object.entries(refused)) assert.isFalse(isTaken, name)
  })
})

const Catching = Laboratory.layer({ HM_NOTIFICATIONS_DELIVERY: "catch" }).pipe(
  Layer.provideMerge(MailServer.layer())
)

layer(Catching, { excludeTestServices: true })("A trial run", (it) => {
  it.effect("sends nothing, though a mail server is configured, and keeps what it would have sent", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const caught = yield* CaughtMessages
      yield* Laboratory.seed
      yield* Laboratory.customer("trial")
      yield* Laboratory.trigger("trial", { customer: "trial" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("trial", "trial"))[0], {
        state: "caught",
        reason: "catch"
      })
      assert.lengthOf(server.received, 0)
      const { items } = yield* caught.list({})
      assert.deepStrictEqual(
        items.map(({ address }) => address),
        ["trial@mail.example"]
      )
    }).pipe(Laboratory.inAcme)
  )
})
