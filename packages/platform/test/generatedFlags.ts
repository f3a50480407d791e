/**
 * Flags and users from a seed, and a second evaluator that reads the definition as it is written: slow, without closures, and
 * with its own reading of every operator.
 */
import * as Bucketing from "@hypermarket/core/Bucketing"
import type { Condition } from "@hypermarket/core/Condition"
import type { FlagEnvironment, FlagRule, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import type { Schema } from "effect"

type Comparison = Extract<Condition, { readonly operator: string }>
export type Operator = Comparison["operator"]

const countries = ["DE", "AT", "CH", "FR", "US"] as const
const plans = ["free", "silver", "gold"] as const

/** Each operator with a comparison that some users fulfil and some do not. */
const comparisons: { readonly [Key in Operator]: (random: OrderMix.Random) => Comparison } = {
  exists: () => ({ attribute: "coupon", operator: "exists" }),
  type: () => ({ attribute: "age", operator: "type", value: "number" }),
  equals: (random) => ({
    attribute: "address",
    operator: "equals",
    value: { country: random.pick(countries) }
  }),
  in: (random) => ({ attribute: "country", operator: "in", values: [random.pick(countries), "XX"] }),
  includesAll: () => ({ attribute: "tags", operator: "includesAll", values: ["a", "b"] }),
  contains: () => ({ attribute: "email", operator: "contains", values: ["SHOP", "no"], ignoreCase: true }),
  startsWith: (random) => ({ attribute: "email", operator: "startsWith", values: [`u${random.below(10)}`] }),
  endsWith: () => ({ attribute: "email", operator: "endsWith", values: [".example"] }),
  matches: () => ({ attribute: "email", operator: "matches", pattern: "^u[0-9]*[02468]@" }),
  numberEquals: (random) => ({ attribute: "age", operator: "numberEquals", value: 20 + random.below(5) }),
  lt: (random) => ({ attribute: "age", operator: "lt", value: 20 + random.below(40) }),
  lte: (random) => ({ attribute: "age", operator: "lte", value: 20 + random.below(40) }),
  gt: (random) => ({ attribute: "age", operator: "gt", value: 20 + random.below(40) }),
  gte: (random) => ({ attribute: "age", operator: "gte", value: 20 + random.below(40) }),
  textLt: (random) => ({ attribute: "plan", operator: "textLt", value: random.pick(plans) }),
  textLte: (random) => ({ attribute: "plan", operator: "textLte", value: random.pick(plans) }),
  textGt: (random) => ({ attribute: "plan", operator: "textGt", value: random.pick(plans) }),
  textGte: (random) => ({ attribute: "plan", operator: "textGte", value: random.pick(plans) }),
  before: (random) => ({
    attribute: "since",
    operator: "before",
    value: `202${random.below(6)}-06-01T00:00:00Z`
  }),
  after: (random) => ({
    attribute: "since",
    operator: "after",
    value: `202${random.below(6)}-06-01T02:00:00+02:00`
  }),
  versionEquals: (random) => ({
    attribute: "app",
    operator: "versionEquals",
    value: `1.${random.below(4)}.0`
  }),
  versionLt: (random) => ({ attribute: "app", operator: "versionLt", value: `1.${random.below(12)}.0` }),
  versionLte: (random) => ({ attribute: "app", operator: "versionLte", value: `1.${random.below(12)}.0` }),
  versionGt: (random) => ({ attribute: "app", operator: "versionGt", value: `1.${random.below(12)}.0` }),
  versionGte: (random) => ({ attribute: "app", operator: "versionGte", value: `1.${random.below(12)}.0` }),
  network: (random) => ({ attribute: "ip", operator: "network", values: [`10.${random.below(4)}.0.0/16`] }),
  some: () => ({ attribute: "scores", operator: "some", condition: { operator: "gt", value: 7 } }),
  every: () => ({ attribute: "scores", operator: "every", condition: { operator: "gt", value: 2 } }),
  size: () => ({ attribute: "tags", operator: "size", condition: { operator: "gte", value: 2 } })
}

const isOperator = (name: string): name is Operator => Object.hasOwn(comparisons, name)

export const operators: ReadonlyArray<Operator> = Object.keys(comparisons).filter(isOperator)

/** Operators per flag: with 200 flags each operator is in at least 20. */
const operatorsPerFlag = 4

export const segmentsOf = (): { readonly [key: string]: Condition } => ({
  german: { attribute: "country", operator: "in", values: ["DE", "AT", "CH"] },
  loyal: { all: [{ segment: "german" }, { not: { attribute: "plan", operator: "in", values: ["free"] } }] }
})

const variantNames = ["a", "b", "c"] as const

const serveOf = (random: OrderMix.Random): FlagRule["serve"] => {
  if (random.below(2) === 0) return { variant: random.pick(variantNames) }
  const first = random.below(60_000)
  const second = random.below(40_000)
  return {
    weights: [
      { variant: "a", weight: first / 1_000 },
      { variant: "b", weight: second / 1_000 },
      { variant: "c", weight: (100_000 - first - second) / 1_000 }
    ]
  }
}

const conditionOf = (random: OrderMix.Random, used: ReadonlyArray<Operator>): Condition => {
  const parts: Array<Condition> = used.map((operator) => {
    const comparison = comparisons[operator](random)
    return random.below(4) === 0 ? { not: comparison } : comparison
  })
  if (random.below(5) === 0) parts.push({ segment: random.pick(["german", "loyal"]) })
  return random.below(2) === 0 ? { any: parts } : { all: parts }
}

export const flagsOf = (seed: number, count: number): ReadonlyArray<NewFeatureFlag> => {
  const random = OrderMix.random(seed)
  return Array.from({ length: count }, (_, index): NewFeatureFlag => {
    const used = Array.from(
      { length: operatorsPerFlag },
      (_, offset) => operators[(index * operatorsPerFlag + offset) % operators.length] ?? "in"
    )
    const rules = [used.slice(0, 2), used.slice(2)].map((part, position): FlagRule => ({
      ruleId: `r${position}`,
      condition: conditionOf(random, part),
      ...(index > 20 && random.below(6) === 0
        ? { prerequisites: [{ flag: `flag-${random.below(20)}`, variants: ["a", "b"] }] }
        : {}),
      ...(random.below(2) === 0 ? { percentage: random.below(100_001) / 1_000 } : {}),
      ...(random.below(4) === 0 ? { by: random.pick(["company", "country"]) } : {}),
      ...(random.below(6) === 0 ? { salt: `shared-${random.below(3)}` } : {}),
      serve: serveOf(random)
    }))
    const live: FlagEnvironment = {
      isEnabled: random.below(20) !== 0,
      rules,
      otherwise: random.below(10) === 0 ? null : { variant: "c" },
      ...(random.below(2) === 0 ? { offVariant: "b" } : {})
    }
    return {
      flagKey: `flag-${index}`,
      kind: "json",
      hashing: random.pick(["murmur3", "murmur3", "gb_v2", "unleash"]),
      variants: variantNames.map((name, position) => ({
        name,
        value: { name, position, list: [index, null] }
      })),
      environments: { live }
    }
  })
}

export type User = { readonly [name: string]: Schema.Json }

/** Users, some of whose attributes are missing or of another type. */
export const usersOf = (seed: number, count: number): ReadonlyArray<User> => {
  const random = OrderMix.random(seed)
  return Array.from({ length: count }, (_, index): User => {
    const country = random.pick(countries)
    const attributes: ReadonlyArray<readonly [string, Schema.Json]> = [
      ["targetingKey", `user-${index}`],
      ["company", random.below(50)],
      ["country", country],
      ["address", { country }],
      ["plan", random.pick(plans)],
      ["age", random.pick<Schema.Json>([18 + random.below(50), String(18 + random.below(50))])],
      ["email", `u${index}@${random.pick(["shop", "mail"])}.${random.pick(["example", "test"])}`],
      ["tags", ["a", "b", "c"].filter(() => random.below(2) === 0)],
      ["scores", Array.from({ length: random.below(4) }, () => random.below(10))],
      [
        "since",
        random.pick<Schema.Json>([
          `202${random.below(6)}-0${1 + random.below(9)}-15T12:00:00Z`,
          1_700_000_000_000
        ])
      ],
      ["app", `1.${random.below(12)}.0${random.pick(["", "-beta.1"])}`],
      ["ip", `10.${random.below(4)}.3.${random.below(250)}`],
      ["coupon", random.pick(["x", null])]
    ]
    return Object.fromEntries(
      attributes.flatMap(([name, value]) =>
        name !== "targetingKey" && random.below(12) === 0
          ? random.below(2) === 0
            ? []
            : [[name, { odd: true }]]
          : [[name, value]]
      )
    )
  })
}

const numberOf = (value: unknown): number =>
  typeof value === "number"
    ? value
    : typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value)
      ? Number(value)
      : Number.NaN

