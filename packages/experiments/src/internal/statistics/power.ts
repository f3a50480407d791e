/** Power, sample size and minimum detectable effect. */
import { normalSf, normalUpperQuantile, tUpperQuantile } from "./distributions.ts"
import type { Prior } from "./bayesian.ts"
import { legendre, root } from "./roots.ts"
import { anyTime, mixtureOfUnits } from "./sequences.ts"

const nodes = 256
/** The chi distribution of a variance has no mass that counts beyond so many deviations. */
const deviations = 10

/**
 * Returns P(T > t) of the noncentral t with noncentrality `shift`: the normal tail, integrated over the distribution of the
 * sample's standard deviation.
 *
 * Source: Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), chapter 31.
 */
const noncentralTSf = (t: number, df: number, shift: number): number => {
  const spread = deviations / Math.sqrt(2 * df)
  const low = Math.max(0, 1 - spread)
  const half = (1 + spread - low) / 2
  let mass = 0
  let tail = 0
  for (const { weight, x } of legendre(nodes)) {
    const s = low + half * (x + 1)
    const density = weight * Math.exp((df - 1) * Math.log(s) - (df * (s * s - 1)) / 2)
    mass += density
    tail += density * normalSf(t * s - shift)
  }
  return tail / mass
}

export interface MeanDesign {
  /** Units per arm. */
  readonly n: number
  readonly difference: number
  readonly deviation: number
  readonly alpha: number
}

/** Returns the power of a two-sided t-test of two equal arms, the far side left out, as R's `power.t.test`. */
export const meanPower = ({ alpha, deviation, difference, n }: MeanDesign): number => {
  const df = 2 * (n - 1)
  return noncentralTSf(
    tUpperQuantile(alpha / 2, df),
    df,
    (Math.sqrt(n / 2) * Math.abs(difference)) / deviation
  )
}

/** More units than a marketplace has. */
const unitsMax = 1e12

/** Returns the units per arm that reach a power; undefined when 1e12 do not. */
export const meanSize = (design: Omit<MeanDesign, "n">, power: number): number | undefined => {
  const log = root(
    (value) => meanPower({ ...design, n: Math.exp(value) }) - power,
    Math.log(2),
    Math.log(unitsMax)
  )
  return log === undefined ? undefined : Math.exp(log)
}

/** Returns the units per arm that tell two proportions apart, as R's `power.prop.test`; undefined for equal ones. */
export const proportionSize = (
  first: number,
  second: number,
  alpha: number,
  power: number
): number | undefined => {
  const gap = Math.abs(first - second)
  if (!(gap > 0)) return undefined
  const middle = (first + second) / 2
  const whole =
    normalUpperQuantile(alpha / 2) * Math.sqrt(2 * middle * (1 - middle)) +
    normalUpperQuantile(1 - power) * Math.sqrt(first * (1 - first) + second * (1 - second))
  return (whole / gap) ** 2
}

/**
 * Returns the smallest difference that two arms with this standard error find with the power, at a two-sided level.
 *
 * Source: Bloom, Minimum Detectable Effects (Evaluation Review 19, 1995).
 */
export const detectable = (standardError: number, alpha: number, power: number): number =>
  (normalUpperQuantile(alpha / 2) + normalUpperQuantile(1 - power)) * standardError

/** A running experiment whose power at more units is asked for. */
export interface Running {
  readonly standardError: number
  /** Units of both arms that are in so far. */
  readonly units: number
  /** The difference to find. */
  readonly difference: number
  readonly alpha: number
  /** The parameter of a confidence sequence; a fixed look without. */
  readonly rho?: number | undefined
  /** The prior of a Bayesian decision, which is made when the credible interval leaves out 0. */
  readonly prior?: Prior | undefined
}

/**
 * Returns the power after `more` times the units have come in addition.
 *
 * Source: the normal approximation of Chow, Shao, Wang and Lokhnytska, Sample Size Calculations in Clinical Research (3rd edition,
 * 2017), chapter 3; with a prior, the assurance of Spiegelhalter, Abrams and Myles (2004), section 6.5.
 */
export const runningPower = (running: Running, more: number): number => {
  const { alpha, difference, prior, rho, standardError, units } = running
  const variance = standardError ** 2 / (1 + more)
  const error = Math.sqrt(variance)
  const z = normalUpperQuantile(alpha / 2)
  if (prior !== undefined) {
    const bound = Math.sqrt(1 / prior.variance + 1 / variance) * error * z
    const shift = (error * prior.mean) / prior.variance
    return normalSf(bound - shift - difference / error) + normalSf(bound + shift + difference / error)
  }
  const half =
    rho === undefined
      ? z * error
      : (anyTime(0, error, mixtureOfUnits(units * (1 + more), rho), alpha)?.half ?? Infinity)
  return normalSf((half - difference) / error) + normalSf((half + difference) / error)
}

/** More than this many times the units is no plan. */
const moreMax = 2 ** 27

/** Returns how many times the units have to come in addition for a power: 0 when they are enough, undefined beyond 2^27. */
export const unitsToGo = (running: Running, power: number): number | undefined => {
  if (runningPower(running, 0) >= power) return 0
  const log = root((value) => runningPower(running, Math.exp(value)) - power, -20, Math.log(moreMax))
  return log === undefined ? undefined : Math.exp(log)
}
