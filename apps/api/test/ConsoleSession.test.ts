/** The begin and the end of a session of the console, over raw HTTP. */
import { assert, layer } from "@effect/vitest"
import * as Origin from "@hypermarket/api/console/Origin"
import * as Now from "@hypermarket/core/Now"
import { provide } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import { Duration, Effect, Option, Redacted, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import {
  TestServer,
  acme,
  another,
  asOperator,
  cookieOf,
  globex,
  isSignedIn,
  keyOf,
  publicHost,
  rowsWith,
  send,
  session,
  signIn,
  statusWith
} from "./consoleClient.ts"

layer(TestServer, { excludeTestServices: true })("a session of the console", (it) => {
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
