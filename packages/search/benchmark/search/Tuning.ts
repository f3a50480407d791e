/**
 * How every engine is tuned and scored: the same seeded random search, the same cross-validation, the same test. Fixed:
 * the way of searching is worth as much as a feature, so it never changes together with an engine.
 *
 * A seed draws `drawsPerSeed` configurations from an engine's space. Ten times the queries are dealt into five folds; the
 * configuration with the best mean on four folds is scored on the fifth. A query's figure is its mean over reshuffles
 * and seeds. Two engines are compared by a paired bootstrap over queries.
 */
import { pick, randomOf } from "./Catalogue.ts"

export const seeds = [1, 2, 3]
export const drawsPerSeed = 100
const folds = 5
const reshuffles = 10
const bootstraps = 5_000

export type Configuration = Readonly<Record<string, string | number | boolean>>
/** By parameter, the values to draw from. */
export type Space = Readonly<Record<string, ReadonlyArray<string | number | boolean>>>

export const draw = (space: Space, seed: number): ReadonlyArray<Configuration> => {
  const random = randomOf(seed * 1_000_003)
  return Array.from({ length: drawsPerSeed }, () =>
    Object.fromEntries(Object.entries(space).map(([name, values]) => [name, pick(values, random) ?? ""]))
  )
}

/** Normalised discounted cumulative gain of the first ten, gains 2^rating - 1 (Burges 2005). */
export const ndcg = (ranked: ReadonlyArray<string>, ratings: ReadonlyMap<string, number>): number => {
  const gain = (values: ReadonlyArray<number>) =>
    values.slice(0, 10).reduce((sum, rating, n) => sum + (2 ** rating - 1) / Math.log2(n + 2), 0)
  const best = gain([...ratings.values()].toSorted((a, b) => b - a))
  return gain(ranked.map((id) => ratings.get(id) ?? 0)) / best
}

export const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

const shuffled = (size: number, random: () => number): ReadonlyArray<number> => {
  const order = Array.from({ length: size }, (_, n) => n)
  for (let n = size - 1; n > 0; n--) {
    const other = Math.floor(random() * (n + 1))
    const kept = order[n] ?? 0
    order[n] = order[other] ?? 0
    order[other] = kept
  }
  return order
}

export interface CrossValidated {
  /** By query. */
  readonly scores: ReadonlyArray<number>
  /** Configurations that some fold chose. */
  readonly chosen: ReadonlySet<number>
}

/** `scores` by configuration and query. */
export const crossValidate = (scores: ReadonlyArray<ReadonlyArray<number>>, seed: number): CrossValidated => {
  const random = randomOf(seed * 7_368_787)
  const queries = scores[0]?.length ?? 0
  const totals = Array.from({ length: queries }, () => 0)
  const chosen = new Set<number>()
  for (let shuffle = 0; shuffle < reshuffles; shuffle++) {
    const order = shuffled(queries, random)
    for (let fold = 0; fold < folds; fold++) {
      const test = order.filter((_, n) => n % folds === fold)
      const training = order.filter((_, n) => n % folds !== fold)
      const means = scores.map((row) => mean(training.map((query) => row[query] ?? 0)))
      const best = means.indexOf(Math.max(...means))
      chosen.add(best)
      for (const query of test) totals[query] = (totals[query] ?? 0) + (scores[best]?.[query] ?? 0)
    }
  }
  return { scores: totals.map((total) => total / reshuffles), chosen }
}

export interface Comparison {
  readonly difference: number
  readonly low: number
  readonly high: number
}

/** The mean difference and its 95 % interval. */
export const compare = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): Comparison => {
  const random = randomOf(5_000_011)
  const differences = ours.map((score, n) => score - (theirs[n] ?? 0))
  const means = Array.from({ length: bootstraps }, () =>
    mean(differences.map(() => pick(differences, random) ?? 0))
  ).toSorted((a, b) => a - b)
  return {
    difference: mean(differences),
    low: means[Math.floor(bootstraps * 0.025)] ?? Number.NaN,
    high: means[Math.floor(bootstraps * 0.975)] ?? Number.NaN
  }
}
