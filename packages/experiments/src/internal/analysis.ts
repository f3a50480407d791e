/** Turns the sums of an experiment into the figures of a look. Pure; nothing in it is NaN or infinite. */
import type { Experiment } from "../Experiment.ts"
import type { ExperimentLook } from "../ExperimentLook.ts"
import type { ExperimentMetric } from "../ExperimentMetric.ts"
import { adjust } from "./statistics/comparisons.ts"
import { normalSf, probabilityMin } from "./statistics/distributions.ts"
import { critical, difference, fieller, logRatio } from "./statistics/effects.ts"
import {
  adjusted,
  coefficient,
  combine,
  covariateOf,
  type Estimate,
  exactMoments,
  mean,
  type Moments,
  pooled,
  proportion,
  ratio
} from "./statistics/estimates.ts"
import { bounds } from "./statistics/groupSequential.ts"
import { sampleRatio } from "./statistics/sampleRatio.ts"

/** Sums of one metric (position 1 and on) or of the units (position 0) in one arm and phase. */
export interface Cell {
  readonly position: number
  readonly variant: number
  readonly phase: number
  readonly n: bigint
  readonly crossed: bigint
  readonly other: bigint
  readonly sums: ReadonlyArray<bigint>
  readonly products: ReadonlyArray<bigint>
}

export interface Input {
  readonly experiment: Experiment
  readonly metrics: ReadonlyArray<ExperimentMetric>
  /** Weights by phase, from phase 1. */
  readonly weights: ReadonlyArray<ReadonlyArray<number>>
  readonly cells: ReadonlyArray<Cell>
  /** Information fractions of the looks before. */
  readonly informations: ReadonlyArray<number>
}

type Figures = Omit<ConstructorParameters<typeof ExperimentLook>[0], "experimentId" | "look" | "recordedAt">
type MetricFigures = Figures["metrics"][number]
type Comparison = MetricFigures["comparisons"][number]
type Flag = Comparison["flags"][number]

/** An alarm at this level is false once in a thousand looks. Source: Fabijan et al. (KDD 2019). */
const mismatchLevel = 0.001
/** More crossed units than this share show a fault of assignment and not two devices of a person. */
const crossedShareMax = 0.01

const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null

interface Pair {
  readonly control: Estimate
  readonly treatment: Estimate
  readonly method: Comparison["method"]
  readonly flags: ReadonlyArray<Flag>
}

interface Stratum {
  readonly control: Moments
  readonly treatment: Moments
}

const plainEstimate = (metric: ExperimentMetric, moments: Moments): Estimate | undefined =>
  metric.kind === "ratio"
    ? ratio(moments)
    : metric.kind === "conversion"
      ? proportion(moments)
      : mean(moments)

/** Both arms' estimates of one phase, with CUPED where the covariate varies. */
const estimatesOf = (
  metric: ExperimentMetric,
  { control, treatment }: Stratum,
  withCovariate: boolean
): { readonly control: Estimate; readonly treatment: Estimate; readonly isAdjusted: boolean } | undefined => {
  const kind = metric.kind === "ratio" ? "ratio" : "mean"
  if (withCovariate) {
    const theta = coefficient(control, treatment, kind)
    const centre = covariateOf(pooled(control, treatment), kind)
    if (theta !== undefined && centre !== undefined) {
      const first = adjusted(control, kind, theta, centre)
      const second = adjusted(treatment, kind, theta, centre)
      if (first !== undefined && second !== undefined) {
        return { control: first, treatment: second, isAdjusted: true }
      }
    }
  }
  const first = plainEstimate(metric, control)
  const second = plainEstimate(metric, treatment)
  return first === undefined || second === undefined
    ? undefined
    : { control: first, treatment: second, isAdjusted: false }
}

