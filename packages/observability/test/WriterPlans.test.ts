import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Writer from "@hypermarket/observability/internal/writer"
import { capture, eventOf, layerServer, projectOf } from "./errorServer.ts"

/** More than a session plans for its values, before it may keep a plan. */
const batches = 40

layer(layerServer, { excludeTestServices: true })("The writer of errors", (it) => {
  it.effect("finds its rows by key, in tables without statistics", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const scans = Effect.gen(function* () {
        const rows = yield* sql<{ readonly table: string; readonly scans: number; readonly written: number }>`
          SELECT relname AS table, seq_scan::integer AS scans, n_tup_ins::integer AS written
            FROM pg_stat_user_tables
           WHERE relname ~ '^hm_error_(hash|issue|user|tag|release|hour|count|log|event_key)'
        `
        return new Map(rows.map((row) => [row.table, row]))
      })
      const project = yield* projectOf("acme")
      const send = (n: number) =>
        capture(
          "acme",
          project,
          eventOf({
            functions: [`fault${n % 7}`],
            event: {
              release: `shop@1.${n % 3}.0`,
              user: { id: `customer-${n}` },
              tags: { region: `r${n % 5}` }
            }
          })
        )
      yield* send(0)
      const before = yield* scans
      for (let n = 1; n <= batches; n++) yield* send(n)
      // Sessions report their counts a little later.
      const after = yield* scans.pipe(
        Effect.repeat({
          schedule: Schedule.spaced("100 millis"),
          until: (tables) => (tables.get("hm_error_user")?.written ?? 0) > batches
        })
      )
      assert.deepStrictEqual(
        Array.from(after.values()).flatMap(({ scans, table }) =>
          scans > (before.get(table)?.scans ?? 0) ? [table] : []
        ),
        []
      )
    })
  )

  it.effect("leaves the plans of other statements in a transaction as they are", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { projectId } = yield* projectOf("acme", "joined")
      const settings = sql`
        SELECT name, setting
          FROM pg_settings
         WHERE name LIKE 'enable\\_%' OR name = 'plan_cache_mode'
         ORDER BY name
      `
      const before = yield* settings
      const after = yield* sql.withTransaction(
        Effect.andThen(
          Writer.make(sql)(
            [{ tenantId: "acme", projectId, receivedAtMillis: 0, events: [], items: [], counts: [] }],
            "worker"
          ),
          settings
        )
      )
      assert.deepStrictEqual(after, before)
    })
  )
})
