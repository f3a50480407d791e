/**
 * Estimates of an arm from its moments: means, ratios by the delta method, and both with CUPED.
 *
 * A unit contributes a vector (numerator, denominator, numerator before, denominator before). A mean uses the first
 * component only; a metric without a pre-period has zeros in the last two.
 */

import { normalUpperQuantile } from "./distributions.ts"

export const numerator = 0
export const denominator = 1
const numeratorBefore = 2
const dimensions = 4

/** Sample means and covariances (divided by n - 1) of one arm. */
export interface Moments {
  readonly n: number
  readonly mean: ReadonlyArray<number>
  readonly covariance: ReadonlyArray<ReadonlyArray<number>>
}

/** An estimate, the variance of the estimate, and its degrees of freedom. */
export interface Estimate {
  readonly value: number
  readonly variance: number
  readonly df: number
}

const at = (values: ReadonlyArray<number> | undefined, index: number): number => values?.[index] ?? 0

/**
 * Returns the moments of exact sums: n, the four sums, and the ten products in the order of the upper triangle. Differences
 * are taken as integers and divided once, so that no digit is lost to large values.
 */
export const exactMoments = (
  n: bigint,
  sums: ReadonlyArray<bigint>,
  products: ReadonlyArray<bigint>
): Moments => {
  const count = Number(n)
  const mean = Array.from({ length: dimensions }, (_, index) =>
    n === 0n ? 0 : Number(sums[index] ?? 0n) / count
  )
  const covariance = Array.from({ length: dimensions }, () => Array.from({ length: dimensions }, () => 0))
  if (n > 1n) {
    let place = 0
    for (let row = 0; row < dimensions; row++) {
      for (let column = row; column < dimensions; column++) {
        const centred = n * (products[place] ?? 0n) - (sums[row] ?? 0n) * (sums[column] ?? 0n)
        const value = Number(centred) / (count * (count - 1))
        const [first, second] = [covariance[row], covariance[column]]
        if (first !== undefined && second !== undefined) {
          first[column] = value
          second[row] = value
        }
        place++
      }
    }
  }
  return { n: count, mean, covariance }
}

/** Returns w' C w. */
const quadratic = (self: Moments, weights: ReadonlyArray<number>, others = weights): number =>
  weights.reduce(
    (sum, weight, row) =>
      sum +
      others.reduce((inner, other, column) => inner + weight * other * at(self.covariance[row], column), 0),
    0
  )

const estimateOf = (self: Moments, value: number, variance: number): Estimate => ({
  value,
  variance: Math.max(0, variance) / self.n,
  df: self.n - 1
})

/** Returns the mean of the numerator. */
export const mean = (self: Moments): Estimate =>
  estimateOf(self, at(self.mean, numerator), at(self.covariance[numerator], numerator))

/**
 * Returns the proportion of units that converted. Its variance is p (1 - p) / n, as its covariance with anything is taken
 * over n as well.
 */
export const proportion = (self: Moments): Estimate => {
  const p = at(self.mean, numerator)
  return estimateOf(self, p, p * (1 - p))
}

/** A quantile of an arm with the interval that its order statistics give. */
export interface QuantileInterval {
  readonly n: number
  readonly value: number
  readonly low: number
  readonly high: number
  /** The level that the interval misses. */
  readonly alpha: number
}

/**
 * Returns a quantile with the variance of a normal that has the same interval; undefined when the interval has no width: so many
 * units share the value that the normal says nothing.
 *
 * Source: Deng, Knoblich and Lu (KDD 2018), section 5.
 */
export const quantile = ({ alpha, high, low, n, value }: QuantileInterval): Estimate | undefined => {
  const deviation = (high - low) / (2 * normalUpperQuantile(alpha / 2))
  return deviation > 0 ? { value, variance: deviation * deviation, df: n - 1 } : undefined
}

/** The gradient of mean(m) / mean(d) by m and d. */
const ratioGradient = (m: number, d: number): readonly [number, number] => [1 / d, -m / (d * d)]

/**
 * Returns the ratio of two means with the variance of the delta method; undefined when the denominator's mean is 0.
 *
 * Source: Deng, Knoblich and Lu, Applying the Delta Method in Metric Analytics (KDD 2018).
 */
export const ratio = (self: Moments): Estimate | undefined => {
  const m = at(self.mean, numerator)
  const d = at(self.mean, denominator)
  if (d === 0) return undefined
  const [byNumerator, byDenominator] = ratioGradient(m, d)
  return estimateOf(self, m / d, quadratic(self, [byNumerator, byDenominator, 0, 0]))
}

