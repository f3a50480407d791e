/** Turns the sums of an experiment into the figures of a look. Pure; nothing in it is NaN or infinite. */
import type { Experiment } from "../Experiment.ts"
import type { ExperimentMetric } from "../ExperimentMetric.ts"
import { compare, finite, type Levels } from "./comparison.ts"
import { type Figures, type MetricFigures, plainEstimate } from "./pairing.ts"
import { recommend } from "./recommendation.ts"
import { adjust } from "./statistics/comparisons.ts"
import { normalSf } from "./statistics/distributions.ts"
import { exactMoments, type Moments } from "./statistics/estimates.ts"
import { bounds } from "./statistics/groupSequential.ts"
import { sampleRatio, sequentialSampleRatio } from "./statistics/sampleRatio.ts"

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
  /** Of a metric with a percentile: what its totals were capped at. */
  readonly caps?: { readonly value: number; readonly denominator: number } | undefined
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

/** An alarm at this level is false once in a thousand looks. Source: Fabijan et al. (KDD 2019). */
const mismatchLevel = 0.001
/** More crossed units than this share show a fault of assignment and not two devices of a person. */
const crossedShareMax = 0.01

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
  const strata = phases.map((phase) => ({
    units: variants.map((_, variant) => unitsOf(variant, phase)),
    weights: weights[phase - 1] ?? []
  }))
  const ratioTest = sampleRatio(strata)
  const goals = experiment.metrics.filter(({ role }) => role === "goal").length
  const comparisons = Math.max(1, goals * (variants.length - 1))
  const information = Math.min(1, counted / plan.unitsPlanned)
  const share = plan.alpha / comparisons
  const spending = { family: plan.spending }
  const times = [...informations, information]
  const bound = plan.method === "group-sequential" ? bounds(times, share, 2, spending).at(-1) : undefined
  const level = bound?.z === undefined ? undefined : 2 * normalSf(bound.z)
  const hasMargins =
    plan.method === "group-sequential" && experiment.metrics.some(({ margin }) => (margin ?? null) !== null)
  const guardrailBound = hasMargins ? bounds(times, plan.alpha, 1, spending).at(-1) : undefined
  const guardrailLevel = guardrailBound?.z === undefined ? undefined : normalSf(guardrailBound.z)
  const levels: Levels = { plan, arms: variants.length, share, level, guardrailLevel }

  const figures = metrics.map((metric, index): MetricFigures => {
    const position = index + 1
    const momentsOf = (variant: number, phase: number): Moments => {
      const cell = cellOf(position, variant, phase)
      return exactMoments(cell?.n ?? 0n, cell?.sums ?? [], cell?.products ?? [])
    }
    const otherCurrency = cells.reduce(
      (sum, cell) => (cell.position === position ? sum + Number(cell.other) : sum),
      0
    )
    const caps = cells.find((cell) => cell.position === position)?.caps
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
      ...(caps === undefined ? {} : { caps }),
      otherCurrency,
      arms,
      comparisons: variants.slice(1).map(({ key }, place) => {
        const strata = phases
          .map((phase) => ({ control: momentsOf(0, phase), treatment: momentsOf(place + 1, phase) }))
          .filter(({ control, treatment }) => control.n + treatment.n > 0)
        const margin = experiment.metrics[index]?.margin ?? undefined
        const comparison = compare(metric, margin, key, strata, levels)
        return otherCurrency > 0
          ? { ...comparison, flags: [...comparison.flags, "other-currency"] }
          : comparison
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
    sampleRatio: { ...ratioTest, sequentialP: sequentialSampleRatio(strata), mismatch },
    metrics: withAdjusted,
    recommendation: recommend(withAdjusted, mismatch, information >= 1)
  }
}
