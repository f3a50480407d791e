import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { type Credential, Credentials } from "@hypermarket/core/Credentials"
import * as Limits from "@hypermarket/core/Limits"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { Tenant, TenantId } from "@hypermarket/core/Tenant"
import { Duration, Effect, Layer, Option, Redacted, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { SqlError } from "effect/sql"
import { gzipSync } from "node:zlib"

const clientKey = `hm_${"a".repeat(32)}_${"B".repeat(43)}`

const credentialOf = (options: Partial<Credential>): Credential => ({
  keyId: "k",
  kind: "server",
  tenantId: Option.some(TenantId.make("acme")),
  isTenantActive: true,
  scopes: new Set(["errors:write"]),
  environment: "live",
  plan: Option.none(),
  resource: Option.none(),
  ...options
})

const credentials: Readonly<Record<string, Credential>> = {
  server: credentialOf({}),
  narrow: credentialOf({ scopes: new Set(["errors:read"]) }),
  suspended: credentialOf({ isTenantActive: false }),
  [clientKey]: credentialOf({ kind: "client", resource: Option.some({ kind: "project", id: "p1" }) })
}

const unreachable = new SqlError.SqlError({
  reason: new SqlError.ConnectionError({ cause: undefined, message: "refused", operation: "query" })
})

/** The key `away` cannot be read now; `known` was read before. */
const layerCredentials = Layer.succeed(Credentials, {
  authenticate: (secret, options) => {
    const text = Redacted.value(secret)
    const mayBeAway = Duration.toMillis(options?.whileAway ?? 0) > 0
    if (text === "away" || (text === "known" && !mayBeAway)) return Effect.fail(unreachable)
    return Effect.succeed(
      Option.fromUndefinedOr(text === "known" ? credentials["server"] : credentials[text])
    )
  }
})

const layerLimits = Layer.succeed(Limits.Limits, {
  check: ({ user }) =>
    Effect.succeed(
      user === "greedy"
        ? { allowed: false, headers: { "retry-after": "9" } }
        : { allowed: true, headers: { ratelimit: '"default";r=1' } }
    ),
  checkAddress: () => Limits.allowed
})

const refuse = (reason: ProtocolRoute.Reason) =>
  HttpServerResponse.jsonUnsafe(
    { refused: reason },
    { status: reason === "storage-unavailable" ? 429 : 400, headers: { "x-test-error": reason } }
  )

/** Every option that a protocol has. */
const intakeOptions: Required<ProtocolRoute.Options> = {
  method: "POST",
  path: "/test/:project/intake/:key/:token",
  secretParams: ["token"],
  key: ["bearer", "basic", "x-api-key", "x-sentry-auth", "query:test_key", "path:key"],
  scope: "errors:write",
  clientKeys: true,
  resource: { kind: "project", param: "project" },
  body: { max: 1_000, inflatedMax: 2_000 },
  guard: "own",
  stream: false,
  refuse
}

const intake = ProtocolRoute.make(intakeOptions, ({ body, params }) =>
  Effect.map(Tenant, ({ id }) =>
    HttpServerResponse.jsonUnsafe({ tenant: id, project: params["project"] ?? "", bytes: body.length })
  )
)

const events = ProtocolRoute.make(
  {
    method: "GET",
    path: "/test/events",
    key: ["bare"],
    scope: "errors:read",
    clientKeys: false,
    body: { max: 0, inflatedMax: 0 },
    guard: "database",
    stream: true,
    refuse
  },
  () => Effect.succeed(HttpServerResponse.stream(Stream.make(new TextEncoder().encode("data: 1\n\n"))))
)

const lines: Array<{ readonly path: string; readonly route: string | undefined }> = []

const TestServer = ApiServer.layer(
  ProtocolRoute.layer([intake, events]).pipe(Layer.provide(RequestChain.layer))
).pipe(
  Layer.provide([
    Layer.succeed(AccessLog.AccessLog, {
      record: ({ path, route }) => void lines.push({ path, route })
    }),
    Shutdown.layer,
    layerCredentials,
    layerLimits
  ]),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const post = Effect.fnUntraced(function* (
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Uint8Array = new TextEncoder().encode("hello")
) {
  const answer = yield* HttpClient.execute(
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.bodyUint8Array(body),
      HttpClientRequest.setHeaders(headers)
    )
  )
  return { status: answer.status, headers: answer.headers, body: yield* answer.json }
})

const taken = { tenant: "acme", project: "p1", bytes: 5 }

layer(TestServer, { excludeTestServices: true })("A protocol route", (it) => {
  it.effect("finds the key in each place that its protocol has", () =>
    Effect.gen(function* () {
      const basic = Buffer.from("anyone:server").toString("base64")
      for (const { body } of [
        yield* post("/test/p1/intake/x/t0k3n", { authorization: "Bearer server" }),
        yield* post("/test/p1/intake/x/t0k3n", { authorization: `Basic ${basic}` }),
        yield* post("/test/p1/intake/x/t0k3n", { "x-api-key": "server" }),
        yield* post("/test/p1/intake/x/t0k3n", {
          "x-sentry-auth": "Sentry sentry_version=7, sentry_key=server, sentry_client=test/1"
        }),
        yield* post("/test/p1/intake/x/t0k3n?v=7&test_key=server"),
        yield* post("/test/p1/intake/server/t0k3n"),
        yield* post(`/test/p1/intake/${clientKey}/t0k3n`)
      ]) {
        assert.deepStrictEqual(body, taken)
      }
      const stream = yield* HttpClient.get("/test/events", { headers: { authorization: "narrow" } })
      assert.strictEqual(yield* stream.text, "data: 1\n\n")
    })
  )

  it.effect("refuses in its protocol's own words, with the reason", () =>
    Effect.gen(function* () {
      const large = new Uint8Array(1_001)
      const bomb = gzipSync(new Uint8Array(2_001))
      const authorization = "Bearer server"
      const cases = {
        unauthenticated: yield* post("/test/p1/intake/nobody/t0k3n"),
        "scope-missing": yield* post("/test/p1/intake/narrow/t0k3n"),
        "tenant-suspended": yield* post("/test/p1/intake/suspended/t0k3n"),
        "resource-refused": yield* post(`/test/p2/intake/${clientKey}/t0k3n`),
        "body-too-large": yield* post("/test/p1/intake/x/t0k3n", { authorization }, large),
        "body-broken": yield* post("/test/p1/intake/x/t0k3n", { authorization, "content-encoding": "gzip" }),
        limited: yield* post("/test/p1/intake/x/t0k3n", { authorization, "x-hm-user": "greedy" })
      }
      for (const [reason, { body }] of Object.entries(cases))
        assert.deepStrictEqual(body, { refused: reason })
      assert.strictEqual(cases.limited.headers["retry-after"], "9")
      const inflated = yield* post(
        "/test/p1/intake/x/t0k3n",
        { authorization, "content-encoding": "gzip" },
        bomb
      )
      assert.deepStrictEqual(inflated.body, { refused: "body-too-large" })
      const kind = yield* HttpClient.get("/test/events", { headers: { authorization: clientKey } })
      assert.deepStrictEqual(yield* kind.json, { refused: "key-kind-refused" })
    })
  )

  it.effect("goes on during an outage with a key that was read, where it guards itself", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* post("/test/p1/intake/known/t0k3n")).body, taken)
      const unread = yield* post("/test/p1/intake/away/t0k3n")
      assert.strictEqual(unread.status, 429)
      assert.deepStrictEqual(unread.body, { refused: "storage-unavailable" })
      const guarded = yield* HttpClient.get("/test/events", { headers: { authorization: "known" } })
      assert.deepStrictEqual(yield* guarded.json, { refused: "storage-unavailable" })
    })
  )

  it.effect("writes a key in its path to the log as the key's id, and any other secret as nothing", () =>
    Effect.gen(function* () {
      lines.length = 0
      yield* post(`/test/p1/intake/${clientKey}/t0k3n`)
      yield* post("/test/p1/intake/guessed-secret/t0k3n")
      assert.deepStrictEqual(lines, [
        { path: `/test/p1/intake/hm_${"a".repeat(32)}/…`, route: intake.path },
        { path: "/test/p1/intake/…/…", route: intake.path }
      ])
    })
  )

  it.effect("lets a script of another origin call it and read each answer, where it takes client keys", () =>
    Effect.gen(function* () {
      const preflight = (path: string, method: string) =>
        HttpClient.execute(
          HttpClientRequest.make("OPTIONS")(path).pipe(
            HttpClientRequest.setHeaders({
              origin: "https://shop.test",
              "access-control-request-method": method,
              "access-control-request-headers": `sentry-trace, ${"x".repeat(65)}, baggage`
            })
          )
        )
      const open = yield* preflight("/test/p1/intake/guessed/t0k3n", "POST")
      assert.strictEqual(open.status, 204)
      assert.strictEqual(open.headers["access-control-allow-origin"], "*")
      assert.strictEqual(open.headers["access-control-allow-methods"], "POST")
      assert.strictEqual(open.headers["access-control-allow-headers"], "sentry-trace, baggage")
      assert.notProperty(open.headers, "access-control-allow-credentials")
      const refused = yield* post("/test/p1/intake/nobody/t0k3n")
      assert.strictEqual(refused.headers["access-control-allow-origin"], "*")
      assert.include(refused.headers["access-control-expose-headers"], "Retry-After")
      for (const closed of [
        yield* preflight("/test/events", "GET"),
        yield* preflight("/test/p1/intake/x/t0k3n", "DELETE"),
        yield* HttpClient.get("/test/events")
      ]) {
        assert.notProperty(closed.headers, "access-control-allow-origin")
      }
    })
  )

  it.effect("carries the headers of its limits", () =>
    Effect.gen(function* () {
      const { headers } = yield* post("/test/p1/intake/server/t0k3n")
      assert.strictEqual(headers["ratelimit"], '"default";r=1')
    })
  )

  it.effect("is refused when it names a parameter that its path does not have", () =>
    Effect.sync(() => {
      assert.throws(
        () => ProtocolRoute.make({ ...intake, key: ["path:other"] }, intake.handler),
        "/test/:project/intake/:key/:token has no parameter other"
      )
    })
  )
})
