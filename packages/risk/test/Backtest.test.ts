import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import { Risk } from "@hypermarket/risk/Risk"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import type { RiskScorer } from "@hypermarket/risk/RiskScorer"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { TestDatabase } from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Path from "node:path"
import * as Scene from "./Scene.ts"
import { patient, payment, tenant } from "./Scene.ts"

const currency = Schema.decodeUnknownSync(Currency)("EUR")
const seed = Number(process.env["HM_RISK_SEED"] ?? 91)
const decisions = 80

const scorer: RiskScorer = {
  format: 1,
  kinds: ["payment"],
  intercept: -1.3,
  slope: 0.87,
  offset: 0.11,
  inputs: [
    { name: "sum(account,7d)", mean: 6.1, deviation: 1.7, weight: 0.9 },
    { name: "average(card,24h)", mean: 3.3, deviation: 0.3, weight: -0.4 },
    { name: "amount", mean: 8.2, deviation: 1.1, weight: 0.6 }
  ]
}

const threshold = 4
const busy = (limit: number) => ({
  key: "busy",
  expression: `count("account", "24h") >= ${limit}`,
  reason: "BUSY",
  outcome: "review" as const
})
const otherRules = [
  { key: "mean", expression: 'double(amount) > 1.7 * average("card", "24h")', reason: "MEAN", weight: 13 },
  { key: "share", expression: 'double(sum("account", "7d")) / 3.0 > 1234.5', reason: "SHARE", weight: 7 },
  {
    key: "night",
    expression: 'at.getHours("Europe/Berlin") < 11 || at.getHours() > 15',
    reason: "NIGHT",
    weight: 1
  },
  { key: "text", expression: "string(double(amount) / 7.0).size() > 9", reason: "TEXT", weight: 3 },
  { key: "order", expression: "subject > 'İ' || subject < 'p3'", reason: "ORDER", weight: 2 },
  { key: "error", expression: "int(subject) > 1", reason: "ERROR", outcome: "block" as const },
  { key: "model", expression: "probability > 0.4", reason: "MODEL", outcome: "challenge" as const }
]

layer(Scene.layer, { excludeTestServices: true })("backtest", (it) => {
  it.effect(
    "Backtesting the live version reproduces all recorded decisions bit for bit, in another locale and after a restart",
    () =>
      Effect.gen(function* () {
        const risk = yield* Risk
        const rules = yield* RiskRules
        const random = Scene.random(seed)
        const now = (yield* Now.now).getTime()
        yield* Scene.goLive({
          rules: [busy(threshold), ...otherRules],
          thresholds: { challenge: 8, hold: 18 },
          scorer
        })
        for (let index = 0; index < decisions; index++) {
          yield* risk.decide(
            payment(`p${index}`, {
              occurredAt: DateTime.makeUnsafe(now - Math.floor(random() * 20 * 3_600_000)),
              amount: { amount: BigInt(Math.floor(random() * 9_999)), currency },
              entities: {
                account: `a${Math.floor(random() * 7)}`,
                card: `c${Math.floor(random() * 9)}`
              }
            }),
            patient
          )
        }
        const { url } = yield* TestDatabase
        const replay = yield* ServiceProcess.start(Path.join(import.meta.dirname, "replay.ts"), [], {
          DATABASE_URL: url,
          LC_ALL: "tr_TR.UTF-8",
          LANG: "tr_TR.UTF-8",
          TZ: "Pacific/Kiritimati"
        })
        assert.strictEqual((yield* replay.exit).code, 0, replay.log())
        assert.deepInclude(JSON.parse(replay.output()), {
          decisions,
          equal: decisions,
          different: 0,
          zone: "Pacific/Kiritimati"
        })

        // With one constant changed by one, exactly those decisions differ that a loop over the frozen features names.
        const { version: stricter } = yield* rules.create({
          rules: [busy(threshold - 1), ...otherRules],
          thresholds: { challenge: 8, hold: 18 },
          scorer
        })
        const { items } = yield* risk.list({ limit: 200 })
        const named = items.filter(
          ({ frozen, outcome }) =>
            frozen.features["count(account,24h)"] === String(threshold - 1) &&
            (outcome === "allow" || outcome === "challenge")
        )
        assert.isNotEmpty(named)
        const report = yield* rules.backtest({
          version: stricter,
          from: DateTime.makeUnsafe(now - 60_000),
          to: DateTime.makeUnsafe(now + 3_600_000)
        })
        assert.deepInclude(report, { decisions, different: named.length })
      }).pipe(Effect.scoped, tenant("replayed"))
  )

  it.effect("A backtest reads each decision once, over several pages", () =>
    Effect.gen(function* () {
      const risk = yield* Risk
      const rules = yield* RiskRules
      const sql = yield* SqlClient
      const version = yield* Scene.goLive({ rules: [busy(3)] })
      yield* risk.decide(payment("p", { amount: { amount: 700n, currency } }), patient)
      // Of each seven one is above the limit, and would have been saved.
      const copies = 10_003
      yield* sql`
        INSERT INTO hm_risk_decision (
                 tenant_id, decision_id, signal_id, occurred_at, kind, subject, number, outcome, score, reasons, observed, version,
                 verdict, frozen, shadow, latency_micros, recorded_at
               )
        SELECT d.tenant_id, gen_random_uuid(), d.signal_id, d.occurred_at, d.kind, d.subject || '-' || n, 1, d.outcome, d.score,
               d.reasons, d.observed, d.version, d.verdict,
               jsonb_set(d.frozen, '{features,"count(account,24h)"}', to_jsonb((n % 7 / 2)::text)), d.shadow, d.latency_micros, d.recorded_at
          FROM hm_risk_decision d
         CROSS JOIN generate_series(1, ${copies}) AS n
         WHERE d.tenant_id = 'paged'
      `
      const now = yield* DateTime.now
      const report = yield* rules.backtest({
        version,
        from: DateTime.subtract(now, { hours: 1 }),
        to: DateTime.add(now, { hours: 1 })
      })
      const alerts = Math.floor((copies + 1) / 7)
      assert.deepInclude(report, {
        decisions: copies + 1,
        alerts,
        different: alerts,
        truncated: false,
        leftOut: 0
      })
    }).pipe(tenant("paged"))
  )
})
