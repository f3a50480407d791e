import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { AcceptsClientKeys, RequestCost, RequestGuard, RequiredScope } from "@hypermarket/core/Authorization"
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import { type Credential, Credentials } from "@hypermarket/core/Credentials"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Limits from "@hypermarket/core/Limits"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { TenantId } from "@hypermarket/core/Tenant"
import { Duration, Effect, Fiber, Layer, Option, Redacted, Schedule, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint } from "effect/http-api"

class ProbeGroup extends Endpoint.group(
  "probes",
  { title: "Probes", description: "A probe answers with its own actor." },
  HttpApiEndpoint.get("plain", "/v1/test/plain", { success: Actor.Schema })
    .annotate(RequiredScope, "test:read")
    .annotate(AcceptsClientKeys, true)
    .annotate(RequestCost, 5),
  HttpApiEndpoint.get("own", "/v1/test/own", { success: Schema.String })
    .annotate(RequiredScope, "test:read")
    .annotate(RequestGuard, "own")
) {}

class ProbeApi extends HttpApi.make("probes").add(ProbeGroup) {}

const handlers = HttpApiBuilder.group(ProbeApi, "probes", (handlers) =>
  handlers.handleAll({
    plain: () => Actor.Actor,
    own: () =>
      Effect.gen(function* () {
        const { onBehalfOf } = yield* Actor.Actor
        if (onBehalfOf === "defective") return yield* Effect.die(new Error("defective"))
        if (onBehalfOf === "slow") return yield* Effect.never
        return "yes"
      })
  })
)

const credentialOf = (kind: Credential["kind"]): Credential => ({
  keyId: `the ${kind} key`,
  kind,
  tenantId: Option.some(TenantId.make("acme")),
  isTenantActive: true,
  scopes: new Set(["test:read"]),
  environment: "live",
  plan: Option.some("premium"),
  resource: Option.none()
})

/** The longest outage for which a key was asked, by each request. */
const asked: Array<number> = []
const checked: Array<Limits.Request> = []
/** Requests that have not ended, and how many have. */
const holding = { now: 0, ended: 0 }

const layerCredentials = Layer.succeed(Credentials, {
  authenticate: (secret, options) =>
    Effect.sync(() => {
      asked.push(Duration.toMinutes(options?.whileAway ?? 0))
      const text = Redacted.value(secret)
      return text === "server" || text === "client" ? Option.some(credentialOf(text)) : Option.none()
    })
})

const hold = () => {
  holding.now++
  return Effect.sync(() => {
    holding.now--
    holding.ended++
  })
}

const layerLimits = Layer.succeed(Limits.Limits, {
  check: (request) =>
    Effect.sync(() => {
      checked.push(request)
      const headers = { ratelimit: '"default";r=9;t=1' }
      return request.user === "greedy"
        ? {
            allowed: false,
            headers: { ...headers, "retry-after": "7" },
            problem: { type: "urn:test:quota", title: "Used up", status: 429, policy: "default" }
          }
        : { allowed: true, headers, ended: hold() }
    }),
  checkAddress: ({ bucket }) =>
    bucket === "192.0.2.66" ? { allowed: false, headers: { "retry-after": "3" } } : Limits.allowed
})

