/**
 * Conditions in GrowthBook's notation, for SDKs that evaluate themselves. Its comparisons convert types as JavaScript does and
 * find nothing to be less than a number. Each is therefore guarded by the type that ours asks for, or refused.
 */
import type * as Condition from "@hypermarket/core/Condition"
import { limits } from "@hypermarket/core/Condition"
import type { Json } from "effect/Schema"
import type { ExportRefusals } from "../exportRefusals.ts"
import { versionMaxCharacters } from "@hypermarket/core/SemanticVersion"
import { literal, portablePattern } from "./textPatterns.ts"
import { patternOf } from "../versionPatterns.ts"

/** A condition of GrowthBook, or operators on one value. */
export type GrowthbookCondition = { readonly [key: string]: Json }

type Comparison = Extract<Condition.Condition, { readonly operator: string }>

const nobody: GrowthbookCondition = { $not: {} }

/** GrowthBook's name of the targeting key. */
export const unitAttribute = "id"

/** The attribute in GrowthBook's notation, which is a path and finds inherited properties. */
export const attributeOf = (attribute: string, refusals: ExportRefusals): string => {
  if (attribute.includes(".")) refusals.refuse(`GrowthBook reads a path in the attribute ${attribute}`)
  if (attribute.startsWith("$") || attribute in Object.prototype) {
    refusals.refuse(`GrowthBook has no attribute ${attribute}`)
  }
  return attribute === "targetingKey" ? unitAttribute : attribute
}

const longList = { $size: { $gt: limits.itemsMax } }

/** Text that `Condition` reads as a number, and no text that JavaScript alone does. */
const numericText = String.raw`^(?=[^]{1,64}$)[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$`

const numberOperators = {
  lt: (value: number) => ({ $lt: value }),
  lte: (value: number) => ({ $lte: value }),
  gt: (value: number) => ({ $gt: value }),
  gte: (value: number) => ({ $gte: value }),
  numberEquals: (value: number) => ({ $gte: value, $lte: value })
}

/** Text of a number above the largest is none to us and infinite to JavaScript. */
const finite = (operators: GrowthbookCondition): GrowthbookCondition => ({
  ...("$lt" in operators || "$lte" in operators ? {} : { $lte: Number.MAX_VALUE }),
  ...("$gt" in operators || "$gte" in operators ? {} : { $gte: -Number.MAX_VALUE }),
  ...operators
})

const textOperators = { textLt: "$lt", textLte: "$lte", textGt: "$gt", textGte: "$gte" } as const

const isObject = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** GrowthBook compares objects as text, in the order of their fields, and takes `$` for operators. */
const isComparedAsText = (value: Json): boolean => {
  if (Array.isArray(value)) return value.every(isComparedAsText)
  if (!isObject(value)) return true
  const entries = Object.entries(value)
  return (
    entries.length <= 1 && entries.every(([name, item]) => !name.startsWith("$") && isComparedAsText(item))
  )
}

const inText = (comparison: Comparison, parts: ReadonlyArray<string>, refusals: ExportRefusals) => {
  if ("ignoreCase" in comparison && comparison.ignoreCase === true) {
    refusals.refuse(`GrowthBook folds the case of text otherwise: ${comparison.operator} with ignoreCase`)
  }
  return parts.length === 0 ? [] : [{ $type: "string", $regex: parts.join("|") }]
}

/** Operators on the value of an attribute, or on an item: the comparison holds when one of them does. */
const alternativesOf = (
  comparison: Exclude<Comparison, { readonly operator: "some" | "every" | "size" | "includesAll" }>,
  refusals: ExportRefusals
): ReadonlyArray<GrowthbookCondition> => {
  switch (comparison.operator) {
    case "exists":
      return [{ $exists: true }]
    case "type":
      if (comparison.value === "null") refusals.refuse("GrowthBook takes a missing attribute for null")
      return [{ $type: comparison.value }]
    case "equals":
      return [{ $eq: comparison.value }]
    case "in":
      return [
        {
          [comparison.ignoreCase === true ? "$ini" : "$in"]: Array.from(comparison.values),
          $not: longList
        }
      ]
    case "contains":
      return inText(comparison, comparison.values.map(literal), refusals)
    case "startsWith":
      return inText(
        comparison,
        comparison.values.map((value) => `^${literal(value)}`),
        refusals
      )
    case "endsWith":
      return inText(
        comparison,
        comparison.values.map((value) => `${literal(value)}$`),
        refusals
      )
    case "matches": {
      const pattern = portablePattern(comparison.pattern)
      if (pattern === undefined) {
        refusals.refuse(`JavaScript may read the pattern ${comparison.pattern} otherwise than RE2`)
      }
      return inText(comparison, [pattern ?? ""], refusals)
    }
    case "lt":
    case "lte":
    case "gt":
    case "gte":
    case "numberEquals": {
      const operators = numberOperators[comparison.operator](comparison.value)
      return [
        { $type: "number", ...operators },
        { $type: "string", $regex: numericText, ...finite(operators) }
      ]
    }
    case "textLt":
    case "textLte":
    case "textGt":
    case "textGte":
      return [{ $type: "string", [textOperators[comparison.operator]]: comparison.value }]
    case "versionEquals":
    case "versionLt":
    case "versionLte":
    case "versionGt":
    case "versionGte": {
      const pattern = patternOf(comparison.operator, comparison.value, comparison.prefix === true)
      if (pattern === undefined) {
        refusals.refuse(`GrowthBook orders prereleases otherwise: ${comparison.operator} ${comparison.value}`)
      }
      return [{ $type: "string", $regex: `^(?=v?[^]{1,${versionMaxCharacters}}$)${pattern ?? ""}` }]
    }
    default:
      refusals.refuse(`GrowthBook has no operator ${comparison.operator}`)
      return []
  }
}

