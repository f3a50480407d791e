/** The comparison of a treatment with the control for one metric. Nothing in it is NaN or infinite. */
import { bayesianCaution } from "../ExperimentLook.ts"
import { type ExperimentMetric, isProportion } from "../ExperimentMetric.ts"
import type { Plan } from "../ExperimentPlan.ts"
import { type Comparison, type Flag, pairOf, type Stratum } from "./pairing.ts"
import { betaBinomial, posterior } from "./statistics/bayesian.ts"
import { probabilityMin } from "./statistics/distributions.ts"
import { delta, difference, fieller, logRatio } from "./statistics/effects.ts"
import type { Estimate } from "./statistics/estimates.ts"
import { nonInferiority } from "./statistics/nonInferiority.ts"
import { anyTime, mixtureOfEffects, mixtureOfUnits, type Sequence, tuned } from "./statistics/sequences.ts"

/** The levels of a look. */
export interface Levels {
  readonly plan: typeof Plan.Type
  readonly arms: number
  /** The share of alpha that each goal and treatment gets. */
  readonly share: number
  /** The level of this look's intervals; undefined when it spends nothing. */
  readonly level: number | undefined
  /** The level of this look's guardrails: alpha, spent on one side. */
  readonly guardrailLevel: number | undefined
}

export const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null

const isAnyTime = ({ plan }: Levels): boolean => plan.method !== "group-sequential"

/** The interval that holds at every time, of the plan's method; a confidence sequence for planned looks. */
const sequenceOf = (
  levels: Levels,
  strata: ReadonlyArray<Stratum>,
  control: Estimate,
  estimate: number,
  standardError: number,
  alpha: number,
  sides: "two" | "greater"
): Sequence | undefined => {
  const { arms, plan } = levels
  if (plan.method === "msprt") {
    const effect = plan.expectedLift * Math.abs(control.value)
    return anyTime(estimate, standardError, mixtureOfEffects(standardError, effect), alpha, sides)
  }
  const units = strata.reduce((sum, stratum) => sum + stratum.control.n + stratum.treatment.n, 0)
  const planned = Math.max(2, (plan.unitsPlanned * 2) / arms)
  return anyTime(estimate, standardError, mixtureOfUnits(units, tuned(alpha, planned, sides)), alpha, sides)
}

const bayesianOf = (
  metric: ExperimentMetric,
  strata: ReadonlyArray<Stratum>,
  isPlain: boolean,
  control: Estimate,
  treatment: Estimate,
  { plan, share }: Levels
): NonNullable<Comparison["bayesian"]> | null => {
  const lift = delta(control, treatment, share)
  if (lift === undefined) return null
  const result = posterior(lift.estimate, lift.standardError, share, {
    mean: plan.prior.mean,
    variance: plan.prior.deviation ** 2
  })
  if (result === undefined) return null
  const [only, ...others] = strata
  const size = Math.abs(control.value)
  const counts =
    isProportion(metric.kind) && isPlain && only !== undefined && others.length === 0
      ? betaBinomial(
          { conversions: Math.round((only.control.mean[0] ?? 0) * only.control.n), units: only.control.n },
          {
            conversions: Math.round((only.treatment.mean[0] ?? 0) * only.treatment.n),
            units: only.treatment.n
          }
        )
      : undefined
  const scaled =
    counts === undefined
      ? result
      : {
          chance: counts.chance,
          treatmentLoss: counts.treatmentLoss / size,
          controlLoss: counts.controlLoss / size
        }
  const isUp = metric.direction === "up"
  const figures = {
    method: counts === undefined ? ("normal" as const) : ("beta-binomial" as const),
    chanceToWin: Math.min(1, Math.max(0, isUp ? scaled.chance : 1 - scaled.chance)),
    low: result.low,
    high: result.high,
    riskOfTreatment: isUp ? scaled.treatmentLoss : scaled.controlLoss,
    riskOfControl: isUp ? scaled.controlLoss : scaled.treatmentLoss
  }
  return Object.values(figures).every((value) => typeof value === "string" || Number.isFinite(value))
    ? { ...figures, caution: bayesianCaution }
    : null
}

