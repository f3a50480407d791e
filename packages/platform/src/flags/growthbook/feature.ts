/** A flag as a feature in GrowthBook's notation, or every reason why its SDKs would evaluate it otherwise. */
import * as Bucketing from "@hypermarket/core/Bucketing"
import type * as Condition from "@hypermarket/core/Condition"
import type { Json } from "effect/Schema"
import type { FlagPrerequisite, FlagRule } from "../../FeatureFlag.ts"
import { boundOf, bucketOf, chooser } from "../buckets.ts"
import type { ExportRefusals } from "../exportRefusals.ts"
import type { Exported, ExportContext, ReadableFlag } from "../exports.ts"
import { attributeOf, conditionOf, type GrowthbookCondition } from "./condition.ts"

export type Feature = { readonly [field: string]: Json }
type Rule = { readonly [field: string]: Json }

const hashVersion = 2

/** The values of variants, by which a prerequisite tells them apart. */
const valuesOf = (
  { stored }: ReadableFlag,
  variants: ReadonlyArray<string>,
  refusals: ExportRefusals
): ReadonlyArray<Json> => {
  const wanted = stored.variants.filter(({ name }) => variants.includes(name))
  const others = stored.variants.filter(({ name }) => !variants.includes(name))
  const texts = new Set(wanted.map(({ value }) => JSON.stringify(value)))
  if (others.some(({ value }) => texts.has(JSON.stringify(value)))) {
    refusals.refuse(`GrowthBook tells variants of ${stored.flagKey} apart by their values, and two are equal`)
  }
  return wanted.map(({ value }) => refusals.budget.value(value))
}

const isOperators = (value: Json): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).some((key) => key.startsWith("$"))

const parentCondition = (values: ReadonlyArray<Json>, refusals: ExportRefusals): GrowthbookCondition => {
  if (values.some(isOperators)) refusals.refuse("GrowthBook takes fields with $ for operators")
  const scalars = values.filter((value) => typeof value !== "object")
  const others = values.filter((value) => typeof value === "object")
  return {
    $or: [
      ...(scalars.length === 0 ? [] : [{ value: { $in: scalars } }]),
      ...others.map((value) => ({ value }))
    ]
  }
}

const prerequisitesOf = (
  prerequisites: ReadonlyArray<typeof FlagPrerequisite.Type>,
  exported: Exported,
  refusals: ExportRefusals
): ReadonlyArray<{ readonly id: string; readonly condition: GrowthbookCondition }> =>
  prerequisites.map(({ flag, variants }) => {
    const parent = exported(flag)
    if (parent === undefined) {
      refusals.refuse(`it needs the flag ${flag}, which is not exported`)
      return { id: flag, condition: {} }
    }
    if (parent.environment.requiresTargetingKey === true && parent.environment.isEnabled) {
      refusals.refuse(`it needs the flag ${flag}, which errs without a targeting key`)
    }
    return { id: flag, condition: parentCondition(valuesOf(parent, variants, refusals), refusals) }
  })

const joined = (parts: ReadonlyArray<GrowthbookCondition>): { readonly condition?: GrowthbookCondition } => {
  const [first] = parts
  if (first === undefined) return {}
  return { condition: parts.length === 1 ? first : { $and: Array.from(parts) } }
}

/** GrowthBook takes the text of any value for a unit; ours are texts and numbers. */
const hasUnit = (attribute: string): GrowthbookCondition => ({
  $or: [{ [attribute]: { $type: "string" } }, { [attribute]: { $type: "number" } }]
})

interface Split {
  readonly flag: ReadableFlag
  readonly serve: FlagRule["serve"]
  readonly percentage: number | undefined
  readonly by: string
  readonly salt: string
  readonly id: string | undefined
  readonly parts: ReadonlyArray<GrowthbookCondition>
  readonly shared: Rule
}

const valueOf = ({ stored }: ReadableFlag, variant: string, { budget }: ExportRefusals): Json =>
  budget.value(stored.variants.find(({ name }) => name === variant)?.value ?? null)

