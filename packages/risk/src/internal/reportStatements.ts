/** Figures of rules over decisions that were made. */
import * as Now from "@hypermarket/core/Now"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { RuleHealth } from "../RiskDecision.ts"
import { backtestMax, BacktestReport, type BacktestRequest, ShadowReport } from "../RiskReport.ts"
import type { Outcome } from "../RiskRuleSet.ts"
import * as CardPrecision from "./cardPrecision.ts"
import * as Engine from "./ruleEngine.ts"

/** Decisions of a report on health: enough for a rate of one in a thousand. */
const healthDecisionsMax = 10_000
const shadowDecisionsMax = 100_000
/** Rows per statement of a backtest: some megabytes. */
const pageRows = 5_000
const dayMillis = 86_400_000

interface HealthRow {
  readonly rule: string
  readonly fired: number
  readonly errors: number
  readonly lastError: string | null
  readonly labelled: number
  readonly bad: number
}

interface DecisionRow {
  readonly decisionId: string
  readonly outcome: Outcome
  readonly frozen: Engine.Frozen | string
  readonly recordedAt: Date
  readonly labelled: boolean
  readonly bad: boolean
  /** The hash of its card, while the signal is kept. */
  readonly card: string | null
}

interface Tried {
  readonly score: number
  readonly isBad: boolean
}

/** The share of bad ones above the score that one percent of the good ones reach. */
const recallAtOnePercent = (tried: ReadonlyArray<Tried>): number | null => {
  const bad = tried.filter(({ isBad }) => isBad)
  const good = tried
    .filter(({ isBad }) => !isBad)
    .map(({ score }) => score)
    .toSorted((left, right) => right - left)
  if (bad.length === 0 || good.length === 0) return null
  const limit = good[Math.floor(good.length / 100)] ?? 0
  return bad.filter(({ score }) => score > limit).length / bad.length
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

  const backtest = Effect.fnUntraced(function* (
    tenantId: string,
    set: Engine.CompiledSet,
    request: BacktestRequest
  ): Effect.fn.Return<BacktestReport, SqlError> {
    const now = yield* Now.now
    const asOf = request.asOf === undefined ? now : DateTime.toDateUtc(request.asOf)
    const from = DateTime.toDateUtc(request.from)
    const to = DateTime.toDateUtc(request.to)
    const outcomes = new Map<string, { decided: Outcome; version: Outcome; decisions: number }>()
    const tried: Array<Tried> = []
    const saved = new Map<string, bigint>()
    const cards = CardPrecision.make()
    const labelled = { count: 0, bad: 0, alerts: 0, badAlerts: 0 }
    let decisions = 0
    let alerts = 0
    let missingFeatures = 0
    let before = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    let truncated = false
    while (!truncated) {
      const rows = yield* sql<DecisionRow>`
        SELECT d.decision_id::text AS "decisionId", d.outcome, d.frozen, d.recorded_at AS "recordedAt",
               labels.bad IS NOT NULL AS labelled, coalesce(labels.bad, false) AS bad,
               jsonb_path_query_first(s.entities, '$[*] ? (@.kind == "card").hash') #>> '{}' AS card
          FROM hm_risk_decision d
          LEFT JOIN hm_fraud_signal s
            ON s.tenant_id = d.tenant_id
           AND s.occurred_at = d.occurred_at
           AND s.signal_id = d.signal_id
          LEFT JOIN LATERAL (
               SELECT bool_or(l.label <> 'legitimate') AS bad
                 FROM hm_risk_label l
                WHERE l.tenant_id = ${tenantId}
                  AND l.kind = d.kind
                  AND l.subject = d.subject
                  AND l.available_at <= ${asOf}
               ) AS labels ON true
         WHERE d.tenant_id = ${tenantId}
           AND d.decision_id < ${before}::uuid
           AND d.recorded_at >= ${from}
           AND d.recorded_at < ${to}
         ORDER BY d.decision_id DESC
         LIMIT ${pageRows}
      `
      for (const row of rows) {
        const frozen: Engine.Frozen = typeof row.frozen === "string" ? JSON.parse(row.frozen) : row.frozen
        const verdict = yield* Engine.evaluate(set, frozen)
        const place = `${row.outcome}/${verdict.outcome}`
        const cell = outcomes.get(place) ?? { decided: row.outcome, version: verdict.outcome, decisions: 0 }
        outcomes.set(place, { ...cell, decisions: cell.decisions + 1 })
        const isAlert = verdict.outcome !== "allow"
        decisions++
        if (isAlert) alerts++
        if (Engine.featuresOf(set, frozen.kind).some((feature) => isMissing(feature, frozen)))
          missingFeatures++
        if (!row.labelled) continue
        labelled.count++
        if (row.bad) labelled.bad++
        if (isAlert) labelled.alerts++
        if (isAlert && row.bad) {
          labelled.badAlerts++
          const { amount, currency } = frozen
          if (row.outcome === "allow" && amount !== null && currency !== null) {
            saved.set(currency, (saved.get(currency) ?? 0n) + BigInt(amount))
          }
        }
        if (row.card !== null) cards.add(row.card, row.recordedAt, verdict, row.bad)
        tried.push({ score: verdict.score, isBad: row.bad })
      }
      if (rows.length < pageRows) break
      before = rows.at(-1)?.decisionId ?? before
      truncated = decisions >= backtestMax
    }
    const list = Array.from(outcomes.values()).toSorted((left, right) =>
      `${left.decided}/${left.version}` < `${right.decided}/${right.version}` ? -1 : 1
    )
    const days = Math.max((to.getTime() - from.getTime()) / dayMillis, 1)
    return new BacktestReport({
      version: set.version,
      truncated,
      decisions,
      different: list
        .filter(({ decided, version }) => decided !== version)
        .reduce((sum, cell) => sum + cell.decisions, 0),
      alerts,
      alertsPerDay: alerts / days,
      outcomes: list,
      labelled: labelled.count,
      bad: labelled.bad,
      labelledAlerts: labelled.alerts,
      badAlerts: labelled.badAlerts,
      valueSaved: Object.fromEntries(
        Array.from(saved, ([currency, amount]) => [currency, String(amount)] as const).toSorted()
      ),
      precision: labelled.alerts === 0 ? null : labelled.badAlerts / labelled.alerts,
      recall: labelled.bad === 0 ? null : labelled.badAlerts / labelled.bad,
      recallAtOnePercent: recallAtOnePercent(tried),
      cardPrecisionAt100: cards.value(),
      missingFeatures
    })
  })

  return { health, shadow, backtest }
}

const isMissing = (
  feature: { readonly name: string; readonly aggregate: string },
  { features }: Engine.Frozen
): boolean => feature.aggregate !== "average" && !Object.hasOwn(features, feature.name)
