import { suite } from "../test/suites/driverSuite.ts"
import { Effect } from "effect"
import { postgresJs } from "./connections.ts"

suite("postgres.js", (url) =>
  Effect.map(postgresJs(url), (sql) => ({
    forgivesBySavepoint: false,
    namesConstraints: true,
    transaction: async (body) => {
      await sql.begin((tx) => body((text, values) => tx.unsafe(text, values)))
    },
    outside: (text, values) => sql.unsafe(text, values)
  }))
)
