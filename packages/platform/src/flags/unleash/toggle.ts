/** A flag as a toggle in Unleash's notation, or every reason why its SDKs would evaluate it otherwise. */
import type { Json } from "effect/Schema"
import type { FlagRule, FlagServe } from "../../FeatureFlag.ts"
import type { ExportContext, ReadableFlag } from "../exports.ts"
import type { ExportRefusals } from "../exportRefusals.ts"
import type { StoredFlag } from "../flagSet.ts"
import { alternativesOf, attributeOf, type Conjunction } from "./constraints.ts"

export type Toggle = { readonly [field: string]: Json }
type Strategy = { readonly [field: string]: Json }

const payloadTypes = { boolean: "string", string: "string", number: "number", json: "json" } as const

/** A variant's payload, which is text in Unleash. */
export const payloadOf = (kind: StoredFlag["kind"], value: Json) => ({
  type: payloadTypes[kind],
  value: typeof value === "string" ? value : JSON.stringify(value)
})

/** Weights add up to 1,000, or to 100,000 where they have more digits: as we choose, so does an SDK. */
const weightsOf = (weights: ReadonlyArray<{ readonly variant: string; readonly weight: number }>) => {
  const thousandths = weights.map(({ variant, weight }) => ({ variant, weight: Math.round(weight * 1_000) }))
  return thousandths.every(({ weight }) => weight % 100 === 0)
    ? thousandths.map(({ variant, weight }) => ({ variant, weight: weight / 100 }))
    : thousandths
}

const variantsOf = (
  { stored }: ReadableFlag,
  serve: FlagServe,
  stickiness: string | undefined,
  { budget }: ExportRefusals
): Array<Json> => {
  const weights = "variant" in serve ? [{ variant: serve.variant, weight: 1_000 }] : weightsOf(serve.weights)
  return weights.map(({ variant, weight }) => ({
    name: variant,
    weight,
    payload: payloadOf(
      stored.kind,
      budget.value(stored.variants.find(({ name }) => name === variant)?.value ?? null)
    ),
    ...(stickiness === undefined ? {} : { stickiness })
  }))
}

/** For a boolean flag: true when it serves true alone, false when false alone, else undefined. */
const servesOn = ({ stored }: ReadableFlag, serve: FlagServe): boolean | undefined => {
  const names = "variant" in serve ? [serve.variant] : serve.weights.map(({ variant }) => variant)
  const values = new Set(names.map((name) => stored.variants.find((variant) => variant.name === name)?.value))
  if (values.size > 1) return undefined
  return values.has(true)
}

const strategiesOf = (
  flag: ReadableFlag,
  rule: Pick<FlagRule, "serve" | "percentage" | "by" | "salt">,
  alternatives: ReadonlyArray<Conjunction>,
  refusals: ExportRefusals
): ReadonlyArray<Strategy> => {
  const { hashing } = flag.stored
  const isSplit = rule.percentage !== undefined || "weights" in rule.serve
  if (isSplit && hashing !== "unleash") {
    refusals.refuse(`Unleash has no hashing ${hashing}: a flag for its SDKs has the hashing unleash`)
  }
  const by = attributeOf(rule.by ?? "targetingKey", refusals)
  if (by === "default" || by === "random")
    refusals.refuse(`Unleash has another meaning for the attribute ${by}`)
  const groupId = rule.salt ?? flag.stored.salt
  // Its SDK for Node hashes the low bytes of UTF-16, the others UTF-8.
  if (isSplit && !/^[ -~]*$/.test(groupId))
    refusals.refuse("Unleash's SDKs hash a salt beyond ASCII differently")
  const strategy = isSplit
    ? {
        name: "flexibleRollout",
        // A rollout has whole percents: the same users are below 5.5 and below 6 of its 100 buckets.
        parameters: { rollout: String(Math.ceil(rule.percentage ?? 100)), stickiness: by, groupId }
      }
    : { name: "default", parameters: {} }
  // One list for all alternatives: written out, it is in each of them.
  const variants = variantsOf(flag, rule.serve, isSplit ? by : undefined, refusals)
  if (alternatives.length > 1) {
    refusals.budget.take((alternatives.length - 1) * JSON.stringify(variants).length)
  }
  return alternatives.map((constraints) => ({ ...strategy, constraints: Array.from(constraints), variants }))
}

