/**
 * Intervals that hold at every time at once, however often one looks: confidence sequences and the mixture sequential
 * probability ratio test. Both mix a normal distribution of effects into a likelihood ratio, and differ in what its width is
 * tied to: the number of units, or the scale of the effect.
 *
 * Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence sequences
 * (Annals of Statistics 52, 2024), theorem 2.2.
 * Source: Johari, Koomen, Pekelis and Walsh, Always Valid Inference (Operations Research 70, 2022).
 * Source: Robbins, Statistical Methods Related to the Law of the Iterated Logarithm (1970).
 */
import { probabilityMin } from "./distributions.ts"
import type { Interval, Sides } from "./effects.ts"

export interface Sequence extends Interval {
  /** Half of the interval's width. */
  readonly half: number
  /** Valid at every time: the smallest level at which the interval of this time leaves out 0. */
  readonly p: number
}

/** A one-sided sequence at a level is as wide as a two-sided one at twice the level. */
const levelOf = (alpha: number, sides: Sides): number => (sides === "two" ? alpha : 2 * alpha)

/** Returns the mixture's parameter with which a confidence sequence is narrowest near a number of units. */
export const tuned = (alpha: number, units: number, sides: Sides = "two"): number => {
  const log = -2 * Math.log(levelOf(alpha, sides))
  return Math.sqrt((log + Math.log(log + 1)) / units)
}

/** Returns the mixture's variance over that of the estimate, for a confidence sequence of so many units. */
export const mixtureOfUnits = (units: number, rho: number): number => units * rho * rho

/** Returns the mixture's variance over that of the estimate, for effects with a standard deviation. */
export const mixtureOfEffects = (standardError: number, effectDeviation: number): number =>
  (effectDeviation / standardError) ** 2

/** Above it `Math.exp` is infinite. */
const exponentMax = 700

/**
 * Returns the interval and p of one time. `mixture` is the mixture's variance over that of the estimate; undefined unless it and
 * the standard error are positive.
 */
export const anyTime = (
  estimate: number,
  standardError: number,
  mixture: number,
  alpha: number,
  sides: Sides = "two"
): Sequence | undefined => {
  if (!(standardError > 0) || !(mixture > 0) || !Number.isFinite(mixture)) return undefined
  const level = levelOf(alpha, sides)
  const root = Math.sqrt(mixture + 1)
  const log = sides === "two" ? Math.log(root / level) : Math.log1p(root / level)
  const half = standardError * Math.sqrt((2 * (mixture + 1) * log) / mixture)
  const z = estimate / standardError
  const exponent = (z * z * mixture) / (2 * (mixture + 1))
  const isAgainst = (sides === "greater" && z <= 0) || (sides === "less" && z >= 0)
  const p = isAgainst
    ? 1
    : sides === "two"
      ? root * Math.exp(-exponent)
      : exponent > exponentMax
        ? probabilityMin
        : root / Math.expm1(exponent) / 2
  return {
    half,
    p: Math.min(1, Math.max(probabilityMin, p)),
    low: sides === "less" ? undefined : estimate - half,
    high: sides === "greater" ? undefined : estimate + half
  }
}
