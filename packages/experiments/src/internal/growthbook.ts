/**
 * Running experiments as features of GrowthBook's SDKs, which then find the variant that `Assignment` finds.
 *
 * Source: the SDK for JavaScript 1.8 and https://docs.growthbook.io/lib/build-your-own.
 */
import type { Feature } from "@hypermarket/core/FeatureSource"
import { type Definition, variantSaltOf } from "../Assignment.ts"
import { bucketsMax, weightsSum } from "../Experiment.ts"

/** GrowthBook's name of the unit of flags. A customer is that; a unit of another kind is the attribute of its kind. */
const customerAttribute = "id"

const hashVersion = 2

const refusalsOf = ({ layer, scheme }: Definition): ReadonlyArray<string> => [
  ...(scheme === "gb_v2"
    ? []
    : [`GrowthBook has no hashing ${scheme}: an experiment for its SDKs has the scheme gb_v2`]),
  ...(layer === null ? [] : [`GrowthBook has no hashing murmur3, which the layer ${layer.key} has`])
]

/** A feature whose value is the key of the variant. It has no value for a unit that is not in the experiment. */
export const featureOf = (definition: Definition & { readonly unitKind: string }): Feature => {
  const { coverage, key, seed, targeting, unitKind, variants } = definition
  const attribute = unitKind === "customer" ? customerAttribute : unitKind
  let from = 0
  // Sums of weights are divided once, so that a bound is the number that our own evaluator compares with.
  const ranges = variants.map(({ weight }) => {
    const range = [from / weightsSum, (from + weight) / weightsSum]
    from += weight
    return range
  })
  const rule = {
    id: key,
    key,
    variations: variants.map((variant) => variant.key),
    meta: variants.map((variant) => ({ key: variant.key })),
    hashAttribute: attribute,
    hashVersion,
    seed: variantSaltOf(seed),
    ranges,
    filters: [{ attribute, hashVersion, seed, ranges: [[0, coverage / bucketsMax]] }]
  }
  const refused = refusalsOf(definition)
  return {
    key,
    definition: { rules: [rule] },
    ...(targeting === null ? {} : { targeting }),
    ...(refused.length === 0 ? {} : { refused })
  }
}
