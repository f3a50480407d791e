import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events, layerOutbox } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EndpointId } from "@hypermarket/events/Webhook"
import { WebhooksApi } from "@hypermarket/events/WebhooksApi"
import { Webhooks } from "@hypermarket/events/Webhooks"
import * as WebhooksHttp from "@hypermarket/events/WebhooksHttp"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { randomBytes } from "node:crypto"

const secretsKeys = `test:${randomBytes(32).toString("base64")}`

/** Keys of this file: the tenant's name is the secret. A tenant whose name ends with `-risk` may read the events of risk. */
const TestCredentials = Layer.succeed(Credentials, {
  authenticate: (secret) => {
    const tenantId = Redacted.value(secret)
    return Effect.succeed(
      Option.some({
        keyId: tenantId,
        kind: "server",
        tenantId: Option.some(TenantId.make(tenantId)),
        environment: "live",
        plan: Option.some("standard"),
        resource: Option.none(),
        isTenantActive: true,
        scopes: new Set([
          "events:admin",
          "events:read",
          "events:payload",
          ...(tenantId.endsWith("-risk") ? ["risk:read"] : [])
        ])
      })
    )
  }
})

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(WebhooksApi).pipe(
    Layer.provide(WebhooksHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, TestCredentials]),
  Layer.provideMerge(Layer.merge(EventsDomain.layer, layerOutbox)),
  Layer.provideMerge(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(NodeHttpServer.layerTest),
  Layer.provideMerge(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        ...process.env,
        HM_SECRETS_KEYS: secretsKeys
      })
    )
  )
)

interface Sent {
  readonly body?: Schema.Json
  readonly headers?: Record<string, string>
}

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  tenant: string,
  options: Sent = {}
) {
  const request = HttpClientRequest.make(method)(`/v1/events/webhooks${path}`).pipe(
    HttpClientRequest.bearerToken(tenant)
  )
  const withBody =
    options.body === undefined
      ? request
      : HttpClientRequest.bodyText(request, JSON.stringify(options.body), "application/json")
  const response = yield* HttpClient.execute(HttpClientRequest.setHeaders(withBody, options.headers ?? {}))
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body, text }
})

const url = "https://partner.example/hooks"

