/** Estimates of a control and a treatment over the phases of an experiment. */
import type { ExperimentLook } from "../ExperimentLook.ts"
import { type ExperimentMetric, isProportion } from "../ExperimentMetric.ts"
import {
  adjusted,
  coefficient,
  combine,
  covariateOf,
  type Estimate,
  mean,
  type Moments,
  pooled,
  proportion,
  ratio
} from "./statistics/estimates.ts"

export type Figures = Omit<
  ConstructorParameters<typeof ExperimentLook>[0],
  "experimentId" | "look" | "recordedAt"
>
export type MetricFigures = Figures["metrics"][number]
export type Comparison = MetricFigures["comparisons"][number]
export type Flag = Comparison["flags"][number]

export interface Pair {
  readonly control: Estimate
  readonly treatment: Estimate
  readonly method: Comparison["method"]
  readonly flags: ReadonlyArray<Flag>
}

export interface Stratum {
  readonly control: Moments
  readonly treatment: Moments
}

export const plainEstimate = (metric: ExperimentMetric, moments: Moments): Estimate | undefined =>
  metric.kind === "ratio" ? ratio(moments) : isProportion(metric.kind) ? proportion(moments) : mean(moments)

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
export const pairOf = (
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
