import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import * as Feature from "@hypermarket/risk/Feature"
import type { EntityKind, NewSignal } from "@hypermarket/risk/FraudSignal"
import * as Recomputing from "@hypermarket/risk/internal/recomputing"
import * as Signals from "@hypermarket/risk/internal/signalStatements"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const seed = Number(process.env["HM_RISK_SEED"] ?? 613)
process.stdout.write(`recomputing: seed ${seed}\n`)

const hourMillis = 3_600_000
const currencies = ["CHF", "JPY"].map((code) => Schema.decodeUnknownSync(Currency)(code))
const results = ["attempted", "approved", "declined"] as const

const features: ReadonlyArray<Feature.Feature> = (["card", "account", "ip"] as const)
  .flatMap((entity) => [
    ...Feature.windows.flatMap((window) => [
      Feature.make("count", [entity, window]),
      Feature.make("count", [entity, window, "payment", "declined"]),
      Feature.make("sum", [entity, window, "order"]),
      Feature.make("average", [entity, window])
    ]),
    Feature.make("distinct", [entity, entity === "card" ? "account" : "card", "24h"]),
    Feature.make("distinct", [entity, entity === "ip" ? "device" : "ip", "30d"])
  ])
  .flatMap((feature) => ("wrong" in feature ? [] : [feature]))

const callOf = ({ aggregate, name }: Feature.Feature) =>
  `${aggregate}(${name
    .slice(aggregate.length + 1, -1)
    .split(",")
    .map((argument) => `"${argument}"`)
    .join(", ")})`

const reading = {
  rules: Array.from({ length: Math.ceil(features.length / 8) }, (_, index) => ({
    key: `r${index}`,
    reason: "NEVER",
    expression: features
      .slice(index * 8, index * 8 + 8)
      .map((feature) => `${callOf(feature)} < ${feature.aggregate === "average" ? "0.0" : "0"}`)
      .join(" || ")
  }))
}

const fold = Effect.flatMap(Risk, (risk) => risk.fold).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

/** Returns the decisions of a tenant, each with all features as if none were frozen. */
const askedOf = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient
  const rows = yield* sql<{
    readonly signalId: string
    readonly at: Date
    readonly decidedAt: Date
    readonly currency: string | null
    readonly frozen: string
    readonly entities: string
  }>`
    SELECT d.signal_id::text AS "signalId", d.occurred_at AS at, d.recorded_at AS "decidedAt", s.currency,
           (d.frozen -> 'features')::text AS frozen, s.entities::text AS entities
      FROM hm_risk_decision d
      JOIN hm_fraud_signal s USING (tenant_id, occurred_at, signal_id)
     WHERE d.tenant_id = ${tenantId}
     ORDER BY d.decision_id
  `
  return rows.map(({ at, currency, decidedAt, entities, frozen, signalId }) => ({
    frozen,
    asked: {
      signalId,
      at,
      decidedAt,
      currency: currency ?? undefined,
      entities: Signals.decodeEntities(JSON.parse(entities)),
      features
    }
  }))
})

