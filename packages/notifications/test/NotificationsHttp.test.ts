import { assert, layer } from "@effect/vitest"
import { SignedToken } from "@hypermarket/core/SignedToken"
import * as Secrets from "@hypermarket/core/Secrets"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Credentials } from "@hypermarket/core/Credentials"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { NotificationMappings } from "@hypermarket/notifications/NotificationMappings"
import { NotificationPreferences } from "@hypermarket/notifications/NotificationPreferences"
import { NotificationsApi } from "@hypermarket/notifications/NotificationsApi"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { NotificationTemplatesApi } from "@hypermarket/notifications/NotificationTemplatesApi"
import * as NotificationsHttp from "@hypermarket/notifications/NotificationsHttp"
import * as OneClickProtocol from "@hypermarket/notifications/OneClickProtocol"
import * as LinkProtocol from "@hypermarket/notifications/LinkProtocol"
import { Notifications } from "@hypermarket/notifications/Notifications"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Option } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import * as Laboratory from "./Laboratory.ts"

const config = ConfigProvider.layer(ConfigProvider.fromUnknown(Laboratory.settings("smtp://127.0.0.1:1")))

const Services = NotificationsDomain.layer.pipe(
  Layer.provideMerge(SignedToken.layer.pipe(Layer.provide(Secrets.Secrets.layer))),
  Layer.provide(config),
  Layer.provide(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(...Laboratory.migrationSets))
)

const Groups = NotificationsApi.addHttpApi(NotificationTemplatesApi)

const TestServer = TestApi.layer(Groups, NotificationsHttp.layer).pipe(Layer.provideMerge(Services))

const owner = TenantId.make("owner")
let seeds = 0

layer(TestServer, { excludeTestServices: true })("NotificationsHttp", (it) => {
  const seed = Effect.gen(function* () {
    const number = seeds++
    const notifications = yield* Notifications
    const mappings = yield* NotificationMappings
    yield* Laboratory.seed
    yield* Laboratory.customer(`owned-${number}`)
    yield* mappings.set({
      mapping: `mapping-${number}`,
      fact: "order.placed",
      template: "order",
      category: "orders"
    })
    const { triggerId } = yield* Laboratory.trigger(`owned-${number}`, { customer: `owned-${number}` })
    yield* notifications.expand(triggerId)
    const messages = yield* notifications.list({ limit: 1 })
    const to = { customer: `owned-${number}` }
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: {
        notificationId: messages.items[0]?.notificationId ?? "",
        mapping: `mapping-${number}`,
        template: "order",
        templateVersion: "1",
        kind: "customer",
        recipientId: `owned-${number}`
      },
      payloads: {
        trigger: { key: `new-${number}`, category: "orders", template: "order", to, payload: {} },
        previewTemplate: { payload: { order: { id: "o-1" } } }
      },
      watched: [
        "/v1/notifications/branding",
        "/v1/notifications/mappings",
        `/v1/notifications/profiles/customer/owned-${number}`
      ]
    }
  }).pipe(provide(owner))

  TenantIsolation.suite(it, Groups, seed)

  const to = ({ params }: TenantIsolation.Seeded) => ({ customer: params["recipientId"] })
  const address = ({ params }: TenantIsolation.Seeded) => `${params["recipientId"]}@mail.example`

  DoorIsolation.suite(it, {
    fixed: ["kind", "templateVersion"],
    calls: {
      "notifications.explain": (seeded) => [{ key: seeded.params["recipientId"], to: to(seeded) }],
      "templates.draft": () => [{ template: "order", contents: [{ subject: "s", text: "t" }] }],
      "branding.set": () => [{ name: "Changed" }],
      "preferences.setCategory": () => [{ category: "orders", name: "Changed", kind: "required" }],
      "preferences.set": (seeded) => [
        { to: to(seeded), category: "reviews", channel: "email", enabled: false, source: "test" }
      ],
      "preferences.unsubscribe": ({ params }) => [
        { kind: "customer", id: params["recipientId"], category: "reviews", message: "m" }
      ],
      "profiles.set": (seeded) => [{ to: to(seeded), name: "Changed" }],
      "profiles.changeList": (seeded) => [{ list: "members", add: [to(seeded)] }],
      "profiles.setDefaults": () => [{ locale: "en", timeZone: "UTC" }],
      "suppressions.add": (seeded) => [{ address: address(seeded), reason: "manual" }],
      "suppressions.find": (seeded) => [address(seeded)],
      "suppressions.lift": (seeded) => [address(seeded)],
      "notificationMappings.set": ({ params }) => [
        { mapping: params["mapping"], fact: "order.placed", template: "order", category: "reviews" }
      ]
    },
    without: {
      "caughtMessages.source": "no message of the seed is caught: `caughtMessages.list` reads the same rows"
    },
    domain: NotificationsDomain,
    settings: Laboratory.settings("smtp://127.0.0.1:1"),
    seed
  })

  it.effect("refuse a recipient that is a list, and name the field", () =>
    Effect.gen(function* () {
      const answer = yield* TestApi.send("POST", "/v1/notifications/profiles", {
        body: { to: { customer: "c" }, email: "a@shop.example\r\nBcc: b@evil.example" }
      })
      assert.strictEqual(answer.status, 400)
      assert.include(answer.text, "email")
    })
  )
})

