/** A pool that may grow to more connections than the server gives it. */
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Latch, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"

const callers = 60

const roleOf = (url: string) => `hm_few_${new URL(url).pathname.slice(1)}`.slice(0, 63)

/** Runs a program over a pool of ten whose role may have fewer connections. */
const withLimit = <A, E>(
  limit: number,
  options: Partial<Database.Options>,
  program: Effect.Effect<A, E, SqlClient.SqlClient>
) =>
  Effect.gen(function* () {
    const database = yield* TestDatabase.TestDatabase
    const admin = yield* PgClient.PgClient
    const role = roleOf(database.url)
    const url = yield* TestDatabase.loginRole(role)
    yield* admin`ALTER ROLE ${admin(role)} CONNECTION LIMIT ${admin.literal(String(limit))}`
    return yield* program.pipe(
      Effect.provide(
        Layer.fresh(
          Database.layer(
            { ...database.options, ...options, url: Redacted.make(url), poolMax: 10 },
            "hm-test-few"
          )
        )
      )
    )
  }).pipe(Effect.scoped)

const statement = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT pg_sleep(0.02)`)
const transaction = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.withTransaction(sql`SELECT pg_sleep(0.02)`)
)

const failuresOf = <E, R>(work: Effect.Effect<unknown, E, R>) =>
  Effect.map(
    Effect.forEach(Array.from({ length: callers }), () => Effect.result(work), { concurrency: "unbounded" }),
    (results) => results.filter(({ _tag }) => _tag === "Failure").length
  )

it.live("transactions wait for the connections that the server gives, and none fails", () =>
  Effect.gen(function* () {
    const failures = yield* withLimit(
      6,
      { multiplex: true },
      Effect.gen(function* () {
        yield* statement
        return [yield* failuresOf(transaction), yield* failuresOf(transaction)]
      })
    )
    assert.deepStrictEqual(failures, [0, 0])
  }).pipe(Effect.provide(TestDatabase.layer()))
)

it.live("a transaction fails with the server's reason when the process has no connection at all", () =>
  Effect.gen(function* () {
    const failure = yield* withLimit(0, { multiplex: true }, Effect.flip(transaction))
    assert.isTrue(isSqlError(failure))
    if (isSqlError(failure)) assert.strictEqual(Storage.failureOf(failure).reason, "connections")
  }).pipe(Effect.provide(TestDatabase.layer()))
)

it.live("the pool grows again when the server has connections to spare", () =>
  Effect.gen(function* () {
    const database = yield* TestDatabase.TestDatabase
    const admin = yield* PgClient.PgClient
    const role = roleOf(database.url)
    yield* withLimit(
      2,
      { multiplex: true },
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* statement
        assert.strictEqual(yield* failuresOf(transaction), 0)
        yield* admin`ALTER ROLE ${admin(role)} CONNECTION LIMIT 20`
        // Five transactions at once need five connections: each waits for the others.
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
        assert.strictEqual(begun, 5)
      })
    )
  }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
)
