/** Sessions of the console over raw HTTP, as a browser and as its enemies send them. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as Console from "@hypermarket/api/console/Console"
import * as Origin from "@hypermarket/api/console/Origin"
import * as Session from "@hypermarket/api/console/Session"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Problems from "@hypermarket/core/Problems"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import { PlatformApi } from "@hypermarket/platform/PlatformApi"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PlatformHttp from "@hypermarket/platform/PlatformHttp"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { connect, head, type RawAnswer } from "./rawClient.ts"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")
const publicHost = "console.example"

/** A protocol route below /v1, which must not look at the cookie. */
const protocol = ProtocolRoute.layer([
  ProtocolRoute.make(
    {
      method: "GET",
      path: "/v1/of-another-protocol",
      key: ["bearer"],
      scope: "platform:read",
      clientKeys: false,
      body: { max: 0, inflatedMax: 0 },
      guard: "database",
      refuse: (reason) => HttpServerResponse.text(reason, { status: 401 })
    },
    () => Effect.succeed(HttpServerResponse.text("done"))
  )
])

const serving = <E, R>(console: Layer.Layer<never, E, R>) =>
  ApiServer.layer(
    HttpApiBuilder.layer(PlatformApi).pipe(
      Layer.provide(PlatformHttp.layer),
      Layer.merge(protocol),
      Layer.merge(console),
      Layer.provide([RequestChain.layer, Problems.layerInput])
    )
  ).pipe(
    Layer.provide([AccessLog.layerDiscard, Shutdown.layer, KeyCredentials.layer]),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

const served = (options: { readonly writes: boolean; readonly publicUrl: string }) =>
  serving(Session.layer({ writes: options.writes, publicUrl: new URL(options.publicUrl), folder: undefined }))

/** A second server over the same database. */
const another = (options: Parameters<typeof served>[0]) => Layer.fresh(served(options))

const TestServer = served({ writes: true, publicUrl: `https://${publicHost}` }).pipe(
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

interface Sent {
  readonly body?: Schema.Json | string
  readonly headers?: Readonly<Record<string, string>>
  readonly cookie?: string | undefined
  /** False leaves out the headers of the console's own script. */
  readonly ours?: boolean
}

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "DELETE" | "PATCH",
  path: string,
  { body, cookie, headers = {}, ours = true }: Sent = {}
) {
  const { address } = yield* HttpServer.HttpServer
  const connection = yield* connect(`http://127.0.0.1:${"port" in address ? address.port : 0}`)
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body)
  yield* connection.write(
    head(method, path, {
      host: "localhost:8080",
      ...(ours ? { "x-hypermarket-console": "1", "sec-fetch-site": "same-origin" } : {}),
      ...(text === "" ? {} : { "content-type": "application/json", "content-length": text.length }),
      ...(cookie === undefined ? {} : { cookie }),
      ...headers
    }) + text
  )
  return yield* connection.answer
}, Effect.scoped)

const Body = Schema.fromJsonString(
  Schema.Struct({
    signedIn: Schema.Boolean,
    label: Schema.optionalKey(Schema.NullOr(Schema.String)),
    tenants: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({ tenantId: Schema.String, state: Schema.String, scopes: Schema.Array(Schema.String) })
      )
    ),
    system: Schema.optionalKey(Schema.Unknown)
  })
)
const decodeBody = (answer: RawAnswer) => Schema.decodeEffect(Body)(answer.body)

