/**
 * Reports about versions of rules: what a version in shadow would have decided, and what one would have decided in the past.
 *
 * @since 0.1.0
 */
import { Instant } from "@hypermarket/core/Instant"
import * as Schema from "effect/Schema"
import { Outcome } from "./RiskRuleSet.ts"

/**
 * Decisions by what was decided and what the version says.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Divergence = Schema.Struct({ decided: Outcome, version: Outcome, decisions: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export class ShadowReport extends Schema.Class<ShadowReport>("@hypermarket/risk/ShadowReport")({
  version: Schema.Int,
  decisions: Schema.Int,
  /** Those where the two differ. */
  different: Schema.Int,
  outcomes: Schema.Array(Divergence)
}) {}

/**
 * The most decisions of one backtest over HTTP; the command `hypermarket risk backtest` pages over more.
 *
 * @category limits
 * @since 0.1.0
 */
export const backtestMax = 100_000

/**
 * A version and the decisions to try it on: those recorded from `from` until before `to`. Labels count that could be known at
 * `asOf`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BacktestRequest = Schema.Struct({
  version: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
  from: Instant,
  to: Instant,
  /** @default now */
  asOf: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type BacktestRequest = typeof BacktestRequest.Type

/**
 * A feature that the version reads and decisions did not freeze. Windows of a decision held what had committed, which is recorded
 * nowhere: each figure may differ by the signals that were recorded within a second of the decision.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RecomputedFeature = Schema.Struct({
  feature: Schema.String,
  decisions: Schema.Int,
  /** Signals of the feature's entities that were recorded within a second of these decisions. */
  nearbySignals: Schema.Int
})

/**
 * Figures of a backtest. An alert is any outcome but `allow`. Shares are null without labelled decisions.
 *
 * @category models
 * @since 0.1.0
 */
export class BacktestReport extends Schema.Class<BacktestReport>("@hypermarket/risk/BacktestReport")({
  version: Schema.Int,
  /** True when there are more decisions than one report reads; it has the newest. */
  truncated: Schema.Boolean,
  decisions: Schema.Int,
  /** Decisions whose recorded outcome differs. */
  different: Schema.Int,
  alerts: Schema.Int,
  alertsPerDay: Schema.Number,
  outcomes: Schema.Array(Divergence),
  labelled: Schema.Int,
  /** Labelled decisions that were bad. */
  bad: Schema.Int,
  /** Labelled decisions that are alerts of the version. */
  labelledAlerts: Schema.Int,
  /** Of them, those that were bad. */
  badAlerts: Schema.Int,
  /** Amounts of bad ones that the version does not allow and the decision did, by currency, in minor units. */
  valueSaved: Schema.Record(Schema.String, Schema.String),
  /** Bad ones among labelled alerts. */
  precision: Schema.NullOr(Schema.Number),
  /** Alerts among bad ones. */
  recall: Schema.NullOr(Schema.Number),
  /** Share of bad ones that a score finds that stops one good decision of a hundred. */
  recallAtOnePercent: Schema.NullOr(Schema.Number),
  /** The share of bad cards among the 100 labelled ones of a day that come first by outcome and score; the mean over days. */
  cardPrecisionAt100: Schema.NullOr(Schema.Number),
  /** Decisions with a feature that they did not freeze. It was recomputed from the signals that were recorded before. */
  recomputedDecisions: Schema.Int,
  recomputedFeatures: Schema.Array(RecomputedFeature),
  /** Decisions in no figure: they did not freeze a feature, and the signals of its window are no longer kept. */
  leftOut: Schema.Int
}) {}
