/** A process of another machine: evaluates the versions that decided again, on what their decisions froze, and prints the comparison. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Engine from "@hypermarket/risk/internal/ruleEngine"
import * as Rows from "@hypermarket/risk/internal/ruleSetRow"
import { RiskRules } from "@hypermarket/risk/RiskRules"
import { Console, DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { isDeepStrictEqual } from "node:util"

const program = Effect.gen(function* () {
  const sql = yield* SqlClient
  const rules = yield* RiskRules
  const [set] = yield* sql<Rows.SetRow>`
    SELECT version, note, body, recorded_at AS "recordedAt"
      FROM hm_risk_rule_set
     WHERE tenant_id = 'replayed' AND version = 1
  `
  const decisions = yield* sql<{ readonly frozen: string; readonly verdict: string }>`
    SELECT frozen::text AS frozen, verdict::text AS verdict
      FROM hm_risk_decision
     WHERE tenant_id = 'replayed'
  `
  const compiled = set === undefined ? undefined : Rows.compiledOf(set)
  const equal = yield* Effect.filter(decisions, ({ frozen, verdict }) =>
    Effect.map(Engine.evaluate(compiled, JSON.parse(frozen)), (again) =>
      isDeepStrictEqual(JSON.parse(JSON.stringify(again)), JSON.parse(verdict))
    )
  )
  const report = yield* rules
    .backtest({
      version: 1,
      from: DateTime.makeUnsafe("2020-01-01T00:00:00Z"),
      to: DateTime.makeUnsafe("2099-01-01T00:00:00Z")
    })
    .pipe(provide(TenantId.make("replayed")))
  yield* Console.log(
    JSON.stringify({
      decisions: decisions.length,
      equal: equal.length,
      different: report.different,
      locale: new Intl.NumberFormat().resolvedOptions().locale,
      zone: new Intl.DateTimeFormat().resolvedOptions().timeZone
    })
  )
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      RiskRules.layer.pipe(Layer.provide(Wakeup.layerSilent), Layer.provideMerge(Database.layerConfig))
    )
  )
)
