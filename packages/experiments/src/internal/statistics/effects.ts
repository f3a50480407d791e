/** Differences of two arms, absolute and relative, with intervals and p-values. Nothing here returns NaN. */
import { normalUpperQuantile, probabilityMin, tSf, tUpperQuantile } from "./distributions.ts"
import type { Estimate } from "./estimates.ts"

/** The side on which an effect is looked for. */
export type Sides = "two" | "greater" | "less"

/** A bound that is undefined is infinite. */
export interface Interval {
  readonly low: number | undefined
  readonly high: number | undefined
}

export interface Difference extends Interval {
  readonly estimate: number
  readonly standardError: number
  readonly df: number
  /** Half of the interval's width over the standard error. */
  readonly criticalValue: number
  /** Of no effect. At least 1e-300; smaller ones are reported as that bound. */
  readonly p: number
}

export interface Relative extends Interval {
  readonly estimate: number | undefined
  readonly method: "fieller" | "log-ratio" | "delta"
  /** False where the interval is unbounded or the baseline is 0. */
  readonly closes: boolean
}

const bounded = (p: number): number => Math.min(1, Math.max(probabilityMin, p))

/** Returns the p-value of a statistic under Student's t. */
export const pValue = (t: number, df: number, sides: Sides): number =>
  bounded(sides === "two" ? 2 * tSf(Math.abs(t), df) : sides === "greater" ? tSf(t, df) : tSf(-t, df))

/** Returns the critical value of a level: of t, or of the normal for infinitely many degrees of freedom. */
export const critical = (alpha: number, df: number, sides: Sides): number => {
  const tail = sides === "two" ? alpha / 2 : alpha
  return df === Infinity ? normalUpperQuantile(tail) : tUpperQuantile(tail, df)
}

/**
 * Returns the degrees of freedom of a difference.
 *
 * Source: Welch, The generalization of "Student's" problem (Biometrika 34, 1947); Satterthwaite (1946).
 */
export const welchDf = (a: Estimate, b: Estimate): number => {
  const part = (self: Estimate) => (self.df > 0 ? self.variance ** 2 / self.df : Infinity)
  const spread = part(a) + part(b)
  const whole = (a.variance + b.variance) ** 2
  return spread > 0 && Number.isFinite(spread) && whole > 0
    ? whole / spread
    : Number.isFinite(spread)
      ? Infinity
      : 1
}

const intervalOf = (estimate: number, half: number, sides: Sides): Interval => ({
  low: sides === "less" ? undefined : estimate - half,
  high: sides === "greater" ? undefined : estimate + half
})

/** Returns b - a by Welch's test; undefined when neither arm varies. */
export const difference = (
  a: Estimate,
  b: Estimate,
  alpha: number,
  sides: Sides = "two"
): Difference | undefined => {
  const variance = a.variance + b.variance
  if (!(variance > 0) || !Number.isFinite(variance)) return undefined
  const estimate = b.value - a.value
  const standardError = Math.sqrt(variance)
  const df = welchDf(a, b)
  const criticalValue = critical(alpha, df, sides)
  return {
    estimate,
    standardError,
    df,
    p: pValue(estimate / standardError, df, sides),
    criticalValue,
    ...intervalOf(estimate, criticalValue * standardError, sides)
  }
}

const open = (method: Relative["method"], estimate: number | undefined): Relative => ({
  estimate,
  method,
  closes: false,
  low: undefined,
  high: undefined
})

/** The lift of b over |a|: its sign is the difference's, also below zero. */
const liftOf = (a: Estimate, b: Estimate): number | undefined =>
  a.value === 0 ? undefined : (b.value - a.value) / Math.abs(a.value)

/**
 * Returns the relative lift with Fieller's interval. It is unbounded when the baseline does not differ from 0 at this
 * level: then no finite interval has the coverage.
 *
 * Source: Fieller, Some Problems in Interval Estimation (JRSS B 16, 1954).
 */
export const fieller = (a: Estimate, b: Estimate, criticalValue: number, sides: Sides = "two"): Relative => {
  const estimate = liftOf(a, b)
  const squared = criticalValue * criticalValue
  const leading = a.value * a.value - squared * a.variance
  if (estimate === undefined || !(leading > 0)) return open("fieller", estimate)
  const inner = b.value ** 2 * a.variance + a.value ** 2 * b.variance - squared * a.variance * b.variance
  const half = Math.abs(criticalValue) * Math.sqrt(Math.max(0, inner))
  const product = a.value * b.value
  const sign = Math.sign(a.value)
  const bounds = [(product - half) / leading, (product + half) / leading].map((bound) => sign * (bound - 1))
  const low = Math.min(...bounds)
  const high = Math.max(...bounds)
  return {
    estimate,
    method: "fieller",
    closes: true,
    low: sides === "less" ? undefined : low,
    high: sides === "greater" ? undefined : high
  }
}

/**
 * Returns the lift of two proportions by the logarithm of their ratio; unbounded when one of them is 0.
 *
 * Source: Katz et al., Obtaining Confidence Intervals for the Risk Ratio in Cohort Studies (Biometrics 34, 1978).
 */
export const logRatio = (a: Estimate, b: Estimate, criticalValue: number, sides: Sides = "two"): Relative => {
  const estimate = liftOf(a, b)
  if (!(a.value > 0) || !(b.value > 0)) return open("log-ratio", estimate)
  const centre = Math.log(b.value / a.value)
  const half = criticalValue * Math.sqrt(a.variance / a.value ** 2 + b.variance / b.value ** 2)
  return {
    estimate,
    method: "log-ratio",
    closes: true,
    low: sides === "less" ? undefined : Math.expm1(centre - half),
    high: sides === "greater" ? undefined : Math.expm1(centre + half)
  }
}

/** The divisor of a lift, where it is not the control's estimate itself. */
export interface Baseline {
  readonly value: number
  readonly variance: number
  /** With the control's estimate. */
  readonly covariance: number
  /** The lift at which the variance is taken. @default the estimated lift */
  readonly slope?: number
}

/**
 * Returns the lift with the plain delta method. For comparison with other tools only: at n = 400 its interval misses on one
 * side 0.03 % and on the other 6.04 % where 2.5 % each are meant.
 */
export const delta = (
  a: Estimate,
  b: Estimate,
  alpha: number,
  sides: Sides = "two",
  baseline: Baseline = { value: a.value, variance: a.variance, covariance: a.variance }
): Difference | undefined => {
  const size = Math.abs(baseline.value)
  if (size === 0) return undefined
  const gap = b.value - a.value
  const slope = baseline.slope ?? gap / baseline.value
  const variance =
    (a.variance + b.variance + slope * slope * baseline.variance + 2 * slope * baseline.covariance) /
    size ** 2
  if (!(variance > 0) || !Number.isFinite(variance)) return undefined
  const estimate = gap / size
  const standardError = Math.sqrt(variance)
  const df = welchDf(a, b)
  const criticalValue = critical(alpha, df, sides)
  return {
    estimate,
    standardError,
    df,
    p: pValue(estimate / standardError, df, sides),
    criticalValue,
    ...intervalOf(estimate, criticalValue * standardError, sides)
  }
}
