/** Sample ratio mismatch: whether units arrived in the arms as the weights say. */
import { chiSquareSf, logGamma, probabilityMin } from "./distributions.ts"

/** The units of one phase by arm, and the weights under which they were assigned. */
export interface Stratum {
  readonly units: ReadonlyArray<number>
  readonly weights: ReadonlyArray<number>
}

export interface SampleRatio {
  readonly chiSquare: number
  readonly df: number
  readonly p: number
}

/**
 * Returns Pearson's chi-square over all strata. Each stratum is compared with its own weights, so that weights that
 * changed between phases raise no mismatch. An arm of weight zero expects nothing and counts neither units nor a degree of
 * freedom.
 *
 * Source: Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments (KDD 2019).
 */
export const sampleRatio = (strata: ReadonlyArray<Stratum>): SampleRatio => {
  let chiSquare = 0
  let df = 0
  for (const { units, weights } of strata) {
    const arms = weights.flatMap((weight, index) =>
      weight > 0 ? [{ weight, units: units[index] ?? 0 }] : []
    )
    const total = arms.reduce((sum, arm) => sum + arm.units, 0)
    const whole = arms.reduce((sum, arm) => sum + arm.weight, 0)
    if (total === 0 || arms.length < 2) continue
    for (const arm of arms) {
      const expected = (total * arm.weight) / whole
      chiSquare += (arm.units - expected) ** 2 / expected
    }
    df += arms.length - 1
  }
  return { chiSquare, df, p: df === 0 ? 1 : chiSquareSf(chiSquare, df) }
}

/** The prior's weight in units: deviations of some tenths of a percent are found, at some thousands of units. */
const concentration = 1_000

/**
 * Returns a p that holds at every time: the sequence of its values falls below alpha with a probability of at most alpha when
 * the weights are kept, however often one looks. It is the inverse of a Bayes factor, the Dirichlet-multinomial against the
 * multinomial of the weights; strata are independent, and multiply.
 *
 * Source: Lindon and Malek, Anytime-Valid Inference For Multinomial Count Data (NeurIPS 2022).
 */
export const sequentialSampleRatio = (strata: ReadonlyArray<Stratum>): number => {
  let logFactor = 0
  for (const { units, weights } of strata) {
    const whole = weights.reduce((sum, weight) => sum + weight, 0)
    const arms = weights.flatMap((weight, index) =>
      weight > 0 ? [{ share: weight / whole, units: units[index] ?? 0 }] : []
    )
    if (arms.length < 2) continue
    const total = arms.reduce((sum, arm) => sum + arm.units, 0)
    logFactor += logGamma(concentration) - logGamma(concentration + total)
    for (const arm of arms) {
      const prior = concentration * arm.share
      logFactor += logGamma(prior + arm.units) - logGamma(prior) - arm.units * Math.log(arm.share)
    }
  }
  return Math.min(1, Math.max(probabilityMin, Math.exp(-logFactor)))
}
