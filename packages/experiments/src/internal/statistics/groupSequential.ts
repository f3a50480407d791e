/**
 * Group-sequential bounds by alpha spending: looks may come at uneven information, and all of them together spend no more
 * than alpha.
 *
 * Sources: Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials (Biometrika 70, 1983); Jennison and
 * Turnbull, Group Sequential Methods (2000), chapters 7 and 19.
 */
import { normalPdf, normalSf, normalUpperQuantile, probabilityMin } from "./distributions.ts"
import { legendre, root } from "./roots.ts"

/**
 * - `obrien-fleming`: spends little early. 2 (1 - Phi(z / sqrt(t))) per side.
 * - `pocock`: alpha ln(1 + (e - 1) t), nearly the same bound at each look.
 * - `power`: alpha t^rho (Kim and DeMets 1987).
 */
export type Spending =
  | { readonly family: "obrien-fleming" }
  | { readonly family: "pocock" }
  | { readonly family: "power"; readonly rho: number }

export type Sided = 1 | 2

/** Returns the error spent by information fraction t: all of it from 1 on. */
export const spent = (spending: Spending, alpha: number, sided: Sided, t: number): number => {
  if (t <= 0) return 0
  if (t >= 1) return alpha
  switch (spending.family) {
    case "obrien-fleming":
      return 2 * sided * normalSf(normalUpperQuantile(alpha / sided / 2) / Math.sqrt(t))
    case "pocock":
      return alpha * Math.log1p((Math.E - 1) * t)
    case "power":
      return alpha * t ** spending.rho
  }
}

export interface Bound {
  /** Information fraction, at most 1. */
  readonly information: number
  /** The critical value of |z|, or of z when one-sided; undefined when this look spends nothing. */
  readonly z: number | undefined
  /** Error spent up to and with this look. */
  readonly spent: number
}

/** Nodes per standard deviation of a step: the integrand is analytic, so that these give ten digits of a bound. */
const nodesPerDeviation = 4
const nodesMin = 48
const nodesMax = 640
/** A normal score beyond it has a probability below 1e-18. */
const farScore = 9
/** A fraction that grew by less adds no information that doubles could tell. */
const informationStepMin = 1e-9

/** The density of the score process on the continuation region, at nodes. */
interface Density {
  readonly scores: ReadonlyArray<number>
  /** Density times the node's weight. */
  readonly masses: ReadonlyArray<number>
}

const nodesOf = (low: number, high: number, deviation: number) => {
  const wanted = Math.ceil(((high - low) / deviation) * nodesPerDeviation)
  const nodes = legendre(Math.min(nodesMax, Math.max(nodesMin, wanted)))
  const half = (high - low) / 2
  return nodes.map(({ x, weight }) => ({ score: low + half * (x + 1), weight: weight * half }))
}

/** Returns the density at a score after a step, but for the step's own factor. */
const arriving = (before: Density, score: number, deviation: number): number => {
  let sum = 0
  for (const [index, from] of before.scores.entries()) {
    const step = (score - from) / deviation
    if (Math.abs(step) < farScore) sum += (before.masses[index] ?? 0) * normalPdf(step)
  }
  return sum
}

/**
 * Returns the bound of each look. A look whose information does not exceed that of the looks before spends nothing and has
 * no bound. The look at full information spends what is left, and looks after it spend nothing.
 */
export const bounds = (
  informations: ReadonlyArray<number>,
  alpha: number,
  sided: Sided,
  spending: Spending
): ReadonlyArray<Bound> => {
  const result: Array<Bound> = []
  let previous = 0
  let total = 0
  let density: Density | undefined
  for (const raw of informations) {
    const information = Math.min(1, raw)
    const step = information - previous
    const target = spent(spending, alpha, sided, information) - total
    if (!(step > informationStepMin) || !(target > probabilityMin)) {
      // Too little error for a bound: the score passes this look without being stopped.
      result.push({ information, z: undefined, spent: total })
      continue
    }
    const deviation = Math.sqrt(step)
    const scale = Math.sqrt(information)
    const before = density
    const crossing = (z: number): number => {
      const bound = z * scale
      if (before === undefined) return sided * normalSf(bound / deviation)
      let probability = 0
      for (const [index, score] of before.scores.entries()) {
        const mass = before.masses[index] ?? 0
        const upper = (bound - score) / deviation
        if (upper < farScore) probability += mass * normalSf(upper)
        const lower = (bound + score) / deviation
        if (sided === 2 && lower < farScore) probability += mass * normalSf(lower)
      }
      return probability
    }
    const logTarget = Math.log(target)
    const z =
      before === undefined
        ? normalUpperQuantile(target / sided)
        : root((value) => Math.log(Math.max(crossing(value), Number.MIN_VALUE)) - logTarget, 0, 38)
    if (z === undefined) {
      result.push({ information, z: undefined, spent: total })
      continue
    }
    const high = z * scale
    const low = sided === 2 ? -high : -farScore * scale
    const nodes = nodesOf(low, high, deviation)
    density = {
      scores: nodes.map(({ score }) => score),
      masses: nodes.map(
        ({ score, weight }) =>
          (weight / deviation) *
          (before === undefined ? normalPdf(score / deviation) : arriving(before, score, deviation))
      )
    }
    previous = information
    total += target
    result.push({ information, z, spent: total })
  }
  return result
}
