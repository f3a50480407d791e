import { assert, layer } from "@effect/vitest"
import { NewSignal } from "@hypermarket/risk/FraudSignal"
import type { Tenant } from "@hypermarket/core/Tenant"
import { distinctMax } from "@hypermarket/risk/internal/featureValues"
import { Risk } from "@hypermarket/risk/Risk"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import { DateTime, Effect, Schedule, Schema } from "effect"
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

  it.effect("Calls beyond 256 that go on after their deadline fall back at once, and later ones decide", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const sql = yield* SqlClient
      yield* Scene.goLive({ rules: [{ key: "any", expression: "true", reason: "ANY", outcome: "hold" }] })
      const letGo = yield* HeldTransaction.hold(
        sql`LOCK TABLE hm_fraud_signal_subject IN ACCESS EXCLUSIVE MODE`,
        Effect.void
      )
      const hasty = (subject: string) =>
        risk.decide(payment(subject), { deadlineMillis: 1, fallback: "review" })
      const subjects = Array.from({ length: 256 }, (_, index) => `q${index}`)
      const waiting = yield* Effect.forEach(subjects, hasty, { concurrency: "unbounded" })
      assert.isTrue(waiting.every(({ fallback }) => fallback === "deadline"))
      assert.deepInclude(yield* risk.decide(payment("beyond"), { ...patient, fallback: "challenge" }), {
        outcome: "challenge",
        fallback: "unavailable"
      })
      yield* letGo
      const answer = yield* Effect.repeat(risk.decide(payment("beyond"), patient), {
        schedule: Schedule.spaced("20 millis"),
        until: ({ fallback }) => fallback === null
      })
      assert.strictEqual(answer.outcome, "hold")
      // Each of those that had waited is decided, and only once.
      yield* Effect.repeat(
        sql<{ readonly decisions: number }>`
          SELECT count(*)::integer AS decisions
            FROM hm_risk_decision
           WHERE tenant_id = 'pending'
        `,
        {
          schedule: Schedule.spaced("50 millis"),
          until: ([row]) => row?.decisions === subjects.length + 1
        }
      )
    }).pipe(tenant("pending"))
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
      yield* decodeSignal(signalOf({ text: "€".repeat(21_841) }))
      for (const [attributes, message] of [
        [{ list: Array.from({ length: 1_001 }, () => 0) }, /at most 1000 entries/],
        [{ deep: nested(8) }, /depth of at most 8/],
        [{ text: "x".repeat(65_536) }, /at most 65536 bytes/],
        // Bytes of UTF-8, and not characters.
        [{ text: "€".repeat(21_842) }, /at most 65536 bytes/],
        [{ text: "a\u0000b" }, /U\+0000/]
      ] as const) {
        const error = yield* Effect.flip(decodeSignal(signalOf(attributes)))
        assert.match(error.message, message)
        assert.include(error.message, "attributes")
      }
    })
  )

  it.effect(
    "Attributes that exceed the bounds together with those of the signal are refused, and change nothing",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const attributes = (name: string) => ({ [name]: "x".repeat(40_000) })
        yield* risk.decide(payment("p1", { attributes: attributes("a") }), patient)
        const more = attributes("b")
        const refused: ReadonlyArray<Effect.Effect<void, unknown, Tenant>> = [
          Effect.asVoid(risk.decide(payment("p1", { key: "second", attributes: more }), patient)),
          Effect.asVoid(risk.record([payment("p1", { key: "third", attributes: more })])),
          Effect.asVoid(risk.complete("payment", "p1", { result: "declined", attributes: more })),
          Effect.asVoid(
            risk.record([
              payment("p2", { key: "fourth", attributes: attributes("a") }),
              payment("p2", { key: "fifth", attributes: more })
            ])
          )
        ]
        for (const each of refused) {
          assert.deepInclude(yield* Effect.flip(each), {
            _tag: "SignalInvalid",
            errors: [
              {
                path: ["attributes"],
                message: "Expected attributes that are within their bounds together with those of the signal"
              }
            ]
          })
        }
        const signal = yield* risk.getSignal("payment", "p1")
        assert.deepStrictEqual([signal.result, Object.keys(signal.attributes)], ["attempted", ["a"]])
        assert.strictEqual((yield* Effect.flip(risk.getSignal("payment", "p2")))._tag, "SignalNotFound")
        // One that takes the place of another is within them.
        yield* risk.complete("payment", "p1", { attributes: { a: "y".repeat(60_000) } })
        assert.lengthOf((yield* risk.list({})).items, 1)
      }).pipe(tenant("together"))
  )

  it.effect("Absurd amounts and times are refused by their field", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const signalOf = (amount: string) => ({
        kind: "payment",
        subject: "p",
        entities: {},
        amount: { amount, currency: "EUR" }
      })
      yield* decodeSignal(signalOf("10000000000000"))
      for (const amount of ["10000000000001", "-1", "1.5", "1e9", ""]) {
        assert.include((yield* Effect.flip(decodeSignal(signalOf(amount)))).message, "amount")
      }
      const now = yield* DateTime.now
      for (const [occurredAt, message] of [
        [DateTime.subtract(now, { days: 30, minutes: 1 }), "Expected an instant at most 30 days ago"],
        [DateTime.add(now, { minutes: 6 }), "Expected an instant at most 5 minutes ahead"]
      ] as const) {
        assert.deepInclude(yield* Effect.flip(risk.decide(payment("p", { occurredAt }), patient)), {
          _tag: "SignalInvalid",
          errors: [{ path: ["occurredAt"], message }]
        })
      }
      for (const occurredAt of [DateTime.subtract(now, { days: 29 }), DateTime.add(now, { minutes: 4 })]) {
        const subject = DateTime.formatIso(occurredAt)
        assert.isNotNull((yield* risk.decide(payment(subject, { occurredAt }), patient)).decisionId)
      }
    }).pipe(tenant("absurd"))
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
