import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Now from "@hypermarket/core/Now"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as Secrets from "@hypermarket/core/Secrets"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { SignedToken } from "@hypermarket/core/SignedToken"
import { provide } from "@hypermarket/core/Tenant"
import * as LinkProtocol from "@hypermarket/notifications/LinkProtocol"
import { NewNotificationCategory } from "@hypermarket/notifications/NotificationPreference"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import * as PreferenceCentreProtocol from "@hypermarket/notifications/PreferenceCentreProtocol"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer, Option, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = ApiServer.layer(LinkProtocol.layer.pipe(Layer.provide(RequestChain.layer))).pipe(
  Layer.provide([
    AccessLog.layerDiscard,
    Shutdown.layer,
    Layer.succeed(Credentials, { authenticate: () => Effect.succeed(Option.none()) })
  ]),
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(SignedToken.layer.pipe(Layer.provide(Secrets.Secrets.layer))),
  Layer.provideMerge(Laboratory.layer()),
  Layer.provideMerge(MailServer.layer())
)

const linkOf = (id: string, purpose = "preferences") =>
  Effect.gen(function* () {
    const tokens = yield* SignedToken
    const token = yield* tokens.make({ purpose, claims: { kind: "customer", id }, expiresIn: "1 day" })
    return `/v1/notifications/preference-centre/${token}`
  })

const enabled = (id: string) =>
  Effect.gen(function* () {
    const preferences = yield* NotificationPreferences
    const choices = yield* preferences.get({ customer: id })
    return Object.fromEntries(choices.map(({ category, enabled }) => [category, enabled]))
  })

const save = (url: string, body: string) =>
  HttpClient.execute(
    HttpClientRequest.post(url).pipe(HttpClientRequest.bodyText(body, "application/x-www-form-urlencoded"))
  )

const before = { news: false, orders: true, reviews: true }