/** The arms' estimates over all phases, each phase weighted by its units: weights that changed then confound nothing. */
const pairOf = (
  metric: ExperimentMetric,
  strata: ReadonlyArray<Stratum>
): Pair | { readonly flags: ReadonlyArray<Flag> } => {
  const flags: Array<Flag> = []
  const comparable = strata.filter(({ control, treatment }) => control.n > 1 && treatment.n > 1)
  if (comparable.length === 0) return { flags: ["too-few-units"] }
  if (comparable.length < strata.length) flags.push("phase-left-out")
  const withDenominator = comparable.filter((stratum) => estimatesOf(metric, stratum, false) !== undefined)
  if (withDenominator.length < comparable.length) flags.push("no-denominator")
  if (withDenominator.length === 0) return { flags }
  const wantsCovariate = metric.prePeriodSeconds > 0
  const tried = withDenominator.flatMap((stratum) => estimatesOf(metric, stratum, wantsCovariate) ?? [])
  const isAdjusted = wantsCovariate && tried.every((estimate) => estimate.isAdjusted)
  if (wantsCovariate && !isAdjusted) flags.push("no-covariate")
  const estimates = isAdjusted
    ? tried
    : withDenominator.flatMap((stratum) => estimatesOf(metric, stratum, false) ?? [])
  const total = withDenominator.reduce((sum, { control, treatment }) => sum + control.n + treatment.n, 0)
  const weightOf = (index: number) => {
    const stratum = withDenominator[index]
    return stratum === undefined ? 0 : (stratum.control.n + stratum.treatment.n) / total
  }
  return {
    control: combine(estimates.map(({ control }, index) => ({ weight: weightOf(index), estimate: control }))),
    treatment: combine(
      estimates.map(({ treatment }, index) => ({ weight: weightOf(index), estimate: treatment }))
    ),
    method: isAdjusted ? "cuped" : "welch",
    flags
  }
}

const compare = (
  metric: ExperimentMetric,
  variant: string,
  strata: ReadonlyArray<Stratum>,
  level: number | undefined,
  fallbackLevel: number
): Comparison => {
  const pair = pairOf(metric, strata)
  const nothing = {
    variant,
    method: "welch",
    absolute: null,
    relative: null,
    p: null,
    adjustedP: null,
    significant: false,
    favourable: null
  } as const
  if (!("control" in pair)) return { ...nothing, flags: pair.flags }
  const { control, method, treatment } = pair
  const flags: Array<Flag> = [...pair.flags]
  if (level === undefined) flags.push("spent-nothing")
  const result = difference(control, treatment, level ?? fallbackLevel)
  if (result === undefined) return { ...nothing, method, flags: [...flags, "no-variance"] }
  const criticalValue = critical(level ?? fallbackLevel, result.df, "two")
  const lift =
    metric.kind === "conversion" && method === "welch"
      ? logRatio(control, treatment, criticalValue)
      : fieller(control, treatment, criticalValue)
  if (lift.estimate === undefined) flags.push("no-baseline")
  else if (!lift.closes) flags.push("unbounded")
  if (result.p <= probabilityMin) flags.push("p-is-bound")
  const low = level === undefined ? null : finite(result.low)
  const high = level === undefined ? null : finite(result.high)
  const significant = low !== null && high !== null && (low > 0 || high < 0)
  const relativeEstimate = finite(lift.estimate)
  return {
    variant,
    method,
    absolute: {
      estimate: result.estimate,
      low,
      high,
      standardError: result.standardError,
      df: finite(result.df)
    },
    relative:
      relativeEstimate === null || lift.method === "delta"
        ? null
        : {
            estimate: relativeEstimate,
            low: level === undefined ? null : finite(lift.low),
            high: level === undefined ? null : finite(lift.high),
            method: lift.method
          },
    p: result.p,
    adjustedP: null,
    significant,
    favourable: significant ? result.estimate > 0 === (metric.direction === "up") : null,
    flags
  }
}

const recommend = (
  metrics: ReadonlyArray<MetricFigures>,
  mismatch: boolean,
  isLast: boolean
): Figures["recommendation"] => {
  if (mismatch) {
    return {
      outcome: "do-not-trust",
      variant: null,
      because:
        "The arms did not get the units that their weights promise. Find out why before reading further."
    }
  }
  const all = metrics.flatMap((metric) =>
    metric.comparisons.map((comparison) => ({ ...comparison, metric: metric.metric, role: metric.role }))
  )
  const harmed = new Map(
    all.filter(({ favourable }) => favourable === false).map((worse) => [worse.variant, worse] as const)
  )
  const better = all
    .filter(({ favourable, role, variant }) => favourable === true && role === "goal" && !harmed.has(variant))
    .toSorted((a, b) => Math.abs(b.relative?.estimate ?? 0) - Math.abs(a.relative?.estimate ?? 0))
  const [best] = better
  if (best !== undefined) {
    return {
      outcome: "ship",
      variant: best.variant,
      because: `${best.metric} is better and nothing is worse.`
    }
  }
  const treatments = new Set(all.map(({ variant }) => variant))
  const [worst] = harmed.values()
  if (worst !== undefined && harmed.size === treatments.size) {
    return { outcome: "roll-back", variant: worst.variant, because: `${worst.metric} is worse.` }
  }
  return {
    outcome: "keep-going",
    variant: null,
    because: isLast
      ? "The planned units are reached and no goal differs: keep the control, or plan a larger experiment."
      : "No goal differs at this look's level."
  }
}

