/** `hypermarket risk`: versions of rules, tried on the past. */
import type { BacktestReport } from "@hypermarket/client"
import { Instant } from "@hypermarket/core/Instant"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ApiClient from "../ApiClient.ts"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import * as Progress from "../quickstart/Progress.ts"
import * as RiskTraining from "./RiskTraining.ts"

const dayMillis = 86_400_000
/** A year of days; more are asked for in parts. */
const daysMax = 400

interface Summary {
  readonly version: number
  readonly days: number
  readonly truncatedDays: number
  readonly decisions: number
  readonly different: number
  readonly alerts: number
  readonly alertsPerDay: number
  readonly outcomes: BacktestReport["outcomes"]
  readonly labelled: number
  readonly bad: number
  readonly precision: number | null
  readonly recall: number | null
  readonly cardPrecisionAt100: number | null
  readonly valueSaved: Readonly<Record<string, string>>
  readonly recomputedDecisions: number
  readonly recomputedFeatures: BacktestReport["recomputedFeatures"]
  readonly leftOut: number
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

const meanOf = (values: ReadonlyArray<number>): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** Adds up the days' reports. */
const summarise = (version: number, reports: ReadonlyArray<BacktestReport>): Summary => {
  const sum = (of: (report: BacktestReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0)
  const outcomes = new Map<string, BacktestReport["outcomes"][number]>()
  const saved = new Map<string, bigint>()
  const recomputed = new Map<string, BacktestReport["recomputedFeatures"][number]>()
  for (const report of reports) {
    for (const part of report.recomputedFeatures) {
      const existing = recomputed.get(part.feature)
      recomputed.set(part.feature, {
        feature: part.feature,
        decisions: part.decisions + (existing?.decisions ?? 0),
        nearbySignals: part.nearbySignals + (existing?.nearbySignals ?? 0)
      })
    }
    for (const cell of report.outcomes) {
      const place = `${cell.decided}/${cell.version}`
      const existing = outcomes.get(place)
      outcomes.set(place, { ...cell, decisions: cell.decisions + (existing?.decisions ?? 0) })
    }
    for (const [currency, amount] of Object.entries(report.valueSaved)) {
      saved.set(currency, (saved.get(currency) ?? 0n) + BigInt(amount))
    }
  }
  return {
    version,
    days: reports.length,
    truncatedDays: reports.filter(({ truncated }) => truncated).length,
    decisions: sum(({ decisions }) => decisions),
    different: sum(({ different }) => different),
    alerts: sum(({ alerts }) => alerts),
    alertsPerDay: sum(({ alerts }) => alerts) / Math.max(reports.length, 1),
    outcomes: Array.from(outcomes.values()).toSorted((left, right) => right.decisions - left.decisions),
    labelled: sum(({ labelled }) => labelled),
    bad: sum(({ bad }) => bad),
    precision: share(
      sum(({ badAlerts }) => badAlerts),
      sum(({ labelledAlerts }) => labelledAlerts)
    ),
    recall: share(
      sum(({ badAlerts }) => badAlerts),
      sum(({ bad }) => bad)
    ),
    cardPrecisionAt100: meanOf(
      reports.flatMap(({ cardPrecisionAt100 }) => (cardPrecisionAt100 === null ? [] : [cardPrecisionAt100]))
    ),
    valueSaved: Object.fromEntries(
      Array.from(saved, ([currency, amount]) => [currency, String(amount)] as const)
    ),
    recomputedDecisions: sum(({ recomputedDecisions }) => recomputedDecisions),
    recomputedFeatures: Array.from(recomputed.values()).toSorted((left, right) =>
      left.feature < right.feature ? -1 : 1
    ),
    leftOut: sum(({ leftOut }) => leftOut)
  }
}

const percent = (value: number | null): string =>
  value === null ? "no labels" : `${(100 * value).toFixed(1)} %`

const textOf = (summary: Summary): string =>
  [
    `Version ${summary.version} over ${summary.decisions} decisions of ${summary.days} days: ${summary.different} differ`,
    `${summary.alerts} alerts, ${summary.alertsPerDay.toFixed(1)} per day`,
    `precision ${percent(summary.precision)}, recall ${percent(summary.recall)} (${summary.labelled} labelled, ${summary.bad} bad)`,
    `card precision at 100 per day ${percent(summary.cardPrecisionAt100)}`,
    ...Object.entries(summary.valueSaved).map(
      ([currency, amount]) => `saved ${amount} minor units of ${currency}`
    ),
    ...summary.recomputedFeatures.map(
      ({ decisions, feature, nearbySignals }) =>
        `${feature} was recomputed for ${decisions} decisions; ${nearbySignals} signals were recorded within a second of them`
    ),
    ...(summary.leftOut === 0
      ? []
      : [`${summary.leftOut} decisions are left out: the signals of a feature's window are no longer kept`]),
    ...(summary.truncatedDays === 0
      ? []
      : [`${summary.truncatedDays} days have more decisions than one report reads`]),
    "",
    Output.columns([
      ["DECIDED", "VERSION", "DECISIONS"],
      ...summary.outcomes.map(({ decided, decisions, version }) => [decided, version, String(decisions)])
    ])
  ].join("\n")

const backtest = Command.make(
  "backtest",
  {
    version: Flag.Int("rules").pipe(Flag.withDescription("The version of the rule set")),
    from: Flag.String("from").pipe(
      Flag.withDescription("The first instant, such as 2026-03-01T00:00:00Z"),
      Flag.withSchema(Instant)
    ),
    to: Flag.String("to").pipe(
      Flag.withDescription("The instant before which decisions are tried"),
      Flag.withSchema(Instant)
    ),
    asOf: Flag.String("as-of").pipe(
      Flag.withDescription("Labels count that could be known at this instant; by default now"),
      Flag.withSchema(Instant),
      Flag.optional
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ asOf, from, json, to, version }) {
      const days = Math.ceil((to.epochMilliseconds - from.epochMilliseconds) / dayMillis)
      if (days < 1 || days > daysMax)
        return yield* failed(`Expected 1 to ${daysMax} days between --from and --to`)
      const call = ApiClient.make(yield* ApiClient.fromEnvironment)
      const progress = yield* Progress.Progress
      const reports: Array<BacktestReport> = []
      for (let day = 0; day < days; day++) {
        const start = from.epochMilliseconds + day * dayMillis
        const end = Math.min(start + dayMillis, to.epochMilliseconds)
        const body = {
          version,
          from: DateTime.formatIso(DateTime.makeUnsafe(start)),
          to: DateTime.formatIso(DateTime.makeUnsafe(end)),
          ...(Option.isSome(asOf) ? { asOf: DateTime.formatIso(asOf.value) } : {})
        }
        reports.push(
          yield* call(({ riskRules }, options) => riskRules.backtest({ body }, options)).pipe(
            ApiClient.orCommandFailed(`Trying version ${version}`)
          )
        )
        yield* progress.bar("Trying decisions", day + 1, days)
      }
      yield* progress.done
      const summary = summarise(version, reports)
      yield* json ? Output.json(summary) : Console.log(textOf(summary))
    },
    Effect.provide(Progress.layer),
    orCommandFailed
  )
).pipe(Command.withDescription("Alerts, precision and recall of a version over decisions of the past"))

export const command = Command.make("risk").pipe(
  Command.withDescription("The risk rules of the installation behind HM_API_URL"),
  Command.withSubcommands([backtest, RiskTraining.command])
)
