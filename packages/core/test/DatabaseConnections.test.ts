/** Pools that may grow to more connections than the server gives them. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Latch, Layer, Redacted, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"

const callers = 60

interface Limited {
  readonly role: string
  readonly setLimit: Effect.Success<ReturnType<typeof TestDatabase.limitedRole>>["setLimit"]
}

/** Runs a program over a pool of ten whose role may have fewer connections. */
const withLimit = <A, E, R>(
  limit: number,
  options: Partial<Database.Options>,
  program: (limited: Limited) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const database = yield* TestDatabase.TestDatabase
    const limited = yield* TestDatabase.limitedRole(limit)
    const url = Redacted.make(limited.url)
    return yield* program(limited).pipe(
      Effect.provide(
        Layer.fresh(Database.layer({ ...database.options, ...options, url, poolMax: 10 }, "hm-test-few"))
      )
    )
  }).pipe(Effect.scoped)

const statement = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT pg_sleep(0.01)`)
const transaction = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.withTransaction(sql`SELECT pg_sleep(0.01)`)
)
const stream = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Stream.runDrain(sql`SELECT n FROM generate_series(1, 300) AS n`.stream)
)

const failuresOf = <E, R>(work: Effect.Effect<unknown, E, R>) =>
  Effect.map(
    Effect.forEach(Array.from({ length: callers }), () => Effect.result(work), { concurrency: "unbounded" }),
    (results) => results.flatMap((result) => (result._tag === "Failure" ? [String(result.failure)] : []))
  )

/** Five transactions at once need five connections: each waits for the others. */
const fiveAtOnce = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const barrier = yield* Latch.make()
  let begun = 0
  yield* Effect.forEach(
    Array.from({ length: 5 }),
    () =>
      sql.withTransaction(
        Effect.suspend(() => (++begun === 5 ? barrier.open : barrier.await)).pipe(
          Effect.andThen(sql`SELECT 1`)
        )
      ),
    { concurrency: "unbounded" }
  )
  return begun
})

for (const multiplex of [true, false]) {
  describe(`A pool of ten, ${multiplex ? "shared by statements" : "one caller per connection"}`, () => {
    for (const [name, work] of [
      ["statements", statement],
      ["transactions", transaction],
      ["streams", stream]
    ] as const) {
      it.live(`answers all ${name} over the one connection that the server gives it`, () =>
        Effect.gen(function* () {
          const failures = yield* withLimit(1, { multiplex }, () =>
            Effect.all([failuresOf(work), failuresOf(work)])
          )
          assert.deepStrictEqual(failures, [[], []])
        }).pipe(Effect.provide(TestDatabase.layer()))
      )
    }

    it.live("answers statements, transactions and streams together over one connection", () =>
      Effect.gen(function* () {
        const failures = yield* withLimit(1, { multiplex }, () =>
          Effect.all([failuresOf(statement), failuresOf(transaction), failuresOf(stream)], {
            concurrency: "unbounded"
          })
        )
        assert.deepStrictEqual(failures, [[], [], []])
      }).pipe(Effect.provide(TestDatabase.layer()))
    )

    it.live("begins a transaction when a long statement has left the one connection", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* withLimit(1, { multiplex }, ({ role }) =>
          Effect.gen(function* () {
            const limited = yield* SqlClient.SqlClient
            const long = yield* Effect.forkChild(limited`SELECT pg_sleep(6)`)
            yield* sql`
              SELECT 1
                FROM pg_stat_activity
               WHERE usename = ${role} AND wait_event = 'PgSleep'
            `.pipe(Effect.repeat({ until: (rows) => rows.length === 1 }))
            yield* transaction
            yield* Fiber.join(long)
          })
        )
      }).pipe(Effect.provide(TestDatabase.layer()))
    )

    it.live("fails with the server's reason when it has no connection at all", () =>
      Effect.gen(function* () {
        for (const work of [statement, transaction, stream]) {
          const failure = yield* withLimit(0, { multiplex }, () => Effect.flip(work))
          assert.isTrue(isSqlError(failure))
          if (isSqlError(failure)) assert.strictEqual(Storage.failureOf(failure).reason, "connections")
        }
      }).pipe(Effect.provide(TestDatabase.layer()))
    )

    it.live("grows again when the server has connections to spare", () =>
      Effect.gen(function* () {
        const begun = yield* withLimit(2, { multiplex }, ({ setLimit }) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(yield* failuresOf(transaction), [])
            yield* setLimit(20)
            return yield* fiveAtOnce
          })
        )
        assert.strictEqual(begun, 5)
      }).pipe(Effect.provide(TestDatabase.layer()))
    )

    it.live("serves callers after others that were interrupted while they waited", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const failures = yield* withLimit(1, { multiplex }, ({ role }) =>
          Effect.gen(function* () {
            const limited = yield* SqlClient.SqlClient
            const release = yield* Latch.make()
            const holder = yield* Effect.forkChild(limited.withTransaction(release.await))
            const waiting = yield* Effect.forEach(Array.from({ length: callers }), (_, index) =>
              Effect.forkChild(index % 2 === 0 ? transaction : statement)
            )
            yield* sql`
              SELECT 1
                FROM pg_stat_activity
               WHERE usename = ${role} AND state = 'idle in transaction'
            `.pipe(Effect.repeat({ until: (rows) => rows.length === 1 }))
            yield* Fiber.interruptAll(waiting)
            yield* release.open
            yield* Fiber.join(holder)
            return [...(yield* failuresOf(statement)), ...(yield* failuresOf(transaction))]
          })
        )
        assert.deepStrictEqual(failures, [])
      }).pipe(Effect.provide(TestDatabase.layer()))
    )
  })
}