export const analyse = (input: Input): Figures => {
  const { cells, experiment, informations, metrics, weights } = input
  const { plan, variants } = experiment
  const cellOf = (position: number, variant: number, phase: number) =>
    cells.find((cell) => cell.position === position && cell.variant === variant && cell.phase === phase)
  const phases = weights.map((_, index) => index + 1)
  const unitsOf = (variant: number, phase: number) => Number(cellOf(0, variant, phase)?.n ?? 0n)
  const units = variants.map(({ key }, variant) => ({
    variant: key,
    units: phases.reduce((sum, phase) => sum + unitsOf(variant, phase), 0)
  }))
  const counted = units.reduce((sum, arm) => sum + arm.units, 0)
  const crossed = cells.reduce((sum, cell) => sum + (cell.position === 0 ? Number(cell.crossed) : 0), 0)
  const ratioTest = sampleRatio(
    phases.map((phase) => ({
      units: variants.map((_, variant) => unitsOf(variant, phase)),
      weights: weights[phase - 1] ?? []
    }))
  )
  const goals = experiment.metrics.filter(({ role }) => role === "goal").length
  const comparisons = Math.max(1, goals * (variants.length - 1))
  const information = Math.min(1, counted / plan.unitsPlanned)
  const share = plan.alpha / comparisons
  const bound = bounds([...informations, information], share, 2, { family: plan.spending }).at(-1)
  const level = bound?.z === undefined ? undefined : 2 * normalSf(bound.z)

  const figures = metrics.map((metric, index): MetricFigures => {
    const position = index + 1
    const momentsOf = (variant: number, phase: number): Moments => {
      const cell = cellOf(position, variant, phase)
      return exactMoments(cell?.n ?? 0n, cell?.sums ?? [], cell?.products ?? [])
    }
    const hasOther = cells.some((cell) => cell.position === position && cell.other > 0n)
    const arms = variants.map(({ key }, variant) => {
      const whole = cells
        .filter((cell) => cell.position === position && cell.variant === variant)
        .reduce(
          (sum, cell) => ({
            n: sum.n + cell.n,
            sums: cell.sums.map((value, place) => value + (sum.sums[place] ?? 0n)),
            products: cell.products.map((value, place) => value + (sum.products[place] ?? 0n))
          }),
          { n: 0n, sums: [], products: [] } as {
            readonly n: bigint
            readonly sums: ReadonlyArray<bigint>
            readonly products: ReadonlyArray<bigint>
          }
        )
      const estimate =
        whole.n === 0n ? undefined : plainEstimate(metric, exactMoments(whole.n, whole.sums, whole.products))
      return {
        variant: key,
        units: Number(whole.n),
        value: finite(estimate?.value),
        standardError: estimate === undefined || whole.n < 2n ? null : finite(Math.sqrt(estimate.variance))
      }
    })
    return {
      metric: metric.key,
      role: experiment.metrics[index]?.role ?? "goal",
      kind: metric.kind,
      arms,
      comparisons: variants.slice(1).map(({ key }, place) => {
        const strata = phases
          .map((phase) => ({ control: momentsOf(0, phase), treatment: momentsOf(place + 1, phase) }))
          .filter(({ control, treatment }) => control.n + treatment.n > 0)
        const comparison = compare(metric, key, strata, level, share)
        return hasOther ? { ...comparison, flags: [...comparison.flags, "other-currency"] } : comparison
      })
    }
  })

  const ofGoals = figures.flatMap((metric) =>
    metric.role === "goal" ? metric.comparisons.flatMap(({ p }) => (p === null ? [] : [p])) : []
  )
  const adjustedPs = adjust(ofGoals, plan.correction)
  let place = 0
  const withAdjusted = figures.map((metric) =>
    metric.role === "goal"
      ? {
          ...metric,
          comparisons: metric.comparisons.map((comparison) =>
            comparison.p === null ? comparison : { ...comparison, adjustedP: adjustedPs[place++] ?? null }
          )
        }
      : metric
  )
  const mismatch = ratioTest.p < mismatchLevel
  const crossedShare = counted + crossed === 0 ? 0 : crossed / (counted + crossed)
  return {
    settings: { ...plan, comparisons, information, level: level ?? null, phases: phases.length },
    units,
    excluded: { crossed, crossedShare, suspicious: crossedShare > crossedShareMax },
    sampleRatio: { ...ratioTest, mismatch },
    metrics: withAdjusted,
    recommendation: recommend(withAdjusted, mismatch, information >= 1)
  }
}