const versionOf = (text: unknown): readonly [number, number] | undefined => {
  const match = typeof text === "string" ? /^1\.(\d+)\.0(-beta\.1)?$/.exec(text) : null
  // A prerelease comes before its release.
  return match === null ? undefined : [Number(match[1]), match[2] === undefined ? 1 : 0]
}

const compareVersions = (a: unknown, b: string): number => {
  const [left, right] = [versionOf(a), versionOf(b)]
  return left === undefined || right === undefined
    ? Number.NaN
    : left[0] === right[0]
      ? left[1] - right[1]
      : left[0] - right[0]
}

const timeOf = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "string" ? Date.parse(value) : Number.NaN

const texts = (value: unknown, test: (text: string) => boolean): boolean =>
  typeof value === "string" && test(value)

const holds = (value: unknown, comparison: Comparison): boolean => {
  if (comparison.operator === "exists") return value !== undefined && value !== null
  if (value === undefined || value === null) return false
  switch (comparison.operator) {
    case "type":
      return typeof value === comparison.value
    case "equals":
      return JSON.stringify(value) === JSON.stringify(comparison.value)
    case "in":
      return comparison.values.some((wanted) => wanted === value)
    case "includesAll":
      return Array.isArray(value) && comparison.values.every((wanted) => value.includes(wanted))
    case "contains":
      return texts(value, (text) =>
        comparison.values.some((part) => text.toUpperCase().includes(part.toUpperCase()))
      )
    case "startsWith":
      return texts(value, (text) => comparison.values.some((part) => text.indexOf(part) === 0))
    case "endsWith":
      return texts(value, (text) => comparison.values.some((part) => text.slice(-part.length) === part))
    case "matches":
      return texts(value, (text) => new RegExp(comparison.pattern).test(text))
    case "numberEquals":
      return numberOf(value) === comparison.value
    case "lt":
      return numberOf(value) < comparison.value
    case "lte":
      return numberOf(value) <= comparison.value
    case "gt":
      return numberOf(value) > comparison.value
    case "gte":
      return numberOf(value) >= comparison.value
    case "textLt":
      return texts(value, (text) => text < comparison.value)
    case "textLte":
      return texts(value, (text) => text <= comparison.value)
    case "textGt":
      return texts(value, (text) => text > comparison.value)
    case "textGte":
      return texts(value, (text) => text >= comparison.value)
    case "before":
      return timeOf(value) < Date.parse(comparison.value)
    case "after":
      return timeOf(value) > Date.parse(comparison.value)
    case "versionEquals":
      return compareVersions(value, comparison.value) === 0
    case "versionLt":
      return compareVersions(value, comparison.value) < 0
    case "versionLte":
      return compareVersions(value, comparison.value) <= 0
    case "versionGt":
      return compareVersions(value, comparison.value) > 0
    case "versionGte":
      return compareVersions(value, comparison.value) >= 0
    case "network":
      return texts(value, (text) => comparison.values.some((network) => text.startsWith(network.slice(0, 5))))
    case "some":
      return Array.isArray(value) && value.some((item) => fulfils({ item }, comparison.condition, "item"))
    case "every":
      return Array.isArray(value) && value.every((item) => fulfils({ item }, comparison.condition, "item"))
    case "size":
      return Array.isArray(value) && fulfils({ item: value.length }, comparison.condition, "item")
  }
}