/** The parts of a CUPED estimate of one arm: gradients of the outcome and of the covariate, and their values. */
interface Parts {
  readonly outcome: ReadonlyArray<number>
  readonly covariate: ReadonlyArray<number>
  readonly value: number
  readonly before: number
}

export type Kind = "mean" | "ratio"

const partsOf = (self: Moments, kind: Kind): Parts | undefined => {
  const [m, d, x, e] = [0, 1, 2, 3].map((index) => at(self.mean, index))
  if (m === undefined || d === undefined || x === undefined || e === undefined) return undefined
  if (kind === "mean") return { outcome: [1, 0, 0, 0], covariate: [0, 0, 1, 0], value: m, before: x }
  if (d === 0 || e === 0) return undefined
  const [byM, byD] = ratioGradient(m, d)
  const [byX, byE] = ratioGradient(x, e)
  return { outcome: [byM, byD, 0, 0], covariate: [0, 0, byX, byE], value: m / d, before: x / e }
}

/** Returns the moments of two arms together, as of one sample. */
export const pooled = (a: Moments, b: Moments): Moments => {
  const n = a.n + b.n
  const means = Array.from(
    { length: dimensions },
    (_, index) => (a.n * at(a.mean, index) + b.n * at(b.mean, index)) / n
  )
  const covariance = Array.from({ length: dimensions }, (_, row) =>
    Array.from({ length: dimensions }, (_unused, column) => {
      const within = (a.n - 1) * at(a.covariance[row], column) + (b.n - 1) * at(b.covariance[row], column)
      const between =
        ((a.n * b.n) / n) * (at(b.mean, row) - at(a.mean, row)) * (at(b.mean, column) - at(a.mean, column))
      return (within + between) / (n - 1)
    })
  )
  return { n, mean: means, covariance }
}

/**
 * Returns the coefficient of CUPED: the covariance of outcome and covariate over the covariate's variance, over both
 * arms. Undefined when the covariate does not vary.
 *
 * Source: Deng, Xu, Kohavi and Walker, Improving the Sensitivity of Online Controlled Experiments by Utilizing
 * Pre-Experiment Data (WSDM 2013).
 */
export const coefficient = (a: Moments, b: Moments, kind: Kind): number | undefined => {
  if (kind === "mean") {
    const both = pooled(a, b)
    const varies = at(both.covariance[numeratorBefore], numeratorBefore)
    return varies > 0 ? at(both.covariance[numerator], numeratorBefore) / varies : undefined
  }
  // Each arm is linearised at its own ratio: at that of both, the effect itself would count as covariance.
  const [first, second] = [partsOf(a, kind), partsOf(b, kind)]
  if (first === undefined || second === undefined) return undefined
  const varies = quadratic(a, first.covariate) + quadratic(b, second.covariate)
  const shared = quadratic(a, first.outcome, first.covariate) + quadratic(b, second.outcome, second.covariate)
  return varies > 0 ? shared / varies : undefined
}

/**
 * Returns an arm's estimate with the covariate's deviation from `centre` taken out. The same centre in all arms leaves
 * their difference as it is and keeps estimates on the metric's scale.
 */
export const adjusted = (self: Moments, kind: Kind, theta: number, centre: number): Estimate | undefined => {
  const parts = partsOf(self, kind)
  if (parts === undefined) return undefined
  const gradient = parts.outcome.map((weight, index) => weight - theta * at(parts.covariate, index))
  return estimateOf(self, parts.value - theta * (parts.before - centre), quadratic(self, gradient))
}

/** Returns the covariate's value of an arm; undefined for a ratio whose denominator is 0. */
export const covariateOf = (self: Moments, kind: Kind): number | undefined => partsOf(self, kind)?.before

/**
 * Returns the weighted sum of estimates of strata, such as phases. Degrees of freedom by Welch and Satterthwaite.
 */
export const combine = (
  strata: ReadonlyArray<{ readonly weight: number; readonly estimate: Estimate }>
): Estimate => {
  let value = 0
  let variance = 0
  let spread = 0
  for (const { estimate, weight } of strata) {
    const part = weight * weight * estimate.variance
    value += weight * estimate.value
    variance += part
    spread += estimate.df > 0 ? (part * part) / estimate.df : 0
  }
  return { value, variance, df: spread > 0 ? (variance * variance) / spread : Infinity }
}
