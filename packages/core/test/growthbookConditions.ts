/** Translates GrowthBook's conditions to ours, as an importer would; undefined where ours refuses what an SDK ignores. */
import type { Condition } from "@hypermarket/core/Condition"

type Json = unknown

const never: Condition = { any: [] }
const always: Condition = { all: [] }

const isObject = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isScalar = (value: Json): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const not = (condition: Condition): Condition => ({ not: condition })

/** Raised for operators and patterns that GrowthBook reads as false and ours refuses. */
export class Untranslatable extends Error {}

const comparisons = {
  $lt: { number: "lt", text: "textLt", holds: (a: number, b: number) => a < b },
  $lte: { number: "lte", text: "textLte", holds: (a: number, b: number) => a <= b },
  $gt: { number: "gt", text: "textGt", holds: (a: number, b: number) => a > b },
  $gte: { number: "gte", text: "textGte", holds: (a: number, b: number) => a >= b }
} as const

const versions = {
  $veq: "versionEquals",
  $vlt: "versionLt",
  $vlte: "versionLte",
  $vgt: "versionGt",
  $vgte: "versionGte"
} as const

type At = { readonly attribute?: string }

const equals = (at: At, value: Json): Condition =>
  value === null
    ? not({ ...at, operator: "exists" })
    : { ...at, operator: "equals", value: JSON.parse(JSON.stringify(value)) }

const compare = (at: At, operator: keyof typeof comparisons, value: Json): Condition => {
  const { holds, number, text } = comparisons[operator]
  const asNumber = Number(value)
  // JavaScript compares nothing as 0 with a number.
  const missing: Condition =
    typeof value === "number" && holds(0, value) ? not({ ...at, operator: "exists" }) : never
  const numeric: Condition = Number.isNaN(asNumber) ? never : { ...at, operator: number, value: asNumber }
  if (typeof value === "number") return { any: [missing, numeric] }
  if (typeof value !== "string") throw new Untranslatable(operator)
  return {
    any: [{ ...at, operator: text, value }, { all: [{ ...at, operator: "type", value: "number" }, numeric] }]
  }
}

const operator = (at: At, name: string, value: Json, groups: Readonly<Record<string, Json>>): Condition => {
  switch (name) {
    case "$eq":
      return equals(at, value)
    case "$ne":
      return not(equals(at, value))
    case "$lt":
    case "$lte":
    case "$gt":
    case "$gte":
      return compare(at, name, value)
    case "$exists":
      return value === true ? { ...at, operator: "exists" } : not({ ...at, operator: "exists" })
    case "$in":
    case "$ini":
      return Array.isArray(value)
        ? { ...at, operator: "in", values: value.filter(isScalar), ignoreCase: name === "$ini" }
        : never
    case "$nin":
    case "$nini":
      return Array.isArray(value)
        ? not({ ...at, operator: "in", values: value.filter(isScalar), ignoreCase: name === "$nini" })
        : never
    case "$all":
    case "$alli":
      return Array.isArray(value)
        ? { ...at, operator: "includesAll", values: value.filter(isScalar), ignoreCase: name === "$alli" }
        : never
    case "$inGroup":
    case "$notInGroup": {
      const group = groups[String(value)]
      if (!Array.isArray(group)) throw new Untranslatable(name)
      const inside: Condition = { ...at, operator: "in", values: group.filter(isScalar) }
      return name === "$inGroup" ? inside : not(inside)
    }
    case "$regex":
    case "$regexi":
      return { ...at, operator: "matches", pattern: String(value), ignoreCase: name === "$regexi" }
    case "$type":
      if (value === "string" || value === "number" || value === "boolean")
        return { ...at, operator: "type", value }
      if (value === "null" || value === "array" || value === "object")
        return { ...at, operator: "type", value }
      throw new Untranslatable(name)
    case "$size":
      return { ...at, operator: "size", condition: fieldOf({}, value, groups) }
    case "$elemMatch":
      return {
        ...at,
        operator: "some",
        condition:
          isObject(value) && Object.keys(value).every((key) => key.startsWith("$"))
            ? fieldOf({}, value, groups)
            : translate(value, groups)
      }
    case "$not":
      return not(fieldOf(at, value, groups))
    case "$veq":
    case "$vlt":
    case "$vlte":
    case "$vgt":
    case "$vgte":
      return { ...at, operator: versions[name], value: String(value), prefix: true }
    case "$vne":
      return not({ ...at, operator: "versionEquals", value: String(value), prefix: true })
    default:
      throw new Untranslatable(name)
  }
}

const fieldOf = (at: At, value: Json, groups: Readonly<Record<string, Json>>): Condition =>
  isObject(value) && Object.keys(value).every((key) => key.startsWith("$"))
    ? { all: Object.entries(value).map(([name, argument]) => operator(at, name, argument, groups)) }
    : equals(at, value)

export const translate = (condition: Json, groups: Readonly<Record<string, Json>>): Condition => {
  if (!isObject(condition)) throw new Untranslatable("condition")
  const parts = Object.entries(condition).map(([name, value]): Condition => {
    const list =
      name.startsWith("$") && Array.isArray(value) ? value.map((part) => translate(part, groups)) : []
    switch (name) {
      case "$and":
        return { all: list }
      case "$or":
        return list.length === 0 ? always : { any: list }
      case "$nor":
        return not({ any: list })
      case "$not":
        return not(translate(value, groups))
      default:
        return fieldOf({ attribute: name }, value, groups)
    }
  })
  return { all: parts }
}