const fulfils = (
  user: { readonly [name: string]: unknown },
  condition: Condition,
  item?: string
): boolean => {
  if ("all" in condition) return condition.all.every((part) => fulfils(user, part, item))
  if ("any" in condition) return condition.any.some((part) => fulfils(user, part, item))
  if ("not" in condition) return !fulfils(user, condition.not, item)
  if ("segment" in condition) return fulfils(user, segmentsOf()[condition.segment] ?? { any: [] })
  return holds(user[condition.attribute ?? item ?? ""], condition)
}

export interface Expected {
  readonly variant: string | undefined
  readonly reason: string
}

/** Reads a flag from the top for every user. */
export const expectedOf = (
  flags: ReadonlyMap<string, NewFeatureFlag>,
  flagKey: string,
  user: User
): Expected => {
  const flag = flags.get(flagKey)
  const live = flag?.environments?.["live"]
  if (flag === undefined || live === undefined) return { variant: undefined, reason: "ERROR" }
  if (!live.isEnabled) return { variant: live.offVariant, reason: "DISABLED" }
  const hashing = flag.hashing ?? "murmur3"
  for (const rule of live.rules) {
    if (rule.condition !== undefined && !fulfils(user, rule.condition)) continue
    const isMet = (rule.prerequisites ?? []).every(({ flag: needed, variants }) => {
      const { variant } = expectedOf(flags, needed, user)
      return variant !== undefined && variants.includes(variant)
    })
    if (!isMet) continue
    const { percentage, serve } = rule
    if (percentage === undefined && "variant" in serve)
      return { variant: serve.variant, reason: "TARGETING_MATCH" }
    const attribute = user[rule.by ?? "targetingKey"]
    if ((typeof attribute !== "string" && typeof attribute !== "number") || attribute === "") continue
    const unit = String(attribute)
    const salt = rule.salt ?? flag.flagKey
    const bucket = Bucketing.bucket(hashing, salt, unit)
    if ("variant" in serve) {
      if (Math.round(bucket * 100_000) < Math.round((percentage ?? 100) * 1_000)) {
        return { variant: serve.variant, reason: "SPLIT" }
      }
      continue
    }
    const variant = chosen(hashing, salt, unit, serve.weights, percentage)
    if (variant !== undefined) return { variant, reason: "SPLIT" }
  }
  return { variant: live.otherwise === null ? undefined : "c", reason: "DEFAULT" }
}

