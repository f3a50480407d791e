import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Problems from "@hypermarket/core/Problems"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import { PlatformApi } from "@hypermarket/platform/PlatformApi"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PlatformHttp from "@hypermarket/platform/PlatformHttp"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")
/** Strangers of the door alone: those of the endpoints make keys of their own. */
const hooli = TenantId.make("hooli")
const umbrella = TenantId.make("umbrella")
const asOperator = Effect.provideService(AllTenants, { actor: "test" })

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(PlatformApi).pipe(
    Layer.provide(PlatformHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, KeyCredentials.layer]),
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const keyOf = (tenantId: TenantId, scopes: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const accounts = yield* TenantAccounts
    const keys = yield* ApiKeys
    yield* accounts.create({ tenantId, name: tenantId }).pipe(asOperator, Effect.ignore)
    const issued = yield* keys.create({ name: "test", scopes }, "operator").pipe(provide(tenantId))
    return { apiKeyId: issued.apiKey.apiKeyId, secret: issued.secret ?? "" }
  })

const systemKey = Effect.gen(function* () {
  const keys = yield* ApiKeys
  return (yield* keys.createSystem("test").pipe(asOperator)).secret ?? ""
})

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  key: string,
  options: { readonly body?: Schema.Json; readonly headers?: Record<string, string> } = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(
    HttpClientRequest.bearerToken(key),
    HttpClientRequest.setHeaders(options.headers ?? {})
  )
  const response = yield* HttpClient.execute(
    options.body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, options.body)
  )
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body }
})

