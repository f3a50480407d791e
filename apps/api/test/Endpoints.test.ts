import { assert, layer } from "@effect/vitest"
import { coreProblems } from "@hypermarket/api/coreProblems"
import { references } from "@hypermarket/api/endpoints"
import { problems } from "@hypermarket/api/Docs"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { provide } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { DateTime, Effect, Schema, Stream } from "effect"
import { HttpClientRequest, HttpRouter, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"
import { gzipSync } from "node:zlib"
import {
  acme,
  assertProblem,
  endpoints,
  globex,
  issue,
  layerServer,
  path,
  send,
  sessionOf
} from "./composedApi.ts"

/** Routes that misbehave, to see what the server makes of it. */
const misbehaving = HttpRouter.use((router) =>
  Effect.all([
    router.add("GET", "/test/defect", Effect.die(new Error("the secret is 42"))),
    router.add("GET", "/test/failure", Effect.fail("untyped" as const).pipe(Effect.orDie)),
    router.add("GET", "/test/plain", HttpServerResponse.text("no", { status: 500 }))
  ])
)

const TestServer = layerServer(misbehaving)

const keyWith = (scopes: ReadonlyArray<string>) => Effect.map(issue(acme, { scopes }), ({ secret }) => secret)

/** Texts that open nothing, each for another reason. */
const worthlessKeys = Effect.gen(function* () {
  const keys = yield* ApiKeys
  const scopes = [...new Set(endpoints.map(({ scope }) => scope))].filter(
    (scope) => scope !== AccessScope.systemAdmin && scope !== AccessScope.everyKey
  )
  const sound = yield* issue(acme, { scopes })
  const expired = yield* issue(acme, { scopes, expiresAt: DateTime.makeUnsafe("2020-01-01T00:00:00Z") })
  const revoked = yield* issue(acme, { scopes })
  yield* keys.revoke(revoked.apiKeyId, 1, "left in a log").pipe(provide(acme))
  return {
    malformed: "hm_wrong",
    unknown: `hm_${"0".repeat(32)}_${"A".repeat(43)}`,
    "of another key": sound.secret.slice(0, 36) + revoked.secret.slice(36),
    expired: expired.secret,
    revoked: revoked.secret
  }
})

layer(TestServer, { excludeTestServices: true })("API", (it) => {
  for (const { endpoint, scope } of endpoints) {
    it.effect(
      `${endpoint.method} ${endpoint.path} has a scope and answers 401 to no, wrong, expired and revoked keys`,
      () =>
        Effect.gen(function* () {
          if (scope !== AccessScope.everyKey) assert.isTrue(Schema.is(AccessScope.AccessScope)(scope), scope)
          const request = HttpClientRequest.make(endpoint.method)(path(endpoint))
          const refused = [yield* send(request), yield* send(HttpClientRequest.basicAuth(request, "hm", "x"))]
          for (const key of Object.values(yield* worthlessKeys)) refused.push(yield* send(request, key))
          for (const answer of refused) {
            assertProblem(answer, 401)
            assert.strictEqual(answer.problem.type, "urn:hypermarket:problem:core:unauthenticated")
            // RFC 9110, 11.6.1: a 401 says how to authenticate.
            assert.strictEqual(answer.headers["www-authenticate"], "Bearer")
          }
        })
    )
  }

  it.effect("answers 404 for another tenant's object, as for one that never was", () =>
    Effect.gen(function* () {
      const { apiKeyId } = yield* issue(acme, { scopes: ["events:read"] })
      const { secret } = yield* issue(globex, { scopes: ["platform:admin"] })
      const found = yield* send(HttpClientRequest.get(`/v1/platform/keys/${apiKeyId}`), secret)
      const never = yield* send(HttpClientRequest.get(`/v1/platform/keys/${crypto.randomUUID()}`), secret)
      assertProblem(found, 404)
      assertProblem(never, 404)
      assert.deepStrictEqual(Object.keys(found.problem), Object.keys(never.problem))
    })
  )

  it.effect("answers 428 without If-Match, 412 to a stale one and to one that is none of ours", () =>
    Effect.gen(function* () {
      const key = yield* keyWith(["platform:admin"])
      const { apiKeyId } = yield* issue(acme, { scopes: ["events:read"] })
      const revoke = HttpClientRequest.delete(`/v1/platform/keys/${apiKeyId}`)
      const ifMatch = (value: string) => send(HttpClientRequest.setHeader(revoke, "if-match", value), key)
      assertProblem(yield* send(revoke, key), 428)
      const stale = yield* ifMatch('"7"')
      assertProblem(stale, 412)
      assert.strictEqual(stale.problem.currentVersion, 1)
      assertProblem(yield* ifMatch("yesterday's"), 412)
      const done = yield* ifMatch('"1"')
      assert.strictEqual(done.status, 200, done.text)
    })
  )

  it.effect("answers 403 with the scope that is missing", () =>
    Effect.gen(function* () {
      const key = yield* keyWith(["events:admin"])
      const answer = yield* send(HttpClientRequest.get("/v1/platform/keys"), key)
      assertProblem(answer, 403)
      assert.strictEqual(answer.problem.scope, "platform:read")
    })
  )

  it.effect("answers 404 for an unknown path and 405 with Allow for a wrong method", () =>
    Effect.gen(function* () {
      assertProblem(yield* send(HttpClientRequest.get("/v1/nothing")), 404)
      const wrong = yield* send(HttpClientRequest.put("/v1/platform/keys"))
      assertProblem(wrong, 405)
      assert.strictEqual(wrong.headers.allow, "GET, POST, HEAD")
      const health = yield* send(HttpClientRequest.post("/health/live"))
      assertProblem(health, 405)
      assert.strictEqual(health.headers.allow, "GET, HEAD")
    })
  )

  it.effect("answers 400 for broken JSON, 413 for 2 MB, 415 for another content type", () =>
    Effect.gen(function* () {
      const key = yield* keyWith(["platform:admin"])
      const post = HttpClientRequest.post("/v1/platform/keys")
      assertProblem(yield* send(HttpClientRequest.bodyText(post, "{", "application/json"), key), 400)
      assertProblem(
        yield* send(HttpClientRequest.bodyJsonUnsafe(post, { name: "x".repeat(2_000_000), scopes: [] }), key),
        413
      )
      const unsupported = yield* send(HttpClientRequest.bodyText(post, "a,b", "text/csv"), key)
      assertProblem(unsupported, 415)
      assert.include(unsupported.text, "usually to `application/json`")
    })
  )

  it.effect("answers 413 to 2 MB of unannounced length, and expands no compressed body", () =>
    Effect.gen(function* () {
      const key = yield* keyWith(["platform:admin"])
      const post = HttpClientRequest.post("/v1/platform/keys")
      const megabyte = new Uint8Array(1024 * 1024).fill(32)
      const chunked = HttpClientRequest.bodyStream(post, Stream.make(megabyte, megabyte), {
        contentType: "application/json"
      })
      assertProblem(yield* send(chunked, key), 413)
      // 64 MiB of spaces in 64 KiB.
      const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 32))
      const compressed = HttpClientRequest.bodyUint8Array(post, bomb, "application/json").pipe(
        HttpClientRequest.setHeader("content-encoding", "gzip")
      )
      assertProblem(yield* send(compressed, key), 400)
    })
  )

  it.effect("answers 400 for an unknown field, with its path", () =>
    Effect.gen(function* () {
      const key = yield* keyWith(["platform:admin"])
      const answer = yield* send(
        HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post("/v1/platform/keys"), {
          name: "x",
          scopes: ["platform:read"],
          colour: "red"
        }),
        key
      )
      assertProblem(answer, 400)
      assert.include(JSON.stringify(answer.problem.errors), '["colour"]')
    })
  )

  it.effect("answers 500 for a defect, without its text or stack", () =>
    Effect.gen(function* () {
      for (const route of ["/test/defect", "/test/failure", "/test/plain"]) {
        const answer = yield* send(HttpClientRequest.get(route))
        assertProblem(answer, 500)
        assert.notMatch(answer.text, /42|untyped|at .*\.ts/)
      }
    })
  )

  it.effect("takes a request id that is well formed, and makes one in place of any other", () =>
    Effect.gen(function* () {
      const get = HttpClientRequest.get("/health/live")
      const given = yield* send(HttpClientRequest.setHeader(get, "x-request-id", "abc-1.2"))
      assert.strictEqual(given.headers["x-request-id"], "abc-1.2")
      for (const id of ["a b", 'x"y', "a".repeat(129)]) {
        const made = yield* send(HttpClientRequest.setHeader(get, "x-request-id", id))
        assert.match(made.headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/)
      }
    })
  )

  it.effect("is live, ready, measured for those with the token, and documented", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send(HttpClientRequest.get("/health/live"))).status, 200)
      assert.strictEqual((yield* send(HttpClientRequest.get("/health/ready"))).status, 200)
      assertProblem(yield* send(HttpClientRequest.get("/metrics")), 401)
      const metrics = yield* send(HttpClientRequest.get("/metrics"), "scrape")
      assert.include(metrics.text, "hm_api_requests_total")
      assert.notInclude(metrics.text, "acme")
      const docs = yield* send(HttpClientRequest.get("/docs"))
      assert.include(docs.text, "Scalar")
      // By a redirect, which the client follows.
      assert.strictEqual((yield* send(HttpClientRequest.get("/"))).text, docs.text)
      const openapi = yield* send(HttpClientRequest.get("/openapi.json"))
      for (const { endpoint } of endpoints) {
        assert.include(openapi.text, JSON.stringify(endpoint.path.replaceAll(/:(\w+)/g, "{$1}")))
      }
    })
  )

  it.effect("shows the reference without services of others, and each problem at its own place", () =>
    Effect.gen(function* () {
      const docs = yield* send(HttpClientRequest.get("/docs"))
      assert.include(docs.text, '"showDeveloperTools":"never"')
      assert.include(docs.text, '"hideClientButton":true')
      assert.include(docs.text, '"orderSchemaPropertiesBy":"preserve"')
      const page = yield* send(
        HttpClientRequest.get("/docs/problems").pipe(HttpClientRequest.setHeader("accept", "text/html"))
      )
      assert.include(page.text, 'id="urn:hypermarket:problem:core:version-stale"')
      assert.include(page.text, "<code>If-Match</code>")
      const list = yield* send(HttpClientRequest.get("/docs/problems"))
      assert.include(list.text, '"remedy":')
    })
  )

  it.effect(
    "opens no other tenant to a session of the console, on any endpoint, and records who acts through it",
    () =>
      Effect.gen(function* () {
        const { apiKeyId } = yield* issue(acme, { scopes: ["platform:admin", "events:admin"] })
        yield* issue(globex, { scopes: ["platform:admin"] })
        const { through } = yield* sessionOf(apiKeyId)
        for (const { endpoint } of endpoints) {
          const answer = yield* through(HttpClientRequest.make(endpoint.method)(path(endpoint)), globex)
          assertProblem(answer, 403)
          assert.strictEqual(answer.problem.type, "urn:hypermarket:problem:console:tenant-not-held")
        }
        const made = yield* through(
          HttpClientRequest.post("/v1/platform/keys").pipe(
            HttpClientRequest.setHeader("idempotency-key", "made-in-the-console"),
            HttpClientRequest.bodyJsonUnsafe({ name: "made in the console", scopes: ["platform:read"] })
          ),
          acme
        )
        assert.strictEqual(made.status, 201, made.text)
        const sql = yield* SqlClient.SqlClient
        const [entry] = yield* sql<{ readonly onBehalfOf: string; readonly id: string }>`
        SELECT actor::jsonb ->> 'onBehalfOf' AS "onBehalfOf", actor::jsonb ->> 'id' AS id
          FROM hm_platform_activity_log
         WHERE tenant_id = ${acme} AND action = 'key.created'
         ORDER BY recorded_at DESC
         LIMIT 1
      `
        assert.deepStrictEqual(entry, { onBehalfOf: "console: Ann", id: apiKeyId })
      })
  )

  it("has cause and remedy of every problem, and of no problem that does not exist", () => {
    const listed = problems()
    assert.deepStrictEqual(
      listed.flatMap(({ cause, remedy, type }) =>
        cause === undefined || remedy === undefined ? [type] : []
      ),
      []
    )
    const types = new Set(listed.map(({ type }) => type))
    const described = [coreProblems, ...references.map((reference) => reference.problems)].flatMap(
      Object.keys
    )
    assert.deepStrictEqual(
      described.filter((type) => !types.has(type)),
      []
    )
  })

  it("lists every problem with the operations that answer it", () => {
    const types = problems().map((problem) => problem.type)
    for (const type of [
      "urn:hypermarket:problem:core:unauthenticated",
      "urn:hypermarket:problem:core:not-found",
      "urn:hypermarket:problem:platform:api-key-not-found",
      "urn:hypermarket:problem:core:version-stale"
    ]) {
      assert.include(types, type)
    }
    assert.lengthOf(new Set(types), types.length)
  })
})
