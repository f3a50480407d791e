import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import * as Now from "@hypermarket/core/Now"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { SqlClient } from "effect/sql"

const Answer = Schema.Struct({ n: Schema.Int, secret: Schema.NullOr(Schema.String) })
const once = IdempotentRequests.make({
  operation: "test.create",
  answer: Answer,
  stored: (answer) => ({ ...answer, secret: null })
})
const other = IdempotentRequests.make({ operation: "test.other", answer: Answer })

const request = HttpServerRequest.fromWeb(new Request("http://localhost/"))

const makeCounter = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE IF EXISTS effects`
  yield* sql`CREATE TABLE effects (n int GENERATED ALWAYS AS IDENTITY)`
  const effect = Effect.map(
    sql<{ readonly n: number }>`INSERT INTO effects DEFAULT VALUES RETURNING n`,
    ([row]) => ({
      n: row?.n ?? 0,
      secret: "s3cret"
    })
  )
  const count = Effect.map(sql`SELECT 1 FROM effects`, (rows) => rows.length)
  return { effect, count, sql }
})

const send = (owner: string, key: string | undefined, body: Schema.Json) => ({
  owner,
  headers: key === undefined ? {} : { "idempotency-key": key },
  body
})

const TestLayer = Layer.mergeAll(
  TestDatabase.layer(CoreDomain.migrations),
  Now.layerTest,
  Layer.succeed(HttpServerRequest.HttpServerRequest, request)
)

layer(TestLayer, { excludeTestServices: true })("IdempotencyKey", (it) => {
  it.effect("gives the first answer again, without the secret, and acts once", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      assert.deepStrictEqual(yield* once(send("acme", "k1", { a: 1 }), effect), { n: 1, secret: "s3cret" })
      assert.deepStrictEqual(yield* once(send("acme", "k1", { a: 1 }), effect), { n: 1, secret: null })
      assert.strictEqual(yield* count, 1)
    })
  )

  it.effect("acts each time without a key", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      yield* once(send("acme", undefined, {}), effect)
      yield* once(send("acme", undefined, {}), effect)
      assert.strictEqual(yield* count, 2)
    })
  )

  it.effect("refuses the key with another body, and for another endpoint", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      yield* once(send("acme", "k2", { a: 1 }), effect)
      const body = yield* Effect.flip(once(send("acme", "k2", { a: 2 }), effect))
      const operation = yield* Effect.flip(other(send("acme", "k2", { a: 1 }), effect))
      assert.instanceOf(body, IdempotencyKey.IdempotencyKeyReused)
      assert.instanceOf(operation, IdempotencyKey.IdempotencyKeyReused)
      assert.strictEqual(yield* count, 1)
    })
  )

  it.effect("keeps tenants' keys apart", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      yield* once(send("acme", "k3", {}), effect)
      assert.strictEqual((yield* once(send("globex", "k3", {}), effect)).secret, "s3cret")
      assert.strictEqual(yield* count, 2)
    })
  )

  it.effect("tells the second of two requests at once that the first still runs", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      const begun = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const slow = Effect.andThen(
        Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(goOn)),
        effect
      )
      const running = yield* Effect.forkChild(once(send("acme", "k4", {}), slow))
      yield* Deferred.await(begun)
      const error = yield* Effect.flip(once(send("acme", "k4", {}), effect))
      assert.instanceOf(error, IdempotencyKey.RequestInProgress)
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(running)
      assert.strictEqual(yield* count, 1)
    })
  )

  it.effect("keeps nothing of a request that failed: the next one acts", () =>
    Effect.gen(function* () {
      const { count, effect } = yield* makeCounter
      const failing = Effect.andThen(effect, Effect.fail("refused"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(once(send("acme", "k5", {}), failing))))
      assert.strictEqual(yield* count, 0)
      yield* once(send("acme", "k5", {}), effect)
      assert.strictEqual(yield* count, 1)
    })
  )

  it.effect("forgets after 24 hours, and prunes what is forgotten", () =>
    Effect.gen(function* () {
      const { count, effect, sql } = yield* makeCounter
      const test = yield* Now.TestNow
      yield* once(send("acme", "k6", {}), effect)
      yield* test.adjust("23 hours")
      yield* IdempotentRequests.prune
      yield* once(send("acme", "k6", {}), effect)
      assert.strictEqual(yield* count, 1)
      yield* test.adjust("61 minutes")
      yield* once(send("acme", "k6", {}), effect)
      assert.strictEqual(yield* count, 2)
      yield* test.adjust("25 hours")
      yield* IdempotentRequests.prune
      assert.lengthOf(yield* sql`SELECT 1 FROM hm_idempotency_key`, 0)
    })
  )
})
