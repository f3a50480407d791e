/**
 * Tails and quantiles of the normal, Student's t, chi-square and beta distributions, to a relative error below 1e-12 and
 * down to a tail of 1e-300.
 */
import betainc from "@stdlib/math-base-special-betainc"
import erfc from "@stdlib/math-base-special-erfc"
import erfcinv from "@stdlib/math-base-special-erfcinv"
import gammainc from "@stdlib/math-base-special-gammainc"
import { root } from "./roots.ts"

/** Below it a probability is reported as a bound: doubles lose digits soon after. */
export const probabilityMin = 1e-300

const sqrtTwoPi = Math.sqrt(2 * Math.PI)

/** Returns P(Z > z) of the standard normal. */
export const normalSf = (z: number): number => erfc(z / Math.SQRT2) / 2

/** Returns P(Z <= z) of the standard normal. */
const normalCdf = (z: number): number => normalSf(-z)

/** Returns the density of the standard normal. */
export const normalPdf = (z: number): number => Math.exp((-z * z) / 2) / sqrtTwoPi

/** Returns the z whose lower tail is p <= 1/2, polished with one Halley step. */
const lowerQuantile = (p: number): number => {
  const z = -Math.SQRT2 * erfcinv(2 * p)
  const error = ((normalCdf(z) - p) * sqrtTwoPi) / Math.exp((-z * z) / 2)
  return z - error / (1 + (z * error) / 2)
}

/** Returns the z with P(Z <= z) = p, for p in (0, 1). */
export const normalQuantile = (p: number): number =>
  p === 0.5 ? 0 : p < 0.5 ? lowerQuantile(p) : -lowerQuantile(1 - p)

/** Returns the z with P(Z > z) = p. Keeps the digits of a small p, which `1 - p` loses. */
export const normalUpperQuantile = (p: number): number => -normalQuantile(p)

/**
 * Returns P(T > t) of Student's t. The incomplete beta function is asked by the smaller of t^2 / (df + t^2) and
 * df / (df + t^2): the digits of the other one are lost beside 1, the eleventh at df = 1e6.
 *
 * Source: Abramowitz and Stegun (1964), 26.7.1.
 */
export const tSf = (t: number, df: number): number => {
  if (df === Infinity) return normalSf(t)
  if (!Number.isFinite(t)) return t > 0 ? 0 : 1
  const squared = t * t
  const tail =
    (squared > df
      ? betainc(df / (df + squared), df / 2, 0.5, true, false)
      : betainc(squared / (df + squared), 0.5, df / 2, true, true)) / 2
  return t >= 0 ? tail : 1 - tail
}

/** From here on the expansion below has four digits at the levels in use, and the search for the others is short. */
const expansionMin = 30

/** Returns an approximate quantile of t by that of the normal. Source: Abramowitz and Stegun (1964), 26.7.5. */
const expandedQuantile = (z: number, df: number): number =>
  z + (z ** 3 + z) / (4 * df) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * df * df)

/** Returns the t with P(T > t) = p, for p in (0, 1). */
export const tUpperQuantile = (p: number, df: number): number => {
  if (p > 0.5) return -tUpperQuantile(1 - p, df)
  if (p === 0.5) return 0
  const z = normalUpperQuantile(p)
  if (df === Infinity) return z
  const near = expandedQuantile(z, df)
  const distance = (t: number) => Math.log(tSf(t, df)) - Math.log(p)
  const found = df < expansionMin ? undefined : root(distance, near * (1 - 1e-4), near * (1 + 1e-4))
  if (found !== undefined) return found
  let high = Math.max(1, z)
  while (tSf(high, df) > p && high < Number.MAX_VALUE / 2) high *= 2
  return root(distance, 0, high) ?? high
}

/** Returns P(X > x) of chi-square. */
export const chiSquareSf = (x: number, df: number): number =>
  x <= 0 ? 1 : gammainc(x / 2, df / 2, true, true)

/** From here on Stirling's series has fifteen digits. */
const stirlingMin = 16

/** Returns ln(gamma(x)) for x > 0. Source: Abramowitz and Stegun (1964), 6.1.41. */
export const logGamma = (x: number): number => {
  let shift = 0
  let value = x
  while (value < stirlingMin) {
    shift += Math.log(value)
    value++
  }
  const squared = value * value
  const series =
    (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / squared) / squared) / squared) / squared) / value
  return (value - 0.5) * Math.log(value) - value + Math.log(sqrtTwoPi) + series - shift
}

/** Above it, the continued fraction below is more exact than the incomplete beta function's large-parameter expansion. */
const largeBeta = 1_000

/** Returns ln(n!) less Stirling's approximation, for n >= 1,000. Source: Loader (2000). */
const stirlingError = (n: number): number => (1 / 12 - (1 / 360 - 1 / 1260 / (n * n)) / (n * n)) / n

/** Returns x ln(x / m) + m - x without cancellation. Source: Loader, Fast and Accurate Computation of Binomial Probabilities (2000). */
const deviance = (x: number, m: number): number => {
  if (Math.abs(x - m) >= 0.1 * (x + m)) return x * Math.log(x / m) + m - x
  const v = (x - m) / (x + m)
  let sum = (x - m) * v
  let term = 2 * x * v
  for (let index = 1; index < 1_000; index++) {
    term *= v * v
    const next = sum + term / (2 * index + 1)
    if (next === sum) return next
    sum = next
  }
  return sum
}

/** Returns the beta function's lower tail by its continued fraction. Source: DLMF 8.17.22, by Lentz's method. */
const betaFraction = (x: number, a: number, b: number): number => {
  const n = a + b
  // x^a (1-x)^b / B(a, b), through the binomial saddle point.
  const front =
    Math.exp(
      stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * (1 - x))
    ) * Math.sqrt((a * b) / (2 * Math.PI * n))
  const tiny = 1e-300
  let c = 1
  let d = 1 - ((a + b) * x) / (a + 1)
  d = 1 / (Math.abs(d) < tiny ? tiny : d)
  let value = d
  for (let m = 1; m < 1_000_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 + even * d
    c = 1 + even / c
    d = 1 / (Math.abs(d) < tiny ? tiny : d)
    if (Math.abs(c) < tiny) c = tiny
    value *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 + odd * d
    c = 1 + odd / c
    d = 1 / (Math.abs(d) < tiny ? tiny : d)
    if (Math.abs(c) < tiny) c = tiny
    const step = d * c
    value *= step
    if (Math.abs(step - 1) < Number.EPSILON) break
  }
  return (front * value) / a
}

/** Returns P(X <= x) of the beta distribution. */
export const betaCdf = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (a < largeBeta || b < largeBeta) return betainc(x, a, b, true, false)
  return x <= a / (a + b) ? betaFraction(x, a, b) : 1 - betaFraction(1 - x, b, a)
}

/** Returns the x with P(X <= x) = p of the beta distribution. */
export const betaQuantile = (p: number, a: number, b: number): number =>
  root((x) => betaCdf(x, a, b) - p, 0, 1) ?? (p <= 0 ? 0 : 1)