/** The cookie of an answer as a browser sends it back. */
const cookieOf = (answer: RawAnswer): string => (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? ""

const asOperator = Effect.provideService(AllTenants, { actor: "test" })

const keyOf = Effect.fnUntraced(function* (
  tenantId: TenantId,
  scopes: ReadonlyArray<string>,
  kind: "server" | "client" = "server"
) {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts.create({ tenantId, name: tenantId }).pipe(asOperator, Effect.ignore)
  const issued = yield* keys.create({ name: "test", scopes, kind }, "operator").pipe(provide(tenantId))
  return { apiKeyId: issued.apiKey.apiKeyId, secret: issued.secret ?? "" }
})

const signIn = Effect.fnUntraced(function* (
  secret: string,
  sent: { readonly cookie?: string; readonly add?: boolean } = {}
) {
  const answer = yield* send("POST", "/console/session", {
    body: { key: secret, label: "Ann", ...(sent.add === undefined ? {} : { add: sent.add }) },
    cookie: sent.cookie
  })
  assert.strictEqual(answer.status, 200, answer.body)
  return cookieOf(answer)
})

/** A new session with a new key. */
const session = Effect.fnUntraced(function* (tenantId: TenantId, scopes: ReadonlyArray<string>) {
  const key = yield* keyOf(tenantId, scopes)
  return { ...key, cookie: yield* signIn(key.secret) }
})

const tenant = (id: string) => ({ "x-hypermarket-tenant": id })
const ownAccount = "/v1/platform/tenant"

const statusWith = Effect.fnUntraced(function* (cookie: string, id: string = acme) {
  return (yield* send("GET", ownAccount, { cookie, headers: tenant(id) })).status
})

const isSignedIn = (cookie: string) =>
  send("GET", "/console/session", { cookie }).pipe(
    Effect.flatMap(decodeBody),
    Effect.map((body) => body.signedIn)
  )

const rowsWith = Effect.fnUntraced(function* (text: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly count: number }>`
    SELECT count(*)::int AS count
      FROM (
            SELECT s::text AS line
              FROM hm_console_session AS s
             UNION ALL
            SELECT k::text
              FROM hm_console_session_key AS k
             UNION ALL
            SELECT c::text
              FROM hm_console_code AS c) AS lines
     WHERE strpos(line, ${text}) > 0
  `
  return row?.count
})

