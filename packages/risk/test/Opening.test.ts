import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import type { NewSignal } from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import * as SequentialScans from "@hypermarket/testing/SequentialScans"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"

/** More than a session plans for its values, before it keeps one plan. */
const decisions = 40

const currency = Schema.decodeUnknownSync(Currency)("SEK")

layer(Scene.layer, { excludeTestServices: true })("a decision", (it) => {
  it.effect("finds its rows by key, in tables without statistics", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      yield* Scene.goLive({
        rules: [
          { key: "c", expression: 'count("card", "30d") > 1000', reason: "C" },
          { key: "d", expression: 'distinct("card", "account", "7d") > 1000', reason: "D" }
        ]
      })
      const { scanned, written } = yield* SequentialScans.during(
        {
          tables: "^hm_(fraud_|risk_(decision|edge|list_entry|snooze))",
          reported: ["hm_risk_decision", decisions]
        },
        Effect.forEach(
          Array.from({ length: decisions }),
          (_, index) =>
            risk.decide(
              Scene.payment(`p${index}`, { entities: { card: `c${index % 3}`, account: `a${index}` } }),
              Scene.patient
            ),
          { discard: true }
        )
      )
      assert.deepStrictEqual(scanned, [])
      assert.strictEqual(written.get("hm_fraud_signal_subject"), decisions)
    }).pipe(Scene.tenant("plans"))
  )
})

// Apart from the scans that are counted.
layer(Scene.layer, { excludeTestServices: true })("a first decision", (it) => {
  it.effect("about a new subject writes the rows that a recorded signal and a second decision write", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      yield* Scene.goLive({
        rules: [{ key: "c", expression: 'count("card", "1h") >= 0', reason: "C", weight: 3 }],
        thresholds: { review: 7 }
      })
      const signals: ReadonlyArray<Partial<NewSignal>> = [
        {},
        { entities: {} },
        {
          kind: "order",
          result: "approved",
          amount: { amount: 4_099n, currency },
          entities: { card: "c5", email: "Lu+x@X.it", ip: "2001:db8::5", seller: ["s1", "s2"] },
          attributes: { lines: 2, coupons: ["A", "B"] },
          source: "shop"
        }
      ]
      for (const [index, more] of signals.entries()) {
        const at = { occurredAt: DateTime.makeUnsafe((yield* Now.now).getTime() - 1_000 * index) }
        const [decided, recorded] = [`d${index}`, `r${index}`]
        yield* risk.decide(Scene.payment(decided, { ...more, ...at }), Scene.patient)
        yield* risk.record([Scene.payment(recorded, { ...more, ...at })])
        const rows = (subject: string) => sql<{ readonly rows: string }>`
          SELECT jsonb_agg(
                   each.stored - '{signal_id,subject,recorded_at,key,body_hash,decision_id,decisions}'::text[]
                   ORDER BY each.place
                 )::text AS rows
            FROM hm_fraud_signal_subject known
           CROSS JOIN LATERAL (
                 SELECT 'known' AS place, to_jsonb(known) AS stored
                  UNION ALL
                 SELECT 'key', to_jsonb(k)
                   FROM hm_fraud_signal_key k
                  WHERE k.signal_id = known.signal_id
                  UNION ALL
                 SELECT 'signal', to_jsonb(s)
                   FROM hm_fraud_signal s
                  WHERE s.signal_id = known.signal_id
                  UNION ALL
                 SELECT 'event ' || e.entity, to_jsonb(e)
                   FROM hm_fraud_entity_event e
                  WHERE e.signal_id = known.signal_id
                 ) AS each
           WHERE known.tenant_id = 'rows'
             AND known.subject = ${subject}
        `
        const written = yield* rows(decided)
        assert.include(written[0]?.rows, '"source"')
        assert.deepStrictEqual(yield* rows(recorded), written)
      }
      const again = Scene.payment("again", { entities: { account: "alone" }, attributes: { a: 1 } })
      yield* risk.decide(again, Scene.patient)
      yield* risk.decide({ ...again, key: "other" }, Scene.patient)
      const { items } = yield* risk.list({ limit: 2 })
      const [second, first] = items.map(
        ({ frozen, kind, observed, occurredAt, outcome, shadow, signalId, subject, verdict, version }) => ({
          frozen,
          kind,
          observed,
          occurredAt,
          outcome,
          shadow,
          signalId,
          subject,
          verdict,
          version
        })
      )
      assert.strictEqual(first?.subject, "again")
      assert.deepStrictEqual(second, first)
    }).pipe(Scene.tenant("rows"))
  )
})
