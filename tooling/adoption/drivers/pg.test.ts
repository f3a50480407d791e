import { suite } from "../test/suites/driverSuite.ts"
import { Effect } from "effect"
import { pool } from "./connections.ts"

suite("pg", (url) =>
  Effect.map(pool(url), (pool) => ({
    forgivesBySavepoint: true,
    namesConstraints: true,
    transaction: async (body) => {
      const client = await pool.connect()
      try {
        await client.query("BEGIN")
        await body(async (text, values) => (await client.query(text, values)).rows)
        await client.query("COMMIT")
      } catch (error) {
        await client.query("ROLLBACK")
        throw error
      } finally {
        client.release()
      }
    },
    outside: async (text, values) => (await pool.query(text, values)).rows
  }))
)
