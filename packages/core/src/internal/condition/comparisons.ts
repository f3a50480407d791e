/**
 * The comparisons of one value: closures made once, which allocate nothing where the platform's own parsing does not.
 */
import * as Result from "effect/Result"
import ipaddr from "ipaddr.js"
import type { Condition } from "../../Condition.ts"
import * as Pattern from "../../Pattern.ts"
import * as SemanticVersion from "../../SemanticVersion.ts"
import { equalJson, toMillis, toNumber } from "./attributes.ts"

/** Ordered so that `all` is the least of its parts and `any` the greatest. */
export const isFalse = 0
export const isUnknown = 1
export const isTrue = 2
export type Three = typeof isFalse | typeof isUnknown | typeof isTrue

/** Compares a value that is neither undefined nor null. */
export type Comparison = (value: unknown) => Three

export interface Refusal {
  /** From the comparison to the field. */
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

type Compared = Result.Result<Comparison, Refusal>

type Leaf = Exclude<
  Extract<Condition, { readonly operator: string }>,
  { readonly condition: Condition } | { readonly operator: "exists" | "type" }
>

const three = (value: boolean): Three => (value ? isTrue : isFalse)

const refuse = (path: ReadonlyArray<string | number>, message: string): Compared =>
  Result.fail({ path, message })

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const folded = (value: unknown): unknown => (typeof value === "string" ? value.toLowerCase() : value)

const membership = (
  operator: "in" | "includesAll",
  values: ReadonlyArray<string | number | boolean>,
  ignoreCase: boolean,
  itemsMax: number
): Comparison => {
  const set = new Set<unknown>(ignoreCase ? values.map(folded) : values)
  const has = ignoreCase ? (value: unknown) => set.has(folded(value)) : (value: unknown) => set.has(value)
  if (operator === "in") {
    return (value) => {
      if (isScalar(value)) return three(has(value))
      if (!Array.isArray(value) || value.length > itemsMax) return isUnknown
      for (const item of value) if (has(item)) return isTrue
      return isFalse
    }
  }
  return (value) => {
    if (!Array.isArray(value) || value.length > itemsMax) return isUnknown
    const items = new Set<unknown>(ignoreCase ? value.map(folded) : value)
    for (const wanted of set) if (!items.has(wanted)) return isFalse
    return isTrue
  }
}

const textMethods = {
  contains: (text: string, part: string) => text.includes(part),
  startsWith: (text: string, part: string) => text.startsWith(part),
  endsWith: (text: string, part: string) => text.endsWith(part)
}

const texts = (
  operator: keyof typeof textMethods,
  values: ReadonlyArray<string>,
  ignoreCase: boolean
): Comparison => {
  const method = textMethods[operator]
  const parts = ignoreCase ? values.map((value) => value.toLowerCase()) : values
  return (value) => {
    if (typeof value !== "string") return isUnknown
    const text = ignoreCase ? value.toLowerCase() : value
    for (const part of parts) if (method(text, part)) return isTrue
    return isFalse
  }
}

const numbers = {
  numberEquals: (a: number, b: number) => a === b,
  lt: (a: number, b: number) => a < b,
  lte: (a: number, b: number) => a <= b,
  gt: (a: number, b: number) => a > b,
  gte: (a: number, b: number) => a >= b
}

const textOrders = {
  textLt: (a: string, b: string) => a < b,
  textLte: (a: string, b: string) => a <= b,
  textGt: (a: string, b: string) => a > b,
  textGte: (a: string, b: string) => a >= b
}

const versions = {
  versionEquals: (order: number) => order === 0,
  versionLt: (order: number) => order < 0,
  versionLte: (order: number) => order <= 0,
  versionGt: (order: number) => order > 0,
  versionGte: (order: number) => order >= 0
}

const matches = (pattern: string, ignoreCase: boolean): Compared =>
  Result.mapBoth(Pattern.compile(pattern, { ignoreCase }), {
    onFailure: (message) => ({ path: ["pattern"], message }),
    onSuccess:
      (compiled): Comparison =>
      (value) =>
        typeof value === "string" && value.length <= Pattern.textMaxCharacters
          ? three(compiled.test(value))
          : isUnknown
  })

const dates = (operator: "before" | "after", text: string): Compared => {
  const bound = toMillis(text)
  if (Number.isNaN(bound))
    return refuse(["value"], "Expected a date and time with an offset, such as 2026-01-31T12:00:00Z")
  return Result.succeed((value) => {
    const millis = toMillis(value)
    if (Number.isNaN(millis)) return isUnknown
    return three(operator === "before" ? millis < bound : millis > bound)
  })
}

const versionOrder = (operator: keyof typeof versions, text: string, prefix: boolean): Compared => {
  const bound = SemanticVersion.parse(text, { prefix })
  if (Result.isFailure(bound)) return refuse(["value"], bound.failure)
  const holds = versions[operator]
  // Most evaluations in a row see the same version: its outcome is kept instead of parsing it again.
  let lastText: string | undefined
  let lastOutcome: Three = isUnknown
  return Result.succeed((value) => {
    if (typeof value !== "string") return isUnknown
    if (value === lastText) return lastOutcome
    const version = SemanticVersion.parse(value, { prefix })
    lastText = value
    lastOutcome = Result.isFailure(version)
      ? isUnknown
      : three(holds(SemanticVersion.compare(version.success, bound.success)))
    return lastOutcome
  })
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

const addressMaxCharacters = 64

/** Refuses the old notations of IPv4 (`0x7f.1`), which readers understand differently. */
const addressOf = (text: string): Address | undefined => {
  if (text.length > addressMaxCharacters || text.includes("%")) return undefined
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  if (!text.includes(":") || !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

const bits = /^\d{1,3}$/
const mappedBits = 96

const networkOf = (text: string): readonly [Address, number] | undefined => {
  const [addressText = "", prefixText, ...rest] = text.split("/")
  const address = addressOf(addressText)
  if (address === undefined || rest.length > 0) return undefined
  const max = address.kind() === "ipv4" ? 32 : 128
  if (prefixText === undefined) return [address, max]
  if (!bits.test(prefixText)) return undefined
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
  const prefix = Number(prefixText) - (max === 32 && addressText.includes(":") ? mappedBits : 0)
  return prefix >= 0 && prefix <= max ? [address, prefix] : undefined
}

const network = (values: ReadonlyArray<string>): Compared => {
  const ranges: Array<readonly [Address, number]> = []
  for (const [index, value] of values.entries()) {
    const range = networkOf(value)
    if (range === undefined) {
      return refuse(
        ["values", index],
        "Expected an IP address or a network such as 10.0.0.0/8 or 2001:db8::/32"
      )
    }
    ranges.push(range)
  }
  return Result.succeed((value) => {
    const address = typeof value === "string" ? addressOf(value) : undefined
    if (address === undefined) return isUnknown
    for (const [base, prefix] of ranges) {
      if (base.kind() === address.kind() && address.match(base, prefix)) return isTrue
    }
    return isFalse
  })
}

/** The comparison of a leaf, or why there is none. */
export const comparisonOf = (leaf: Leaf, itemsMax: number): Compared => {
  switch (leaf.operator) {
    case "equals":
      return leaf.value === null
        ? refuse(["value"], "Expected a value: null is none, use exists")
        : Result.succeed((value) => three(equalJson(value, leaf.value)))
    case "in":
    case "includesAll":
      return Result.succeed(membership(leaf.operator, leaf.values, leaf.ignoreCase === true, itemsMax))
    case "contains":
    case "startsWith":
    case "endsWith":
      return Result.succeed(texts(leaf.operator, leaf.values, leaf.ignoreCase === true))
    case "matches":
      return matches(leaf.pattern, leaf.ignoreCase === true)
    case "numberEquals":
    case "lt":
    case "lte":
    case "gt":
    case "gte": {
      const holds = numbers[leaf.operator]
      const bound = leaf.value
      return Result.succeed((value) => {
        const number = toNumber(value)
        return Number.isNaN(number) ? isUnknown : three(holds(number, bound))
      })
    }
    case "textLt":
    case "textLte":
    case "textGt":
    case "textGte": {
      const holds = textOrders[leaf.operator]
      const bound = leaf.value
      return Result.succeed((value) => (typeof value === "string" ? three(holds(value, bound)) : isUnknown))
    }
    case "before":
    case "after":
      return dates(leaf.operator, leaf.value)
    case "versionEquals":
    case "versionLt":
    case "versionLte":
    case "versionGt":
    case "versionGte":
      return versionOrder(leaf.operator, leaf.value, leaf.prefix === true)
    case "network":
      return network(leaf.values)
    default:
      return refuse(["operator"], "Expected an operator that this release knows")
  }
}
