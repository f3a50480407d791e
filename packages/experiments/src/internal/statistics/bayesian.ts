/**
 * Posteriors of an effect: the chance that it is above 0, and the loss expected from either choice.
 *
 * These figures are not corrected for repeated looks: stopping at the first day with a high chance to win has no bound on the
 * share of false winners. Source: Deng, Lu and Chen, Continuous Monitoring of A/B Tests without Pain (DSAA 2016).
 */
import { betaCdf, normalPdf, normalQuantile, normalSf } from "./distributions.ts"
import { legendre } from "./roots.ts"

/** A normal prior of the effect, on the scale of the effect. It is proper: its variance is finite. */
export interface Prior {
  readonly mean: number
  readonly variance: number
}

export interface Posterior {
  readonly mean: number
  readonly deviation: number
  readonly low: number
  readonly high: number
  /** P(effect > 0). */
  readonly chance: number
  /** The expected loss of choosing the treatment: E[max(-effect, 0)]. */
  readonly treatmentLoss: number
  /** The expected loss of keeping the control: E[max(effect, 0)]. */
  readonly controlLoss: number
}

/**
 * Returns the posterior of a normal effect; undefined unless the standard error is positive. Without a prior it is flat.
 *
 * Source: Gelman et al., Bayesian Data Analysis (3rd edition, 2013), section 2.5; losses as the partial moments of a normal.
 */
export const posterior = (
  estimate: number,
  standardError: number,
  alpha: number,
  prior?: Prior
): Posterior | undefined => {
  if (!(standardError > 0) || !Number.isFinite(standardError) || !Number.isFinite(estimate)) return undefined
  const variance = standardError * standardError
  const [mean, deviation] =
    prior === undefined
      ? [estimate, standardError]
      : [
          // The weight of the prior is a quotient of variances, so that neither overflows.
          (estimate * prior.variance + prior.mean * variance) / (prior.variance + variance),
          Math.sqrt((variance / (prior.variance + variance)) * prior.variance)
        ]
  if (!(deviation > 0)) return undefined
  const z = mean / deviation
  const half = -normalQuantile(alpha / 2) * deviation
  return {
    mean,
    deviation,
    low: mean - half,
    high: mean + half,
    chance: normalSf(-z),
    treatmentLoss: Math.max(0, deviation * normalPdf(z) - mean * normalSf(z)),
    controlLoss: Math.max(0, deviation * normalPdf(z) + mean * normalSf(-z))
  }
}

/** Conversions and units of an arm. */
export interface Conversions {
  readonly conversions: number
  readonly units: number
}

/** The parameters of a beta prior. Both are 1 for the uniform one. */
export interface BetaPrior {
  readonly a: number
  readonly b: number
}

const nodes = 256
/** A beta posterior has no mass that counts beyond so many standard deviations. */
const deviations = 12

/**
 * Returns the chance that the treatment converts better than the control, and the expected losses of either, for independent beta
 * posteriors: integrals over the treatment's posterior.
 *
 * Source: Gelman et al. (2013), section 2.4; Stucchio, Bayesian A/B Testing at VWO (2015).
 */
export const betaBinomial = (
  control: Conversions,
  treatment: Conversions,
  prior: BetaPrior = { a: 1, b: 1 }
): Pick<Posterior, "chance" | "controlLoss" | "treatmentLoss"> => {
  const [a, b] = [prior.a + control.conversions, prior.b + control.units - control.conversions]
  const [c, d] = [prior.a + treatment.conversions, prior.b + treatment.units - treatment.conversions]
  const mean = a / (a + b)
  const centre = c / (c + d)
  const spread = deviations * Math.sqrt((centre * (1 - centre)) / (c + d + 1))
  const low = Math.max(0, centre - spread)
  const half = (Math.min(1, centre + spread) - low) / 2
  const logDensity = (x: number) => (c - 1) * Math.log(x) + (d - 1) * Math.log1p(-x)
  const top = logDensity(Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, centre)))
  let mass = 0
  let chance = 0
  let treatmentLoss = 0
  let controlLoss = 0
  for (const { weight, x: place } of legendre(nodes)) {
    const x = low + half * (place + 1)
    if (!(x > 0 && x < 1)) continue
    const density = weight * Math.exp(logDensity(x) - top)
    const below = betaCdf(x, a, b)
    const partial = mean * betaCdf(x, a + 1, b)
    mass += density
    chance += density * below
    // E[(A - x)+] and E[(x - A)+] of the control's posterior A.
    treatmentLoss += density * (mean - partial - x * (1 - below))
    controlLoss += density * (x * below - partial)
  }
  return {
    chance: chance / mass,
    treatmentLoss: Math.max(0, treatmentLoss / mass),
    controlLoss: Math.max(0, controlLoss / mass)
  }
}
