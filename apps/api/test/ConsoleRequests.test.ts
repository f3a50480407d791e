/** Requests with a session of the console, over raw HTTP: those that it opens and those that it refuses. */
import { assert, layer } from "@effect/vitest"
import * as Console from "@hypermarket/api/console/Console"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConfigProvider, Effect, Layer } from "effect"
import {
  TestServer,
  acme,
  another,
  asOperator,
  decodeBody,
  globex,
  isSignedIn,
  keyOf,
  ownAccount,
  rowsWith,
  send,
  serving,
  session,
  signIn,
  statusWith,
  tenant
} from "./consoleClient.ts"

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

  it.effect("of the system reaches tenants as a list, and no tenant's rows", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const { secret } = yield* keys.createSystem("test").pipe(asOperator)
      const cookie = yield* signIn(secret ?? "")
      assert.strictEqual((yield* send("GET", "/v1/platform/tenants", { cookie })).status, 200)
      assert.strictEqual(yield* statusWith(cookie), 403)
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

  it.effect("changes nothing where HM_CONSOLE_WRITES is false", () =>
    Effect.gen(function* () {
      const key = yield* keyOf(acme, ["platform:admin", "events:payload", "customers:contact"])
      const { secret } = yield* (yield* ApiKeys).createSystem("test").pipe(asOperator)
      yield* Effect.gen(function* () {
        const cookie = yield* signIn(key.secret)
        assert.strictEqual(yield* statusWith(cookie), 200)
        const body = { name: "new", scopes: ["platform:read"] }
        const headers = { ...tenant(acme), "idempotency-key": "k3" }
        assert.strictEqual((yield* send("POST", "/v1/platform/keys", { cookie, headers, body })).status, 403)
        const listed = yield* decodeBody(yield* send("GET", "/console/session", { cookie }))
        // What shows data and writes nothing stays.
        assert.deepStrictEqual(listed.tenants?.[0]?.scopes, [
          "platform:read",
          "events:payload",
          "customers:contact"
        ])
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
})
