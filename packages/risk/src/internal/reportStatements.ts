/** Figures of rules over decisions that were made. */
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { RuleHealth } from "../RiskDecision.ts"
import { ShadowReport } from "../RiskReport.ts"
import type { Outcome } from "../RiskRuleSet.ts"
import type * as Engine from "./ruleEngine.ts"

/** Decisions of a report on health: enough for a rate of one in a thousand. */
const healthDecisionsMax = 10_000
const shadowDecisionsMax = 100_000

interface HealthRow {
  readonly rule: string
  readonly fired: number
  readonly errors: number
  readonly lastError: string | null
  readonly labelled: number
  readonly bad: number
}

export const make = (sql: SqlClient.SqlClient) => {
  const health = Effect.fnUntraced(function* (
    tenantId: string,
    live: Engine.CompiledSet
  ): Effect.fn.Return<ReadonlyArray<RuleHealth>, SqlError> {
    const now = yield* Now.now
    const rows = yield* sql<HealthRow>`
      WITH recent AS (
        SELECT d.decision_id, d.kind, d.subject, d.verdict
          FROM hm_risk_decision d
         WHERE d.tenant_id = ${tenantId}
         ORDER BY d.decision_id DESC
         LIMIT ${healthDecisionsMax}
      ),
      fired AS (
        SELECT each ->> 'rule' AS rule, count(*) AS fired,
               count(labels.bad) AS labelled, count(*) FILTER (WHERE labels.bad) AS bad
          FROM recent
         CROSS JOIN LATERAL jsonb_array_elements(recent.verdict -> 'fired') AS each
          LEFT JOIN LATERAL (
               SELECT bool_or(l.label <> 'legitimate') AS bad
                 FROM hm_risk_label l
                WHERE l.tenant_id = ${tenantId}
                  AND l.kind = recent.kind
                  AND l.subject = recent.subject
                  AND l.available_at <= ${now}
               ) AS labels ON true
         GROUP BY 1
      ),
      failed AS (
        SELECT each ->> 'rule' AS rule, count(*) AS errors, max(each ->> 'message') AS last_error
          FROM recent
         CROSS JOIN LATERAL jsonb_array_elements(recent.verdict -> 'errors') AS each
         GROUP BY 1
      )
      SELECT asked.rule, coalesce(fired.fired, 0)::integer AS fired, coalesce(failed.errors, 0)::integer AS errors,
             failed.last_error AS "lastError", coalesce(fired.labelled, 0)::integer AS labelled,
             coalesce(fired.bad, 0)::integer AS bad
        FROM unnest(${live.rules.map(({ rule }) => rule.key)}::text[]) AS asked (rule)
        LEFT JOIN fired ON fired.rule = asked.rule
        LEFT JOIN failed ON failed.rule = asked.rule
    `
    return rows.map((row) => new RuleHealth(row))
  })

  const shadow = Effect.fnUntraced(function* (tenantId: string, version: number) {
    const outcomes = yield* sql<{
      readonly decided: Outcome
      readonly version: Outcome
      readonly decisions: number
    }>`
      WITH recent AS (
        SELECT d.outcome, d.shadow
          FROM hm_risk_decision d
         WHERE d.tenant_id = ${tenantId}
         ORDER BY d.decision_id DESC
         LIMIT ${shadowDecisionsMax}
      )
      SELECT recent.outcome AS decided, each ->> 'outcome' AS version, count(*)::integer AS decisions
        FROM recent
       CROSS JOIN LATERAL jsonb_array_elements(recent.shadow) AS each
       WHERE (each ->> 'version')::integer = ${version}
       GROUP BY 1, 2
       ORDER BY 1, 2
    `
    const count = (rows: typeof outcomes) => rows.reduce((sum, { decisions }) => sum + decisions, 0)
    return new ShadowReport({
      version,
      decisions: count(outcomes),
      different: count(outcomes.filter((row) => row.decided !== row.version)),
      outcomes
    })
  })

  return { health, shadow }
}