layer(TestLayer, { excludeTestServices: true })("The preference centre", (it) => {
  const ownersLink = (id: string, body?: string) =>
    Effect.gen(function* () {
      const preferences = yield* NotificationPreferences
      yield* Laboratory.seed
      yield* Laboratory.customer(id)
      yield* Laboratory.seed.pipe(provide(Laboratory.globex))
      return {
        owner: Laboratory.acme,
        stranger: Laboratory.globex,
        claims: { kind: "customer", id },
        ...(body === undefined ? {} : { body }),
        read: preferences.get({ customer: id }).pipe(Laboratory.inAcme),
        shown: `${id.slice(0, 1)}…@m…`
      }
    }).pipe(Laboratory.inAcme)

  TenantIsolation.tokens(it, PreferenceCentreProtocol.routes, {
    "GET /v1/notifications/preference-centre/:token": ownersLink("walked-get"),
    "POST /v1/notifications/preference-centre/:token": ownersLink(
      "walked-post",
      "shown=news&shown=reviews&on=news"
    )
  })

  it.effect("shows a masked address and every category, and changes nothing by GET or HEAD", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* Laboratory.customer("shown")
      const url = yield* linkOf("shown")
      const answer = yield* HttpClient.get(url)
      assert.strictEqual(answer.status, 200)
      const text = yield* answer.text
      assert.include(text, "s…@m….example")
      assert.notInclude(text, "shown@mail.example")
      assert.include(text, 'value="reviews" checked')
      assert.include(text, 'name="on" value="news">')
      assert.include(text, "Orders (always sent)")
      assert.notInclude(text, 'value="orders"')
      yield* HttpClient.head(url)
      assert.deepInclude(yield* enabled("shown"), before)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("allows its own style and form alone, whatever a category is named", () =>
    Effect.gen(function* () {
      const preferences = yield* NotificationPreferences
      yield* Laboratory.seed
      yield* preferences.setCategory({
        category: "hostile",
        name: `"><script src="https://evil.example/x.js"></script>`,
        kind: "service"
      })
      const answer = yield* HttpClient.get(yield* linkOf("strict"))
      const text = yield* answer.text
      assert.notInclude(text, "<script")
      const [, style = ""] = /<style>([^<]*)<\/style>/.exec(text) ?? []
      assert.strictEqual(
        answer.headers["content-security-policy"],
        `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`
      )
      assert.notMatch(text, /\sstyle=/)
      assert.strictEqual(answer.headers["referrer-policy"], "no-referrer")
      assert.strictEqual(answer.headers["x-robots-tag"], "noindex")
      assert.strictEqual(answer.headers["cache-control"], "no-store")
      yield* preferences.setCategory({ category: "hostile", name: "Harmless", kind: "required" })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("records what differs, with its source, for that recipient of that tenant alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* Laboratory.seed.pipe(provide(Laboratory.globex))
      const url = yield* linkOf("saves")
      const answer = yield* save(url, "shown=news&shown=reviews&shown=orders&on=news")
      assert.strictEqual(answer.status, 200)
      assert.include(yield* answer.text, "Saved.")
      assert.deepInclude(yield* enabled("saves"), { news: true, orders: true, reviews: false })
      const written = yield* sql`
        SELECT count(*)::int AS rows, count(DISTINCT xmin::text)::int AS transactions
          FROM hm_user_preference
         WHERE recipient_id = 'saves'
      `
      assert.deepStrictEqual(written, [{ rows: 2, transactions: 1 }])
      yield* save(url, "shown=news&shown=reviews&on=news")
      const changes = yield* sql`
        SELECT category, enabled, source, text_version AS "textVersion"
          FROM hm_notification_preference_change
         WHERE recipient_id = 'saves'
         ORDER BY category
      `
      assert.deepStrictEqual(changes, [
        { category: "news", enabled: true, source: "preference centre", textVersion: "News" },
        { category: "reviews", enabled: false, source: "preference centre", textVersion: "Reviews" }
      ])
      assert.deepInclude(yield* enabled("other"), before)
      assert.deepInclude(yield* enabled("saves").pipe(provide(Laboratory.globex)), before)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("leaves alone what the form did not show, what is owed, and what does not exist", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* linkOf("keeps")
      for (const body of ["", "on=news", "shown=orders", "shown=nothing&on=nothing", "shown=%00&on=%FF"]) {
        assert.strictEqual((yield* save(url, body)).status, 200)
      }
      assert.deepInclude(yield* enabled("keeps"), before)
      assert.strictEqual((yield* save(url, `shown=${"x".repeat(70_000)}`)).status, 413)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is opened by no token of another purpose, and by none that was changed", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* linkOf("kept")
      for (const wrong of [yield* linkOf("kept", "unsubscribe"), url.slice(0, -2), `${url}x`]) {
        assert.strictEqual((yield* save(wrong, "shown=reviews")).status, 404)
        assert.strictEqual((yield* HttpClient.get(wrong)).status, 404)
      }
      assert.deepInclude(yield* enabled("kept"), before)
    }).pipe(Laboratory.inAcme)
  )

  const noticesTo = (address: string) =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      yield* Laboratory.work
      const mails = yield* Effect.forEach(
        server.received.filter(({ to }) => to.includes(address)),
        MailServer.read
      )
      return mails.map(({ headers, html = "", subject = "", text = "" }) => ({
        headers: headers.map(({ key }) => key),
        html,
        subject,
        text
      }))
    })

  it.effect("mails what was changed to the recipient, with a link back, and nothing that was not", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* Laboratory.customer("told")
      const url = yield* linkOf("told")
      yield* HttpClient.get(url)
      yield* save(url, "shown=news&shown=reviews&on=reviews")
      assert.deepStrictEqual(yield* noticesTo("told@mail.example"), [])
      yield* save(url, "shown=news&shown=reviews&on=news")
      const [notice, ...more] = yield* noticesTo("told@mail.example")
      assert.deepStrictEqual(more, [])
      assert.strictEqual(notice?.subject, "Your notification choices were changed")
      assert.include(notice?.text, "- News: on\n- Reviews: off\n")
      assert.include(notice?.html, "<li>News: on</li><li>Reviews: off</li>")
      // It is owed: no link in it turns it off.
      assert.notInclude(notice?.headers ?? [], "list-unsubscribe")
      const [, path = ""] = /https:\/\/api\.shop\.example(\S+)/.exec(notice?.text ?? "") ?? []
      yield* save(path, "shown=news&shown=reviews&on=reviews")
      assert.deepInclude(yield* enabled("told"), before)
      const [, back] = yield* noticesTo("told@mail.example")
      assert.include(back?.text, "- News: off\n- Reviews: on\n")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("mails in the recipient's language", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* Laboratory.customer("german", { locale: "de-AT" })
      yield* save(yield* linkOf("german"), "shown=reviews")
      const [german] = yield* noticesTo("german@mail.example")
      assert.include(german?.subject, "Einstellungen")
      assert.include(german?.text, "- Reviews: aus\n")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("mails by the tenant's own template when it has published one", () =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      yield* Laboratory.seed
      yield* Laboratory.customer("branded")
      const { templateVersion } = yield* templates.draft({
        template: "preference-changes",
        contents: [{ subject: "Ours", text: "{% for choice in choices %}{{ choice.category }}{% endfor %}" }]
      })
      yield* templates.publish("preference-changes", templateVersion)
      yield* save(yield* linkOf("branded"), "shown=reviews")
      const [branded] = yield* noticesTo("branded@mail.example")
      assert.deepInclude(branded, { subject: "Ours", text: "reviews\n" })
    }).pipe(provide(Laboratory.globex))
  )

  it.effect("mails nothing of a change that was not saved, and saves without an address too", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* Laboratory.customer("undone")
      yield* save(yield* linkOf("unaddressed"), "shown=reviews")
      assert.deepInclude(yield* enabled("unaddressed"), { reviews: false })
      yield* sql`
        ALTER TABLE hm_notification_trigger
          ADD CONSTRAINT nothing_for_undone CHECK (recipient_id <> 'undone')
      `
      const answer = yield* save(yield* linkOf("undone"), "shown=reviews")
      yield* sql`ALTER TABLE hm_notification_trigger DROP CONSTRAINT nothing_for_undone`
      assert.isAtLeast(answer.status, 500)
      assert.deepInclude(yield* enabled("undone"), before)
      assert.deepStrictEqual(yield* noticesTo("undone@mail.example"), [])
    }).pipe(Laboratory.inAcme)
  )

  it.effect("keeps its mail required, whatever a tenant makes of the category", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(NewNotificationCategory)
      const category = { category: "preference-changes", name: "Your choices" }
      yield* decode({ ...category, kind: "required", heedsQuiet: true })
      for (const kind of ["service", "marketing"]) {
        const error = yield* Effect.flip(decode({ ...category, kind }))
        assert.include(error.message, "Expected required")
      }
    })
  )

  it.effect("takes ten requests per minute with one link from one address, and changes nothing by more", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* linkOf("hasty")
      for (let n = 0; n < 5; n++) {
        assert.strictEqual((yield* HttpClient.get(url)).status, 200)
        assert.strictEqual((yield* save(url, "shown=news")).status, 200)
      }
      const refused = yield* save(url, "shown=reviews")
      assert.strictEqual(refused.status, 429)
      assert.include(yield* refused.text, "Too many requests")
      assert.isAtLeast(Number(refused.headers["retry-after"]), 1)
      assert.strictEqual((yield* HttpClient.get(url)).status, 429)
      assert.deepInclude(yield* enabled("hasty"), before)
      const tokens = yield* SignedToken
      const token = yield* tokens.make({
        purpose: "unsubscribe",
        claims: { kind: "customer", id: "hasty", category: "reviews", message: "m" },
        expiresIn: "1 day"
      })
      const oneClick = `/v1/notifications/unsubscribe/${token}`
      for (let n = 0; n < 10; n++) assert.strictEqual((yield* HttpClient.get(oneClick)).status, 200)
      assert.strictEqual((yield* HttpClient.post(oneClick)).status, 429)
      assert.deepInclude(yield* enabled("hasty"), before)
      const now = yield* Now.TestNow
      yield* now.adjust("1 minute")
      assert.strictEqual((yield* HttpClient.post(oneClick)).status, 200)
      assert.strictEqual((yield* save(url, "shown=news&on=news")).status, 200)
      assert.deepInclude(yield* enabled("hasty"), { news: true, reviews: false })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("is linked from a message whose template has preferencesUrl", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const templates = yield* NotificationTemplates
      yield* Laboratory.seed
      const { templateVersion } = yield* templates.draft({
        template: "linked",
        contents: [{ subject: "Linked", text: "Your choices: {{ preferencesUrl }}" }]
      })
      yield* templates.publish("linked", templateVersion)
      yield* Laboratory.customer("linked")
      yield* Laboratory.trigger("linked", { customer: "linked" }, { template: "linked" })
      yield* Laboratory.work
      const mail = server.received.find(({ to }) => to.includes("linked@mail.example"))
      const email = mail === undefined ? undefined : yield* MailServer.read(mail)
      const [, path = ""] = /https:\/\/api\.shop\.example(\S+)/.exec(email?.text ?? "") ?? []
      const answer = yield* HttpClient.get(path)
      assert.strictEqual(answer.status, 200)
      assert.include(yield* answer.text, "l…@m….example")
    }).pipe(Laboratory.inAcme)
  )
})
