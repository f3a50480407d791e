/** Simulations of the methods' error rates: each returns how often something happened, with the bounds that hold for it. */
import { Experiment, ExperimentId } from "@hypermarket/experiments/Experiment"
import { planDefaults } from "@hypermarket/experiments/ExperimentPlan"
import { ExperimentMetric, MetricId } from "@hypermarket/experiments/ExperimentMetric"
import { analyse, type Cell } from "@hypermarket/experiments/internal/analysis"
import { normalUpperQuantile } from "@hypermarket/experiments/internal/statistics/distributions"
import { critical, delta, difference, fieller } from "@hypermarket/experiments/internal/statistics/effects"
import {
  type Estimate,
  exactMoments,
  type Moments,
  ratio
} from "@hypermarket/experiments/internal/statistics/estimates"
import { bounds, type Spending } from "@hypermarket/experiments/internal/statistics/groupSequential"
import { nonInferiority } from "@hypermarket/experiments/internal/statistics/nonInferiority"
import { sequentialSampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import {
  anyTime,
  mixtureOfEffects,
  mixtureOfUnits,
  tuned
} from "@hypermarket/experiments/internal/statistics/sequences"
import { DateTime } from "effect"
import * as Laboratory from "./Laboratory.ts"

export interface Outcome {
  readonly claim: string
  readonly count: number
  readonly runs: number
  /** The share that is claimed: at least, and at most. */
  readonly low: number
  readonly high: number
}

/** Wilson's interval of a share, at 99.9 %: a claim that holds is called wrong once in a thousand simulations. */
export const intervalOf = ({ count, runs }: Outcome): readonly [low: number, high: number] => {
  const z = normalUpperQuantile(0.0005)
  const share = count / runs
  const centre = (share + (z * z) / (2 * runs)) / (1 + (z * z) / runs)
  const half =
    (z / (1 + (z * z) / runs)) * Math.sqrt((share * (1 - share)) / runs + (z * z) / (4 * runs * runs))
  return [Math.max(0, centre - half), Math.min(1, centre + half)]
}

/** True unless the interval of the share is outside of what is claimed. */
export const holds = (outcome: Outcome): boolean => {
  const [low, high] = intervalOf(outcome)
  return low <= outcome.high && high >= outcome.low
}

/** Standard normal numbers, two at a time. Source: Marsaglia's polar method. */
export const normals = (random: () => number): (() => number) => {
  let spare: number | undefined
  return () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    for (;;) {
      const u = 2 * random() - 1
      const v = 2 * random() - 1
      const s = u * u + v * v
      if (s > 0 && s < 1) {
        const factor = Math.sqrt((-2 * Math.log(s)) / s)
        spare = v * factor
        return u * factor
      }
    }
  }
}

const looks = Array.from({ length: 100 }, (_, index) => (index + 1) / 100)
/** Units of an experiment that is looked at: a score of 1 at full information is one standard error there. */
const units = 10_000

/** How often a rule crosses in one of a hundred looks at a score with a drift. */
const crossings = (
  runs: number,
  random: () => number,
  drift: number,
  crosses: (score: number, information: number, look: number) => boolean
): number => {
  const normal = normals(random)
  const step = Math.sqrt(1 / looks.length)
  let count = 0
  for (let run = 0; run < runs; run++) {
    let score = 0
    for (const [look, information] of looks.entries()) {
      score += drift / looks.length + step * normal()
      if (crosses(score, information, look)) {
        count++
        break
      }
    }
  }
  return count
}

const groupSequential = (family: Spending["family"] & ("obrien-fleming" | "pocock")) => {
  const limits = bounds(looks, 0.05, 2, { family })
  return (score: number, information: number, look: number) =>
    Math.abs(score) / Math.sqrt(information) >= (limits[look]?.z ?? Infinity)
}

const confidenceSequence = (rho: number) => (score: number, information: number) => {
  const error = 1 / Math.sqrt(units * information)
  return (
    (anyTime(score / Math.sqrt(units) / information, error, mixtureOfUnits(units * information, rho), 0.05)
      ?.p ?? 1) <= 0.05
  )
}

const mixtureTest = (effect: number) => (score: number, information: number) => {
  const error = 1 / Math.sqrt(units * information)
  return (
    (anyTime(score / Math.sqrt(units) / information, error, mixtureOfEffects(error, effect), 0.05)?.p ?? 1) <=
    0.05
  )
}

/** The drift that one look at 5 % finds in 73.2 % of all runs. */
const drift = normalUpperQuantile(0.025) + normalUpperQuantile(1 - 0.732)