const trusted = ["127.0.0.0/8", "::1/128"].flatMap((text) => ClientAddress.parseNetwork(text) ?? [])

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(ProbeApi).pipe(
    Layer.provide(handlers),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials, layerLimits]),
  Layer.provide(Layer.succeed(ClientAddress.TrustedProxies, trusted)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const get = Effect.fnUntraced(function* (
  path: string,
  key: string,
  headers: Readonly<Record<string, string>> = {}
) {
  const answer = yield* HttpClient.execute(
    HttpClientRequest.get(path).pipe(
      HttpClientRequest.bearerToken(key),
      HttpClientRequest.setHeaders(headers)
    )
  )
  return { status: answer.status, headers: answer.headers, body: yield* answer.json }
})

layer(TestServer, { excludeTestServices: true })("The chain of a request", (it) => {
  it.effect("names the actor by key, address, request and the person that a server key acts for", () =>
    Effect.gen(function* () {
      const { body } = yield* get("/v1/test/plain", "server", {
        "x-forwarded-for": "8.8.8.8, 198.51.100.1",
        "x-hm-on-behalf-of": "user-7",
        "x-request-id": "r-1"
      })
      assert.deepStrictEqual(body, {
        type: "key",
        id: "the server key",
        address: "198.51.100.1",
        onBehalfOf: "user-7",
        requestId: "r-1"
      })
    })
  )

  it.effect("believes no name that a client key sends", () =>
    Effect.gen(function* () {
      const { body, status } = yield* get("/v1/test/plain", "client", {
        "x-hm-on-behalf-of": "admin",
        "x-hm-user": "greedy"
      })
      assert.strictEqual(status, 200)
      assert.notProperty(body, "onBehalfOf")
    })
  )

  it.effect(
    "asks the limits with tenant, plan, route, user, address and cost, and passes their headers on",
    () =>
      Effect.gen(function* () {
        checked.length = 0
        const { headers } = yield* get("/v1/test/plain", "server", {
          "x-forwarded-for": "2001:db8::1",
          "x-hm-user": "user-8"
        })
        assert.strictEqual(headers["ratelimit"], '"default";r=9;t=1')
        assert.deepStrictEqual(checked, [
          {
            tenantId: TenantId.make("acme"),
            plan: Option.some("premium"),
            keyId: "the server key",
            route: "probes.plain",
            address: { text: "2001:db8::1", bucket: "2001:db8::/64" },
            cost: 5,
            user: "user-8"
          }
        ])
      })
  )

  it.effect("answers what the limits refuse with their problem and headers", () =>
    Effect.gen(function* () {
      const { body, headers, status } = yield* get("/v1/test/plain", "server", { "x-hm-user": "greedy" })
      assert.strictEqual(status, 429)
      assert.deepInclude(body, { type: "urn:test:quota", policy: "default" })
      assert.strictEqual(headers["retry-after"], "7")
      assert.strictEqual(headers["content-type"], "application/problem+json")
    })
  )

  it.effect(
    "tells the limits once when a request has ended, also by a defect or because its client has gone",
    () =>
      Effect.gen(function* () {
        const before = holding.ended
        const settled = Effect.repeat(
          Effect.sync(() => holding.now),
          {
            until: (now) => now === 0,
            schedule: Schedule.spaced("10 millis")
          }
        )
        assert.strictEqual((yield* get("/v1/test/plain", "server")).status, 200)
        assert.strictEqual(
          (yield* get("/v1/test/own", "server", { "x-hm-on-behalf-of": "defective" })).status,
          500
        )
        assert.strictEqual((yield* get("/v1/test/plain", "server", { "x-hm-user": "greedy" })).status, 429)
        const gone = yield* Effect.forkChild(get("/v1/test/own", "server", { "x-hm-on-behalf-of": "slow" }))
        yield* Effect.repeat(
          Effect.sync(() => holding.now),
          {
            until: (now) => now === 1,
            schedule: Schedule.spaced("10 millis")
          }
        )
        yield* Fiber.interrupt(gone)
        yield* settled
        assert.strictEqual(holding.ended - before, 3)
      })
  )

  it.effect("refuses an address over its limit before it reads a key", () =>
    Effect.gen(function* () {
      asked.length = 0
      const { body, headers, status } = yield* get("/v1/test/plain", "guessed", {
        "x-forwarded-for": "192.0.2.66"
      })
      assert.strictEqual(status, 429)
      assert.deepInclude(body, { type: "urn:hypermarket:problem:core:limited" })
      assert.strictEqual(headers["retry-after"], "3")
      assert.lengthOf(asked, 0)
    })
  )

  it.effect("limits what no route answers by address: 404 becomes 429", () =>
    Effect.gen(function* () {
      const unknown = (address: string) => get("/v1/test/unknown", "server", { "x-forwarded-for": address })
      assert.strictEqual((yield* unknown("192.0.2.1")).status, 404)
      const { body, headers, status } = yield* unknown("192.0.2.66")
      assert.strictEqual(status, 429)
      assert.deepInclude(body, { type: "urn:hypermarket:problem:core:limited" })
      assert.strictEqual(headers["retry-after"], "3")
    })
  )

  it.effect("trusts keys during an outage only on endpoints that guard themselves", () =>
    Effect.gen(function* () {
      asked.length = 0
      yield* get("/v1/test/plain", "server")
      yield* get("/v1/test/own", "server")
      assert.deepStrictEqual(asked, [0, 15])
    })
  )
})
