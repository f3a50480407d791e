import { assert, describe, it, layer } from "@effect/vitest"
import * as Mjml from "@hypermarket/notifications/internal/template/mjml"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer, Ref, Result, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const body = (content: string, head = "") =>
  `<mjml>${head}\n<mj-body>\n<mj-section><mj-column>\n${content}\n</mj-column></mj-section>\n</mj-body></mjml>`

const compileOne = (source: string) =>
  Effect.map(Mjml.compile([source]), ([result]) => result ?? Result.fail(undefined))

const faultOf = (source: string) =>
  Effect.map(compileOne(source), (result) => (Result.isFailure(result) ? result.failure : undefined))

const htmlOf = (source: string) =>
  Effect.map(compileOne(source), (result) =>
    Result.getOrThrowWith(result, (fault) => new Error(`${fault?.line}:${fault?.column} ${fault?.message}`))
  )

describe("MJML", () => {
  it.live("is compiled with Liquid as it was written: in texts, links, loops and comparisons", () =>
    Effect.gen(function* () {
      const source = body(
        '<mj-raw>{% for line in order.lines %}</mj-raw><mj-text>{% if line.count < 3 and line.title != "<b>" %}{{ line.title | append: " & co" }}{% endif %}</mj-text><mj-raw>{% endfor %}</mj-raw>' +
          '<mj-button href="{{ shop.url }}?a=1&amp;b={{ order.id }}" background-color="{{ shop.colour }}">Größe\u00a0🎉</mj-button>' +
          "<mj-image alt='हिन्दी\u00a0\\n \"x\" {{ alt }}' src='https://shop.example/a.png' />" +
          "<mj-text>{%- comment -%}\n<mj-text>\n{%- endcomment -%}</mj-text><!-- {{ private }} -->".replace(
            "<mj-text>\n{",
            "\n{"
          )
      )
      const html = yield* htmlOf(source)
      for (const part of [
        "{% for line in order.lines %}<tr>",
        '{% if line.count < 3 and line.title != "<b>" %}{{ line.title | append: " & co" }}{% endif %}</div>',
        'href="{{ shop.url }}?a=1&amp;b={{ order.id }}"',
        'bgcolor="{{ shop.colour }}"',
        "Größe\u00a0🎉",
        // As a browser reads it.
        'alt="ह&#2367;न&#2381;द&#2368;&#160;&#92;n &#34;x&#34; {{ alt }}"',
        "{%- comment -%}\n\n{%- endcomment -%}"
      ]) {
        assert.include(html, part)
      }
      assert.notInclude(html, "private")
      assert.notMatch(html, /[\u4dc0-\u4dff]/)
    })
  )

  it.live("names the place of a mistake, also behind Liquid and beyond the first plane", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, number, number]> = [
        [body("<mj-text>a</mj-txt>"), 4, 11],
        [body("  <mj-frob>a</mj-frob>"), 4, 3],
        [body("<mj-text>🎉 {{ order.id }} < 3</mj-text>"), 4, 28],
        [body('<mj-image src="https://shop.example/a.png" width="{{ width }}px" />'), 4, 51],
        [body('<mj-text>{{ a }}</mj-text>\n  <mj-include path="/etc/passwd" />'), 5, 3],
        [body("<mj-text><script>alert(1)</script></mj-text>"), 4, 10],
        [body("<mj-text>a</mj-text>", "<mj-head><mj-style>p{color:{{ c }}}</mj-style></mj-head>"), 1, 16],
        [body('<mj-text onclick="x">a</mj-text>'), 4, 1],
        [body("<mj-text>a\u4de3b</mj-text>"), 4, 11],
        ["<p>a</p>", 1, 1],
        ["", 1, 1]
      ]
      for (const [source, line, column] of cases) {
        const fault = yield* faultOf(source)
        assert.deepInclude(fault, { line, column }, `${source}: ${fault?.message}`)
      }
    })
  )

  it.live("refuses a tag of Liquid where the compiler has no place for it, and an element that loads", () =>
    Effect.gen(function* () {
      const faults = yield* Effect.forEach(
        [
          body('<mj-image width="{{ width }}" src="https://shop.example/a.png" />'),
          body("", '<mj-head><mj-font name="x" href="https://fonts.example/x.css" /></mj-head>'),
          body('<mj-include path="https://evil.example/x" />'),
          body('<mj-raw><iframe src="https://evil.example"></iframe></mj-raw>')
        ],
        faultOf
      )
      for (const fault of faults) assert.isDefined(fault)
    })
  )

  it.live("ends for a text that exhausts the compiler, and the next one is compiled", () =>
    Effect.gen(function* () {
      for (const element of ["div", "mj-section", "b"]) {
        const depth = 5_000
        const fault = yield* faultOf(
          body(`<mj-text>${`<${element}>`.repeat(depth)}${`</${element}>`.repeat(depth)}</mj-text>`)
        )
        assert.isDefined(fault, element)
      }
      assert.include(yield* htmlOf(body("<mj-text>whole</mj-text>")), "whole")
    })
  )

  it.live("takes the longest text without stopping the process", () =>
    Effect.gen(function* () {
      const one = "<mj-text padding='1px'>a</mj-text>"
      const source = body(one.repeat(Math.floor(99_000 / one.length)))
      const ticks = yield* Ref.make(0)
      yield* Ref.update(ticks, (count) => count + 1).pipe(
        Effect.repeat(Schedule.spaced("5 millis")),
        Effect.raceFirst(htmlOf(source))
      )
      assert.isAbove(yield* Ref.get(ticks), 3)
    })
  )
})

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

