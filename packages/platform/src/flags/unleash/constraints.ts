/**
 * Conditions as Unleash's constraints, for SDKs that evaluate themselves. A strategy has all of its constraints, so that a
 * condition becomes a list of alternatives, each a strategy. Contexts are text: 30 and "30" are one value.
 */
import type * as Condition from "@hypermarket/core/Condition"
import type { Json } from "effect/Schema"
import type { ExportRefusals } from "../exportRefusals.ts"
import { patternOf } from "../versionPatterns.ts"

export interface Constraint {
  readonly [field: string]: Json
  readonly contextName: string
  readonly operator: string
  readonly inverted: boolean
}

/** Constraints that hold together. */
export type Conjunction = ReadonlyArray<Constraint>

/** Alternatives of one rule: each is a strategy that the SDK tries. */
const alternativesMax = 50

/** Unleash's name of the targeting key. */
export const unitAttribute = "userId"

/** Fields of a context that are no attributes: the SDK looks them up before the attributes. */
const taken: ReadonlySet<string> = new Set(["properties", "currentTime", "featureToggle"])

export const attributeOf = (attribute: string, refusals: ExportRefusals): string => {
  if (attribute.includes(".")) refusals.refuse(`Unleash has no path in an attribute: ${attribute}`)
  if (taken.has(attribute) || attribute in Object.prototype) {
    refusals.refuse(`Unleash has no attribute ${attribute}`)
  }
  return attribute === "targetingKey" ? unitAttribute : attribute
}

const numberOperators = { numberEquals: "NUM_EQ", lt: "NUM_LT", lte: "NUM_LTE", gt: "NUM_GT", gte: "NUM_GTE" }
const textOperators = {
  contains: "STR_CONTAINS",
  startsWith: "STR_STARTS_WITH",
  endsWith: "STR_ENDS_WITH"
} as const

const numericText = String.raw`^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$`
const numericLength = "^.{1,64}$"
const versionLength = "^v?.{1,256}$"

type Comparison = Extract<Condition.Condition, { readonly operator: string }>
type Made = {
  readonly operator: string
  readonly value?: string
  readonly values?: ReadonlyArray<string>
  readonly caseInsensitive?: boolean
}

/** An SDK trims values and drops empty ones. */
const checkValues = (values: ReadonlyArray<Json>, refusals: ExportRefusals): ReadonlyArray<string> =>
  values.map((value) => {
    if (typeof value !== "string") refusals.refuse("Unleash's contexts have text only")
    const text = String(value)
    if (text === "" || text.trim() !== text) refusals.refuse("Unleash trims values and drops empty ones")
    return text
  })

/** The constraints that say together what a comparison says. */
const constraintsOf = (comparison: Comparison, refusals: ExportRefusals): ReadonlyArray<Made> => {
  switch (comparison.operator) {
    case "exists":
      return [{ operator: "REGEX", value: "" }]
    case "equals":
      return [{ operator: "IN", values: checkValues([comparison.value], refusals) }]
    case "in":
      if (comparison.ignoreCase === true) refusals.refuse("Unleash's IN heeds case")
      return [{ operator: "IN", values: checkValues(comparison.values, refusals) }]
    case "contains":
    case "startsWith":
    case "endsWith":
      return [
        {
          operator: textOperators[comparison.operator],
          values: checkValues(comparison.values, refusals),
          caseInsensitive: comparison.ignoreCase === true
        }
      ]
    case "matches":
      return [
        { operator: "REGEX", value: comparison.pattern, caseInsensitive: comparison.ignoreCase === true }
      ]
    case "numberEquals":
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      // JavaScript reads "" as 0, "0x10" as 16 and "1e999" as infinite.
      return [
        { operator: "REGEX", value: numericText },
        { operator: "REGEX", value: numericLength },
        { operator: "NUM_LTE", value: String(Number.MAX_VALUE) },
        { operator: "NUM_GTE", value: String(-Number.MAX_VALUE) },
        { operator: numberOperators[comparison.operator], value: String(comparison.value) }
      ]
    case "versionEquals":
    case "versionLt":
    case "versionLte":
    case "versionGt":
    case "versionGte": {
      const pattern = patternOf(comparison.operator, comparison.value, comparison.prefix === true)
      if (pattern === undefined) {
        refusals.refuse(`a prerelease as bound is not exported: ${comparison.operator} ${comparison.value}`)
      }
      return [
        { operator: "REGEX", value: pattern ?? "" },
        { operator: "REGEX", value: versionLength }
      ]
    }
    default:
      refusals.refuse(`Unleash has no operator ${comparison.operator}`)
      return []
  }
}

