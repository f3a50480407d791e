import { assert, layer } from "@effect/vitest"
import { NewSignal } from "@hypermarket/risk/FraudSignal"
import type { Tenant } from "@hypermarket/core/Tenant"
import { distinctMax } from "@hypermarket/risk/internal/featureValues"
import { Risk } from "@hypermarket/risk/Risk"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const decodeSignal = Schema.decodeUnknownEffect(NewSignal)

const nested = (depth: number): Schema.Json => (depth === 0 ? 1 : { in: nested(depth - 1) })

layer(Scene.layer, { excludeTestServices: true })("The limits of a signal", (it) => {
  it.effect(
    "A flood of entities is refused, those that are derived included, and leaves nothing behind",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        const sellers = (count: number) => Array.from({ length: count }, (_, index) => `s${index}`)
        const others = { account: "a", card: "c", device: "d", ip: "192.0.2.9", phone: "+390612345678" }
        // The address of the mail is two entities.
        const most = payment("most", { entities: { ...others, email: "lu@x.it", seller: sellers(9) } })
        const flood = payment("flood", { entities: { ...others, email: "lu@x.it", seller: sellers(10) } })
        assert.isNotNull((yield* risk.decide(most, patient)).decisionId)
        const refused: ReadonlyArray<Effect.Effect<void, unknown, Tenant>> = [
          Effect.asVoid(risk.decide(flood, patient)),
          Effect.asVoid(risk.record([flood]))
        ]
        for (const error of yield* Effect.forEach(refused, (each) => Effect.flip(each))) {
          assert.deepInclude(error, {
            _tag: "SignalInvalid",
            errors: [{ path: ["entities"], message: "Expected at most 16 entities" }]
          })
        }
        const stored = yield* sql`
        SELECT count(DISTINCT k.key)::integer AS keys, count(DISTINCT e.signal_id)::integer AS signals, count(DISTINCT e.entity)::integer AS events
          FROM hm_fraud_signal_key k
          JOIN hm_fraud_entity_event e USING (tenant_id)
         WHERE k.tenant_id = 'flood'
      `
        assert.deepStrictEqual(stored, [{ signals: 1, keys: 1, events: 16 }])
      }).pipe(tenant("flood"))
  )

  it.effect("Attributes past their entries, depth or size are refused by name", () =>
    Effect.gen(function* () {
      const signalOf = (attributes: Schema.Json) => ({
        kind: "order",
        subject: "o",
        entities: {},
        attributes
      })
      yield* decodeSignal(
        signalOf({ list: Array.from({ length: 1_000 }, () => 0), deep: nested(7), text: "x".repeat(60_000) })
      )
      for (const [attributes, message] of [
        [{ list: Array.from({ length: 1_001 }, () => 0) }, /at most 1000 entries/],
        [{ deep: nested(8) }, /depth of at most 8/],
        [{ text: "x".repeat(65_536) }, /at most 65536 bytes/],
        [{ text: "a\u0000b" }, /U\+0000/]
      ] as const) {
        const error = yield* Effect.flip(decodeSignal(signalOf(attributes)))
        assert.match(error.message, message)
        assert.include(error.message, "attributes")
      }
    })
  )

  it.effect("A distinct count that stops at 10,000 is named by the decision, and one of 10,000 is not", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      yield* Scene.goLive({
        rules: [
          { key: "day", expression: 'distinct("card", "account", "24h") >= 10000', reason: "MANY" },
          { key: "hour", expression: 'distinct("card", "account", "1h") > 10000', reason: "NEVER" },
          { key: "ip", expression: 'distinct("card", "ip", "24h") > 10000', reason: "NEVER" }
        ]
      })
      const entities = { card: "busy", account: "first" }
      yield* risk.decide(payment("p1", { entities }), patient)
      // Other accounts of the same card: of one event of the hour, and of an older one.
      const addOthers = (from: number, count: number, ago: string) => sql`
        INSERT INTO hm_fraud_entity_event (tenant_id, entity, is_folded, occurred_at, signal_id, kind, result, others)
        SELECT e.tenant_id, e.entity, false, e.occurred_at - ${ago}::interval, gen_random_uuid(), e.kind, e.result,
               ARRAY(
                 SELECT n * 16 + 1
                   FROM generate_series(${from}::bigint, ${from + count - 1}::bigint) AS n
               )
          FROM hm_fraud_entity_event e
         WHERE e.tenant_id = 'capped' AND e.entity & 15 = 2 AND e.signal_id = (
               SELECT signal_id
                 FROM hm_fraud_signal_subject
                WHERE tenant_id = 'capped' AND subject = 'p1'
               )
      `
      const decide = Effect.fnUntraced(function* (subject: string) {
        const { decisionId, reasons } = yield* risk.decide(payment(subject, { entities }), patient)
        const { frozen } = yield* risk.explain(decisionId ?? (yield* Effect.die("a decision fell back")))
        return { reasons, features: frozen.features, capped: frozen.capped }
      })
      yield* addOthers(1, distinctMax - 1, "20 minutes")
      assert.deepStrictEqual(yield* decide("p2"), {
        reasons: ["MANY"],
        features: {
          "distinct(card,account,24h)": "10000",
          "distinct(card,account,1h)": "10000",
          "distinct(card,ip,24h)": "0"
        },
        capped: undefined
      })
      yield* addOthers(20_000, 3, "5 hours")
      assert.deepStrictEqual(yield* decide("p3"), {
        reasons: ["MANY"],
        features: {
          "distinct(card,account,24h)": "10000",
          "distinct(card,account,1h)": "10000",
          "distinct(card,ip,24h)": "0"
        },
        capped: ["distinct(card,account,24h)"]
      })
    }).pipe(tenant("capped"))
  )
})
