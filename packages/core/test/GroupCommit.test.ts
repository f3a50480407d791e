import { assert, layer } from "@effect/vitest"
import * as GroupCommit from "@hypermarket/core/GroupCommit"
import { provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"

const rejected = new SqlError({ reason: new UnknownError({ cause: "rejected" }) })
const unavailable = new SqlError({ reason: new ConnectionError({ cause: "unavailable" }) })

/** A failure that all requests of a run have in common. */
const missing = { _tag: "Missing" } as const

class Caller extends Context.Reference<string>("test/Caller", { defaultValue: () => "unknown" }) {}

const as = (id: string) => provide(TenantId.make(id))

/** Doubles numbers. A run waits until it is let go, and is noted with its tenant, its numbers and the caller it runs as. */
const makeDoubles = Effect.fnUntraced(function* (options: { readonly keyOf?: (n: number) => string } = {}) {
  const sql = yield* SqlClient.SqlClient
  const ran: Array<string> = []
  const callers: Array<string> = []
  const begun = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  const double = yield* GroupCommit.make({
    ...options,
    sql,
    max: 3,
    run: Effect.fnUntraced(function* (numbers: ReadonlyArray<number>) {
      ran.push(`${(yield* Tenant).id} ${numbers.join()}`)
      callers.push(yield* Caller)
      yield* Deferred.succeed(begun, undefined)
      yield* Deferred.await(go)
      if (numbers.includes(99)) return yield* unavailable
      if (numbers.includes(77)) return yield* Effect.fail(missing)
      if (numbers.includes(13)) return yield* rejected
      if (numbers.includes(17)) return yield* Effect.die("a row that does not decode")
      return numbers.includes(55) ? [] : numbers.map((number) => number * 2)
    })
  })
  const letGo = Deferred.succeed(go, undefined)
  return { begun: Deferred.await(begun), callers, double, letGo, ran }
})

const outcomeOf = <A>(exit: Exit.Exit<A, { readonly _tag: string }>) =>
  Exit.match(exit, {
    onSuccess: (value) => value,
    onFailure: ({ reasons }) =>
      reasons.map((reason) => (reason._tag === "Fail" ? reason.error._tag : reason._tag)).join()
  })

layer(TestDatabase.layer(), { excludeTestServices: true })("GroupCommit", (it) => {
  it.effect("calls at the same time share runs of at most the maximum, and each gets its own answer", () =>
    Effect.gen(function* () {
      const { double, letGo, ran } = yield* makeDoubles()
      yield* letGo
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7], double, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, [2, 4, 6, 8, 10, 12, 14])
      assert.deepStrictEqual(ran, ["first 1,2,3", "first 4,5,6", "first 7"])
    }).pipe(as("first"))
  )

  it.effect("no run has requests of two tenants or keys, and none of them waits for another", () =>
    Effect.gen(function* () {
      const { begun, double, letGo, ran } = yield* makeDoubles({
        keyOf: (number) => (number < 10 ? "a" : "b")
      })
      const calls = yield* Effect.forkChild(
        Effect.forEach(
          [1, 11, 2, 12, 3],
          (number) => double(number).pipe(as(number === 2 ? "second" : "first")),
          { concurrency: "unbounded" }
        )
      )
      yield* begun
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => ran.length === 3 })
      yield* letGo
      assert.deepStrictEqual(yield* Fiber.join(calls), [2, 22, 4, 24, 6])
      assert.deepStrictEqual(ran, ["first 1,3", "first 11,12", "second 2"])
    })
  )

  it.effect("a lone call runs at once, and those that come meanwhile share the next run", () =>
    Effect.gen(function* () {
      const { begun, callers, double, letGo, ran } = yield* makeDoubles()
      const call = (number: number) =>
        Effect.forkChild(Effect.provideService(double(number), Caller, `caller ${number}`), {
          startImmediately: true
        })
      const first = yield* call(4)
      yield* begun
      const others = [yield* call(5), yield* call(6)]
      assert.deepStrictEqual(ran, ["first 4"])
      yield* letGo
      assert.deepStrictEqual(yield* Effect.forEach([first, ...others], Fiber.join), [8, 10, 12])
      assert.deepStrictEqual(ran, ["first 4", "first 5,6"])
      assert.deepStrictEqual(callers, ["caller 4", "caller 5"])
    }).pipe(as("first"))
  )

  for (const [bad, outcome] of [
    [13, "SqlError"],
    [17, "Die"]
  ] as const) {
    it.effect(`a request that may be the reason of a failure (${outcome}) fails alone`, () =>
      Effect.gen(function* () {
        const { double, letGo, ran } = yield* makeDoubles()
        yield* letGo
        const exits = yield* Effect.forEach([1, bad, 3], (number) => Effect.exit(double(number)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(exits.map(outcomeOf), [2, outcome, 6])
        assert.deepStrictEqual(ran, [
          `first 1,${bad},3`,
          "first 1",
          `first ${bad},3`,
          `first ${bad}`,
          "first 3"
        ])
      }).pipe(as("first"))
    )
  }

  for (const [shared, outcome] of [
    [99, "SqlError"],
    [77, "Missing"]
  ] as const) {
    it.effect(`a failure of the server or of all requests (${outcome}) is each caller's, after one run`, () =>
      Effect.gen(function* () {
        const { double, letGo, ran } = yield* makeDoubles()
        yield* letGo
        const exits = yield* Effect.forEach([1, shared, 3], (number) => Effect.exit(double(number)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(exits.map(outcomeOf), [outcome, outcome, outcome])
        assert.deepStrictEqual(ran, [`first 1,${shared},3`])
      }).pipe(as("first"))
    )
  }

  it.effect("a caller that goes before its run leaves it, and one that goes later stops no other", () =>
    Effect.gen(function* () {
      const { begun, double, letGo, ran } = yield* makeDoubles()
      const call = (number: number) => Effect.forkChild(double(number), { startImmediately: true })
      const [goes, stays] = [yield* call(1), yield* call(2)]
      yield* begun
      const [left, next] = [yield* call(3), yield* call(4)]
      yield* Fiber.interrupt(goes)
      yield* Fiber.interrupt(left)
      yield* letGo
      assert.deepStrictEqual(yield* Effect.forEach([stays, next], Fiber.join), [4, 8])
      assert.strictEqual(yield* double(5), 10)
      assert.deepStrictEqual(ran, ["first 1,2", "first 4", "first 5"])
    }).pipe(as("first"))
  )

  it.effect("when the scope closes, callers that run, wait or come later are interrupted", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { begun, double } = yield* Scope.provide(makeDoubles(), scope)
      const call = (number: number) => Effect.forkChild(double(number), { startImmediately: true })
      const running = yield* call(1)
      yield* begun
      const waiting = yield* call(2)
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [running, waiting, yield* call(3)]) {
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
    }).pipe(as("first"))
  )

  it.effect("a caller whose run returns no answer for it does not wait for one", () =>
    Effect.gen(function* () {
      const { double, letGo } = yield* makeDoubles()
      yield* letGo
      assert.strictEqual(outcomeOf(yield* Effect.exit(double(55))), "Die")
    }).pipe(as("first"))
  )

  it.effect(
    "requests of a run commit together, and one that no column takes leaves the others their rows",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE shared (word varchar(5) PRIMARY KEY)`
        const insert = yield* GroupCommit.make({
          sql,
          max: 50,
          run: (words: ReadonlyArray<string>) =>
            transactionOf(sql)(
              Effect.forEach(words, (word) =>
                Effect.as(sql`INSERT INTO shared VALUES (${word})`, word.length)
              )
            )
        })
        const insertAll = (words: ReadonlyArray<string>) =>
          Effect.forEach(words, (word) => Effect.exit(insert(word)), { concurrency: "unbounded" })
        assert.deepStrictEqual((yield* insertAll(["one", "three", "two"])).map(outcomeOf), [3, 5, 3])
        const [row] = yield* sql<{ readonly commits: number }>`
        SELECT count(DISTINCT xmin::text)::int AS commits
          FROM shared
      `
        assert.strictEqual(row?.commits, 1)
        const exits = yield* insertAll(["four", "much too long", "five", "six", "one"])
        assert.deepStrictEqual(exits.map(outcomeOf), [4, "SqlError", 4, 3, "SqlError"])
        const words = yield* sql`
        SELECT word
          FROM shared
         ORDER BY word
      `
        assert.deepStrictEqual(
          words.map(({ word }) => word),
          ["five", "four", "one", "six", "three", "two"]
        )
      }).pipe(as("first"))
  )

  it.effect("a request in the caller's transaction runs alone in it, and is rolled back with it alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE joined (n int PRIMARY KEY)`
      const sizes: Array<number> = []
      const insert = yield* GroupCommit.make({
        sql,
        max: 50,
        run: (numbers: ReadonlyArray<number>) =>
          Effect.andThen(
            Effect.sync(() => sizes.push(numbers.length)),
            transactionOf(sql)(
              Effect.forEach(numbers, (n) => Effect.as(sql`INSERT INTO joined VALUES (${n})`, n))
            )
          )
      })
      const begun = yield* Deferred.make<void>()
      const rolledBack = sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`SELECT 1`
          yield* Deferred.succeed(begun, undefined)
          assert.strictEqual(yield* insert(1), 1)
          return yield* Effect.fail(missing)
        })
      )
      const outside = Effect.andThen(
        Deferred.await(begun),
        Effect.forEach([2, 3], insert, { concurrency: "unbounded" })
      )
      const [exit] = yield* Effect.all([Effect.exit(rolledBack), outside], { concurrency: "unbounded" })
      assert.strictEqual(outcomeOf(exit), "Missing")
      assert.deepStrictEqual(sizes.toSorted(), [1, 2])
      const rows = yield* sql`
        SELECT n
          FROM joined
         ORDER BY n
      `
      assert.deepStrictEqual(
        rows.map(({ n }) => n),
        [2, 3]
      )
    }).pipe(as("first"))
  )
})