layer(Scene.layer, { excludeTestServices: true })("features of the past", (it) => {
  it.effect(
    "equal what each decision froze, whatever was recorded, completed, decided and folded since",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const sql = yield* SqlClient
        const testNow = yield* Now.TestNow
        const random = Scene.random(seed)
        const pick = (count: number) => Math.floor(random() * count)
        const start = (yield* Now.now).getTime()
        yield* Scene.goLive(reading)
        const entity = (kind: EntityKind, count: number) =>
          random() < 0.9 ? { [kind]: kind === "ip" ? `192.0.2.${pick(count)}` : `${kind}${pick(count)}` } : {}
        const signalOf = (subject: string, now: number): NewSignal => ({
          kind: random() < 0.7 ? "payment" : "order",
          subject,
          result: results[pick(3)] ?? "attempted",
          occurredAt: DateTime.makeUnsafe(now - Math.floor(random() ** 3 * 20 * 24) * hourMillis),
          entities: {
            ...entity("card", 3),
            ...entity("account", 4),
            ...entity("ip", 2),
            ...entity("device", 5)
          },
          ...(random() < 0.8
            ? { amount: { amount: BigInt(pick(90_000)), currency: currencies[pick(2)] ?? currencies[0]! } }
            : {})
        })
        const sent: Array<NewSignal> = []
        for (let round = 0; round < 6; round++) {
          const now = start + round * 3 * 24 * hourMillis
          yield* testNow.set(new Date(now))
          const batch = Array.from({ length: 25 }, (_, index) => signalOf(`r${round}-${index}`, now))
          yield* risk.record(batch)
          sent.push(...batch)
          for (let index = 0; index < 9; index++) {
            const signal =
              random() < 0.3
                ? { ...sent[pick(sent.length)]!, key: `again-${round}-${index}` }
                : signalOf(`d${round}-${index}`, now)
            if ((signal.occurredAt?.epochMilliseconds ?? 0) < now - 29 * 24 * hourMillis) continue
            yield* risk.decide(signal, patient)
            sent.push(signal)
            const changed = sent[pick(sent.length)]!
            yield* risk.complete(changed.kind, changed.subject, { result: results[pick(3)]! })
            if (index === round) yield* fold
          }
        }
        const decisions = yield* askedOf("past")
        const recomputed = yield* Recomputing.make(sql).read(
          "past",
          decisions.map(({ asked }) => asked)
        )
        assert.isAbove(decisions.length, 40)
        for (const [index, { frozen }] of decisions.entries()) {
          assert.deepStrictEqual(recomputed[index]?.values, JSON.parse(frozen), `decision ${index}`)
        }
        // The traffic tells the rows of another time apart.
        const [changed] = yield* sql<{ readonly later: number; readonly folded: number }>`
          SELECT count(DISTINCT s.signal_id) FILTER (WHERE s.earlier_results IS NOT NULL)::integer AS later,
                 count(*) FILTER (WHERE e.is_folded)::integer AS folded
            FROM hm_fraud_signal s
            JOIN hm_fraud_entity_event e USING (tenant_id, occurred_at, signal_id)
        `
        assert.isAbove(changed?.later ?? 0, 15)
        assert.isAbove(changed?.folded ?? 0, 15)
      }).pipe(tenant("past"))
  )

  const since = Effect.map(Now.now, (now) => ({
    from: DateTime.makeUnsafe(now.getTime() - 60_000),
    to: DateTime.makeUnsafe(now.getTime() + 60_000)
  }))

  const onlyDevice = {
    rules: [
      { key: "device", expression: 'count("device", "1h") > 50', reason: "DEVICE" },
      { key: "mean", expression: 'average("account", "24h") > 1.0', reason: "MEAN" }
    ]
  }

  it.effect(
    "that no decision froze are recomputed by a backtest, which names them and their uncertainty",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const rules = yield* RiskRules
        const sql = yield* SqlClient
        const testNow = yield* Now.TestNow
        yield* Scene.goLive(onlyDevice)
        const range = yield* since
        for (let index = 0; index < 5; index++) {
          yield* risk.decide(payment(`p${index}`, { entities: { card: "c7", device: "d7" } }), patient)
          if (index < 3) yield* risk.complete("payment", `p${index}`, { result: "declined" })
          yield* testNow.adjust("4 seconds")
        }
        // One was recorded just before the next decision: it may have committed after it.
        yield* sql`
        UPDATE hm_fraud_signal s
           SET recorded_at = d.recorded_at - interval '400 milliseconds'
          FROM hm_risk_decision d
         WHERE s.tenant_id = 'recomputed' AND s.subject = 'p3' AND d.tenant_id = s.tenant_id AND d.subject = 'p4'
      `
        const { version } = yield* rules.create({
          rules: [
            {
              key: "declined",
              expression: 'count("card", "24h", "payment", "declined") >= 2',
              reason: "DECLINED",
              outcome: "hold"
            }
          ]
        })
        const report = yield* rules.backtest({ version, ...range })
        assert.deepInclude(report, {
          decisions: 5,
          alerts: 3,
          different: 3,
          recomputedDecisions: 5,
          recomputedFeatures: [
            { feature: "count(card,24h,payment,declined)", decisions: 5, nearbySignals: 1 }
          ],
          leftOut: 0
        })
        // What becomes known of a signal later changes no figure of then.
        for (const subject of ["p0", "p1", "p2"]) {
          yield* risk.complete("payment", subject, { result: "approved" })
        }
        yield* risk.record([
          payment("late", { result: "declined", occurredAt: range.from, entities: { card: "c7" } })
        ])
        assert.deepStrictEqual(yield* rules.backtest({ version, ...range }), report)
      }).pipe(tenant("recomputed"))
  )

  it.effect("that a decision froze as no value stay so", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const version = yield* Scene.goLive(onlyDevice)
      const range = yield* since
      yield* risk.decide(payment("p1", { entities: { account: "a3" } }), patient)
      assert.deepInclude(yield* rules.backtest({ version, ...range }), {
        decisions: 1,
        recomputedDecisions: 0,
        recomputedFeatures: []
      })
      const { version: other } = yield* rules.create({
        rules: [{ key: "mean", expression: 'average("account", "7d") > 1.0', reason: "MEAN" }]
      })
      assert.deepInclude(yield* rules.backtest({ version: other, ...range }), {
        recomputedFeatures: [{ feature: "average(account,7d)", decisions: 1, nearbySignals: 0 }]
      })
    }).pipe(tenant("no-value"))
  )

  it.effect(
    "whose signals are no longer kept leave their decision out of every figure, and are counted",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const rules = yield* RiskRules
        const sql = yield* SqlClient
        const testNow = yield* Now.TestNow
        const version = yield* Scene.goLive(onlyDevice)
        const range = yield* since
        for (const subject of ["p1", "p2"]) yield* risk.decide(payment(subject), patient)
        const candidate = (window: string) =>
          rules.create({
            rules: [
              {
                key: "card",
                expression: `count("card", "${window}") >= 0`,
                reason: "CARD",
                outcome: "review"
              }
            ]
          })
        const { version: month } = yield* candidate("30d")
        const { version: hour } = yield* candidate("1h")
        const reportOf = (tried: number) =>
          Effect.map(rules.backtest({ version: tried, ...range }), ({ alerts, decisions, leftOut }) => ({
            alerts,
            decisions,
            leftOut
          }))
        assert.deepStrictEqual(yield* reportOf(month), { alerts: 2, decisions: 2, leftOut: 0 })
        // Part of the longest window is past its retention.
        yield* testNow.adjust("62 days")
        assert.deepStrictEqual(yield* reportOf(month), { alerts: 0, decisions: 0, leftOut: 2 })
        assert.deepStrictEqual(yield* reportOf(hour), { alerts: 2, decisions: 2, leftOut: 0 })
        yield* sql`DELETE FROM hm_fraud_signal WHERE tenant_id = 'kept' AND subject = 'p1'`
        assert.deepStrictEqual(yield* reportOf(hour), { alerts: 1, decisions: 1, leftOut: 1 })
        assert.deepStrictEqual(yield* reportOf(version), { alerts: 0, decisions: 2, leftOut: 0 })
      }).pipe(tenant("kept"))
  )
})
