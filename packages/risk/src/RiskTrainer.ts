/**
 * Trains a scorer from samples: logistic regression with a ridge, by Newton's method, calibrated and tested on later samples.
 *
 * Samples are split by time, with a gap between the two parts that is as long as labels take. So a scorer could have known the
 * labels of the training samples at the time of the first test sample.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Feature from "./Feature.ts"
import type { SignalKind } from "./FraudSignal.ts"
import * as Ridge from "./internal/ridge.ts"
import * as Quality from "./internal/scorerQuality.ts"
import {
  inputOf,
  reasonOf,
  type RiskScorer,
  score,
  scorerDeviationMin,
  scorerFeaturesMax
} from "./RiskScorer.ts"

/**
 * A sample in memory; times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sample {
  readonly at: number
  readonly amount: string | null
  readonly features: Feature.Values
  readonly labels: ReadonlyArray<{ readonly label: string; readonly availableAt: number }>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface TrainOptions {
  readonly kind: SignalKind
  /** The time until which labels are known. */
  readonly asOf: number
  /** How long a label takes at most: a younger sample without one is not known to be good. */
  readonly gapMillis: number
  /** The later part of the samples, which tests the scorer. @default 0.25 */
  readonly testShare?: number
}

/**
 * The report of a training.
 *
 * @category models
 * @since 0.1.0
 */
export interface TrainReport {
  readonly trained: Quality.Part
  readonly tested: Quality.Part
  readonly quality: Quality.Quality
  /** The inputs by their influence. */
  readonly inputs: ReadonlyArray<{ readonly name: string; readonly weight: number; readonly reason: string }>
  /** Newton's steps until the weights stood still. */
  readonly iterations: number
}

/**
 * There are too few samples to train or to test a scorer.
 *
 * @category errors
 * @since 0.1.0
 */
export class SamplesTooFew extends Schema.TaggedError<SamplesTooFew>()("SamplesTooFew", {
  part: Schema.Literals(["training", "test"]),
  samples: Schema.Int,
  bad: Schema.Int,
  badMin: Schema.Int
}) {
  override get message(): string {
    return `The ${this.part} part has ${this.samples} samples of which ${this.bad} are bad: a scorer needs ${this.badMin} of each. Take a longer time, or a shorter gap`
  }
}

/** Fewer bad or good samples say nothing about a share of them. */
const badMin = 20

const testShareDefault = 0.25

/** The last part of training samples calibrates: weights that fit the others are too sure of themselves. */
const calibrationShare = 0.2

/** A sample is bad by a label that could be known, and good when none came for as long as labels take. */
const isBadAt =
  (asOf: number) =>
  ({ labels }: Sample): boolean =>
    labels.some(({ availableAt, label }) => label !== "legitimate" && availableAt <= asOf)

/** The inputs that samples have, those of the most samples first. */
const namesOf = (samples: ReadonlyArray<Sample>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { amount, features } of samples) {
    if (amount !== null) counts.set("amount", (counts.get("amount") ?? 0) + 1)
    for (const name of Object.keys(features)) {
      if (Feature.fromName(name) !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return Array.from(counts)
    .toSorted(([left, one], [right, other]) => other - one || (left < right ? -1 : 1))
    .slice(0, scorerFeaturesMax)
    .map(([name]) => name)
}

const valueOf = (sample: Sample, name: string): number =>
  inputOf(name === "amount" ? sample.amount : sample.features[name])

const scaleOf = (samples: ReadonlyArray<Sample>, name: string) => {
  const values = samples.map((sample) => valueOf(sample, name))
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { name, mean, deviation: Math.sqrt(variance) }
}

const enough = (part: "training" | "test", bad: ReadonlyArray<boolean>): SamplesTooFew | undefined => {
  const count = bad.filter(Boolean).length
  return count < badMin || bad.length - count < badMin
    ? new SamplesTooFew({ part, samples: bad.length, bad: count, badMin })
    : undefined
}

/**
 * Returns a scorer and its report, or what is missing. The same samples give the same scorer. `onStep` is called after each of
 * Newton's steps.
 *
 * @category training
 * @since 0.1.0
 */
export const train = (
  unordered: ReadonlyArray<Sample>,
  options: TrainOptions,
  onStep: (iteration: number) => void = () => {}
): { readonly scorer: RiskScorer; readonly report: TrainReport } | SamplesTooFew => {
  const { asOf, gapMillis } = options
  const samples = unordered
    // Of younger ones the bad are known and the good are not: they would make every probability too low.
    .filter(({ at }) => at + gapMillis <= asOf)
    .toSorted((left, right) => left.at - right.at)
  const testFrom =
    samples[Math.floor(samples.length * (1 - (options.testShare ?? testShareDefault)))]?.at ?? asOf
  const training = samples.filter(({ at }) => at + gapMillis <= testFrom)
  const test = samples.filter(({ at }) => at >= testFrom)
  const trainedBad = training.map(isBadAt(testFrom))
  const testBad = test.map(isBadAt(asOf))
  const tooFew = enough("training", trainedBad) ?? enough("test", testBad)
  if (tooFew !== undefined) return tooFew

  const calibrationFrom = Math.floor(training.length * (1 - calibrationShare))
  const fitted = training.slice(0, calibrationFrom)
  const scales = namesOf(training)
    .map((name) => scaleOf(fitted, name))
    .filter(({ deviation }) => deviation > scorerDeviationMin)
  const rowOf = (sample: Sample): Float64Array =>
    Float64Array.from(scales, ({ deviation, mean, name }) => (valueOf(sample, name) - mean) / deviation)
  const fit = Ridge.fit(fitted.map(rowOf), trainedBad.slice(0, calibrationFrom), onStep)
  const calibration = Ridge.calibrate(
    training.slice(calibrationFrom).map((sample) => Ridge.sumOf(fit, rowOf(sample))),
    trainedBad.slice(calibrationFrom)
  )
  const scorer: RiskScorer = {
    format: 1,
    kinds: [options.kind],
    intercept: fit.intercept,
    ...calibration,
    inputs: scales.map((scale, place) => ({ ...scale, weight: fit.weights[place] ?? 0 }))
  }
  return {
    scorer,
    report: {
      trained: Quality.partOf(training, trainedBad),
      tested: Quality.partOf(test, testBad),
      quality: Quality.of(
        test.map((sample) => score(scorer, sample.features, sample.amount).probability),
        testBad
      ),
      inputs: scorer.inputs
        .map(({ name, weight }) => ({ name, weight, reason: reasonOf(name) }))
        .toSorted((left, right) => Math.abs(right.weight) - Math.abs(left.weight)),
      iterations: fit.iterations
    }
  }
}