layer(TestLayer, { excludeTestServices: true })("A template in MJML", (it) => {
  const contents = [
    {
      subject: "Order {{ order.id }}",
      text: "Order {{ order.id }}",
      mjml: body(
        '<mj-text>Hello {{ recipient.name }}</mj-text><mj-button href="https://shop.example/">Shop</mj-button>'
      )
    }
  ]

  it.effect("is compiled on publish: what is stored and sent is HTML, escaped once", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const sql = yield* SqlClient.SqlClient
      const templates = yield* NotificationTemplates
      yield* Laboratory.seed
      const draft = yield* templates.draft({ template: "designed", contents })
      assert.isUndefined(draft.contents[0]?.html)
      const payload = { order: { id: "o-7" } }
      const preview = yield* templates.preview("designed", draft.templateVersion, { payload })
      assert.include(preview.html, "Hello Preview</div>")
      const published = yield* templates.publish("designed", draft.templateVersion)
      assert.include(published.contents[0]?.html, "Hello {{ recipient.name }}</div>")
      assert.strictEqual(published.contents[0]?.mjml, contents[0]?.mjml)
      const again = yield* templates.preview("designed", draft.templateVersion, { payload })
      assert.strictEqual(again.html, preview.html)
      // The worker does not look at it.
      yield* sql`
        UPDATE hm_notification_template
           SET contents = jsonb_set(contents, '{0,mjml}', '"<broken"')
         WHERE template = 'designed'
      `
      yield* Laboratory.customer("designed")
      yield* sql`
        UPDATE hm_notification_profile
           SET name = 'Tom & <b>'
         WHERE recipient_id = 'designed'
      `
      yield* Laboratory.trigger("designed", { customer: "designed" }, { template: "designed" })
      yield* Laboratory.work
      const mail = server.received.find(({ to }) => to.includes("designed@mail.example"))
      const email = mail === undefined ? undefined : yield* MailServer.read(mail)
      assert.include(email?.html, "Hello Tom &amp; &lt;b&gt;</div>")
      assert.include(email?.html, 'href="https://shop.example/"')
      for (const line of (mail?.raw.toString("latin1") ?? "").split("\r\n")) assert.isAtMost(line.length, 998)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is refused as a draft with part, line and column, and one that grows too large too", () =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      const draft = (mjml: string, locale?: string) =>
        templates
          .draft({
            template: "wrong",
            contents: [
              { subject: "s", text: "t" },
              { subject: "s", text: "t", mjml, locale: locale ?? "de" }
            ]
          })
          .pipe(Effect.flip)
      assert.deepInclude(yield* draft(body("<mj-text>{{ a | nothing }}</mj-text>")), { part: "de/html" })
      assert.deepInclude(yield* draft(body("\n<mj-text>a</mj-column>"), "fr"), {
        _tag: "NotificationTemplateInvalid",
        part: "fr/mjml",
        line: 5
      })
      const sections = "<mj-section><mj-column><mj-text>a</mj-text></mj-column></mj-section>".repeat(120)
      assert.deepInclude(yield* draft(`<mjml><mj-body>${sections}</mj-body></mjml>`), {
        part: "de/mjml",
        message: "Expected at most 100000 characters of HTML"
      })
    }).pipe(Laboratory.inAcme)
  )
})
