import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import { connect, createServer } from "node:net"

/** Returns a port on which no server listens. */
const closedPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Fails as a driver does whose server is away, within wrappers like those of query builders. */
const away: Database.Query = async (text) => {
  const port = await closedPort()
  const refused = new Promise<never>((_, reject) => connect(port, "127.0.0.1").once("error", reject))
  return refused.catch((error: unknown) => {
    throw new Error(`Failed query: ${text}`, { cause: new Error("pool", { cause: error }) })
  })
}

// What drivers and servers do is shown by the suite in tooling/adoption.
describe("a client in another driver's transaction", () => {
  it.effect("tells a lost connection by its cause, however deep, and that trying again may help", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`).pipe(
          Effect.provide(Database.layerFromQuery(away))
        )
      )
      assert.strictEqual(error.reason._tag, "ConnectionError")
      assert.isTrue(Storage.isRetryable(error))
    })
  )

  it.live("finds tables in a schema of their own, and leaves the caller's search path alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE SCHEMA hm`
      yield* sql`CREATE TABLE hm.hm_note (tenant_id text PRIMARY KEY)`
      yield* sql`CREATE TABLE shop (note text)`
      const pathOf = sql<{ readonly path: string }>`SELECT current_setting('search_path') AS path`
      const before = yield* pathOf
      const callers = Effect.gen(function* () {
        const inTransaction = yield* Effect.context<never>()
        const transaction = Database.transactionFromQuery(
          (text, values) =>
            Effect.runPromiseWith(inTransaction)(sql.unsafe<Record<string, unknown>>(text, values)),
          { schema: "hm" }
        )
        const write = (tenant: string) =>
          Effect.flatMap(
            SqlClient.SqlClient,
            (client) => client`INSERT INTO hm_note (tenant_id) VALUES (${tenant}) RETURNING tenant_id`
          )
        yield* Effect.gen(function* () {
          const client = yield* SqlClient.SqlClient
          assert.deepStrictEqual(yield* write("acme"), [{ tenant_id: "acme" }])
          // A failure that a savepoint has undone leaves neither our path nor an aborted transaction.
          const again = yield* Effect.result(client.withTransaction(write("acme")))
          assert.isTrue(Result.isFailure(again))
          yield* client.withTransaction(write("globex"))
        }).pipe(Effect.provide(transaction.layer))
        // The caller's own statements, between and after ours.
        yield* sql`INSERT INTO shop (note) VALUES ('mine')`
        assert.deepStrictEqual(yield* pathOf, before)
      })
      yield* sql.withTransaction(callers)
      assert.deepStrictEqual(yield* pathOf, before)
      assert.deepStrictEqual(
        yield* sql`
        SELECT tenant_id
          FROM hm.hm_note
         ORDER BY 1
      `,
        [{ tenant_id: "acme" }, { tenant_id: "globex" }]
      )
      assert.throws(
        () => Database.transactionFromQuery(async () => [], { schema: `hm"; DROP` }),
        /is not a schema name/
      )
    }).pipe(Effect.provide(TestDatabase.layer()))
  )
})
