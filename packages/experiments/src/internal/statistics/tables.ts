/** Tests of two by two tables, and quantiles of samples: what R's `prop.test`, `fisher.test` and `quantile` compute. */
import { chiSquareSf, normalUpperQuantile } from "./distributions.ts"

export interface ProportionTest {
  readonly chiSquare: number
  readonly p: number
  readonly low: number
  readonly high: number
}

/** Conversions of some units. */
export interface Counts {
  readonly conversions: number
  readonly units: number
}

/**
 * Returns Pearson's test of equal proportions without a continuity correction, and Wald's interval of first - second; undefined when
 * all units converted or none did.
 *
 * Source: Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (3rd edition, 2003), chapter 3.
 */
export const proportionTest = (first: Counts, second: Counts, alpha: number): ProportionTest | undefined => {
  const [p, q] = [first.conversions / first.units, second.conversions / second.units]
  const both = (first.conversions + second.conversions) / (first.units + second.units)
  const variance = both * (1 - both) * (1 / first.units + 1 / second.units)
  if (!(variance > 0)) return undefined
  const chiSquare = (p - q) ** 2 / variance
  const half =
    normalUpperQuantile(alpha / 2) * Math.sqrt((p * (1 - p)) / first.units + (q * (1 - q)) / second.units)
  return {
    chiSquare,
    p: chiSquareSf(chiSquare, 1),
    low: Math.max(-1, p - q - half),
    high: Math.min(1, p - q + half)
  }
}

/** Two tables whose probabilities differ by less are equally likely. R uses the same factor. */
const equalWithin = 1 + 1e-7

/**
 * Returns Fisher's exact two-sided p: the probability of all tables with these margins that are no more likely than the one seen.
 *
 * Source: Fisher, The Logic of Inductive Inference (JRSS 98, 1935).
 */
export const fisherExact = (table: readonly [number, number, number, number]): number => {
  const [a, b, c, d] = table
  const drawn = a + b
  const marked = a + c
  const total = a + b + c + d
  const low = Math.max(0, drawn + marked - total)
  const high = Math.min(drawn, marked)
  // Logarithms of probabilities up to a constant, each from the one before.
  const logs: Array<number> = [0]
  for (let x = low; x < high; x++) {
    const next =
      Math.log(drawn - x) + Math.log(marked - x) - Math.log(x + 1) - Math.log(total - drawn - marked + x + 1)
    logs.push((logs.at(-1) ?? 0) + next)
  }
  const top = logs.reduce((max, log) => Math.max(max, log), 0)
  const weights = logs.map((log) => Math.exp(log - top))
  const seen = (weights[a - low] ?? 0) * equalWithin
  const sum = weights.reduce((whole, weight) => whole + weight, 0)
  return weights.reduce((whole, weight) => (weight <= seen ? whole + weight : whole), 0) / sum
}

/**
 * The definitions of a sample quantile. Source: Hyndman and Fan, Sample Quantiles in Statistical Packages (American Statistician 50,
 * 1996).
 */
export type QuantileType = 1 | 6 | 7 | 8

/** Returns a quantile of ascending values; undefined without any. */
export const sampleQuantile = (
  ascending: ReadonlyArray<number>,
  p: number,
  type: QuantileType
): number | undefined => {
  const n = ascending.length
  const at = (place: number) => ascending[Math.min(n, Math.max(1, place)) - 1]
  // A product such as 10 * 0.1 may come out a last digit above its integer.
  const floor = (value: number) => Math.floor(value + 4 * Number.EPSILON * Math.max(1, Math.abs(value)))
  if (type === 1) {
    const whole = floor(n * p)
    return at(n * p - whole > 4 * Number.EPSILON * n ? whole + 1 : whole)
  }
  const place = type === 6 ? (n + 1) * p : type === 7 ? 1 + (n - 1) * p : (n + 1 / 3) * p + 1 / 3
  const whole = floor(place)
  const [first, second] = [at(whole), at(whole + 1)]
  return first === undefined || second === undefined
    ? undefined
    : first + Math.max(0, place - whole) * (second - first)
}
