/**
 * A look: what an experiment's figures were at one time, with the settings that judged them. Schemas only.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ExperimentId } from "./Experiment.ts"
import { Key, Kind } from "./ExperimentMetric.ts"
import { Plan } from "./ExperimentPlan.ts"

const Figure = Schema.NullOr(Schema.Finite)
const Count = Schema.Int

/**
 * Why a figure is absent or to be read with care.
 *
 * - `too-few-units`: an arm has fewer than two units.
 * - `no-variance`: no unit differs from another.
 * - `no-baseline`: the control's value is 0, so there is no lift.
 * - `unbounded`: the baseline does not differ from 0 at this level, so no finite interval of the lift holds it.
 * - `no-covariate`: the time before the exposure has no facts that vary, so CUPED was not used.
 * - `no-denominator`: an arm's denominator is 0.
 * - `phase-left-out`: a phase in which one of the arms has fewer than two units was not compared.
 * - `other-currency`: facts of other currencies were left out.
 * - `spent-nothing`: no unit came since the look before, or the plan was over: this look decides nothing.
 * - `p-is-bound`: p is below 1e-300.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Flag = Schema.Literals([
  "too-few-units",
  "no-variance",
  "no-baseline",
  "unbounded",
  "no-covariate",
  "no-denominator",
  "phase-left-out",
  "other-currency",
  "spent-nothing",
  "p-is-bound"
])

/**
 * The warning beside Bayesian figures.
 *
 * @category constants
 * @since 0.1.0
 */
export const bayesianCaution =
  "Not corrected for repeated looks: checked daily and stopped at a high chance, it is wrong far more often than it says."

/**
 * An arm's units and value. The value is a mean per unit, a proportion, or a ratio.
 *
 * @category models
 * @since 0.1.0
 */
export const Arm = Schema.Struct({ variant: Key, units: Count, value: Figure, standardError: Figure })

/**
 * A treatment beside the control. A bound that is null is infinite or unknown: `flags` has the reason.
 *
 * @category models
 * @since 0.1.0
 */
export const Comparison = Schema.Struct({
  variant: Key,
  method: Schema.Literals(["welch", "cuped"]),
  absolute: Schema.NullOr(
    Schema.Struct({
      estimate: Schema.Finite,
      low: Figure,
      high: Figure,
      standardError: Schema.Finite,
      df: Figure
    })
  ),
  relative: Schema.NullOr(
    Schema.Struct({
      estimate: Schema.Finite,
      low: Figure,
      high: Figure,
      method: Schema.Literals(["fieller", "log-ratio"])
    })
  ),
  /** Two-sided, of no effect, as of one fixed look. */
  p: Figure,
  /** Adjusted over goals and arms; null for guardrails. */
  adjustedP: Figure,
  /** The interval of this look excludes 0: over all looks and goals this happens by chance with `alpha` at most. */
  significant: Schema.Boolean,
  /** The sign of a significant effect, by the metric's direction. */
  favourable: Schema.NullOr(Schema.Boolean),
  /** The interval of the difference that holds at every time, and its p: a confidence sequence, or mSPRT if the plan says so. */
  anyTime: Schema.optionalKey(Schema.NullOr(Schema.Struct({ low: Figure, high: Figure, p: Schema.Finite }))),
  /**
   * The posterior of the lift under the plan's prior. Risks are the lift that is lost on average by choosing the treatment, or the
   * control. A chance of a conversion in one phase without CUPED is that of beta posteriors.
   */
  bayesian: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        method: Schema.Literals(["normal", "beta-binomial"]),
        chanceToWin: Schema.Finite,
        low: Schema.Finite,
        high: Schema.Finite,
        riskOfTreatment: Schema.Finite,
        riskOfControl: Schema.Finite,
        caution: Schema.String
      })
    )
  ),
  /** Of a guardrail with a margin: whether it is shown to be worse by less, at this look's level. */
  nonInferiority: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        margin: Schema.Finite,
        /** How far the treatment is from the margin, in the metric's units: above 0 on the good side. */
        distance: Figure,
        /** One-sided, of the hypothesis that it is worse by the margin or more. */
        p: Figure,
        level: Figure,
        passes: Schema.Boolean
      })
    )
  ),
  flags: Schema.Array(Flag)
})

/**
 * @category models
 * @since 0.1.0
 */
export const MetricFigures = Schema.Struct({
  metric: Key,
  role: Schema.Literals(["goal", "guardrail"]),
  kind: Kind,
  /** The caps of a metric with a percentile, as they were at this look: of the totals, and of the denominator's. */
  caps: Schema.optionalKey(Schema.Struct({ value: Schema.Finite, denominator: Schema.Finite })),
  /** Facts that were left out because of their currency. */
  otherCurrency: Schema.optionalKey(Count),
  arms: Schema.Array(Arm),
  comparisons: Schema.Array(Comparison)
})

/**
 * @category models
 * @since 0.1.0
 */
export class ExperimentLook extends Schema.Class<ExperimentLook>("@hypermarket/experiments/ExperimentLook")({
  experimentId: ExperimentId,
  look: Count,
  recordedAt: Schema.DateTimeUtcFromString,
  settings: Schema.Struct({
    ...Plan.fields,
    /** Goals times treatments: alpha is shared evenly among them. */
    comparisons: Count,
    /** Units over the planned units, at most 1. */
    information: Schema.Finite,
    /** The level of each interval of this look; null when it spends nothing. */
    level: Figure,
    phases: Count
  }),
  units: Schema.Array(Schema.Struct({ variant: Key, units: Count })),
  excluded: Schema.Struct({
    /** Units that saw two arms. */
    crossed: Count,
    crossedShare: Schema.Finite,
    /** More than 1 % of all. */
    suspicious: Schema.Boolean
  }),
  sampleRatio: Schema.Struct({
    chiSquare: Schema.Finite,
    df: Count,
    p: Schema.Finite,
    /** Valid at every look: below 0.05 in at most 5 % of all experiments whose weights are kept. */
    sequentialP: Schema.optionalKey(Schema.Finite),
    /** p below 0.001: the arms did not get the units that their weights promise. */
    mismatch: Schema.Boolean
  }),
  metrics: Schema.Array(MetricFigures),
  recommendation: Schema.Struct({
    outcome: Schema.Literals(["ship", "roll-back", "keep-going", "do-not-trust"]),
    variant: Schema.NullOr(Key),
    because: Schema.String
  })
}) {}
