import { assert, it } from "@effect/vitest"
import { Tenant } from "@hypermarket/core/Tenant"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import * as TenantBatcher from "@hypermarket/events/internal/tenantBatcher"
import * as Fixture from "./webhookFixture.ts"

const rejected = new SqlError({ reason: new UnknownError({ cause: "rejected" }) })
const unavailable = new SqlError({ reason: new ConnectionError({ cause: "unavailable" }) })

const ran: Array<string> = []

/** A batch doubles its numbers, fails for 13, and finds the server unavailable for 99. */
const makeDouble = TenantBatcher.make({
  max: 3,
  run: (numbers: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const { id } = yield* Tenant
      ran.push(`${id} ${numbers.join()}`)
      yield* Effect.sleep("5 millis")
      if (numbers.includes(99)) return yield* unavailable
      if (numbers.includes(13)) return yield* rejected
      return numbers.map((number) => number * 2)
    })
})

it.live("Concurrent calls share batches of one tenant, and each gets its own result", () =>
  Effect.gen(function* () {
    ran.length = 0
    const double = yield* makeDouble
    const results = yield* Effect.forEach(
      [1, 2, 3, 4, 5, 6, 7],
      (number) => double(number).pipe(Fixture.as(number === 2 ? "other" : "first")),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(results, [2, 4, 6, 8, 10, 12, 14])
    assert.deepStrictEqual(ran.toSorted(), ["first 1,3,4", "first 5,6,7", "other 2"])
  })
)

it.live(
  "An item that a batch cannot write fails alone, and one that finds no server fails with its batch",
  () =>
    Effect.gen(function* () {
      ran.length = 0
      const double = yield* makeDouble
      const call = (number: number) => Effect.exit(double(number).pipe(Fixture.as("first")))
      const all = (numbers: ReadonlyArray<number>) =>
        Effect.map(Effect.forEach(numbers, call, { concurrency: "unbounded" }), (exits) =>
          exits.map((exit) => (Exit.isSuccess(exit) ? exit.value : "failed"))
        )
      assert.deepStrictEqual(yield* all([1, 13, 3]), [2, "failed", 6])
      assert.deepStrictEqual(ran, ["first 1,13,3", "first 1", "first 13", "first 3"])
      ran.length = 0
      assert.deepStrictEqual(yield* all([1, 99, 3]), ["failed", "failed", "failed"])
      assert.deepStrictEqual(ran, ["first 1,99,3"])
    })
)

it.live("A call that is interrupted before its batch does nothing, and the next call is served", () =>
  Effect.gen(function* () {
    ran.length = 0
    const begun = yield* Deferred.make<void>()
    const double = yield* makeDouble
    const first = yield* Effect.forkChild(
      Effect.andThen(Deferred.succeed(begun, undefined), double(1)).pipe(Fixture.as("first"))
    )
    yield* Deferred.await(begun)
    yield* Effect.sleep("1 millis")
    const second = yield* Effect.forkChild(double(2).pipe(Fixture.as("first")), { startImmediately: true })
    yield* Fiber.interrupt(second)
    assert.strictEqual(yield* Fiber.join(first), 2)
    assert.strictEqual(yield* double(3).pipe(Fixture.as("first")), 6)
    assert.deepStrictEqual(ran, ["first 1", "first 3"])
  })
)