layer(TestServer, { excludeTestServices: true })("PlatformHttp", (it) => {
  const seed = Effect.gen(function* () {
    const owner = yield* keyOf(acme, ["platform:admin"])
    const stranger = yield* keyOf(globex, ["platform:admin"])
    yield* keyOf(hooli, ["platform:admin"])
    yield* keyOf(umbrella, ["platform:admin"])
    return {
      ownerKey: owner.secret,
      strangerKey: stranger.secret,
      params: { apiKeyId: owner.apiKeyId },
      payloads: { createKey: { name: "new", scopes: ["platform:read"] } },
      watched: [`/v1/platform/keys/${owner.apiKeyId}`, "/v1/platform/keys", "/v1/platform/tenant"]
    }
  })

  TenantIsolation.suite(it, PlatformApi, seed)

  DoorIsolation.suite(it, {
    domain: PlatformDomain,
    services: ["tenants", "keys"],
    tenants: { owner: acme, stranger: hooli, other: umbrella },
    calls: {
      "tenants.create": () => [{ tenantId: "initech", name: "Initech" }],
      "keys.create": () => [{ name: "new", scopes: ["platform:read"] }, "operator"],
      "keys.rotate": ({ params }) => [params["apiKeyId"], 1, {}, "operator"]
    },
    seed
  })

  it.effect("makes a key for one index of a browser's, and refuses a resource on a server key", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:admin"])
      const resource = { kind: "index", id: "products" }
      const client = yield* send("POST", "/v1/platform/keys", secret, {
        body: { name: "browser", kind: "client", scopes: ["platform:read"], resource }
      })
      assert.strictEqual(client.status, 201)
      assert.deepNestedInclude(client.body, { "apiKey.resource": resource })
      const server = yield* send("POST", "/v1/platform/keys", secret, {
        body: { name: "server", scopes: ["platform:read"], resource }
      })
      assert.strictEqual(server.status, 400)
      assert.deepNestedInclude(server.body, { "errors[0].path": ["resource"] })
    })
  )

  it.effect("lets the tenant-less credential make a tenant and its first key, and that key work", () =>
    Effect.gen(function* () {
      const system = yield* systemKey
      const made = yield* send("POST", "/v1/platform/tenants", system, {
        body: { tenantId: "fresh", name: "Fresh Shop", region: "DE" }
      })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(made.headers.etag, '"1"')
      assert.deepInclude(made.body, { tenantId: "fresh", plan: "standard", region: "DE", status: "active" })
      const again = yield* send("POST", "/v1/platform/tenants", system, {
        body: { tenantId: "fresh", name: "x" }
      })
      assert.strictEqual(again.status, 409)
      const key = yield* send("POST", "/v1/platform/tenants/fresh/keys", system, {
        body: { name: "first", scopes: ["platform:admin"] }
      })
      assert.strictEqual(key.status, 201)
      const own = yield* send("GET", "/v1/platform/tenant", String(key.body.secret))
      assert.deepInclude(own.body, { tenantId: "fresh" })
      const unknown = yield* send("POST", "/v1/platform/tenants/nobody/keys", system, {
        body: { name: "first", scopes: ["platform:read"] }
      })
      assert.strictEqual(unknown.status, 404)
    })
  )

  it.effect("keeps tenant keys from system endpoints and the system key from tenants' things", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:admin"])
      const system = yield* systemKey
      assert.strictEqual((yield* send("GET", "/v1/platform/tenants", secret)).status, 403)
      assert.strictEqual((yield* send("GET", "/v1/platform/keys", system)).status, 403)
      assert.strictEqual((yield* send("GET", "/v1/platform/tenants", system)).status, 200)
    })
  )

  it.effect("answers a repeated Idempotency-Key with the same key and no secret", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:admin"])
      const body = { name: "idempotent", scopes: ["platform:read"] }
      const headers = { "idempotency-key": "make-1" }
      const first = yield* send("POST", "/v1/platform/keys", secret, { body, headers })
      const second = yield* send("POST", "/v1/platform/keys", secret, { body, headers })
      assert.deepStrictEqual([first.status, second.status], [201, 201])
      assert.deepStrictEqual(second.body, { ...first.body, secret: null })
      const other = yield* send("POST", "/v1/platform/keys", secret, {
        body: { ...body, name: "other" },
        headers
      })
      assert.strictEqual(other.status, 422)
    })
  )

  it.effect("changes a tenant only from the version that was seen", () =>
    Effect.gen(function* () {
      const system = yield* systemKey
      yield* keyOf(acme, ["platform:read"])
      const path = "/v1/platform/tenants/acme"
      const seen = yield* send("GET", path, system)
      const etag = String(seen.headers.etag)
      const body = { plan: "gold" }
      assert.strictEqual((yield* send("PATCH", path, system, { body })).status, 428)
      const changed = yield* send("PATCH", path, system, { body, headers: { "if-match": etag } })
      assert.deepInclude(changed.body, { plan: "gold" })
      const stale = yield* send("PATCH", path, system, { body, headers: { "if-match": etag } })
      assert.strictEqual(stale.status, 412)
      assert.deepInclude(stale.body, { currentVersion: changed.body.version })
    })
  )

  it.effect("refuses a suspended tenant's requests, and takes them again", () =>
    Effect.gen(function* () {
      const system = yield* systemKey
      const { secret } = yield* keyOf(TenantId.make("sleepy"), ["platform:read"])
      const path = "/v1/platform/tenants/sleepy"
      const bare = yield* send("PATCH", path, system, {
        body: { status: "suspended" },
        headers: { "if-match": '"1"' }
      })
      assert.strictEqual(bare.status, 400)
      assert.include(JSON.stringify(bare.body), "statusReason")
      yield* send("PATCH", path, system, {
        body: { status: "suspended", statusReason: "unpaid" },
        headers: { "if-match": '"1"' }
      })
      const refused = yield* send("GET", "/v1/platform/tenant", secret)
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.body, { type: "urn:hypermarket:problem:core:tenant-suspended" })
      yield* send("PATCH", path, system, { body: { status: "active" }, headers: { "if-match": '"2"' } })
      // The refusal is remembered for a few seconds.
      yield* send("GET", "/v1/platform/tenant", secret).pipe(
        Effect.repeat({ until: ({ status }) => status === 200 })
      )
    })
  )

  it.effect("names the field of a bad body, query and id", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:admin"])
      const cases = [
        yield* send("POST", "/v1/platform/keys", secret, { body: { name: "", scopes: ["platform:read"] } }),
        yield* send("POST", "/v1/platform/keys", secret, { body: { name: "x", scopes: ["everything"] } }),
        yield* send("POST", "/v1/platform/keys", secret, {
          body: { name: "x", scopes: ["a:read"], colour: "red" }
        }),
        yield* send("GET", "/v1/platform/keys?limit=0", secret),
        yield* send("GET", "/v1/platform/keys?offset=1", secret),
        yield* send("GET", "/v1/platform/keys?cursor=%25", secret),
        yield* send("GET", "/v1/platform/keys/not-a-uuid", secret)
      ]
      const paths = ["name", "scopes", "colour", "limit", "offset", "cursor", "apiKeyId"]
      for (const [index, answer] of cases.entries()) {
        assert.strictEqual(answer.status, 400, paths[index])
        assert.include(JSON.stringify(answer.body.errors), paths[index] ?? "")
      }
    })
  )
})