export const looking = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  const rho = tuned(0.05, units)
  const falsely = (claim: string, crosses: Parameters<typeof crossings>[3], high = 0.05): Outcome => ({
    claim,
    count: crossings(runs, random, 0, crosses),
    runs,
    low: 0,
    high
  })
  return [
    falsely("A/A, 100 looks: group-sequential, O'Brien-Fleming", groupSequential("obrien-fleming")),
    falsely("A/A, 100 looks: group-sequential, Pocock", groupSequential("pocock")),
    falsely("A/A, 100 looks: confidence sequence", confidenceSequence(rho)),
    falsely("A/A, 100 looks: mSPRT", mixtureTest(0.02)),
    // The harness sees what it is for.
    {
      ...falsely(
        "A/A, 100 looks at 1.96 without a correction",
        (score, t) => Math.abs(score) / Math.sqrt(t) >= 1.96,
        1
      ),
      low: 0.25
    },
    {
      claim: "power, 100 looks: group-sequential, O'Brien-Fleming",
      count: crossings(runs, random, drift, groupSequential("obrien-fleming")),
      runs,
      low: 0.69,
      high: 0.732
    },
    {
      claim: "power, 100 looks: confidence sequence",
      count: crossings(runs, random, drift, confidenceSequence(rho)),
      runs,
      low: 0.3,
      high: 0.5
    },
    {
      claim: "power, one look",
      count: crossings(
        runs,
        random,
        drift,
        (score, t) => t === 1 && Math.abs(score) >= normalUpperQuantile(0.025)
      ),
      runs,
      low: 0.727,
      high: 0.737
    }
  ]
}

/** Units of two components, both skewed, of which the ratio is the metric. */
const ratioMoments = (n: number, normal: () => number): Moments => {
  let [y, d, yy, yd, dd] = [0, 0, 0, 0, 0]
  for (let index = 0; index < n; index++) {
    const sessions = 1 + Math.floor(Math.exp(0.6 * normal()) * 2)
    const clicks = Math.max(0, Math.round(sessions * (0.4 + 0.3 * normal())))
    y += clicks
    d += sessions
    yy += clicks * clicks
    yd += clicks * sessions
    dd += sessions * sessions
  }
  const big = (values: ReadonlyArray<number>) => values.map(BigInt)
  return exactMoments(BigInt(n), big([y, d, 0, 0]), big([yy, yd, 0, 0, dd, 0, 0, 0, 0, 0]))
}

export const ratios = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  const normal = normals(random)
  let count = 0
  for (let run = 0; run < runs; run++) {
    const [a, b] = [ratio(ratioMoments(400, normal)), ratio(ratioMoments(400, normal))]
    if (a === undefined || b === undefined) continue
    if ((difference(a, b, 0.05)?.p ?? 1) < 0.05) count++
  }
  return [{ claim: "A/A of a ratio, 400 units per arm", count, runs, low: 0.043, high: 0.057 }]
}

export const coverage = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  const normal = normals(random)
  const n = 400
  const deviation = 4
  const lift = 0.5
  const estimate = (centre: number): Estimate => ({
    value: centre + (normal() * deviation) / Math.sqrt(n),
    variance: (deviation * deviation) / n,
    df: n - 1
  })
  const criticalValue = critical(0.05, 2 * (n - 1), "two")
  let [low, high, deltaLow, deltaHigh] = [0, 0, 0, 0]
  for (let run = 0; run < runs; run++) {
    const [a, b] = [estimate(1), estimate(1 + lift)]
    const exact = fieller(a, b, criticalValue)
    const plain = delta(a, b, 0.05)
    if ((exact.low ?? -Infinity) > lift) low++
    if ((exact.high ?? Infinity) < lift) high++
    if ((plain?.low ?? -Infinity) > lift) deltaLow++
    if ((plain?.high ?? Infinity) < lift) deltaHigh++
  }
  return [
    { claim: "coverage of the lift, n = 400", count: runs - low - high, runs, low: 0.943, high: 0.957 },
    { claim: "lift below its interval", count: low, runs, low: 0.019, high: 0.031 },
    { claim: "lift above its interval", count: high, runs, low: 0.019, high: 0.031 },
    { claim: "lift below the plain delta interval", count: deltaLow, runs, low: 0, high: 0.01 },
    { claim: "lift above the plain delta interval", count: deltaHigh, runs, low: 0.035, high: 1 }
  ]
}

export const sampleRatios = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  let [falsely, found] = [0, 0]
  const alarms = (share: number): boolean => {
    const counts = [0, 0]
    for (let look = 0; look < 50; look++) {
      for (let unit = 0; unit < 200; unit++) {
        const arm = random() < share ? 0 : 1
        counts[arm] = (counts[arm] ?? 0) + 1
      }
      if (sequentialSampleRatio([{ units: counts, weights: [5_000, 5_000] }]) <= 0.05) return true
    }
    return false
  }
  for (let run = 0; run < runs; run++) {
    if (alarms(0.5)) falsely++
    if (alarms(0.53)) found++
  }
  return [
    { claim: "sample ratio, 50 looks: false alarms at 5 %", count: falsely, runs, low: 0, high: 0.05 },
    { claim: "sample ratio, 50 looks: 53 to 47 is found", count: found, runs, low: 0.95, high: 1 }
  ]
}

