/** Pools whose sessions began while the server was read-only, as before a failover. */
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"

const poolMax = 7

const insert = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO test_write VALUES (1)`)
const inTransaction = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  sql.withTransaction(Effect.andThen(insert, insert))
)

/** The reasons of failure, of as many writes at once as need every session of the pool. */
const failuresOf = <E, R>(write: Effect.Effect<unknown, E, R>) =>
  Effect.map(
    Effect.forEach(Array.from({ length: poolMax * 20 }), () => Effect.result(write), {
      concurrency: "unbounded"
    }),
    (results) =>
      new Set(
        results.flatMap((result) =>
          result._tag === "Failure" && isSqlError(result.failure)
            ? [Storage.failureOf(result.failure).reason]
            : []
        )
      )
  )

describe("Sessions that began while the server was read-only end", () => {
  for (const multiplex of [true, false]) {
    for (const [name, write] of [
      ["statement", insert],
      ["transaction", inTransaction]
    ] as const) {
      it.live(
        `when a ${name} is refused, in a pool ${multiplex ? "that is shared" : "of single callers"}`,
        () =>
          Effect.gen(function* () {
            const { options } = yield* TestDatabase.TestDatabase
            const server = yield* SqlClient.SqlClient
            const role = `hm_ro_${randomUUID().replaceAll("-", "").slice(0, 12)}`
            const url = Redacted.make(yield* TestDatabase.loginRole(role))
            yield* server`CREATE TABLE test_write (n integer)`
            yield* server`GRANT INSERT ON test_write TO ${server(role)}`
            yield* server`ALTER ROLE ${server(role)} SET default_transaction_read_only = on`
            yield* Effect.gen(function* () {
              assert.deepStrictEqual(yield* failuresOf(write), new Set(["read-only"]))
              yield* server`ALTER ROLE ${server(role)} RESET default_transaction_read_only`
              yield* Effect.repeat(failuresOf(write), {
                until: ({ size }) => size === 0,
                schedule: Schedule.spaced("50 millis")
              })
            }).pipe(Effect.provide(Layer.fresh(Database.layer({ ...options, multiplex, url, poolMax }))))
          }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
      )
    }
  }
})
