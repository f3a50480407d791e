/**
 * The standard functions of CEL on values. They dispatch on the values, which the checker has typed or which are `dyn`.
 *
 * @since 0.1.0
 */
import { RE2JS } from "re2js"
import { patternIssue } from "./Checker.ts"
import { conversions } from "./Conversion.ts"
import {
  type Implementation,
  intOf,
  noOverload,
  overBudget,
  type Spend,
  spendSingle,
  spendUnits,
  uintOf,
  unitsPerStep,
  zoneSteps
} from "./Implementation.ts"
import * as Text from "./Text.ts"
import * as V from "./Value.ts"

const equality =
  (isWanted: boolean): Implementation =>
  (args, spend) => {
    const [left = null, right = null] = args
    // Two values are read to the end of the shorter one.
    return spend(Math.min(V.sizeOf(left), V.sizeOf(right))) ? V.isEqual(left, right) === isWanted : overBudget
  }

type Arithmetic = "+" | "-" | "*" | "/" | "%"

const divide = (operator: "/" | "%", left: bigint, right: bigint): bigint | V.Failure => {
  if (right === 0n) return new V.Failure("division_by_zero", "division by zero")
  return operator === "/" ? left / right : left % right
}

const whole = (operator: Arithmetic, left: bigint, right: bigint): bigint | V.Failure => {
  switch (operator) {
    case "+":
      return left + right
    case "-":
      return left - right
    case "*":
      return left * right
    case "/":
    case "%":
      return divide(operator, left, right)
  }
}

const real = (operator: Arithmetic, left: number, right: number): V.Outcome => {
  switch (operator) {
    case "+":
      return left + right
    case "-":
      return left - right
    case "*":
      return left * right
    case "/":
      return left / right
    case "%":
      return noOverload("_%_", [left, right])
  }
}

const timeArithmetic = (operator: Arithmetic, left: V.Value, right: V.Value): V.Outcome | undefined => {
  const sign = operator === "+" ? 1n : -1n
  if (operator !== "+" && operator !== "-") return undefined
  if (left instanceof V.Timestamp && right instanceof V.Duration) {
    return Text.timestampOf(left.nanos + sign * right.nanos)
  }
  if (left instanceof V.Duration && right instanceof V.Duration) {
    return Text.durationOf(left.nanos + sign * right.nanos)
  }
  if (operator === "+" && left instanceof V.Duration && right instanceof V.Timestamp) {
    return Text.timestampOf(left.nanos + right.nanos)
  }
  if (operator === "-" && left instanceof V.Timestamp && right instanceof V.Timestamp) {
    return Text.durationOf(left.nanos - right.nanos)
  }
  return undefined
}

const concatenate = (left: V.Value, right: V.Value, spend: Spend): V.Outcome | undefined => {
  if (typeof left === "string" && typeof right === "string") {
    return spendUnits(spend, left.length + right.length) ? left + right : overBudget
  }
  if (V.isList(left) && V.isList(right)) {
    return spendSingle(spend, left.length + right.length) ? [...left, ...right] : overBudget
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    if (!spendUnits(spend, left.length + right.length)) return overBudget
    const joined = new Uint8Array(left.length + right.length)
    joined.set(left)
    joined.set(right, left.length)
    return joined
  }
  return undefined
}

const arithmetic =
  (operator: Arithmetic): Implementation =>
  (args, spend) => {
    const [left = null, right = null] = args
    if (typeof left === "bigint" && typeof right === "bigint") {
      const value = whole(operator, left, right)
      return value instanceof V.Failure ? value : intOf(value)
    }
    if (typeof left === "number" && typeof right === "number") return real(operator, left, right)
    if (left instanceof V.Uint && right instanceof V.Uint) {
      const value = whole(operator, left.value, right.value)
      return value instanceof V.Failure ? value : uintOf(value)
    }
    const joined = operator === "+" ? concatenate(left, right, spend) : undefined
    return joined ?? timeArithmetic(operator, left, right) ?? noOverload(`_${operator}_`, args)
  }

const comparison =
  (name: string, test: (order: number) => boolean): Implementation =>
  (args, spend) => {
    const [left = null, right = null] = args
    const length =
      typeof left === "string" && typeof right === "string" ? Math.min(left.length, right.length) : 0
    if (length > 0 && !spendSingle(spend, length)) return overBudget
    if (length === 0 && !spend(Math.min(V.sizeOf(left), V.sizeOf(right)))) return overBudget
    const order = V.compare(left, right)
    return order === undefined ? noOverload(name, args) : test(order)
  }

const patterns = new Map<string, RE2JS | V.Failure>()
/** Compiled patterns that are kept; past it all are dropped, and compiled again when they are needed. */
const patternsMax = 1_000
/** As core's `Pattern`: a longer text takes too long with the worst pattern. */
const matchedMax = 8_192

const patternOf = (text: string): RE2JS | V.Failure => {
  const existing = patterns.get(text)
  if (existing !== undefined) return existing
  const issue = patternIssue(text)
  const compiled = issue === undefined ? RE2JS.compile(text) : new V.Failure("pattern", issue)
  if (patterns.size >= patternsMax) patterns.clear()
  patterns.set(text, compiled)
  return compiled
}

