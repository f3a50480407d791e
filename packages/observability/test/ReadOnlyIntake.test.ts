import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { envelopeOf, eventOf, issuesOf, layerServer, newEventId, post, projectOf } from "./errorServer.ts"

layer(layerServer, { excludeTestServices: true })("The intake of errors", (it) => {
  it.effect("refuses events while the database is read-only, and stores them when it is not", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const project = yield* projectOf("acme")
      const send = Effect.suspend(() =>
        post(project, envelopeOf({ event_id: newEventId() }, [{ type: "event" }, eventOf({})]), {
          tenant: "acme"
        })
      )
      const setting = "default_transaction_read_only"
      const [names] = yield* sql<{ readonly database: string }>`SELECT current_database() AS database`
      const database = sql(names?.database ?? "")
      yield* sql`ALTER DATABASE ${database} SET ${sql.literal(setting)} = on`
      yield* Effect.ignore(sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = current_database()
      `)
      // As many as have a session of the pool each.
      const statuses = yield* Effect.forEach(Array.from({ length: 30 }), () => send, { concurrency: 30 })
      assert.deepStrictEqual(new Set(statuses.map(({ status }) => status)), new Set([429]))
      yield* sql
        .withTransaction(
          Effect.andThen(
            sql`SET TRANSACTION READ WRITE`,
            sql`ALTER DATABASE ${database} RESET ${sql.literal(setting)}`
          )
        )
        .pipe(Effect.retry(Schedule.spaced("20 millis")))
      yield* Effect.repeat(send, {
        until: ({ status }) => status === 200,
        schedule: Schedule.spaced("50 millis")
      })
      assert.lengthOf(yield* issuesOf("acme"), 1)
    })
  )
})