/** Rules for the units of a rollout or of weights. 0 is no unit to GrowthBook: a separate rule has the outcome of its bucket. */
const split = (
  { by, flag, id, parts, percentage, salt, serve, shared }: Split,
  refusals: ExportRefusals
): ReadonlyArray<Rule> => {
  const { hashing } = flag.stored
  if (hashing !== "gb_v2") {
    refusals.refuse(`GrowthBook has no hashing ${hashing}: a flag for its SDKs has the hashing gb_v2`)
    return []
  }
  const attribute = attributeOf(by, refusals)
  const weights = "variant" in serve ? [{ variant: serve.variant, weight: 100 }] : serve.weights
  const ranges = Bucketing.ranges(
    weights.length,
    (percentage ?? 100) / 100,
    weights.map(({ weight }) => Math.round(weight * 1_000) / 100_000)
  )
  const named = id === undefined ? {} : { id }
  const zero =
    "variant" in serve
      ? bucketOf("gb_v2", salt)("0") < boundOf(percentage ?? 100)
        ? 0
        : undefined
      : chooser("gb_v2", salt, serve.weights, percentage)("0")
  const zeroVariant = zero === undefined ? undefined : weights[zero]?.variant
  // The rule of 0 has the condition a second time.
  if (zeroVariant !== undefined) for (const part of parts) refusals.budget.value(part)
  const ofZero =
    zeroVariant === undefined
      ? []
      : [
          {
            ...named,
            ...shared,
            ...joined([...parts, { [attribute]: { $eq: 0 } }]),
            force: valueOf(flag, zeroVariant, refusals)
          }
        ]
  const bucketed = {
    ...named,
    ...shared,
    ...joined([...parts, hasUnit(attribute)]),
    hashAttribute: attribute,
    hashVersion,
    seed: salt
  }
  const [first] = weights
  const [range] = ranges
  // GrowthBook takes one variation for an invalid experiment. `coverage` includes its end, which `range` does not.
  if (weights.length === 1 && first !== undefined && range !== undefined) {
    const bound = "variant" in serve ? boundOf(percentage ?? 100) : range[1]
    return [...ofZero, { ...bucketed, range: [0, bound], force: valueOf(flag, first.variant, refusals) }]
  }
  return [
    ...ofZero,
    {
      ...bucketed,
      key: flag.stored.flagKey,
      variations: weights.map(({ variant }) => valueOf(flag, variant, refusals)),
      ranges: ranges.map(([from, until]) => [from, until]),
      meta: weights.map(({ variant }) => ({ key: variant }))
    }
  ]
}

const ruleOf = (
  flag: ReadableFlag,
  rule: FlagRule,
  segments: ReadonlyMap<string, Condition.Condition>,
  exported: Exported,
  refusals: ExportRefusals
): ReadonlyArray<Rule> => {
  const parts = rule.condition === undefined ? [] : [conditionOf(rule.condition, segments, refusals)]
  const prerequisites = prerequisitesOf(rule.prerequisites ?? [], exported, refusals)
  const shared: Rule = prerequisites.length === 0 ? {} : { parentConditions: Array.from(prerequisites) }
  if ("variant" in rule.serve && rule.percentage === undefined) {
    return [
      { id: rule.ruleId, ...shared, ...joined(parts), force: valueOf(flag, rule.serve.variant, refusals) }
    ]
  }
  return split(
    {
      flag,
      serve: rule.serve,
      percentage: rule.percentage,
      by: rule.by ?? "targetingKey",
      salt: rule.salt ?? flag.stored.salt,
      id: rule.ruleId,
      parts,
      shared
    },
    refusals
  )
}

/** Rules that come before those of the flag: it errs without a unit, and is off while a prerequisite is not met. */
const guards = (flag: ReadableFlag, off: Json, exported: Exported, refusals: ExportRefusals) => {
  const { prerequisites = [], requiresTargetingKey } = flag.environment
  const id = attributeOf("targetingKey", refusals)
  const isUnit = { $or: [{ [id]: { $type: "string", $ne: "" } }, { [id]: { $type: "number" } }] }
  return [
    ...(requiresTargetingKey === true ? [{ condition: { $not: isUnit }, force: null }] : []),
    ...prerequisitesOf(prerequisites, exported, refusals).map(({ condition, id: parent }) => ({
      parentConditions: [{ id: parent, condition: { $not: condition } }],
      force: off
    }))
  ]
}

export const featureOf = (flag: ReadableFlag, { exported, refusals, segments }: ExportContext): Feature => {
  const { isEnabled, offVariant, otherwise, rules } = flag.environment
  const off = offVariant === undefined ? null : valueOf(flag, offVariant, refusals)
  if (!isEnabled) return off === null ? {} : { defaultValue: off }
  const exportedRules: Array<Rule> = [
    ...guards(flag, off, exported, refusals),
    ...rules.flatMap((rule) =>
      ruleOf(flag, rule, segments, exported, refusals.within(`rule ${JSON.stringify(rule.ruleId)}`))
    )
  ]
  if (otherwise === null) return { rules: exportedRules }
  if ("variant" in otherwise)
    return { defaultValue: valueOf(flag, otherwise.variant, refusals), rules: exportedRules }
  const whole: Split = {
    flag,
    serve: otherwise,
    percentage: undefined,
    by: "targetingKey",
    salt: flag.stored.salt,
    id: undefined,
    parts: [],
    shared: {}
  }
  return { rules: [...exportedRules, ...split(whole, refusals.within("otherwise"))] }
}