const matches: Implementation = (args, spend) => {
  const [text, pattern] = args
  if (typeof text !== "string" || typeof pattern !== "string") return noOverload("matches", args)
  const compiled = patternOf(pattern)
  if (compiled instanceof V.Failure) return compiled
  // A step of the machine costs more than reading a character: the program's size is a factor.
  const cost = (text.length * compiled.programSize()) / unitsPerStep
  if (text.length > matchedMax || !spend(Math.ceil(cost))) return overBudget
  return compiled.test(text)
}

const textTest =
  (name: string, test: (text: string, part: string) => boolean): Implementation =>
  (args, spend) => {
    const [text, part] = args
    if (typeof text !== "string" || typeof part !== "string") return noOverload(name, args)
    return spendUnits(spend, text.length) ? test(text, part) : overBudget
  }

/** The engine searches for a longer part in time that grows with the product of both lengths, for a text that repeats itself. */
const partMax = 250
/** Comparisons of characters that take about the time of one step. */
const comparedPerStep = 1_024

const contains: Implementation = (args, spend) => {
  const [text, part] = args
  if (typeof text !== "string" || typeof part !== "string") return noOverload("contains", args)
  const steps = part.length > partMax ? Math.ceil((text.length * part.length) / comparedPerStep) : 0
  return spend(steps) && spendUnits(spend, text.length) ? text.includes(part) : overBudget
}

const size: Implementation = (args, spend) => {
  const [value = null] = args
  if (typeof value === "string")
    return spendSingle(spend, value.length) ? BigInt(Array.from(value).length) : overBudget
  if (V.isList(value) || value instanceof Uint8Array) return BigInt(value.length)
  return value instanceof V.MapValue ? BigInt(value.size) : noOverload("size", args)
}

const inside: Implementation = (args, spend) => {
  const [element = null, container = null] = args
  if (container instanceof V.MapValue) return container.get(element) !== undefined
  if (!V.isList(container)) return noOverload("in", args)
  if (!spend(V.sizeOf(container))) return overBudget
  return container.some((item) => V.isEqual(element, item))
}

const index: Implementation = (args) => {
  const [container = null, key = null] = args
  if (container instanceof V.MapValue) {
    return (
      container.get(key) ?? (container.get(key) === null ? null : new V.Failure("missing", "no such key"))
    )
  }
  const place = V.keyOf(key)
  if (!V.isList(container) || typeof place !== "bigint") return noOverload("_[_]", args)
  const element = container[Number(place)]
  return element === undefined ? new V.Failure("index", `index ${place} is outside of the list`) : element
}

const negate: Implementation = (args) => {
  const [value = null] = args
  if (typeof value === "bigint") return intOf(-value)
  return typeof value === "number" ? -value : noOverload("-_", args)
}

const field =
  (name: string): Implementation =>
  (args, spend) => {
    const [value = null, zone] = args
    if (!spend(zone === undefined ? 1 : zoneSteps)) return overBudget
    if (value instanceof V.Timestamp && (zone === undefined || typeof zone === "string")) {
      return Text.fieldOf(name, value, zone)
    }
    return value instanceof V.Duration && zone === undefined
      ? Text.durationFieldOf(name, value)
      : noOverload(name, args)
  }

const fieldNames = [
  "getFullYear",
  "getMonth",
  "getDate",
  "getDayOfMonth",
  "getDayOfWeek",
  "getDayOfYear",
  "getHours",
  "getMinutes",
  "getSeconds",
  "getMilliseconds"
]

/**
 * The functions by their name in the tree, except those that decide by themselves which arguments are evaluated.
 *
 * @category accessors
 * @since 0.1.0
 */
export const standard: ReadonlyMap<string, Implementation> = new Map<string, Implementation>([
  ["_+_", arithmetic("+")],
  ["_-_", arithmetic("-")],
  ["_*_", arithmetic("*")],
  ["_/_", arithmetic("/")],
  ["_%_", arithmetic("%")],
  ["-_", negate],
  ["!_", (args) => (typeof args[0] === "boolean" ? !args[0] : noOverload("!_", args))],
  ["_==_", equality(true)],
  ["_!=_", equality(false)],
  ["_<_", comparison("_<_", (order) => order < 0)],
  ["_<=_", comparison("_<=_", (order) => order <= 0)],
  ["_>_", comparison("_>_", (order) => order > 0)],
  ["_>=_", comparison("_>=_", (order) => order >= 0)],
  ["_[_]", index],
  ["@in", inside],
  ["size", size],
  ["contains", contains],
  ["startsWith", textTest("startsWith", (text, part) => text.startsWith(part))],
  ["endsWith", textTest("endsWith", (text, part) => text.endsWith(part))],
  ["matches", matches],
  ...conversions,
  ["dyn", (args) => args[0] ?? null],
  ["type", (args) => new V.TypeName(V.typeName(args[0] ?? null))],
  ...fieldNames.map((name) => [name, field(name)] as const)
])
