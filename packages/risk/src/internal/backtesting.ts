/** Evaluates a version over decisions of the past, with what its rules could read then. */
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { backtestMax, BacktestReport, type BacktestRequest } from "../RiskReport.ts"
import type { Outcome } from "../RiskRuleSet.ts"
import * as CardPrecision from "./cardPrecision.ts"
import * as PastFeatures from "./pastFeatures.ts"
import * as Engine from "./ruleEngine.ts"
import type * as Rows from "./ruleSetRow.ts"
import * as Signals from "./signalStatements.ts"

/** Rows per statement: some megabytes. */
const pageRows = 5_000
const dayMillis = 86_400_000

interface DecisionRow extends PastFeatures.DecisionRow {
  readonly outcome: Outcome
  readonly frozen: Engine.Frozen | string
  readonly labelled: boolean
  readonly bad: boolean
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

/** Adds up the figures of one backtest. */
const figures = () => {
  const outcomes = new Map<string, { decided: Outcome; version: Outcome; decisions: number }>()
  const tried: Array<Tried> = []
  const saved = new Map<string, bigint>()
  const cards = CardPrecision.make()
  const labelled = { count: 0, bad: 0, alerts: 0, badAlerts: 0 }
  let decisions = 0
  let alerts = 0

  const add = (row: DecisionRow, frozen: Engine.Frozen, verdict: Engine.Verdict): void => {
    const place = `${row.outcome}/${verdict.outcome}`
    const cell = outcomes.get(place) ?? { decided: row.outcome, version: verdict.outcome, decisions: 0 }
    outcomes.set(place, { ...cell, decisions: cell.decisions + 1 })
    const isAlert = verdict.outcome !== "allow"
    decisions++
    if (isAlert) alerts++
    if (!row.labelled) return
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
    const card = row.entities === null ? undefined : PastFeatures.cardOf(row.entities)
    if (card !== undefined) cards.add(card, row.recordedAt, verdict, row.bad)
    tried.push({ score: verdict.score, isBad: row.bad })
  }

  const report = (days: number) => {
    const list = Array.from(outcomes.values()).toSorted((left, right) =>
      `${left.decided}/${left.version}` < `${right.decided}/${right.version}` ? -1 : 1
    )
    return {
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
      cardPrecisionAt100: cards.value()
    }
  }

  return { add, report }
}

export const make = (sql: SqlClient.SqlClient, rows: ReturnType<typeof Rows.make>) => {
  const page = (
    tenantId: string,
    {
      asOf,
      before,
      from,
      to
    }: { readonly [name in "asOf" | "from" | "to"]: Date } & { readonly before: string }
  ) => sql<DecisionRow>`
    SELECT d.decision_id::text AS "decisionId", d.signal_id::text AS "signalId", d.occurred_at AS "occurredAt", d.outcome, d.frozen,
           d.recorded_at AS "recordedAt", d.version, jsonb_path_query_array(d.shadow, '$[*].version')::text AS shadow,
           labels.bad IS NOT NULL AS labelled, coalesce(labels.bad, false) AS bad, s.entities::text AS entities
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

  const backtest = Effect.fnUntraced(function* (
    tenantId: string,
    set: Engine.CompiledSet,
    request: BacktestRequest
  ): Effect.fn.Return<BacktestReport, SqlError> {
    const now = yield* Now.now
    const asOf = request.asOf === undefined ? now : DateTime.toDateUtc(request.asOf)
    const from = DateTime.toDateUtc(request.from)
    const to = DateTime.toDateUtc(request.to)
    const past = PastFeatures.make(sql, rows, tenantId, set, now)
    const total = figures()
    let read = 0
    let truncated = false
    let reading = yield* Effect.forkChild(page(tenantId, { asOf, before: Page.lastUuid, from, to }))
    for (;;) {
      const decisions = yield* Fiber.join(reading)
      read += decisions.length
      const hasMore = decisions.length === pageRows
      truncated = hasMore && read >= backtestMax
      const before = decisions.at(-1)?.decisionId
      const isLast = !hasMore || truncated || before === undefined
      // The database reads the next page while this one is evaluated.
      if (!isLast) reading = yield* Effect.forkChild(page(tenantId, { asOf, before, from, to }))
      const whole = yield* past.complete(
        decisions.map((row) => ({ row, frozen: Signals.parsed(row.frozen) }))
      )
      for (const { frozen, row } of whole) total.add(row, frozen, yield* Engine.evaluate(set, frozen))
      if (isLast) break
    }
    return new BacktestReport({
      version: set.version,
      truncated,
      ...total.report(Math.max((to.getTime() - from.getTime()) / dayMillis, 1)),
      ...past.report()
    })
  })

  return { backtest }
}