const anyOf = (conditions: ReadonlyArray<GrowthbookCondition>): GrowthbookCondition => {
  const [first] = conditions
  if (first === undefined) return nobody
  return conditions.length === 1 ? first : { $or: Array.from(conditions) }
}

const allOf = (conditions: ReadonlyArray<GrowthbookCondition>): GrowthbookCondition => {
  const [first] = conditions
  return conditions.length === 1 && first !== undefined ? first : { $and: Array.from(conditions) }
}

const hasNegation = (condition: Condition.Condition): boolean => {
  if ("not" in condition) return true
  if ("all" in condition) return condition.all.some(hasNegation)
  if ("any" in condition) return condition.any.some(hasNegation)
  return "condition" in condition && hasNegation(condition.condition)
}

/** Conditions on the item of a list. GrowthBook skips items that are null: no negation may find them. */
const itemAlternatives = (
  condition: Condition.Condition,
  refusals: ExportRefusals
): ReadonlyArray<GrowthbookCondition> => {
  if (hasNegation(condition))
    refusals.refuse("GrowthBook skips items that are null: a negation in some or every")
  if (!("operator" in condition)) {
    refusals.refuse("GrowthBook cannot combine conditions on an item")
    return []
  }
  if (condition.attribute !== undefined) return fieldAlternatives(condition, refusals)
  switch (condition.operator) {
    case "some":
    case "every":
    case "size":
    case "includesAll":
      refusals.refuse(`GrowthBook cannot ask an item ${condition.operator}`)
      return []
    case "equals":
      if (typeof condition.value === "object") refusals.refuse("GrowthBook cannot ask an item for an object")
      return [{ $eq: condition.value }]
    default:
      return alternativesOf(condition, refusals)
  }
}

/** Conditions on a field of an item. Operators at their top would be taken for operators on the item. */
const fieldAlternatives = (
  comparison: Comparison,
  refusals: ExportRefusals
): ReadonlyArray<GrowthbookCondition> => {
  if (!("values" in comparison || "value" in comparison || comparison.operator === "exists")) {
    refusals.refuse(`GrowthBook cannot ask a field of an item ${comparison.operator}`)
    return []
  }
  if (comparison.operator === "includesAll") {
    refusals.refuse("GrowthBook cannot ask a field of an item includesAll")
    return []
  }
  const attribute = attributeOf(comparison.attribute ?? "", refusals)
  return comparison.operator === "equals" && typeof comparison.value === "object"
    ? [comparisonOf(comparison, refusals)]
    : alternativesOf(comparison, refusals).map((operators) => ({ [attribute]: operators }))
}

const sizeOf = (
  attribute: string,
  condition: Condition.Condition,
  refusals: ExportRefusals
): GrowthbookCondition => {
  if (
    !("operator" in condition) ||
    !(condition.operator in numberOperators) ||
    condition.attribute !== undefined
  ) {
    refusals.refuse("GrowthBook compares the size of a list with one number")
    return nobody
  }
  const [alternative = {}] = itemAlternatives(condition, refusals)
  return { [attribute]: { $size: alternative, $not: longList } }
}

const comparisonOf = (comparison: Comparison, refusals: ExportRefusals): GrowthbookCondition => {
  const attribute = attributeOf(comparison.attribute ?? "", refusals)
  const at = (operators: GrowthbookCondition): GrowthbookCondition => ({ [attribute]: operators })
  switch (comparison.operator) {
    case "equals":
      if (typeof comparison.value !== "object") break
      if (!isComparedAsText(comparison.value)) {
        refusals.refuse("GrowthBook compares the fields of an object in their order")
      }
      return { [attribute]: comparison.value }
    case "includesAll":
      // `$all` converts types.
      return allOf([
        at({ $type: "array", $not: longList }),
        ...comparison.values.map((value) =>
          at({
            $elemMatch:
              comparison.ignoreCase === true && typeof value === "string"
                ? { $type: "string", $ini: [value] }
                : { $eq: value }
          })
        )
      ])
    case "some":
      return anyOf(
        itemAlternatives(comparison.condition, refusals).map((operators) =>
          at({ $elemMatch: operators, $not: longList })
        )
      )
    case "every": {
      const alternatives = itemAlternatives(comparison.condition, refusals)
      const [operators = {}] = alternatives
      if (alternatives.length > 1 || Object.keys(operators).some((key) => !key.startsWith("$"))) {
        refusals.refuse("GrowthBook cannot ask every item for a number or for a field")
      }
      return allOf([
        at({ $type: "array", $nin: [null], $not: longList }),
        at({ $not: { $elemMatch: { $not: operators } } })
      ])
    }
    case "size":
      return sizeOf(attribute, comparison.condition, refusals)
  }
  return anyOf(alternativesOf(comparison, refusals).map(at))
}

/** Segments are written out: GrowthBook's saved groups are lists of values. */
export const conditionOf = (
  condition: Condition.Condition,
  segments: ReadonlyMap<string, Condition.Condition>,
  refusals: ExportRefusals
): GrowthbookCondition => {
  if (refusals.budget.isSpent) return nobody
  if ("all" in condition) return allOf(condition.all.map((part) => conditionOf(part, segments, refusals)))
  if ("any" in condition) return anyOf(condition.any.map((part) => conditionOf(part, segments, refusals)))
  if ("not" in condition) return { $not: conditionOf(condition.not, segments, refusals) }
  if ("segment" in condition) {
    const segment = segments.get(condition.segment)
    if (segment !== undefined) return conditionOf(segment, segments, refusals)
    refusals.refuse(`there is no segment ${condition.segment}`)
    return nobody
  }
  const comparison = comparisonOf(condition, refusals)
  refusals.budget.value(comparison)
  return comparison
}
