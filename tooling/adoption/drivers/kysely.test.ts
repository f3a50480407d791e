import { suite } from "../test/suites/driverSuite.ts"
import { Effect } from "effect"
import { CompiledQuery, type Dialect, Kysely, PostgresDialect } from "kysely"
import { PostgresJSDialect } from "kysely-postgres-js"
import { pool, postgresJs } from "./connections.ts"

const driver = (dialect: Dialect) => {
  const db = new Kysely<unknown>({ dialect })
  const queryOf =
    (on: Kysely<unknown>) =>
    async (text: string, values: Array<unknown>): Promise<ReadonlyArray<unknown>> =>
      (await on.executeQuery(CompiledQuery.raw(text, values))).rows
  return {
    forgivesBySavepoint: true,
    namesConstraints: true,
    transaction: (body: (query: ReturnType<typeof queryOf>) => Promise<void>) =>
      db.transaction().execute((trx) => body(queryOf(trx))),
    outside: queryOf(db)
  }
}

suite("Kysely on pg", (url) => Effect.map(pool(url), (pool) => driver(new PostgresDialect({ pool }))))

suite("Kysely on postgres.js", (url) =>
  Effect.map(postgresJs(url), (postgres) => driver(new PostgresJSDialect({ postgres })))
)