/** Sizes as JSON: a constraint is in many alternatives. */
const sizes = new WeakMap<Constraint, number>()

const sizeOf = (constraint: Constraint): number => {
  const existing = sizes.get(constraint)
  if (existing !== undefined) return existing
  const size = JSON.stringify(constraint).length
  sizes.set(constraint, size)
  return size
}

const sizeOfAll = (alternatives: ReadonlyArray<Conjunction>): number => {
  let size = 0
  for (const conjunction of alternatives) for (const constraint of conjunction) size += sizeOf(constraint)
  return size
}

/** One alternative for each choice of one alternative of every part. */
const product = (
  parts: ReadonlyArray<ReadonlyArray<Conjunction>>,
  refusals: ExportRefusals
): ReadonlyArray<Conjunction> => {
  if (parts.some((alternatives) => alternatives.length === 0)) return []
  let count = 1
  for (const { length } of parts) {
    count *= length
    if (count > alternativesMax) {
      refusals.refuse(`the condition has more than ${alternativesMax} alternatives`)
      return []
    }
  }
  const chosen = Array.from({ length: count }, (_, index): Conjunction => {
    let rest = index
    // Written in one go: joining part by part copies the first of them once per part.
    return parts.flatMap((alternatives) => {
      const choice = alternatives[rest % alternatives.length] ?? []
      rest = Math.floor(rest / alternatives.length)
      return choice
    })
  })
  if (count > 1) {
    const before = parts.reduce((size, alternatives) => size + sizeOfAll(alternatives), 0)
    refusals.budget.take(Math.max(0, sizeOfAll(chosen) - before))
  }
  return chosen
}

const sum = (parts: ReadonlyArray<ReadonlyArray<Conjunction>>, refusals: ExportRefusals) => {
  const alternatives = parts.flat()
  if (alternatives.length <= alternativesMax) return alternatives
  refusals.refuse(`the condition has more than ${alternativesMax} alternatives`)
  return []
}

/** The alternatives of a condition, or of its negation. */
export const alternativesOf = (
  condition: Condition.Condition,
  isNegated: boolean,
  segments: ReadonlyMap<string, Condition.Condition>,
  refusals: ExportRefusals
): ReadonlyArray<Conjunction> => {
  if (refusals.budget.isSpent) return []
  const of = (part: Condition.Condition) => alternativesOf(part, isNegated, segments, refusals)
  const together = (parts: ReadonlyArray<Condition.Condition>) => product(parts.map(of), refusals)
  const either = (parts: ReadonlyArray<Condition.Condition>) => sum(parts.map(of), refusals)
  if ("all" in condition) return isNegated ? either(condition.all) : together(condition.all)
  if ("any" in condition) return isNegated ? together(condition.any) : either(condition.any)
  if ("not" in condition) return alternativesOf(condition.not, !isNegated, segments, refusals)
  if ("segment" in condition) {
    const segment = segments.get(condition.segment)
    if (segment !== undefined) return of(segment)
    refusals.refuse(`there is no segment ${condition.segment}`)
    return []
  }
  const contextName = attributeOf(condition.attribute ?? "", refusals)
  const constraints = constraintsOf(condition, refusals).map(({ values, ...fields }): Constraint => ({
    ...fields,
    ...(values === undefined ? {} : { values: Array.from(values) }),
    contextName,
    inverted: isNegated
  }))
  for (const constraint of constraints) refusals.budget.take(sizeOf(constraint))
  return isNegated ? constraints.map((constraint) => [constraint]) : [constraints]
}
