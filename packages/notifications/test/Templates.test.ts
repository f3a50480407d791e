import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Message from "@hypermarket/notifications/internal/template/message"
import type { TemplateFault } from "@hypermarket/notifications/internal/template/place"
import * as MjmlSource from "@hypermarket/notifications/internal/template/mjmlSource"
import * as Render from "@hypermarket/notifications/internal/template/render"

const place = { locale: "en", timeZone: "UTC" }

const parsed = (format: Render.Format, source: string): Render.Parsed =>
  Result.getOrThrowWith(Render.parse(format, source), (fault) => new Error(fault.message))

const render = (
  format: Render.Format,
  source: string,
  scope: Readonly<Record<string, unknown>> = {},
  where = place
): Result.Result<string, TemplateFault> =>
  Render.render(parsed(format, source), scope, { place: where, strict: true })

const text = (
  format: Render.Format,
  source: string,
  scope: Readonly<Record<string, unknown>> = {},
  where = place
): string => Result.getOrThrowWith(render(format, source, scope, where), (fault) => new Error(fault.message))

const hostile = "<b>\"Tom\" & 'Jerry'</b>\n"
const once = "&lt;b&gt;&#34;Tom&#34; &amp; &#39;Jerry&#39;&lt;/b&gt;\n"

describe("Templates", () => {
  it("escape a value in HTML exactly once, with or without escape, capture and newline_to_br", () => {
    const scope = { value: hostile }
    const sources = [
      "{{ value }}",
      "{{ value | escape }}",
      "{{ value | escape | escape }}",
      "{{ value | escape_once }}",
      "{% capture kept %}{{ value }}{% endcapture %}{{ kept }}",
      "{% capture kept %}{{ value | escape }}{% endcapture %}{{ kept | escape }}",
      "{% assign kept = value | escape %}{{ kept }}"
    ]
    for (const source of sources) assert.strictEqual(text("html", source, scope), once, source)
    assert.strictEqual(text("html", "{{ value | newline_to_br }}", scope), once.replace("\n", "<br />\n"))
    assert.strictEqual(
      text("html", "{% capture kept %}{{ value | newline_to_br }}{% endcapture %}{{ kept }}", scope),
      once.replace("\n", "<br />\n")
    )
  })

  it("never escape a subject or text", () => {
    for (const source of ["{{ value }}", "{{ value | escape }}", "{{ value | newline_to_br }}"]) {
      assert.strictEqual(text("text", source, { value: hostile }), hostile, source)
    }
  })

  it("write money by the currency's own decimals, exactly beyond 2^53", () => {
    const money = (amount: string | number, currency: string, locale = "en-US") =>
      text("text", `{{ amount | money: "${currency}" }}`, { amount }, { ...place, locale })
    assert.strictEqual(money("4200", "EUR"), "€42.00")
    assert.strictEqual(money(-5, "EUR"), "-€0.05")
    assert.strictEqual(money("4200", "JPY"), "¥4,200")
    assert.strictEqual(money("4200", "KWD").replaceAll("\u00a0", " "), "KWD 4.200")
    assert.strictEqual(money("4200", "EUR", "de-AT").replaceAll("\u00a0", " "), "€ 42,00")
    assert.strictEqual(money("900719925474099312", "EUR"), "€9,007,199,254,740,993.12")
    assert.isTrue(Result.isFailure(render("text", `{{ "4.2" | money: "EUR" }}`)))
    assert.isTrue(Result.isFailure(render("text", `{{ "42" | money: "EURO" }}`)))
  })

  it("write dates in the recipient's zone and plurals by its language", () => {
    const at = "2026-03-29T23:30:00Z"
    assert.strictEqual(text("text", '{{ at | date: "long" }}', { at }), "March 29, 2026")
    assert.strictEqual(
      text("text", '{{ at | date: "long" }}', { at }, { locale: "de-DE", timeZone: "Europe/Berlin" }),
      "30. März 2026"
    )
    const forms = '{{ n | plural: one: "one", few: "few", many: "many", other: "other" }}'
    const polish = [1, 2, 5, 22].map((n) => text("text", forms, { n }, { ...place, locale: "pl" }))
    assert.deepStrictEqual(polish, ["one", "few", "many", "few"])
  })

  it("refuse what opens files, runs expressions or reads prototypes", () => {
    const sources = [
      "{% include 'x' %}",
      "{% render 'x' %}",
      "{% layout 'x' %}",
      "{% block x %}{% endblock %}",
      "{% tablerow i in list %}{% endtablerow %}",
      "{% liquid echo 1 %}",
      "{{ list | where_exp: 'i', 'i' }}",
      "{{ list | group_by_exp: 'i', 'i' }}",
      "{{ value | raw }}",
      "{{ value | json }}",
      "{{ value | nothing }}"
    ]
    for (const source of sources) assert.isTrue(Result.isFailure(Render.parse("html", source)), source)
    for (const path of ["list.constructor", "value.__proto__", "list.constructor.name", "value.toString"]) {
      assert.isTrue(Result.isFailure(render("html", `{{ ${path} }}`, { list: [1], value: "x" })), path)
    }
  })

  it("end with a fault when they loop, nest or grow without bound", () => {
    const list = Array.from({ length: 5_000 }, (_, index) => index)
    const nest = (tag: string, end: string) => tag.repeat(101) + end.repeat(101)
    assert.isTrue(Result.isFailure(Render.parse("text", nest("{% if true %}", "{% endif %}"))))
    const sources = [
      "{% for a in list %}{% for b in list %}{% endfor %}{% endfor %}",
      "{% for a in (1..100000000) %}{% endfor %}",
      "{% for a in (1..9999) %}{% for b in (1..9999) %}{{ b }}{% endfor %}{% endfor %}",
      "{% for a in list %}{% assign x = list | sort %}{% endfor %}",
      "{% for a in list %}{% assign x = list | concat: list | sort | reverse | uniq %}{% endfor %}",
      '{% assign x = "aaaaaaaaaa" %}{% for a in list %}{% assign x = x | append: x %}{% endfor %}',
      '{% assign x = "a" %}{% for a in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}',
      '{% assign x = "aaaaaaaaaa" %}{% for a in list %}{% assign y = x | replace: "a", x %}{% assign x = y %}{% endfor %}',
      '{% assign x = "a,b,c,d,e,f,g,h" %}{% for a in list %}{% assign x = x | append: "," | append: x %}{% assign y = x | split: "," %}{% endfor %}',
      `{% for a in list %}${"x".repeat(1_000)}{% endfor %}`
    ]
    for (const source of sources) {
      assert.isTrue(Result.isFailure(render("text", source, { list })), source.slice(0, 80))
    }
  })

  it("refuse markup in which escaping protects nothing", () => {
    const sources = [
      "<script>{{ value }}</script>",
      "<a href={{ value }}>x</a>",
      "<p {{ value }}>x</p>",
      '<p onclick="{{ value }}">x</p>',
      "<style>{{ value }}</style>",
      "<iframe src='https://shop.example'></iframe>",
      "<form action='https://shop.example'></form>"
    ]
    for (const source of sources) assert.isTrue(Result.isFailure(Render.parse("html", source)), source)
    const links = [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      " data:text/html,x",
      "java\tscript:x",
      "http://shop.example",
      "//x"
    ]
    for (const value of links) {
      assert.isTrue(Result.isFailure(render("html", '<a href="{{ value }}">x</a>', { value })), value)
    }
    assert.isTrue(
      Result.isSuccess(
        render("html", '<a href="{{ value }}">x</a>', { value: "https://shop.example/?a=1&b=2" })
      )
    )
  })

  it("name part, line and column of a mistake", () => {
    const compiled = Message.compile(
      [
        { subject: "x", text: "x" },
        { locale: "de", subject: "x", text: "eins\n  {{ a | nothing }}" }
      ],
      true
    )
    assert.isTrue(Result.isFailure(compiled))
    assert.deepInclude(Result.isFailure(compiled) ? compiled.failure : {}, {
      part: "de/text",
      line: 2,
      column: 3
    })
    const missing = render("text", "eins\n{{ order.id }}", { order: {} })
    assert.deepInclude(Result.isFailure(missing) ? missing.failure : {}, { line: 2 })
  })

  // Work that grows with the square of these lengths would take an hour each.
  it("are read in time that grows with their length, whatever they repeat", () => {
    const units = ["{{", "{%", "{% if", "<!--", "<", '<a"', "<a '\"", "<style", "<style>", " onx"]
    const sources = [...units.map((unit) => unit.repeat(300_000)), `<${" ".repeat(1_000_000)}`]
    for (const source of sources) {
      Render.parse("html", source)
      const prepared = MjmlSource.prepare(source)
      // The quotes of an attribute are escaped for the compiler.
      assert.isAtLeast(prepared.restore(prepared.text).length, source.length)
    }
  })

  it("find an event attribute and an output in a style, also after many tags", () => {
    const many = '<p title="a">b</p><style>a</style>'.repeat(1_000)
    const faults = [
      ['<p a="1"\nonclick = "x">', "Expected no event attribute"],
      ["<style type='a'>p { color: {{ c }} }</style>", "Expected no output in a style element"],
      ["<style>{% if a %}</style>", "Expected no output in a style element"],
      ["< / script>", "Expected no <script> element"]
    ] as const
    for (const [source, message] of faults) {
      const fault = Render.parse("html", many + source)
      assert.deepInclude(Result.isFailure(fault) ? fault.failure : {}, { message, column: 34_001 })
    }
    assert.isTrue(Result.isSuccess(Render.parse("html", "<p>a</p> onclick = b <style>a</style> {{ c }}")))
  })
})
