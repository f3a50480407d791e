import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Actor from "@hypermarket/core/Actor"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { RequestGuard, RequiredScope } from "@hypermarket/core/Authorization"
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Limits from "@hypermarket/core/Limits"
import * as Now from "@hypermarket/core/Now"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as Secrets from "@hypermarket/core/Secrets"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as SignedToken from "@hypermarket/core/SignedToken"
import { provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Option, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint } from "effect/http-api"
import { entry } from "./secretKeys.ts"

const acme = TenantId.make("acme")
const zeta = TenantId.make("zeta")

const refuse = (reason: TokenRoute.Reason) =>
  HttpServerResponse.jsonUnsafe({ refused: reason }, { status: reason === "limited" ? 429 : 400 })

const Claims = Schema.Struct({ recipient: Schema.String })

const leave = TokenRoute.make(
  {
    method: "POST",
    path: "/v1/test/leave/:token",
    purpose: "leave",
    claims: Claims,
    bodyBytesMax: 100,
    refuse
  },
  ({ claims }) =>
    Effect.gen(function* () {
      const { id } = yield* Tenant
      const { type } = yield* Actor.Actor
      return HttpServerResponse.jsonUnsafe({ tenant: id, recipient: claims.recipient, actor: type })
    })
)

/** Two routes of one link, whose requests are counted together. */
const counted = (["GET", "POST"] as const).map((method) =>
  TokenRoute.make(
    {
      method,
      path: "/v1/test/counted/:token",
      purpose: "counted",
      claims: Claims,
      bodyBytesMax: 100,
      perMinuteMax: 4,
      refuse
    },
    ({ claims }) => Effect.succeed(HttpServerResponse.jsonUnsafe(claims))
  )
)

class OpenGroup extends Endpoint.publicGroup(
  "open",
  { title: "Open", description: "Anybody may read it." },
  HttpApiEndpoint.get("open", "/v1/test/open", { success: Actor.Schema }).annotate(RequestGuard, "own")
) {}

class OpenApi extends HttpApi.make("open").add(OpenGroup) {}

const trusted = ["127.0.0.0/8", "::1/128"].flatMap((text) => ClientAddress.parseNetwork(text) ?? [])

const lines: Array<{ readonly path: string; readonly tenantId: string | undefined }> = []

const layerCredentials = Layer.succeed(Credentials, { authenticate: () => Effect.succeed(Option.none()) })

/** One address is over its limit. */
const layerLimits = Layer.succeed(Limits.Limits, {
  check: () => Effect.die("a request without a key has no limits of a key"),
  checkAddress: ({ bucket }) =>
    bucket === "192.0.2.77" ? { allowed: false, headers: { "retry-after": "4" } } : Limits.allowed
})

const routes = Layer.mergeAll(
  TokenRoute.layer([leave, ...counted]),
  HttpApiBuilder.layer(OpenApi).pipe(
    Layer.provide(
      HttpApiBuilder.group(OpenApi, "open", (handlers) => handlers.handleAll({ open: () => Actor.Actor }))
    )
  )
)

const layerKeys = ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: entry("k1") }))

