import { suite } from "../test/suites/driverSuite.ts"
import type * as Database from "@hypermarket/core/Database"
import { sql, type SQL } from "drizzle-orm"
import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres"
import { drizzle as drizzleOnPostgresJs } from "drizzle-orm/postgres-js"
import { Effect } from "effect"
import { pool, postgresJs } from "./connections.ts"

/** A statement with `$1`, `$2`, ... as Drizzle takes it. */
const statement = (text: string, values: ReadonlyArray<Database.Value>): SQL =>
  sql.join(
    text
      .split(/\$(\d+)/)
      .map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql.param(values[Number(part) - 1])))
  )

suite("Drizzle on pg", (url) =>
  Effect.map(pool(url), (pool) => {
    const db = drizzleOnPg({ client: pool })
    return {
      forgivesBySavepoint: true,
      namesConstraints: true,
      transaction: (body) =>
        db.transaction((tx) =>
          body(async (text, values) => (await tx.execute(statement(text, values))).rows)
        ),
      outside: async (text, values) => (await db.execute(statement(text, values))).rows
    }
  })
)

suite("Drizzle on postgres.js", (url) =>
  Effect.map(postgresJs(url), (client) => {
    const db = drizzleOnPostgresJs({ client })
    return {
      forgivesBySavepoint: false,
      namesConstraints: true,
      transaction: (body) =>
        db.transaction((tx) => body((text, values) => tx.execute(statement(text, values)))),
      outside: (text, values) => db.execute(statement(text, values))
    }
  })
)
