import { assert, describe, it } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { connect, createServer } from "node:net"

/** A port that nobody listens on, any more. */
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
})
