/** Flags that are given to other systems' SDKs, and users whose attributes those convert and ours do not. */
import type { FlagEnvironment, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import * as FlagEvaluator from "@hypermarket/platform/FlagEvaluator"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import type { Schema } from "effect"
import { segmentsOf, type User, usersOf } from "./generatedFlags.ts"

/** Values that JavaScript converts to numbers or text, and units that are none. */
const odd: readonly [Schema.Json, ...ReadonlyArray<Schema.Json>] = [
  0,
  "",
  " 8",
  "0x10",
  "1e999",
  "20",
  true,
  null,
  [],
  ["DE"],
  [null],
  { a: 1 },
  "DE",
  -0,
  "null"
]

export const oddUsersOf = (seed: number, count: number): ReadonlyArray<User> => {
  const random = OrderMix.random(seed)
  return usersOf(seed, count).map((user) =>
    Object.fromEntries(
      Object.entries(user).map(([name, value]) => [name, random.below(5) === 0 ? random.pick(odd) : value])
    )
  )
}

const booleanVariants = [
  { name: "on", value: true },
  { name: "off", value: false }
]

export const evaluatorOf = (flags: ReadonlyArray<NewFeatureFlag>): FlagEvaluator.FlagEvaluator =>
  FlagEvaluator.make({
    environment: "live",
    revision: 1n,
    flags: flags.map((flag) => ({
      flagKey: flag.flagKey,
      kind: flag.kind,
      variants: flag.variants ?? booleanVariants,
      metadata: {},
      salt: flag.salt ?? flag.flagKey,
      hashing: flag.hashing ?? "murmur3",
      definition: flag.environments?.["live"]
    })),
    segments: new Map(Object.entries(segmentsOf()))
  })

/** A boolean flag that is on for the rules that serve so. */
export const flagOf = (
  flagKey: string,
  live: Partial<FlagEnvironment>,
  more: Partial<NewFeatureFlag> = {}
): NewFeatureFlag => ({
  flagKey,
  kind: "boolean",
  hashing: "gb_v2",
  ...more,
  environments: { live: { isEnabled: true, rules: [], otherwise: { variant: "off" }, ...live } }
})