const guardrailOf = (
  metric: ExperimentMetric,
  margin: number,
  strata: ReadonlyArray<Stratum>,
  control: Estimate,
  treatment: Estimate,
  levels: Levels
): NonNullable<Comparison["nonInferiority"]> => {
  const { alpha } = levels.plan
  const result = nonInferiority(control, treatment, margin, metric.direction, alpha)
  if (result === undefined || control.value === 0) {
    return { margin, distance: null, p: null, level: null, passes: false }
  }
  const { distance, standardError } = result
  const sequence = isAnyTime(levels)
    ? sequenceOf(levels, strata, control, distance, standardError, alpha, "greater")
    : undefined
  const level = isAnyTime(levels) ? alpha : levels.guardrailLevel
  const p = isAnyTime(levels) ? (sequence?.p ?? 1) : result.p
  return { margin, distance, p, level: finite(level), passes: level !== undefined && p <= level }
}

export const compare = (
  metric: ExperimentMetric,
  margin: number | undefined,
  variant: string,
  strata: ReadonlyArray<Stratum>,
  levels: Levels
): Comparison => {
  const pair = pairOf(metric, strata)
  const unknown = { margin: margin ?? 0, distance: null, p: null, level: null, passes: false }
  const nothing = {
    variant,
    method: "welch",
    absolute: null,
    relative: null,
    p: null,
    adjustedP: null,
    significant: false,
    favourable: null,
    anyTime: null,
    bayesian: null,
    ...(margin === undefined ? {} : { nonInferiority: unknown })
  } as const
  if (!("control" in pair)) return { ...nothing, flags: pair.flags }
  const { control, method, treatment } = pair
  const flags: Array<Flag> = [...pair.flags]
  const isFixed = !isAnyTime(levels)
  const level = levels.level ?? levels.share
  const result = difference(control, treatment, level)
  if (result === undefined) return { ...nothing, method, flags: [...flags, "no-variance"] }
  const { estimate, standardError } = result
  const sequence = sequenceOf(levels, strata, control, estimate, standardError, levels.share, "two")
  if (isFixed && levels.level === undefined) flags.push("spent-nothing")
  if (!isFixed && sequence === undefined) flags.push("no-baseline")
  const criticalValue = isFixed ? result.criticalValue : (sequence?.half ?? NaN) / standardError
  const isShown = isFixed ? levels.level !== undefined : Number.isFinite(criticalValue)
  const lift =
    isProportion(metric.kind) && method === "welch"
      ? logRatio(control, treatment, criticalValue)
      : fieller(control, treatment, criticalValue)
  if (lift.estimate === undefined) {
    if (!flags.includes("no-baseline")) flags.push("no-baseline")
  } else if (!lift.closes) flags.push("unbounded")
  if (result.p <= probabilityMin) flags.push("p-is-bound")
  const bounds = isFixed ? result : sequence
  const low = isShown ? finite(bounds?.low) : null
  const high = isShown ? finite(bounds?.high) : null
  const significant = low !== null && high !== null && (low > 0 || high < 0)
  const relativeEstimate = finite(lift.estimate)
  const isUsed = sequence !== undefined && Number.isFinite(sequence.half)
  return {
    variant,
    method,
    absolute: { estimate, low, high, standardError, df: finite(result.df) },
    relative:
      relativeEstimate === null || lift.method === "delta"
        ? null
        : {
            estimate: relativeEstimate,
            low: isShown ? finite(lift.low) : null,
            high: isShown ? finite(lift.high) : null,
            method: lift.method
          },
    p: result.p,
    adjustedP: null,
    significant,
    favourable: significant ? estimate > 0 === (metric.direction === "up") : null,
    anyTime: isUsed ? { low: finite(sequence.low), high: finite(sequence.high), p: sequence.p } : null,
    bayesian: bayesianOf(metric, strata, method === "welch", control, treatment, levels),
    ...(margin === undefined
      ? {}
      : { nonInferiority: guardrailOf(metric, margin, strata, control, treatment, levels) }),
    flags
  }
}
