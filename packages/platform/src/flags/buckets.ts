/** Units and their buckets, as closures made once per rule. */
import * as Bucketing from "@hypermarket/core/Bucketing"
import type { Attributes } from "../FlagEvaluation.ts"
import type { FlagServe } from "../FeatureFlag.ts"

export type Hashing = "murmur3" | "gb_v2" | "unleash"

/** Reads the unit of a context: 42 and "42" are one unit; "", a missing attribute and any other type are none. */
export const unitReader =
  (by: string) =>
  (attributes: Attributes): string | undefined => {
    if (!Object.hasOwn(attributes, by)) return undefined
    const value = attributes[by]
    if (typeof value === "string") return value === "" ? undefined : value
    return typeof value === "number" && Number.isFinite(value) ? String(value) : undefined
  }

const two32 = 4_294_967_296

/** `Bucketing.bucket`, with the hash of the salt computed once. */
export const bucketOf = (hashing: Hashing, salt: string): ((unit: string) => number) => {
  if (hashing !== "murmur3") return (unit) => Bucketing.bucket(hashing, salt, unit)
  const seed = Bucketing.murmur3(salt, 0)
  return (unit) => Math.floor((Bucketing.murmur3(unit, seed) * Bucketing.buckets) / two32) / Bucketing.buckets
}

/** Thousandths of a percent, so that a bucket and a bound are compared as the same fraction. */
const thousandthsOf = (percentage: number): number => Math.round(percentage * 1_000)
const wholeThousandths = 100_000

type Weights = Extract<FlagServe, { readonly weights: unknown }>["weights"]

/** Unleash's weights add up to 1,000: weights in steps of 0.1 find the variants of its SDKs. */
const unleashBuckets = (thousandths: ReadonlyArray<number>): number =>
  thousandths.every((weight) => weight % 100 === 0) ? 1_000 : wholeThousandths

/**
 * Makes the choice of a variant's index. GrowthBook's SDKs choose by the bucket of the rollout, within the covered part of
 * each weight; the others choose by a second hash, so that a rollout does not choose among variants.
 */
export const chooser = (
  hashing: Hashing,
  salt: string,
  weights: Weights,
  percentage: number | undefined
): ((unit: string) => number | undefined) => {
  const thousandths = weights.map(({ weight }) => thousandthsOf(weight))
  switch (hashing) {
    case "murmur3": {
      const bucket = bucketOf("murmur3", `${salt}/variant`)
      return (unit) => Bucketing.choose(thousandths, bucket(unit))
    }
    case "gb_v2": {
      const ranges = Bucketing.ranges(
        weights.length,
        (percentage ?? 100) / 100,
        thousandths.map((weight) => weight / wholeThousandths)
      )
      const bucket = bucketOf("gb_v2", salt)
      return (unit) => Bucketing.chooseRange(ranges, bucket(unit))
    }
    case "unleash": {
      const options = { buckets: unleashBuckets(thousandths), seed: Bucketing.unleashVariantSeed }
      return (unit) => Bucketing.choose(thousandths, Bucketing.bucket("unleash", salt, unit, options))
    }
  }
}

/** The bound that a bucket must be below. */
export const boundOf = (percentage: number): number => thousandthsOf(percentage) / wholeThousandths
