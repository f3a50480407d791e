import { assert, layer } from "@effect/vitest"
import { Risk } from "@hypermarket/risk/Risk"
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"

/** More than a session plans for its values, before it keeps one plan. */
const decisions = 40

layer(Scene.layer, { excludeTestServices: true })("a decision", (it) => {
  it.effect("finds its rows by key, in tables without statistics", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      yield* Scene.goLive({
        rules: [
          { key: "c", expression: 'count("card", "30d") > 1000', reason: "C" },
          { key: "d", expression: 'distinct("card", "account", "7d") > 1000', reason: "D" }
        ]
      })
      const scans = Effect.gen(function* () {
        const rows = yield* sql<{ readonly table: string; readonly scans: number; readonly written: number }>`
          SELECT relname AS table, seq_scan::integer AS scans, n_tup_ins::integer AS written
            FROM pg_stat_user_tables
           WHERE relname ~ '^hm_(fraud_|risk_(decision|edge|list_entry|snooze))'
        `
        return new Map(rows.map((row) => [row.table, row]))
      })
      const before = yield* scans
      for (let index = 0; index < decisions; index++) {
        yield* risk.decide(
          Scene.payment(`p${index}`, { entities: { card: `c${index % 3}`, account: `a${index}` } }),
          Scene.patient
        )
      }
      // Sessions report their counts a little later.
      const after = yield* scans.pipe(
        Effect.repeat({
          schedule: Schedule.spaced("100 millis"),
          until: (tables) => (tables.get("hm_risk_decision")?.written ?? 0) >= decisions
        })
      )
      assert.deepStrictEqual(
        Array.from(after.values()).flatMap(({ scans, table }) =>
          scans > (before.get(table)?.scans ?? 0) ? [table] : []
        ),
        []
      )
      assert.strictEqual(after.get("hm_fraud_signal_subject")?.written, decisions)
    }).pipe(Scene.tenant("plans"))
  )
})
