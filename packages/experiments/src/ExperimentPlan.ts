/**
 * The plan of an experiment: how its looks are judged. Schemas only.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Schema from "effect/Schema"

/** One in ten thousand is the strictest level in use. */
const alphaMin = 0.0001

/** More often than hourly, a hundred looks are used up within days. */
const lookEverySecondsMin = 60 * 60
/** Ninety days: as long as the longest window of a metric. */
const lookEverySecondsMax = 90 * 24 * 60 * 60

/**
 * How looks are judged.
 *
 * @category models
 * @since 0.1.0
 */
export const Plan = Schema.Struct({
  /** False positives over all looks and goals. */
  alpha: Schema.Finite.check(Schema.isBetween({ minimum: alphaMin, maximum: 0.2 })),
  /** Units in all arms together at which the last look is due. */
  unitsPlanned: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 1_000_000_000 })),
  /** How the level is spent: little at early looks, or evenly. */
  spending: Schema.Literals(["obrien-fleming", "pocock"]),
  /** How p-values over goals and arms are adjusted. */
  correction: Schema.Literals(["none", "bonferroni", "holm", "hochberg", "bh", "by"]),
  /**
   * - `group-sequential`: planned looks that spend alpha as units come. It finds the most.
   * - `confidence-sequence`, `msprt`: looks at any time, as many as one likes, also past the planned units.
   */
  method: Schema.Literals(["group-sequential", "confidence-sequence", "msprt"]),
  /** The size of lifts for which mSPRT is tuned: their standard deviation. */
  expectedLift: Schema.Finite.check(Schema.isBetween({ minimum: 0.0001, maximum: 10 })),
  /** The prior of the lift for Bayesian figures. */
  prior: Schema.Struct({
    mean: Schema.Finite.check(Schema.isBetween({ minimum: -10, maximum: 10 })),
    deviation: Schema.Finite.check(Schema.isBetween({ minimum: 0.0001, maximum: 100 }))
  }),
  /**
   * The seconds between planned looks, counted from the start: from an hour to 90 days. They end when the experiment is stopped, the
   * planned units are reached, or a hundred looks are taken. Without it, looks are taken by request only.
   */
  lookEverySeconds: Schema.optionalKey(
    BoundedInt.make({ minimum: lookEverySecondsMin, maximum: lookEverySecondsMax })
  )
})

/**
 * The values of a plan where a caller gives none.
 *
 * @category constants
 * @since 0.1.0
 */
export const planDefaults = {
  alpha: 0.05,
  spending: "obrien-fleming",
  correction: "holm",
  method: "group-sequential",
  expectedLift: 0.1,
  prior: { mean: 0, deviation: 0.3 }
} as const

/**
 * The part of a plan that a caller gives; `planDefaults` has the rest.
 *
 * @category models
 * @since 0.1.0
 */
export const NewPlan = Schema.Struct({
  alpha: Schema.optionalKey(Plan.fields.alpha),
  unitsPlanned: Plan.fields.unitsPlanned,
  spending: Schema.optionalKey(Plan.fields.spending),
  correction: Schema.optionalKey(Plan.fields.correction),
  method: Schema.optionalKey(Plan.fields.method),
  expectedLift: Schema.optionalKey(Plan.fields.expectedLift),
  prior: Schema.optionalKey(Plan.fields.prior),
  lookEverySeconds: Plan.fields.lookEverySeconds
})
