/** Power, sample size and minimum detectable effect. */
import { normalSf, normalUpperQuantile, tUpperQuantile } from "./distributions.ts"
import { legendre, root } from "./roots.ts"

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