const constant = (flag: ReadableFlag, variant: string, refusals: ExportRefusals): Array<Strategy> => [
  {
    name: "default",
    parameters: {},
    constraints: [],
    variants: variantsOf(flag, { variant }, undefined, refusals)
  }
]

/** The rules that matter to an SDK, which knows of a boolean flag only whether it is on. */
const rulesOf = (flag: ReadableFlag, refusals: ExportRefusals): ReadonlyArray<FlagRule> => {
  const { otherwise, rules } = flag.environment
  if (flag.stored.kind !== "boolean") return rules
  if (otherwise === null) {
    refusals.refuse("Unleash has no value of the code for a boolean flag that is on for some")
    return rules
  }
  const isOn = rules.map(({ serve }) => servesOn(flag, serve))
  const otherwiseOn = servesOn(flag, otherwise)
  if (otherwiseOn === undefined || isOn.includes(undefined)) {
    refusals.refuse("Unleash has no weights between on and off")
  }
  const lastOn = otherwiseOn === true ? rules.length - 1 : isOn.lastIndexOf(true)
  if (isOn.slice(0, lastOn + 1).includes(false)) {
    refusals.refuse("Unleash cannot turn a boolean flag off before a rule that turns it on")
  }
  return rules.slice(0, lastOn + 1)
}

const dependenciesOf = (flag: ReadableFlag, { exported, refusals }: ExportContext): Array<Json> => {
  const { offVariant, prerequisites = [] } = flag.environment
  const { kind } = flag.stored
  const offIsOff =
    kind === "boolean"
      ? offVariant !== undefined && servesOn(flag, { variant: offVariant }) === false
      : offVariant === undefined
  if (prerequisites.length > 0 && !offIsOff) {
    refusals.refuse("Unleash turns a flag off while a prerequisite is not met, and serves no variant then")
  }
  return prerequisites.map(({ flag: key, variants }) => {
    const parent = exported(key)
    if (parent === undefined) refusals.refuse(`it needs the flag ${key}, which is not exported`)
    else if ((parent.environment.prerequisites ?? []).length > 0) {
      refusals.refuse(`it needs the flag ${key}, which needs others itself`)
    } else if (
      parent.stored.kind === "boolean" &&
      variants.some((name) => servesOn(parent, { variant: name }) !== true)
    ) {
      refusals.refuse(`it needs the flag ${key} to be off`)
    }
    return { feature: key, enabled: true, variants: Array.from(variants) }
  })
}

export const toggleOf = (flag: ReadableFlag, context: ExportContext): Toggle => {
  const { environment, stored } = flag
  const { refusals, segments } = context
  if (environment.requiresTargetingKey === true)
    refusals.refuse("Unleash has no error without a targeting key")
  const base = { name: stored.flagKey, type: "release", enabled: true, variants: [], impressionData: false }
  if (!environment.isEnabled) {
    const { offVariant } = environment
    if (offVariant === undefined) {
      if (stored.kind === "boolean")
        refusals.refuse("Unleash has no value of the code for a boolean flag that is off")
      return { ...base, enabled: false, strategies: [] }
    }
    return stored.kind === "boolean" && servesOn(flag, { variant: offVariant }) === false
      ? { ...base, enabled: false, strategies: [] }
      : { ...base, strategies: constant(flag, offVariant, refusals) }
  }
  const strategies = rulesOf(flag, refusals).flatMap((rule) => {
    const named = refusals.within(`rule ${JSON.stringify(rule.ruleId)}`)
    if ((rule.prerequisites ?? []).length > 0)
      named.refuse("Unleash has prerequisites of flags and not of rules")
    const alternatives =
      rule.condition === undefined ? [[]] : alternativesOf(rule.condition, false, segments, named)
    return strategiesOf(flag, rule, alternatives, named)
  })
  const { otherwise } = environment
  const isServed = otherwise !== null && (stored.kind !== "boolean" || servesOn(flag, otherwise) === true)
  const last = isServed ? strategiesOf(flag, { serve: otherwise }, [[]], refusals.within("otherwise")) : []
  const all = [...strategies, ...last]
  const dependencies = dependenciesOf(flag, context)
  return {
    ...base,
    // An SDK takes a toggle without strategies for one that is on for everyone.
    enabled: all.length > 0,
    strategies: all,
    ...(dependencies.length === 0 ? {} : { dependencies })
  }
}
