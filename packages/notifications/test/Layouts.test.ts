/** Layouts, and the branding that they show. */
import { assert, describe, it as plain, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import * as Contents from "@hypermarket/notifications/internal/template/contents"
import * as Message from "@hypermarket/notifications/internal/template/message"
import { NewNotificationBranding } from "@hypermarket/notifications/NotificationBranding"
import { NotificationBrandings } from "@hypermarket/notifications/NotificationBrandings"
import { NotificationMappings } from "@hypermarket/notifications/NotificationMappings"
import { NewNotificationTemplate } from "@hypermarket/notifications/NotificationTemplate"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

type Draft = typeof NewNotificationTemplate.Type

/** Drafts and publishes a version. */
const publish = (draft: Draft) =>
  Effect.gen(function* () {
    const templates = yield* NotificationTemplates
    const { templateVersion } = yield* templates.draft(draft)
    return yield* templates.publish(draft.template, templateVersion)
  })

const frame = (mark: string): Draft => ({
  template: "frame",
  kind: "layout",
  contents: [
    {
      subject: "{{ content }}",
      text: `{{ content }}\n-- \n{{ brand.name }} ${mark}\n{{ brand.postalAddress }}\n`,
      html: `<html><body>{% if brand.logoUrl %}<img src="{{ brand.logoUrl }}" alt="{{ brand.name }}">{% endif %}<main style="color: {{ brand.primaryColor }}">{{ content }}</main><footer>{{ brand.name }} ${mark}</footer></body></html>`
    },
    {
      locale: "fr",
      subject: "[FR] {{ content }}",
      text: `{{ content }}\n-- \nVotre {{ brand.name }} ${mark}\n`,
      html: `<main>{{ content }}</main><footer>Votre {{ brand.name }} ${mark}</footer>`
    }
  ]
})

const note: Draft = {
  template: "note",
  layout: "frame",
  contents: [
    {
      subject: "Note {{ n }}",
      text: "Note {{ n }} for {{ recipient.name }}",
      html: "<p>{{ note }} {{ n }}</p>"
    },
    { locale: "fr", subject: "Avis {{ n }}", text: "Avis {{ n }}", html: "<p>Avis {{ n }}</p>" }
  ]
}

const branding = {
  name: "Crumb & Crust",
  logoUrl: "https://img.crumb.example/logo.png?a=1&b=2",
  primaryColor: "#7A3E00",
  postalAddress: "Mill Lane 4\nYork"
}

const mailTo = Effect.fnUntraced(function* (address: string, subject: string) {
  const { received } = yield* MailServer.MailServer
  const mails = yield* Effect.forEach(
    received.filter(({ to }) => to.includes(address)),
    MailServer.read
  )
  return mails.find((mail) => mail.subject === subject)
})

const send = (key: string, id: string, more: { readonly template?: string } = {}) =>
  Laboratory.trigger(key, { customer: id }, { template: "note", payload: { n: key, note: "<i>&" }, ...more })

layer(TestLayer, { excludeTestServices: true })("A layout", (it) => {
  const seed = Effect.gen(function* () {
    const brandings = yield* NotificationBrandings
    yield* Laboratory.seed
    yield* brandings.set(branding)
    yield* publish(frame("(one)"))
    yield* publish(note)
  })

  it.effect("is around the message in each part, which is placed once and escaped once", () =>
    Effect.gen(function* () {
      yield* seed
      yield* Laboratory.customer("whole")
      yield* send("w1", "whole")
      yield* Laboratory.work
      const mail = yield* mailTo("whole@mail.example", "Note w1")
      assert.strictEqual(
        mail?.html?.trim(),
        '<html><body><img src="https://img.crumb.example/logo.png?a=1&amp;b=2" alt="Crumb &amp; Crust"><main style="color: #7A3E00"><p>&lt;i&gt;&amp; w1</p></main><footer>Crumb &amp; Crust (one)</footer></body></html>'
      )
      assert.strictEqual(
        mail?.text?.trim(),
        "Note w1 for Customer whole\n-- \nCrumb & Crust (one)\nMill Lane 4\nYork"
      )
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is in the language of the message, never in another one", () =>
    Effect.gen(function* () {
      yield* seed
      yield* publish({ template: "note-fr", layout: "frame", contents: note.contents })
      yield* publish({ template: "note-en", layout: "frame", contents: note.contents.slice(0, 1) })
      yield* Laboratory.customer("canadian", { locale: "fr-CA" })
      yield* send("l1", "canadian", { template: "note-fr" })
      yield* send("l2", "canadian", { template: "note-en" })
      yield* Laboratory.work
      const french = yield* mailTo("canadian@mail.example", "[FR] Avis l1")
      assert.include(french?.html, "Votre Crumb &amp; Crust (one)")
      const english = yield* mailTo("canadian@mail.example", "Note l2")
      assert.notInclude(english?.html, "Votre")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is pinned at the trigger: a message that waits keeps it, and branding is that of the send", () =>
    Effect.gen(function* () {
      const brandings = yield* NotificationBrandings
      const mappings = yield* NotificationMappings
      const sql = yield* SqlClient.SqlClient
      yield* seed
      yield* Laboratory.customer("waits")
      yield* mappings.set({ mapping: "placed", fact: "order.placed", template: "note", category: "orders" })
      const record = (orderId: string) =>
        mappings.record([
          {
            id: orderId,
            source: "/shop",
            type: "com.hypermarket.shop.order.placed.v1",
            time: new Date(),
            data: { orderId, customerId: "waits" }
          }
        ])
      yield* send("p1", "waits")
      yield* record("m-1")
      yield* publish(frame("(two)"))
      yield* send("p2", "waits")
      yield* record("m-2")
      yield* brandings.set({ ...branding, name: "Crust" })
      const pinned = yield* sql`
        SELECT key, layout_version - min(layout_version) OVER () AS later
          FROM hm_notification_trigger
         WHERE key IN ('p1', 'p2', 'placed/m-1', 'placed/m-2')
         ORDER BY key
      `
      assert.deepStrictEqual(
        pinned.map(({ key, later }) => [key, later]),
        [
          ["p1", 0],
          ["p2", 1],
          ["placed/m-1", 0],
          ["placed/m-2", 1]
        ]
      )
      yield* Laboratory.work
      assert.include((yield* mailTo("waits@mail.example", "Note p1"))?.html, "Crust (one)")
      assert.include((yield* mailTo("waits@mail.example", "Note p2"))?.html, "<footer>Crust (two)")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("may be MJML, and links the preference centre for its messages", () =>
    Effect.gen(function* () {
      yield* seed
      yield* publish({
        template: "designed",
        kind: "layout",
        contents: [
          {
            subject: "{{ brand.name }}: {{ content }}",
            text: "{{ content }}\n{{ preferencesUrl }}\n",
            mjml: '<mjml><mj-body><mj-section><mj-column><mj-text>{{ content }}</mj-text><mj-button href="{{ preferencesUrl }}" background-color="{{ brand.primaryColor }}">Choices</mj-button></mj-column></mj-section></mj-body></mjml>'
          }
        ]
      })
      yield* publish({ ...note, template: "designed-note", layout: "designed" })
      yield* Laboratory.customer("mjml")
      yield* send("d1", "mjml", { template: "designed-note" })
      yield* Laboratory.work
      const mail = yield* mailTo("mjml@mail.example", "Crumb & Crust: Note d1")
      assert.include(mail?.html, "<p>&lt;i&gt;&amp; d1</p></div>")
      assert.include(mail?.html, "background:#7A3E00")
      assert.match(
        mail?.html ?? "",
        /href="https:\/\/api\.shop\.example\/v1\/notifications\/preference-centre\//
      )
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is in a preview, which sends nothing, and is previewed by itself", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const templates = yield* NotificationTemplates
      yield* seed
      const before = server.received.length
      const { templateVersion } = yield* templates.draft(note)
      const shown = yield* templates.preview("note", templateVersion, {
        payload: { n: 3, note: "" },
        locale: "fr"
      })
      assert.strictEqual(shown.subject, "[FR] Avis 3")
      assert.include(shown.html, "<main><p>Avis 3</p></main><footer>Votre Crumb &amp; Crust")
      const layoutDraft = yield* templates.draft(frame("(draft)"))
      const alone = yield* templates.preview("frame", layoutDraft.templateVersion, { payload: {} })
      assert.include(alone.html, "Crumb &amp; Crust (draft)")
      assert.strictEqual(server.received.length, before)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is not archived while messages are published in it, and nor is what a mapping sends", () =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      const mappings = yield* NotificationMappings
      yield* Laboratory.seed
      const layoutVersion = yield* publish({ ...frame("(kept)"), template: "kept" })
      const message = yield* publish({ ...note, template: "kept-note", layout: "kept" })
      const refused = yield* Effect.flip(templates.archive("kept", layoutVersion.templateVersion))
      assert.deepInclude(refused, {
        _tag: "NotificationTemplateInUse",
        templates: ["kept-note"],
        mappings: []
      })
      yield* mappings.set({
        mapping: "kept",
        fact: "order.placed",
        template: "kept-note",
        category: "orders"
      })
      const mapped = yield* Effect.flip(templates.archive("kept-note", message.templateVersion))
      assert.deepInclude(mapped, { _tag: "NotificationTemplateInUse", templates: [], mappings: ["kept"] })
      yield* mappings.remove("kept")
      // What was triggered before is sent, in its layout.
      yield* Laboratory.customer("archived")
      yield* send("a1", "archived", { template: "kept-note" })
      assert.strictEqual((yield* templates.archive("kept-note", message.templateVersion)).state, "archived")
      assert.strictEqual((yield* templates.archive("kept", layoutVersion.templateVersion)).state, "archived")
      yield* Laboratory.work
      assert.include((yield* mailTo("archived@mail.example", "Note a1"))?.html, "(kept)")
      const late = yield* Effect.flip(send("a2", "archived", { template: "kept-note" }))
      assert.deepInclude(late, { _tag: "NotificationRefused", reason: "template-unknown" })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is of the same tenant, published, and no message", () =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      yield* seed
      const refusal = (effect: Effect.Effect<unknown, { readonly _tag: string }, NotificationTemplates>) =>
        Effect.map(Effect.flip(effect), (error) => [error._tag, "part" in error ? error.part : ""])
      const invalid = ["NotificationTemplateInvalid", "layout"]
      const inGlobex = publish({ ...note, template: "elsewhere" }).pipe(provide(Laboratory.globex))
      assert.deepStrictEqual(yield* refusal(inGlobex), invalid)
      const draft = (template: Draft) => templates.draft(template).pipe(provide(Laboratory.acme))
      assert.deepStrictEqual(yield* refusal(draft({ ...frame(""), template: "note" })), invalid)
      assert.deepStrictEqual(yield* refusal(draft({ ...note, template: "frame" })), invalid)
      const inMessage = publish({ ...note, template: "odd", layout: "order" }).pipe(provide(Laboratory.acme))
      assert.deepStrictEqual(yield* refusal(inMessage), invalid)
      const triggered = send("layout", "waits", { template: "frame" }).pipe(Effect.flip)
      assert.deepInclude(yield* triggered, { _tag: "NotificationRefused", reason: "template-unknown" })
    }).pipe(Laboratory.inAcme)
  )
})

describe("A layout as a draft", () => {
  const built = (part: Partial<Draft["contents"][number]>, role: Message.Role = "layout") =>
    Effect.result(Contents.build([{ subject: "{{ content }}", text: "{{ content }}", ...part }], true, role))

  const faults: ReadonlyArray<readonly [html: string, place: string]> = [
    ["<p>{{ brand.name }}</p>", "1:1 Expected {{ content }}"],
    ["<p>{{ content }}</p>\n{{- content -}}", "2:1 Expected {{ content }} once"],
    ["{% if brand.name %}{{ content }}{% endif %}", "1:20 Expected {{ content }} outside every block"],
    ["{% comment %}{{ content }}{% endcomment %}", "1:14 Expected {{ content }} outside every block"],
    ["{% raw %}{{ content }}{% endraw %}", "1:10 Expected {{ content }} outside every block"],
    ['<p title="{{ content }}">x</p>', "1:11 Expected {{ content }} outside tags and comments"],
    ["<!-- {{ content }} -->", "1:1 Expected {{ content }}"],
    ["{{ content | upcase }}", "1:1 Expected content by itself, as {{ content }}"],
    ["{% assign content = 1 %}{{ content }}", "1:1 Expected content by itself, as {{ content }}"],
    ["{% break %}{{ content }}", "1:1 Expected this in a loop"],
    ["{{ content }}{{ order.id }}", "1:17 undefined variable: order"],
    ["{{ content }}{{ subject }}", "1:17 undefined variable: subject"],
    ['{{ content }}<img src="{{ brand.logoUrl }}">', "1:1 Expected links by https or mailto, not "],
    ['{{ content }}<a href="{{ unsubscribeUrl }}">No</a>', "1:1 Expected links by https or mailto, not "]
  ]

  plain.effect("is refused with its place where the message would be lost, repeated or broken", () =>
    Effect.gen(function* () {
      for (const [html, expected] of faults) {
        const result = yield* built({ html })
        const { column, line, message, part } = Result.getOrThrow(Result.flip(result))
        assert.deepStrictEqual([part, `${line}:${column} ${message}`], ["html", expected], html)
      }
      assert.isTrue(Result.isFailure(yield* built({ text: "{{ brand.name }}" })))
      assert.isTrue(Result.isFailure(yield* built({ subject: "{{ content }}{{ content }}" })))
      const guarded =
        '{% for n in (1..3) %}{% break %}{% endfor %}{{ content }}{% if unsubscribeUrl != "" %}<a href="{{ unsubscribeUrl }}">No</a>{% endif %}'
      assert.isTrue(Result.isSuccess(yield* built({ html: guarded })))
    })
  )

  plain.effect("refuses a message that is a page, or does not end its tags", () =>
    Effect.gen(function* () {
      for (const [html, expected] of [
        ["<p>x</p>\n<body>y</body>", "2:1"],
        ["<!DOCTYPE html><p>x</p>", "1:1"],
        ['<p>x</p><a title="', "1:19"],
        ["<p>x</p><!-- x", "1:15"]
      ] as const) {
        const result = yield* built({ subject: "s", text: "t", html }, "framed")
        const { column, line } = Result.getOrThrow(Result.flip(result))
        assert.strictEqual(`${line}:${column}`, expected, html)
      }
      assert.isTrue(Result.isSuccess(yield* built({ subject: "s", text: "t", html: "<p>x</p>" }, "framed")))
    })
  )

  plain("is refused with another layout, a schema of a payload, or messages in MJML", () => {
    const isTaken = Schema.is(NewNotificationTemplate)
    const contents = [{ subject: "{{ content }}", text: "{{ content }}" }]
    assert.isTrue(isTaken({ template: "a", kind: "layout", contents }))
    assert.isFalse(isTaken({ template: "a", kind: "layout", layout: "b", contents }))
    assert.isFalse(isTaken({ template: "a", kind: "layout", contents, payloadSchema: { type: "object" } }))
    const mjml = [{ subject: "s", text: "t", mjml: "<mjml></mjml>" }]
    assert.isTrue(isTaken({ template: "a", contents: mjml }))
    assert.isFalse(isTaken({ template: "a", layout: "b", contents: mjml }))
  })

  plain("and its message share the bound of the output", () => {
    const compiled = (html: string, role: Message.Role) =>
      Result.getOrThrow(
        Message.compile([{ subject: "{{ content }}", text: "{{ content }}", html }], false, role)
      )
    const layoutOf = (length: number) => compiled(`{{ content }}${"x".repeat(length)}`, "layout")
    const message = compiled("{% for n in (1..8) %}{{ long }}{% endfor %}", "framed")
    const rendered = (length: number) =>
      Message.render(
        message,
        { long: "y".repeat(120_000), brand: {}, recipient: {}, unsubscribeUrl: "", preferencesUrl: "" },
        { locale: "en", timeZone: "UTC" },
        layoutOf(length)
      )
    assert.isTrue(Result.isSuccess(rendered(80_000)))
    const { message: reason, part } = Result.getOrThrow(Result.flip(rendered(90_000)))
    assert.deepStrictEqual([part, reason], ["layout/html", "Expected at most 1048576 characters of output"])
  })
})

describe("Branding", () => {
  plain("is refused where it would not be text, a colour, an address or a link by https", () => {
    const isTaken = Schema.is(NewNotificationBranding)
    const name = "Crumb"
    assert.isTrue(isTaken({ ...branding, supportEmail: "help@crumb.example", footer: "Line\nLine" }))
    for (const wrong of [
      {},
      { name: "" },
      { name: "Crumb\r\nBcc: eve@mail.example" },
      { name, logoUrl: "http://img.crumb.example/l.png" },
      { name, logoUrl: "javascript:alert(1)" },
      { name, logoUrl: "https://user:pw@img.crumb.example/l.png" },
      { name, logoUrl: 'https://img.crumb.example/"onload=x' },
      { name, websiteUrl: "https://" },
      { name, websiteUrl: ` https://crumb.example` },
      { name, primaryColor: "red" },
      { name, primaryColor: "#12345" },
      { name, secondaryColor: "#123456; background: url(https://eve.example)" },
      { name, supportEmail: "help@crumb.example, eve@mail.example" },
      { name, footer: "x".repeat(1_001) },
      { name, postalAddress: "\u0000" }
    ]) {
      assert.isFalse(isTaken(wrong), JSON.stringify(wrong))
    }
  })
})