export const guardrails = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  const normal = normals(random)
  const estimate = (centre: number): Estimate => ({
    value: centre + 0.02 * normal(),
    variance: 0.02 ** 2,
    df: Infinity
  })
  let [atMargin, equal] = [0, 0]
  for (let run = 0; run < runs; run++) {
    const pass = (treatment: number) =>
      (nonInferiority(estimate(1), estimate(treatment), 0.08, "up", 0.05)?.p ?? 1) <= 0.05
    if (pass(0.92)) atMargin++
    if (pass(1)) equal++
  }
  return [
    { claim: "guardrail at its margin passes", count: atMargin, runs, low: 0.043, high: 0.057 },
    {
      claim: "guardrail that is equal passes, margin 8 %, error 2.8 %",
      count: equal,
      runs,
      low: 0.86,
      high: 0.91
    }
  ]
}

const at = DateTime.makeUnsafe(0)
const id = "0199a000-0000-7000-8000-00000000000a"
export const metricOf = (more: Partial<ConstructorParameters<typeof ExperimentMetric>[0]> = {}) =>
  new ExperimentMetric({
    metricId: MetricId.make(id),
    key: "buys",
    name: "buys",
    kind: "conversion",
    direction: "up",
    source: "purchase",
    denominatorSource: null,
    currency: null,
    windowSeconds: 86_400,
    windowStartSeconds: 0,
    prePeriodSeconds: 0,
    cap: null,
    denominatorCap: null,
    capPercentile: null,
    recordedAt: at,
    ...more
  })

export const experimentOf = (more: Partial<ConstructorParameters<typeof Experiment>[0]> = {}) =>
  new Experiment({
    experimentId: ExperimentId.make(id),
    key: "aa",
    name: "aa",
    hypothesis: "",
    environment: "live",
    unitKind: "customer",
    status: "running",
    scheme: "murmur3",
    seed: id,
    layer: null,
    plan: { ...planDefaults, unitsPlanned: 2 },
    phase: 1,
    variants: Laboratory.twoArms.map(({ key, weight }) => ({ variantId: id, key, name: key, weight })),
    coverage: 100_000,
    targeting: null,
    metrics: [{ metric: "buys", role: "goal" }],
    decision: null,
    startedAt: at,
    stoppedAt: null,
    version: 1,
    recordedAt: at,
    updatedAt: at,
    ...more
  })

const conversionCells = (
  variant: number,
  phase: number,
  n: number,
  converted: number
): ReadonlyArray<Cell> => {
  const cell = { variant, phase, n: BigInt(n), crossed: 0n, other: 0n }
  const y = BigInt(converted)
  return [
    { ...cell, position: 0, sums: [0n, 0n, 0n, 0n], products: Array.from({ length: 10 }, () => 0n) },
    { ...cell, position: 1, sums: [y, 0n, 0n, 0n], products: [y, ...Array.from({ length: 9 }, () => 0n)] }
  ]
}

/** Weights go from 50 : 50 to 90 : 10 half-way, and the rate from 30 % to 10 %. Nothing differs between the arms. */
export const changedWeights = (runs: number, random: () => number): ReadonlyArray<Outcome> => {
  const phases = [
    { weights: [5_000, 5_000], rate: 0.3 },
    { weights: [9_000, 1_000], rate: 0.1 }
  ]
  let [positives, mismatches, pooledPositives] = [0, 0, 0]
  for (let run = 0; run < runs; run++) {
    const pooledCounts = [
      { n: 0, y: 0 },
      { n: 0, y: 0 }
    ]
    const cells = phases.flatMap(({ rate, weights }, place) => {
      const counts = [
        { n: 0, y: 0 },
        { n: 0, y: 0 }
      ]
      for (let unit = 0; unit < 1_000; unit++) {
        const arm = random() < (weights[0] ?? 0) / 10_000 ? 0 : 1
        const converts = random() < rate ? 1 : 0
        for (const total of [counts[arm], pooledCounts[arm]]) {
          if (total !== undefined) {
            total.n++
            total.y += converts
          }
        }
      }
      return counts.flatMap(({ n, y }, arm) => conversionCells(arm, place + 1, n, y))
    })
    const look = analyse({
      experiment: experimentOf({ phase: 2 }),
      metrics: [metricOf()],
      weights: phases.map(({ weights }) => weights),
      cells,
      informations: []
    })
    if (look.metrics[0]?.comparisons[0]?.significant === true) positives++
    if (look.sampleRatio.mismatch) mismatches++
    const [a, b] = pooledCounts.map(({ n, y }): Estimate => {
      const p = y / n
      return { value: p, variance: (p * (1 - p)) / n, df: n - 1 }
    })
    if (a !== undefined && b !== undefined && (difference(a, b, 0.05)?.p ?? 1) < 0.05) pooledPositives++
  }
  return [
    { claim: "A/A whose weights and rates change half-way", count: positives, runs, low: 0.043, high: 0.057 },
    { claim: "sample ratio mismatch of the same, at 0.1 %", count: mismatches, runs, low: 0, high: 0.002 },
    // The harness sees what it is for.
    { claim: "the same without phases", count: pooledPositives, runs, low: 0.5, high: 1 }
  ]
}

export const simulations = { looking, ratios, coverage, sampleRatios, guardrails, changedWeights }