layer(TestServer, { excludeTestServices: true })("a session of the console", (it) => {
  it.effect("acts for its key's tenant with its key's scopes, and stores neither key nor token", () =>
    Effect.gen(function* () {
      const { apiKeyId, cookie, secret } = yield* session(acme, ["platform:read"])
      const own = yield* send("GET", ownAccount, { cookie, headers: tenant(acme) })
      assert.strictEqual(own.status, 200)
      assert.include(own.body, `"tenantId":"acme"`)
      const wider = yield* send("POST", "/v1/platform/keys", {
        cookie,
        headers: { ...tenant(acme), "idempotency-key": "k1" },
        body: { name: "new", scopes: ["platform:read"] }
      })
      assert.strictEqual(wider.status, 403)
      assert.include(wider.body, "scope-missing")
      assert.strictEqual(yield* rowsWith(apiKeyId), 1)
      assert.strictEqual(yield* rowsWith(secret.slice(-43)), 0)
      assert.strictEqual(yield* rowsWith(cookie.split("=")[1] ?? ""), 0)
    })
  )

  it.effect("is refused to unknown and to client keys, and to bodies that are no sign-in", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["search:read"], "client")
      const post = (body: Schema.Json | string) => send("POST", "/console/session", { body })
      for (const [body, status] of [
        [{ key: `hm_${"0".repeat(32)}_${"A".repeat(43)}` }, 401],
        [{ key: "wrong" }, 401],
        [{ key: secret }, 403],
        [{ code: "A".repeat(43) }, 401],
        [{}, 400],
        [{ key: "wrong", code: "wrong" }, 400],
        [{ key: "wrong", admin: true }, 400],
        [{ key: 1 }, 400],
        ["no JSON", 400],
        [{ key: "x".repeat(20_000) }, 413]
      ] as const) {
        const answer = yield* post(body)
        assert.strictEqual(answer.status, status, JSON.stringify(body).slice(0, 80))
        assert.include(answer.headers.get("content-type") ?? "", "application/problem+json")
        assert.isUndefined(answer.headers.get("set-cookie"))
      }
    })
  )

  it.effect("has a cookie that no script reads and no other site sends, Secure wherever there is TLS", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:read"])
      const flags = Effect.fnUntraced(function* (host: string) {
        const answer = yield* send("POST", "/console/session", { body: { key: secret }, headers: { host } })
        assert.strictEqual(answer.headers.get("cache-control"), "no-store")
        const [pair = "", ...attributes] = (answer.headers.get("set-cookie") ?? "").split("; ")
        return [pair.replace(/=.*/, ""), ...attributes.toSorted()]
      })
      assert.deepStrictEqual(yield* flags(publicHost), [
        "__Host-hm_console",
        "HttpOnly",
        "Max-Age=43200",
        "Path=/",
        "SameSite=Strict",
        "Secure"
      ])
      assert.deepStrictEqual(yield* flags("127.0.0.1:4711"), [
        "hm_console_4711",
        "HttpOnly",
        "Max-Age=43200",
        "Path=/",
        "SameSite=Strict"
      ])
    })
  )

  it.effect("needs HTTPS from other machines, and a prefix of a proxy is the cookie's path", () =>
    Effect.gen(function* () {
      const { secret } = yield* keyOf(acme, ["platform:read"])
      const over = (publicUrl: string, host: string) =>
        send("POST", "/console/session", { body: { key: secret }, headers: { host } }).pipe(
          Effect.provide(another({ writes: true, publicUrl }))
        )
      const plain = yield* over("http://console.example", "console.example")
      assert.strictEqual(plain.status, 403)
      assert.include(plain.body, "plain-http")
      const prefixed = yield* over("https://tools.example/ops/hm", "tools.example")
      assert.match(prefixed.headers.get("set-cookie") ?? "", /^__Secure-hm_console=.*; Path=\/ops\/hm\/;/)
      assert.strictEqual(Origin.basePathOf(new URL("https://tools.example/ops/hm")), "/ops/hm/")
    })
  )

  it.effect("opens nothing to a request that the console's own script has not sent", () =>
    Effect.gen(function* () {
      const { cookie } = yield* session(acme, ["platform:admin"])
      const own = { ...tenant(acme), "idempotency-key": "k2" }
      const body = { name: "of an enemy", scopes: ["platform:admin"] }
      const enemies: ReadonlyArray<Readonly<Record<string, string>>> = [
        {},
        { "x-hypermarket-console": "0" },
        { "x-hypermarket-console": "1", "sec-fetch-site": "cross-site" },
        { "x-hypermarket-console": "1", "sec-fetch-site": "same-site" },
        { "x-hypermarket-console": "1", "sec-fetch-site": "none" }
      ]
      for (const headers of enemies) {
        for (const answer of [
          yield* send("GET", ownAccount, { cookie, headers: { ...own, ...headers }, ours: false }),
          yield* send("POST", "/v1/platform/keys", {
            cookie,
            headers: { ...own, ...headers },
            ours: false,
            body
          }),
          yield* send("GET", "/console/session", { cookie, headers, ours: false }),
          yield* send("DELETE", "/console/session", { cookie, headers, ours: false }),
          yield* send("POST", "/console/session", { headers, ours: false, body: { key: "of an enemy" } })
        ]) {
          assert.strictEqual(answer.status, 403, answer.body)
          assert.include(answer.body, "console:not-of-console")
          assert.notInclude(answer.body, "acme")
        }
      }
      for (const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x"
      ]) {
        for (const path of ["/v1/platform/keys", "/console/session"]) {
          const answer = yield* send("POST", path, {
            cookie,
            headers: { ...own, "content-type": type },
            body
          })
          assert.strictEqual(answer.status, 403, `${path} ${type}`)
        }
      }
      const keys = yield* send("GET", "/v1/platform/keys", { cookie, headers: tenant(acme) })
      assert.strictEqual(keys.status, 200)
      assert.notInclude(keys.body, "of an enemy")
      assert.isTrue(yield* isSignedIn(cookie))
    })
  )

  it.effect("does not count where a request has an Authorization header, not even a bad one", () =>
    Effect.gen(function* () {
      const { cookie } = yield* session(acme, ["platform:read"])
      const other = yield* keyOf(globex, ["platform:read"])
      const bad = yield* send("GET", ownAccount, {
        cookie,
        headers: { ...tenant(acme), authorization: "Bearer hm_wrong" }
      })
      assert.strictEqual(bad.status, 401)
      const good = yield* send("GET", ownAccount, {
        cookie,
        headers: { ...tenant(acme), authorization: `Bearer ${other.secret}` }
      })
      assert.include(good.body, `"tenantId":"globex"`)
    })
  )

  it.effect("is not taken by a route of another system's protocol", () =>
    Effect.gen(function* () {
      const { cookie, secret } = yield* session(acme, ["platform:read"])
      const path = "/v1/of-another-protocol"
      assert.strictEqual((yield* send("GET", path, { cookie, headers: tenant(acme) })).status, 401)
      const withKey = yield* send("GET", path, { headers: { authorization: `Bearer ${secret}` } })
      assert.strictEqual(withKey.body, "done")
    })
  )

  it.effect("names its tenant with every request, and reaches none of which it holds no key", () =>
    Effect.gen(function* () {
      const { cookie } = yield* session(acme, ["platform:read"])
      yield* keyOf(globex, ["platform:read"])
      for (const headers of [tenant(globex), tenant("unknown"), tenant("_system"), {}]) {
        const answer = yield* send("GET", ownAccount, { cookie, headers })
        assert.strictEqual(answer.status, 403)
        assert.include(answer.body, "console:tenant-not-held")
      }
    })
  )

  it.effect(
    "holds several tenants once their keys are added, and each request acts for the one that it names",
    () =>
      Effect.gen(function* () {
        const first = yield* session(acme, ["platform:read"])
        const other = yield* keyOf(globex, ["platform:read"])
        const both = yield* signIn(other.secret, { cookie: first.cookie, add: true })
        assert.notStrictEqual(both, first.cookie)
        assert.strictEqual(yield* statusWith(first.cookie), 401)
        for (const id of [acme, globex]) {
          const answer = yield* send("GET", ownAccount, { cookie: both, headers: tenant(id) })
          assert.include(answer.body, `"tenantId":"${id}"`)
        }
        const listed = yield* decodeBody(yield* send("GET", "/console/session", { cookie: both }))
        assert.deepStrictEqual(
          listed.tenants?.map(({ state, tenantId }) => [tenantId, state]),
          [
            ["acme", "active"],
            ["globex", "active"]
          ]
        )
        // A further key of a tenant takes the place of the first.
        const wider = yield* keyOf(acme, ["platform:admin"])
        const widened = yield* signIn(wider.secret, { cookie: both, add: true })
        const after = yield* decodeBody(yield* send("GET", "/console/session", { cookie: widened }))
        assert.deepStrictEqual(
          after.tenants?.map(({ scopes, tenantId }) => [tenantId, scopes]),
          [
            ["globex", ["platform:read"]],
            ["acme", ["platform:admin"]]
          ]
        )
      })
  )

  it.effect("holds at most 50 keys", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { apiKeyId, cookie } = yield* session(acme, ["platform:read"])
      const other = yield* keyOf(globex, ["platform:read"])
      yield* sql`
        INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
        SELECT 'full-' || n, 'full', 'standard', 'active', now(), now()
          FROM generate_series(1, 49) AS n
      `
      yield* sql`
        WITH new_key AS (
          INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, scopes, secret_hash, recorded_at,
                                  updated_at)
          SELECT gen_random_uuid(), tenant_id, 'server', 'test', 'live', '{platform:read}', decode(repeat('00', 32), 'hex'),
                 now(), now()
            FROM hm_tenant
           WHERE tenant_id LIKE 'full-%'
          RETURNING api_key_id
        )
        INSERT INTO hm_console_session_key (session_id, api_key_id, recorded_at)
        SELECT session_id, new_key.api_key_id, now()
          FROM new_key, hm_console_session_key AS held
         WHERE held.api_key_id = ${apiKeyId}::uuid
      `
      const answer = yield* send("POST", "/console/session", {
        body: { key: other.secret, add: true },
        cookie
      })
      assert.strictEqual(answer.status, 409)
      assert.isTrue(yield* isSignedIn(cookie))
    })
  )

  it.effect("of the system reaches tenants as a list, and no tenant's rows", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const { secret } = yield* keys.createSystem("test").pipe(asOperator)
      const cookie = yield* signIn(secret ?? "")
      assert.strictEqual((yield* send("GET", "/v1/platform/tenants", { cookie })).status, 200)
      assert.strictEqual(yield* statusWith(cookie), 403)
    })
  )

  it.effect("replaces the one before it: each sign-in makes a new token and ends the old", () =>
    Effect.gen(function* () {
      const { cookie, secret } = yield* session(acme, ["platform:read"])
      const next = yield* signIn(secret, { cookie })
      assert.notStrictEqual(next, cookie)
      assert.isFalse(yield* isSignedIn(cookie))
      assert.isTrue(yield* isSignedIn(next))
    })
  )

  it.effect("ends by sign-out: the row and the cookie are gone", () =>
    Effect.gen(function* () {
      const { apiKeyId, cookie } = yield* session(acme, ["platform:read"])
      assert.strictEqual(yield* statusWith(cookie), 200)
      const answer = yield* send("DELETE", "/console/session", { cookie })
      assert.strictEqual(answer.status, 204)
      assert.match(answer.headers.get("set-cookie") ?? "", /^hm_console_8080=; Max-Age=0;/)
      assert.isUndefined(answer.headers.get("clear-site-data"))
      assert.strictEqual(yield* rowsWith(apiKeyId), 0)
      assert.strictEqual(yield* statusWith(cookie), 401)
      assert.isFalse(yield* isSignedIn(cookie))
    })
  )

  it.effect("ends when it is idle, and by age however much it is used; its row is pruned", () =>
    Effect.gen(function* () {
      const testNow = yield* Now.TestNow
      const sessions = yield* ConsoleSessions
      const idle = yield* session(acme, ["platform:read"])
      yield* testNow.adjust(Duration.minutes(121))
      assert.strictEqual(yield* statusWith(idle.cookie), 401)
      const used = yield* session(acme, ["platform:read"])
      for (let hour = 1; hour < 12; hour++) {
        yield* testNow.adjust(Duration.hours(1))
        assert.strictEqual(yield* statusWith(used.cookie), 200, `hour ${hour}`)
      }
      yield* testNow.adjust(Duration.hours(1))
      assert.strictEqual(yield* statusWith(used.cookie), 401)
      yield* sessions.prune.pipe(asOperator)
      assert.strictEqual(yield* rowsWith(idle.apiKeyId), 0)
      assert.strictEqual(yield* rowsWith(used.apiKeyId), 0)
    })
  )

  it.effect("ends with its key: revoked, it opens nothing more", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const { apiKeyId, cookie } = yield* session(acme, ["platform:read"])
      assert.strictEqual(yield* statusWith(cookie), 200)
      yield* keys.revoke(apiKeyId, 1, "left in a log").pipe(provide(acme))
      const out = Effect.filterOrFail(statusWith(cookie), (status) => status === 401)
      yield* Effect.eventually(Effect.delay(out, "100 millis"))
      assert.isFalse(yield* isSignedIn(cookie))
    })
  )

  it.effect("shows nobody signed in as an answer and not as an error", () =>
    Effect.gen(function* () {
      const answer = yield* send("GET", "/console/session")
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.body, `{"signedIn":false}`)
      const worthless = yield* send("GET", "/console/session", { cookie: "hm_console_8080=worthless" })
      assert.strictEqual(worthless.body, `{"signedIn":false}`)
    })
  )

  it.effect("is refused under a name that is not ours", () =>
    Effect.gen(function* () {
      const { cookie, secret } = yield* session(acme, ["platform:read"])
      const headers = { host: "rebound.example" }
      const answer = yield* send("POST", "/console/session", { body: { key: secret }, headers })
      assert.strictEqual(answer.status, 421)
      assert.strictEqual((yield* send("GET", "/console/session", { cookie, headers })).status, 421)
      const own = yield* send("GET", ownAccount, { cookie, headers: { ...headers, ...tenant(acme) } })
      assert.strictEqual(own.status, 401)
    })
  )

  it.effect("begins with a one-time code, which one of many browsers gets, within ten minutes", () =>
    Effect.gen(function* () {
      const sessions = yield* ConsoleSessions
      const testNow = yield* Now.TestNow
      const { apiKeyId } = yield* keyOf(acme, ["platform:read"])
      const code = Redacted.value(yield* sessions.issueCode(apiKeyId))
      assert.strictEqual(yield* rowsWith(code), 0)
      const answers = yield* Effect.forEach(
        Array.from({ length: 5 }),
        () => send("POST", "/console/session", { body: { code } }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.map(({ status }) => status).toSorted(), [200, 401, 401, 401, 401])
      const winner = answers.find(({ status }) => status === 200)
      assert.isDefined(winner)
      if (winner !== undefined) assert.strictEqual(yield* statusWith(cookieOf(winner)), 200)
      const late = yield* sessions.issueCode(apiKeyId)
      yield* testNow.adjust(Duration.minutes(10))
      assert.isTrue(Option.isNone(yield* sessions.redeemCode(late)))
    })
  )

  it.effect("changes nothing where HM_CONSOLE_WRITES is false", () =>
    Effect.gen(function* () {
      const key = yield* keyOf(acme, ["platform:admin"])
      const { secret } = yield* (yield* ApiKeys).createSystem("test").pipe(asOperator)
      yield* Effect.gen(function* () {
        const cookie = yield* signIn(key.secret)
        assert.strictEqual(yield* statusWith(cookie), 200)
        const body = { name: "new", scopes: ["platform:read"] }
        const headers = { ...tenant(acme), "idempotency-key": "k3" }
        assert.strictEqual((yield* send("POST", "/v1/platform/keys", { cookie, headers, body })).status, 403)
        const listed = yield* decodeBody(yield* send("GET", "/console/session", { cookie }))
        assert.deepStrictEqual(listed.tenants?.[0]?.scopes, ["platform:read"])
        const system = yield* signIn(secret ?? "")
        assert.strictEqual((yield* send("GET", "/v1/platform/tenants", { cookie: system })).status, 200)
        const created = yield* send("POST", "/v1/platform/tenants", {
          cookie: system,
          headers: { "idempotency-key": "k4" },
          body: { tenantId: "made", name: "made" }
        })
        assert.strictEqual(created.status, 403)
        assert.include(created.body, "console:read-only")
      }).pipe(Effect.provide(another({ writes: false, publicUrl: "https://console.example" })))
    })
  )

  it.effect("opens nothing where HM_CONSOLE_ENABLED is false, and no route exists below /console", () =>
    Effect.gen(function* () {
      const { cookie } = yield* session(acme, ["platform:read"])
      const disabled = Layer.fresh(serving(Console.layer)).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_CONSOLE_ENABLED: "false" })))
      )
      yield* Effect.gen(function* () {
        for (const path of ["/console", "/console/", "/console/session", "/console/assets/main.js"]) {
          assert.strictEqual((yield* send("GET", path, { cookie })).status, 404, path)
        }
        assert.strictEqual(yield* statusWith(cookie), 401)
      }).pipe(Effect.provide(disabled))
      assert.strictEqual(yield* statusWith(cookie), 200)
    })
  )

  it.effect("ends as the oldest of its key when there would be more than 100", () =>
    Effect.gen(function* () {
      const sessions = yield* ConsoleSessions
      const { apiKeyId, cookie } = yield* session(acme, ["platform:read"])
      const open = sessions.open({
        apiKeyId,
        label: null,
        userAgent: "",
        address: "127.0.0.1",
        replaces: undefined
      })
      for (let count = 1; count < 100; count++) yield* open
      assert.strictEqual(yield* rowsWith(apiKeyId), 100)
      const newest = yield* open
      assert.strictEqual(yield* rowsWith(apiKeyId), 100)
      const first = Redacted.make(cookie.split("=")[1] ?? "")
      assert.isTrue(Option.isSome(yield* sessions.find(newest.token)))
      const ended = Effect.filterOrFail(sessions.find(first), Option.isNone)
      yield* Effect.eventually(Effect.delay(ended, "100 millis"))
    })
  )
})