const TestServer = ApiServer.layer(Layer.provide(routes, [RequestChain.layer, Problems.layerInput])).pipe(
  Layer.provide([
    Layer.succeed(AccessLog.AccessLog, {
      record: ({ path, tenantId }) => void lines.push({ path, tenantId })
    }),
    Shutdown.layer,
    layerCredentials,
    layerLimits
  ]),
  Layer.provideMerge(SignedToken.SignedToken.layer),
  Layer.provide(Layer.provide(Secrets.Secrets.layer, layerKeys)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations)),
  Layer.provideMerge(Now.layerTest),
  Layer.provide(Layer.succeed(ClientAddress.TrustedProxies, trusted)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const send = Effect.fnUntraced(function* (
  request: HttpClientRequest.HttpClientRequest,
  headers: Readonly<Record<string, string>> = {}
) {
  const answer = yield* HttpClient.execute(HttpClientRequest.setHeaders(request, headers))
  return { status: answer.status, headers: answer.headers, body: yield* answer.json }
})

const post = (token: string, headers?: Readonly<Record<string, string>>) =>
  send(HttpClientRequest.post(`/v1/test/leave/${token}`), headers)

const tokenOf = (tenantId: TenantId, claims: SignedToken.Claims = { recipient: "r-1" }, purpose = "leave") =>
  Effect.flatMap(SignedToken.SignedToken, (tokens) =>
    tokens.make({ purpose, claims, expiresIn: "1 hour" })
  ).pipe(provide(tenantId))

layer(TestServer, { excludeTestServices: true })("A token route", (it) => {
  it.effect("acts for the tenant that the token names, with its claims", () =>
    Effect.gen(function* () {
      for (const tenant of [acme, zeta]) {
        const { body } = yield* post(yield* tokenOf(tenant))
        assert.deepStrictEqual(body, { tenant, recipient: "r-1", actor: "user" })
      }
    })
  )

  it.effect("refuses a token that is altered, made for another purpose, or claims something else", () =>
    Effect.gen(function* () {
      const token = yield* tokenOf(acme)
      const tokens = [
        `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`,
        yield* tokenOf(acme, { recipient: "r-1" }, "enter"),
        yield* tokenOf(acme, { recipient: 7 }),
        yield* tokenOf(acme, {}),
        "x"
      ]
      for (const text of tokens) {
        assert.deepStrictEqual((yield* post(text)).body, { refused: "token-invalid" })
      }
    })
  )

  it.effect("says of a token that was valid that it has expired", () =>
    Effect.gen(function* () {
      const token = yield* tokenOf(acme)
      const now = yield* Now.TestNow
      yield* now.adjust("61 minutes")
      assert.deepStrictEqual((yield* post(token)).body, { refused: "token-expired" })
      yield* now.adjust("-61 minutes")
    })
  )

  it.effect("keeps its body and its callers' addresses within limits", () =>
    Effect.gen(function* () {
      const path = `/v1/test/leave/${yield* tokenOf(acme)}`
      const large = yield* send(
        HttpClientRequest.post(path).pipe(HttpClientRequest.bodyText("x".repeat(101)))
      )
      assert.deepStrictEqual(large.body, { refused: "body-too-large" })
      const limited = yield* send(HttpClientRequest.post(path), { "x-forwarded-for": "192.0.2.77" })
      assert.deepStrictEqual(limited.body, { refused: "limited" })
      assert.strictEqual(limited.headers["retry-after"], "4")
    })
  )

  it.effect(
    "takes no more requests per minute than it states with one token from one address, over both methods",
    () =>
      Effect.gen(function* () {
        const statusOf = (method: "GET" | "POST", token: string, address: string) =>
          Effect.map(
            send(HttpClientRequest.make(method)(`/v1/test/counted/${token}`), { "x-forwarded-for": address }),
            ({ headers, status }) => ({ status, retryAfter: headers["retry-after"] })
          )
        const token = yield* tokenOf(acme, { recipient: "r-1" }, "counted")
        // Neither method alone reaches the maximum, and tokens that open nothing are not counted.
        for (const method of ["GET", "POST", "GET", "POST"] as const) {
          assert.deepInclude(yield* statusOf(method, `${token}x`, "192.0.2.1"), { status: 400 })
          assert.deepInclude(yield* statusOf(method, token, "192.0.2.1"), { status: 200 })
        }
        for (const method of ["GET", "POST"] as const) {
          const { retryAfter, status } = yield* statusOf(method, token, "192.0.2.1")
          assert.strictEqual(status, 429)
          assert.isAtLeast(Number(retryAfter), 1)
          assert.isAtMost(Number(retryAfter), 60)
        }
        const other = yield* tokenOf(acme, { recipient: "r-2" }, "counted")
        assert.deepInclude(yield* statusOf("POST", other, "192.0.2.1"), { status: 200 })
        assert.deepInclude(yield* statusOf("POST", token, "192.0.2.2"), { status: 200 })
        const now = yield* Now.TestNow
        yield* now.adjust("1 minute")
        for (const status of [200, 200, 200, 200, 429]) {
          assert.deepInclude(yield* statusOf("POST", token, "192.0.2.1"), { status })
        }
        yield* now.adjust("-1 minute")
      })
  )

  it.effect("leaves no token in the log, and names the tenant there", () =>
    Effect.gen(function* () {
      const token = yield* tokenOf(zeta)
      lines.length = 0
      yield* post(token)
      assert.deepStrictEqual(lines, [{ path: "/v1/test/leave/…", tenantId: "zeta" }])
    })
  )

  it.effect("can be called by a script of every origin", () =>
    Effect.gen(function* () {
      const { headers } = yield* post("x", { origin: "https://mail.test" })
      assert.strictEqual(headers["access-control-allow-origin"], "*")
    })
  )

  it.effect("is not made without the parameter of its token", () =>
    Effect.sync(() => {
      assert.throws(
        () =>
          TokenRoute.make(
            { method: "GET", path: "/v1/test/:id", purpose: "p", claims: Claims, bodyBytesMax: 0, refuse },
            () => Effect.succeed(HttpServerResponse.empty())
          ),
        "/v1/test/:id has no parameter token"
      )
    })
  )
})

layer(TestServer, { excludeTestServices: true })("A public endpoint", (it) => {
  it.effect("answers without a key, as nobody in particular, and not to an address over its limit", () =>
    Effect.gen(function* () {
      const open = yield* send(HttpClientRequest.get("/v1/test/open"), { "x-request-id": "r-9" })
      assert.deepInclude(open.body, { type: "process", id: "anonymous", requestId: "r-9" })
      const limited = yield* send(HttpClientRequest.get("/v1/test/open"), { "x-forwarded-for": "192.0.2.77" })
      assert.strictEqual(limited.status, 429)
      assert.strictEqual(limited.headers["retry-after"], "4")
    })
  )

  it.effect("is refused a scope, which nothing would check", () =>
    Effect.sync(() => {
      assert.throws(
        () =>
          Endpoint.publicGroup(
            "open",
            { title: "Open", description: "A scope is a mistake here." },
            HttpApiEndpoint.get("open", "/v1/test/open", { success: Schema.String }).annotate(
              RequiredScope,
              "test:read"
            )
          ),
        "open.open: a public endpoint has no scope"
      )
    })
  )
})
