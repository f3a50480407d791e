/** Starts a server in the folder given, or a throw-away one, writes a row, prints the postmaster's pid and waits. */
import { PgClient } from "@effect/sql-pg"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const [, , directory = ""] = process.argv

const program = Effect.gen(function* () {
  const server = yield* EmbeddedPostgres.start(directory === "" ? { durability: "fast" } : { directory })
  yield* Effect.flatMap(PgClient.PgClient, (sql) => sql`CREATE TABLE kept AS SELECT 1 AS n`).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 }))
  )
  process.stdout.write(`${server.pid}\n`)
  // A timer keeps the process alive: Effect.never alone would let it end.
  return yield* Effect.forever(Effect.sleep("1 hour"))
})

Effect.runFork(Effect.scoped(program))
