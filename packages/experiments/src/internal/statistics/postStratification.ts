/**
 * Post-stratification: units are divided by what was known of them before the experiment, compared within each stratum, and
 * weighted by the strata's shares.
 *
 * The variance has two parts: that of the arms within strata, and that of the shares, which are drawn as a multinomial. The second
 * vanishes only when the effect is the same in all strata.
 *
 * With covariates it is the regression of each stratum with one slope for both arms, and with the variance that each arm has.
 *
 * Source: Lin, Agnostic notes on regression adjustments to experimental data (Annals of Applied Statistics 7, 2013).
 * Source: Miratrix, Sekhon and Yu, Adjusting treatment effect estimates by post-stratification (JRSS B 75, 2013).
 * Source: Xie and Aurisset, Improving the Sensitivity of Online Controlled Experiments (KDD 2016).
 */
import { welchDf } from "./effects.ts"
import {
  denominator,
  type Estimate,
  type Kind,
  mean,
  type Moments,
  numerator,
  pooled,
  ratio
} from "./estimates.ts"

export interface ArmPair {
  readonly control: Moments
  readonly treatment: Moments
}

/** A linear form of the arms' means: weights on the four means of the control and of the treatment. */
interface Form {
  readonly control: ReadonlyArray<number>
  readonly treatment: ReadonlyArray<number>
}

const before = 2

const dot = (weights: ReadonlyArray<number>, values: ReadonlyArray<number>): number =>
  weights.reduce((sum, weight, index) => sum + weight * (values[index] ?? 0), 0)

const quadratic = (self: Moments, left: ReadonlyArray<number>, right: ReadonlyArray<number>): number =>
  left.reduce((sum, weight, row) => sum + weight * dot(right, self.covariance[row] ?? []), 0)

const unit = (index: number): ReadonlyArray<number> => [0, 1, 2, 3].map((place) => (place === index ? 1 : 0))
const minus = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.map((value) => -value)

/** Returns the solution of two equations; undefined when they are singular to the last digits. */
const solve = (
  [a, b, c, d]: readonly [number, number, number, number],
  [first, second]: readonly [number, number]
): readonly [number, number] | undefined => {
  const determinant = a * d - b * c
  return Math.abs(determinant) > 1e-12 * Math.abs(a * d)
    ? [(first * d - second * b) / determinant, (second * a - first * c) / determinant]
    : undefined
}

/** Returns the slopes of a component on both covariates, within arms; those that do not vary have the slope 0. */
const slopesOf = ({ control, treatment }: ArmPair, component: number): readonly [number, number] => {
  const within = (row: number, column: number) =>
    (control.n - 1) * (control.covariance[row]?.[column] ?? 0) +
    (treatment.n - 1) * (treatment.covariance[row]?.[column] ?? 0)
  const [first, second] = [before, before + 1]
  const alone = (covariate: number) =>
    within(covariate, covariate) > 0 ? within(component, covariate) / within(covariate, covariate) : 0
  return (
    solve(
      [within(first, first), within(first, second), within(second, first), within(second, second)],
      [within(component, first), within(component, second)]
    ) ?? (within(first, first) > 0 ? [alone(first), 0] : [0, alone(second)])
  )
}

/**
 * The control's component and the arms' difference. With covariates both are as of the mean covariates of the stratum, which are the
 * arms' means weighted by their units: a linear form of them too.
 */
const formsOf = (pair: ArmPair, component: number, withCovariate: boolean): ReadonlyArray<Form> => {
  const [first, second] = withCovariate ? slopesOf(pair, component) : [0, 0]
  const slopes = [0, 0, first, second]
  const share = pair.treatment.n / (pair.control.n + pair.treatment.n)
  const gap = unit(component).map((weight, index) => weight - (slopes[index] ?? 0))
  return [
    {
      control: unit(component).map((weight, index) => weight - share * (slopes[index] ?? 0)),
      treatment: slopes.map((slope) => share * slope)
    },
    { control: minus(gap), treatment: gap }
  ]
}

/** A stratum needs a variance of each arm: one without is counted with the largest. */
const merged = (strata: ReadonlyArray<ArmPair>): ReadonlyArray<ArmPair> => {
  const isWhole = ({ control, treatment }: ArmPair) => control.n > 1 && treatment.n > 1
  const sizeOf = ({ control, treatment }: ArmPair) => control.n + treatment.n
  const [largest, ...others] = strata.filter(isWhole).toSorted((a, b) => sizeOf(b) - sizeOf(a))
  if (largest === undefined) return []
  const join = (a: Moments, b: Moments) => (a.n === 0 ? b : b.n === 0 ? a : pooled(a, b))
  const joined = strata
    .filter((stratum) => !isWhole(stratum))
    .reduce(
      (sum, stratum) => ({
        control: join(sum.control, stratum.control),
        treatment: join(sum.treatment, stratum.treatment)
      }),
      largest
    )
  return [joined, ...others]
}