layer(TestServer, { excludeTestServices: true })("WebhooksHttp", (it) => {
  const seed = Effect.gen(function* () {
    const webhooks = yield* Webhooks
    const asOwner = provide(TenantId.make("acme"))
    const { endpointId } = yield* asOwner(webhooks.create({ url }))
    const { deliveryId } = yield* asOwner(webhooks.test(endpointId))
    return {
      ownerKey: "acme",
      strangerKey: "globex",
      params: { endpointId, deliveryId },
      payloads: {
        createWebhook: { url },
        changeWebhook: { ordered: true },
        rotateWebhook: {},
        backfillWebhook: { since: "2026-01-01T00:00:00Z" },
        retain: { types: ["com.example."] },
        replay: { since: "2026-01-01T00:00:00Z", state: "waiting" }
      },
      watched: [
        `/v1/events/webhooks/${endpointId}`,
        `/v1/events/webhooks/${endpointId}/deliveries`,
        `/v1/events/webhooks/${endpointId}/deliveries/${deliveryId}/attempts`
      ]
    }
  })

  TenantIsolation.suite(it, WebhooksApi, seed)

  DoorIsolation.suite(it, {
    domain: EventsDomain,
    services: ["webhooks"],
    calls: {
      "webhooks.backfill": ({ params }) => [
        { endpointId: params["endpointId"], since: "2026-01-01T00:00:00Z" }
      ],
      "webhooks.deliveries": ({ params }) => [{ endpointId: params["endpointId"] }],
      "webhooks.replay": ({ params }) => [
        { endpointId: params["endpointId"], deliveryIds: [params["deliveryId"]] }
      ]
    },
    settings: { HM_SECRETS_KEYS: secretsKeys },
    seed
  })

  it.effect("show a secret once: not when they are read, repeated, or refused", () =>
    Effect.gen(function* () {
      const headers = { "idempotency-key": "k-1" }
      const made = yield* send("POST", "", "shown", { body: { url }, headers })
      assert.strictEqual(made.status, 201)
      const secret = String(made.body.secret)
      assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
      const again = yield* send("POST", "", "shown", { body: { url }, headers })
      assert.deepStrictEqual(again.body, { ...made.body, secret: null })
      const path = `/${String(made.body.endpointId)}`
      const rotated = yield* send("POST", `${path}/rotate`, "shown", { body: {} })
      assert.match(String(rotated.body.secret), /^whsec_/)
      for (const read of [yield* send("GET", path, "shown"), yield* send("GET", "", "shown")]) {
        assert.strictEqual(read.status, 200)
        assert.notInclude(read.text, "whsec_")
      }
      const bad = yield* send("POST", "", "shown", { body: { url: "http://10.0.0.1/", secret } })
      assert.strictEqual(bad.status, 400)
      assert.notInclude(bad.text, secret)
    })
  )

  it.effect("refuse, naming the field, a URL that may not be delivered to, and store nothing", () =>
    Effect.gen(function* () {
      const made = yield* send("POST", "", "refused", { body: { url } })
      const path = `/${String(made.body.endpointId)}`
      for (const bad of [
        ...forbidden,
        "http://partner.example/",
        "https://partner.example:22/",
        "ftp://a.example/",
        "a"
      ]) {
        const created = yield* send("POST", "", "refused", { body: { url: bad } })
        const headers = { "if-match": '"1"' }
        const changed = yield* send("PATCH", path, "refused", { body: { url: bad }, headers })
        for (const answer of [created, changed]) {
          assert.strictEqual(answer.status, 400, bad)
          assert.include(JSON.stringify(answer.body.errors), '"path":["url"]', bad)
        }
      }
      const { body } = yield* send("GET", "", "refused")
      assert.deepStrictEqual(body.items, [yield* Effect.map(send("GET", path, "refused"), (one) => one.body)])
    })
  )

  it.effect("refuse, naming the field, a secret that is no key or of another scheme, and store nothing", () =>
    Effect.gen(function* () {
      const keyOf = (prefix: string, bytes: number) => `${prefix}${Buffer.alloc(bytes, 7).toString("base64")}`
      const made = yield* send("POST", "", "keys", { body: { url, scheme: "v1a" } })
      assert.match(String(made.body.publicKey), /^whpk_[A-Za-z0-9+/]{43}=$/)
      assert.isNull(made.body.secret)
      const rotate = `/${String(made.body.endpointId)}/rotate`
      for (const [field, body] of [
        ["secret", { secret: keyOf("whsec_", 23) }],
        ["secret", { secret: keyOf("whsk_", 33) }],
        // The second half is no public key of the seed.
        ["secret", { secret: keyOf("whsk_", 64) }],
        ["secret", { secret: keyOf("whpk_", 32) }],
        ["scheme", { scheme: "v1", secret: keyOf("whsk_", 32) }],
        ["scheme", { scheme: "v1a", secret: keyOf("whsec_", 32) }]
      ] as const) {
        const created = yield* send("POST", "", "keys", { body: { url, ...body } })
        const rotated = yield* send("POST", rotate, "keys", { body })
        for (const answer of [created, rotated]) {
          assert.strictEqual(answer.status, 400, JSON.stringify(body))
          assert.include(JSON.stringify(answer.body.errors), `"path":["${field}"]`)
          if ("secret" in body) assert.notInclude(answer.text, body.secret)
        }
      }
      const { body } = yield* send("GET", "", "keys")
      const { secret: _secret, ...endpoint } = made.body
      assert.deepStrictEqual(body.items, [endpoint])
    })
  )

  it.effect("give an endpoint no event of a domain that its maker's key could not read", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox.Outbox
      const events = yield* Events
      const webhooks = yield* Webhooks
      const not = { not: { exact: { type: "x" } } }
      for (const [tenant, expected] of [
        ["without", ["a"]],
        ["with-risk", ["a", "com.hypermarket.risk.case.opened.v1"]]
      ] as const) {
        const asTenant = provide(TenantId.make(tenant))
        for (const filters of [[], [not], [{ prefix: { type: "com." } }, not]]) {
          const made = yield* send("POST", "", tenant, { body: { url, filters } })
          const endpointId = EndpointId.make(String(made.body.endpointId))
          const time = new Date("2026-01-01T00:00:00Z")
          const event = yield* Outbox.event({
            domain: "risk",
            name: "case.opened",
            subject: "c",
            time,
            data: 1
          })
          yield* asTenant(outbox.publish([event]))
          yield* asTenant(events.publish([{ id: endpointId, type: "a" }]))
          const { items } = yield* asTenant(webhooks.deliveries({ endpointId }))
          const types = items.map(({ type }) => type)
          assert.sameMembers(
            types,
            filters.length === 2 ? expected.filter((type) => type !== "a") : [...expected]
          )
        }
      }
    })
  )

  it.effect("pause, enable, test, list and replay", () =>
    Effect.gen(function* () {
      const made = yield* send("POST", "", "used", { body: { url } })
      const path = `/${String(made.body.endpointId)}`
      assert.deepInclude((yield* send("POST", `${path}/pause`, "used")).body, {
        status: "paused",
        version: 2
      })
      const tested = yield* send("POST", `${path}/test`, "used")
      assert.strictEqual(tested.status, 202)
      const waiting = yield* send("GET", `${path}/deliveries?state=waiting&limit=1`, "used")
      assert.deepStrictEqual(waiting.body, { items: [tested.body], nextCursor: null })
      assert.deepInclude((yield* send("GET", path, "used")).body, { waiting: 1 })
      assert.deepInclude((yield* send("POST", `${path}/enable`, "used")).body, { status: "enabled" })
      const body = { since: "2026-01-01T00:00:00Z", state: "waiting" }
      assert.deepStrictEqual((yield* send("POST", `${path}/replay`, "used", { body })).body, { replayed: 1 })
      assert.strictEqual((yield* send("POST", `${path}/replay`, "used", { body: {} })).status, 400)
      const attempts = yield* send(
        "GET",
        `${path}/deliveries/${String(tested.body.deliveryId)}/attempts`,
        "used"
      )
      assert.deepStrictEqual(attempts.body, { items: [] })
      const headers = { "if-match": '"3"' }
      assert.strictEqual((yield* send("DELETE", path, "used", { headers })).status, 204)
      assert.strictEqual((yield* send("GET", path, "used")).status, 404)
    })
  )
})

/** Forms of addresses that are not public. */
const forbidden = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f000001",
  "0177.0.0.1",
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "169.254.169.254",
  "172.16.0.1",
  "192.0.0.192",
  "192.0.2.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "localhost",
  "LOCALHOST.",
  "[::]",
  "[::1]",
  "[::7f00:1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::ffff:0:127.0.0.1]",
  "[64:ff9b::7f00:1]",
  "[64:ff9b:1::7f00:1]",
  "[100::1]",
  "[2001::1]",
  "[2001:db8::1]",
  "[2002:7f00:1::]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[fe80::1]",
  "[fec0::1]",
  "[fe80::5efe:127.0.0.1]",
  "[ff02::1]"
].map((host) => `https://${host}/`)
