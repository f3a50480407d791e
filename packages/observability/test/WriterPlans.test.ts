import { assert, layer } from "@effect/vitest"
import * as Writer from "@hypermarket/observability/internal/writer"
import * as SequentialScans from "@hypermarket/testing/SequentialScans"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { capture, eventOf, layerServer, projectOf } from "./errorServer.ts"

/** More than a session plans for its values, before it may keep a plan. */
const batches = 40

layer(layerServer, { excludeTestServices: true })("The writer of errors", (it) => {
  it.effect("finds its rows by key, in tables without statistics", () =>
    Effect.gen(function* () {
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
      const { scanned } = yield* SequentialScans.during(
        {
          tables: "^hm_error_(hash|issue|user|tag|release|hour|count|log|event_key)",
          reported: ["hm_error_user", batches + 1]
        },
        Effect.forEach(Array.from({ length: batches }), (_, index) => send(index + 1), { discard: true })
      )
      assert.deepStrictEqual(scanned, [])
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