/** The effect as a function of the weighted forms, with its gradient; undefined where a divisor is 0. */
const effectOf = (
  values: ReadonlyArray<number>,
  kind: Kind,
  relative: boolean
): { readonly value: number; readonly gradient: ReadonlyArray<number> } | undefined => {
  const [c = 0, gap = 0, d = 0, gapD = 0] = values
  if (kind === "mean") {
    if (!relative) return { value: gap, gradient: [0, 1] }
    const size = Math.abs(c)
    return size === 0 ? undefined : { value: gap / size, gradient: [-gap / (c * size), 1 / size] }
  }
  const whole = d + gapD
  if (d === 0 || whole === 0) return undefined
  const baseline = c / d
  const treated = (c + gap) / whole
  const ofTreated = [1 / whole, 1 / whole, -treated / whole, -treated / whole]
  const ofBaseline = [1 / d, 0, -baseline / d, 0]
  if (!relative) {
    return {
      value: treated - baseline,
      gradient: ofTreated.map((part, index) => part - (ofBaseline[index] ?? 0))
    }
  }
  const size = Math.abs(baseline)
  if (size === 0) return undefined
  return {
    value: (treated - baseline) / size,
    gradient: ofTreated.map(
      (part, index) => part / size - (treated / (baseline * size)) * (ofBaseline[index] ?? 0)
    )
  }
}

export interface Options {
  readonly kind: Kind
  /** Over |control|. @default false */
  readonly relative?: boolean
  /** Removes what the time before the exposure explains, by slopes of each stratum. @default false */
  readonly withCovariate?: boolean
}

/** Welch's degrees of freedom of the arms as they are without strata. */
const degreesOf = (cells: ReadonlyArray<ArmPair>, kind: Kind): number => {
  const whole = cells.reduce((sum, cell) => ({
    control: pooled(sum.control, cell.control),
    treatment: pooled(sum.treatment, cell.treatment)
  }))
  const estimate = (self: Moments) => (kind === "mean" ? mean(self) : ratio(self))
  const [a, b] = [estimate(whole.control), estimate(whole.treatment)]
  return a === undefined || b === undefined ? 1 : welchDf(a, b)
}

/** Returns the difference of two arms over strata; undefined when no stratum has two units in each arm, or a divisor is 0. */
export const postStratified = (
  strata: ReadonlyArray<ArmPair>,
  { kind, relative = false, withCovariate = false }: Options
): Estimate | undefined => {
  const cells = merged(strata)
  const total = cells.reduce((sum, { control, treatment }) => sum + control.n + treatment.n, 0)
  if (total === 0) return undefined
  const components = kind === "mean" ? [numerator] : [numerator, denominator]
  const rows = components.length * 2
  const means = Array.from({ length: rows }, () => 0)
  const covariance = Array.from({ length: rows }, () => Array.from({ length: rows }, () => 0))
  const add = (row: number, column: number, value: number) => {
    const line = covariance[row]
    if (line !== undefined) line[column] = (line[column] ?? 0) + value
  }
  for (const cell of cells) {
    const share = (cell.control.n + cell.treatment.n) / total
    const forms = components.flatMap((component) => formsOf(cell, component, withCovariate))
    const values = forms.map(
      (form) => dot(form.control, cell.control.mean) + dot(form.treatment, cell.treatment.mean)
    )
    for (const [row, left] of forms.entries()) {
      means[row] = (means[row] ?? 0) + share * (values[row] ?? 0)
      for (const [column, right] of forms.entries()) {
        const within =
          quadratic(cell.control, left.control, right.control) / cell.control.n +
          quadratic(cell.treatment, left.treatment, right.treatment) / cell.treatment.n
        const between = (share * (values[row] ?? 0) * (values[column] ?? 0)) / total
        add(row, column, share * share * within + between)
      }
    }
  }
  for (const row of means.keys()) {
    for (const column of means.keys()) add(row, column, (-(means[row] ?? 0) * (means[column] ?? 0)) / total)
  }
  const effect = effectOf(means, kind, relative)
  if (effect === undefined) return undefined
  const variance = effect.gradient.reduce(
    (sum, weight, row) => sum + weight * dot(effect.gradient, covariance[row] ?? []),
    0
  )
  return { value: effect.value, variance: Math.max(0, variance), df: degreesOf(cells, kind) }
}