const OneClick = ApiServer.layer(LinkProtocol.layer.pipe(Layer.provide(RequestChain.layer))).pipe(
  Layer.provide([
    AccessLog.layerDiscard,
    Shutdown.layer,
    Layer.succeed(Credentials, { authenticate: () => Effect.succeed(Option.none()) })
  ]),
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(Services)
)

layer(OneClick, { excludeTestServices: true })("The unsubscribe link", (it) => {
  const link = (id: string, category: string) =>
    Effect.gen(function* () {
      const tokens = yield* SignedToken
      const token = yield* tokens.make({
        purpose: "unsubscribe",
        claims: { kind: "customer", id, category, message: "m" },
        expiresIn: "1 day"
      })
      return `/v1/notifications/unsubscribe/${token}`
    })

  const enabled = (id: string) =>
    Effect.gen(function* () {
      const preferences = yield* NotificationPreferences
      const choices = yield* preferences.get({ customer: id })
      return Object.fromEntries(choices.map(({ category, enabled }) => [category, enabled]))
    })

  const before = { news: false, orders: true, reviews: true }

  const ownersLink = (id: string) =>
    Effect.gen(function* () {
      const preferences = yield* NotificationPreferences
      yield* Laboratory.seed
      return {
        owner,
        stranger: TenantId.make("stranger"),
        claims: { kind: "customer", id, category: "reviews", message: "m" },
        read: preferences.get({ customer: id }).pipe(provide(owner))
      }
    }).pipe(provide(owner))

  TenantIsolation.tokens(it, OneClickProtocol.routes, {
    "GET /v1/notifications/unsubscribe/:token": ownersLink("walked-get"),
    "POST /v1/notifications/unsubscribe/:token": ownersLink("walked-post")
  })

  it.effect("a link scanner's GET or HEAD unsubscribes no recipient", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* link("scanned", "reviews")
      const page = yield* HttpClient.get(url)
      assert.strictEqual(page.status, 200)
      assert.include(yield* page.text, 'method="post"')
      assert.strictEqual(page.headers["referrer-policy"], "no-referrer")
      assert.strictEqual(page.headers["x-robots-tag"], "noindex")
      yield* HttpClient.head(url)
      assert.deepStrictEqual(yield* enabled("scanned"), before)
    }).pipe(provide(owner))
  )

  it.effect("POST without a key turns off that category of that recipient only, as often as it comes", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* link("gone", "reviews")
      const form = HttpClientRequest.bodyText(
        "List-Unsubscribe=One-Click",
        "application/x-www-form-urlencoded"
      )
      const multipart = HttpClientRequest.bodyText(
        '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        "multipart/form-data; boundary=b"
      )
      for (const body of [form, multipart]) {
        const answer = yield* HttpClient.execute(HttpClientRequest.post(url).pipe(body))
        assert.strictEqual(answer.status, 200)
        assert.isUndefined(answer.headers["set-cookie"])
      }
      assert.deepStrictEqual(yield* enabled("gone"), { news: false, orders: true, reviews: false })
      assert.deepStrictEqual(yield* enabled("other"), before)
      assert.deepStrictEqual(yield* enabled("gone").pipe(provide(TenantId.make("stranger"))), {})
    }).pipe(provide(owner))
  )

  it.effect("unsubscribing from news stops no password reset", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const url = yield* link("owed", "orders")
      assert.strictEqual((yield* HttpClient.post(url)).status, 200)
      assert.deepStrictEqual(yield* enabled("owed"), before)
    }).pipe(provide(owner))
  )

  it.effect("opens nothing with a token of another purpose, or one that was changed", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      const tokens = yield* SignedToken
      const other = yield* tokens.make({
        purpose: "preferences",
        claims: { kind: "customer", id: "kept", category: "reviews", message: "m" },
        expiresIn: "1 day"
      })
      const url = yield* link("kept", "reviews")
      for (const wrong of [`/v1/notifications/unsubscribe/${other}`, url.slice(0, -2), `${url}x`]) {
        assert.strictEqual((yield* HttpClient.post(wrong)).status, 404)
      }
      assert.deepStrictEqual(yield* enabled("kept"), before)
    }).pipe(provide(owner))
  )
})