const chosen = (
  hashing: "murmur3" | "gb_v2" | "unleash",
  salt: string,
  unit: string,
  weights: ReadonlyArray<{ readonly variant: string; readonly weight: number }>,
  percentage: number | undefined
): string | undefined => {
  const bucket = Bucketing.bucket(hashing, salt, unit)
  if (hashing === "gb_v2") {
    let from = 0
    for (const { variant, weight } of weights) {
      const share = Math.round(weight * 1_000) / 100_000
      if (bucket >= from && bucket < from + ((percentage ?? 100) / 100) * share) return variant
      from += share
    }
    return undefined
  }
  if (percentage !== undefined && Math.round(bucket * 100_000) >= Math.round(percentage * 1_000))
    return undefined
  const whole = weights.every(({ weight }) => Math.round(weight * 1_000) % 100 === 0) ? 1_000 : 100_000
  const point =
    hashing === "murmur3"
      ? Math.round(Bucketing.bucket("murmur3", `${salt}/variant`, unit) * 100_000)
      : (Bucketing.murmur3(`${salt}:${unit}`, Bucketing.unleashVariantSeed) % whole) * (100_000 / whole)
  let sum = 0
  for (const { variant, weight } of weights) {
    sum += Math.round(weight * 1_000)
    if (point < sum) return variant
  }
  return undefined
}
