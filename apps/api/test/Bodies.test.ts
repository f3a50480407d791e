import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { makeKey, startApi } from "./apiProcess.ts"
import { connect, head, type RawAnswer } from "./rawClient.ts"

const searchPath = "/v1/search/indexes/none/search"

const stop = Effect.fnUntraced(function* ({ service }: Effect.Success<ReturnType<typeof startApi>>) {
  yield* service.signal("SIGTERM")
  assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
})

const assertProblem = (answer: RawAnswer, status: number, type: string) => {
  assert.strictEqual(answer.status, status, answer.body)
  assert.include(answer.headers.get("content-type") ?? "", "application/problem+json")
  assert.include(answer.body, `urn:hypermarket:problem:core:${type}`)
  assert.isDefined(answer.headers.get("x-request-id"))
}

describe("bodies of requests", () => {
  it.live("that stall are answered 408 and close no gate: a tenant beside them is served", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      const publicKey = yield* makeKey(url, { tenant: "shop", scopes: ["search:read"], kind: "client" })
      const other = yield* makeKey(url, { tenant: "other", scopes: ["platform:read"] })
      const stalled = yield* Effect.forEach(Array.from({ length: 40 }), () => connect(api.url))
      const authorized = { authorization: `Bearer ${publicKey}`, "content-type": "application/json" }
      for (const connection of stalled) {
        yield* connection.write(
          `${head("POST", searchPath, { ...authorized, "content-length": 731 })}{"query":`
        )
      }
      const bystander = yield* connect(api.url)
      const isServed = Effect.gen(function* () {
        yield* bystander.write(head("GET", "/v1/platform/tenant", { authorization: `Bearer ${other}` }))
        assert.strictEqual((yield* bystander.answer).status, 200)
      })
      for (const connection of stalled) {
        yield* isServed
        const answer = yield* connection.answer
        assertProblem(answer, 408, "body-too-slow")
        assert.strictEqual(answer.headers.get("connection"), "close")
      }
      yield* isServed
      yield* bystander.write(head("GET", "/metrics"))
      assert.notInclude((yield* bystander.answer).body, "hm_api_gate_closed 1")
      yield* stop(api)
      assert.include(
        api.service.log(),
        `"path":"${searchPath}","route":"/v1/search/indexes/:indexName/search","status":408`
      )
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("that are announced larger than the endpoint accepts are answered 413 before they are sent", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      const key = yield* makeKey(url, {
        tenant: "shop",
        scopes: ["search:read", "search:write", "events:write"]
      })
      const authorized = { authorization: `Bearer ${key}`, "content-type": "application/json" }
      for (const [path, bytes] of [
        [searchPath, 1_048_577],
        ["/v1/events", 8_388_609],
        ["/v1/search/indexes/none/documents", 9_000_000_000_000_001]
      ] as const) {
        const connection = yield* connect(api.url)
        yield* connection.write(
          head("POST", path, { ...authorized, "content-length": bytes, expect: "100-continue" })
        )
        assertProblem(yield* connection.answer, 413, "payload-too-large")
      }
      // Without a length the bound holds as well.
      const chunked = yield* connect(api.url)
      yield* chunked.write(head("POST", searchPath, { ...authorized, "transfer-encoding": "chunked" }))
      for (let n = 0; n < 20; n++) yield* chunked.write(`10000\r\n${"x".repeat(65_536)}\r\n`)
      assertProblem(yield* chunked.answer, 413, "payload-too-large")
      const accepted = yield* connect(api.url)
      yield* accepted.write(
        head("POST", searchPath, { ...authorized, "content-length": 14, expect: "100-continue" })
      )
      yield* accepted.write(`{"query":"tea"}`.slice(0, 14))
      assert.strictEqual((yield* accepted.answer).status, 400)
      yield* stop(api)
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("that one client key withholds end for its own newer bodies, and none of another tenant's", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      const publicKey = yield* makeKey(url, { tenant: "shop", scopes: ["search:read"], kind: "client" })
      const other = yield* makeKey(url, { tenant: "other", scopes: ["search:read"] })
      const post = (key: string, bytes: number) =>
        head("POST", searchPath, {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "content-length": bytes
        })
      const patient = yield* connect(api.url)
      yield* patient.write(`${post(other, 900_000)}${"x".repeat(700_000)}`)
      const withheld = yield* Effect.forEach(Array.from({ length: 12 }), () => connect(api.url))
      for (const connection of withheld)
        yield* connection.write(`${post(publicKey, 900_000)}${"x".repeat(600_000)}`)
      // Each small body of the same key passes, and the 4 MiB of the key hold six of the withheld.
      const small = yield* connect(api.url)
      for (let n = 0; n < 30; n++) {
        yield* small.write(`${post(publicKey, 15)}{"query":"teas"`)
        assert.strictEqual((yield* small.answer).status, 400)
      }
      let refused = 0
      for (const connection of withheld) {
        const answer = yield* Effect.timeoutOption(connection.answer, "50 millis")
        if (answer._tag === "Some") {
          assertProblem(answer.value, 408, "body-too-slow")
          refused++
        }
      }
      assert.isAtLeast(refused, 6)
      yield* patient.write("x".repeat(200_000))
      assert.strictEqual((yield* patient.answer).status, 400)
      yield* stop(api)
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )
})
