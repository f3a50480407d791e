/**
 * The standard functions of CEL on values. They dispatch on the values, which the checker has typed or which are `dyn`.
 *
 * @since 0.1.0
 */
import { RE2JS } from "re2js"
import { patternIssue } from "./Checker.ts"
import * as Text from "./Text.ts"
import * as V from "./Value.ts"

/**
 * Spends steps of a run, and returns false when the budget has fewer.
 *
 * @category models
 * @since 0.1.0
 */
export type Spend = (steps: number) => boolean

export type Implementation = (args: ReadonlyArray<V.Value>, spend: Spend) => V.Outcome

/** Text and bytes that a function reads or makes cost a step per so many units. */
const unitsPerStep = 64

/** Where a function works on each character or element by itself, a step is less of them. */
const singleUnitsPerStep = 16

/** A field in a time zone takes as long as some hundred steps: the zone's rules are looked up. */
const zoneSteps = 100

const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n
const uint64Max = 2n ** 64n - 1n

const intOf = (value: bigint): V.Outcome =>
  value > int64Max || value < int64Min ? new V.Failure("overflow", "int out of range") : value

const uintOf = (value: bigint): V.Outcome =>
  value < 0n || value > uint64Max ? new V.Failure("overflow", "uint out of range") : new V.Uint(value)

const noOverload = (name: string, args: ReadonlyArray<V.Value>): V.Failure =>
  new V.Failure("overload", `${name} does not apply to (${args.map(V.typeName).join(", ")})`)

export const overBudget = new V.Failure("budget", "the expression takes too many steps")

const spendUnits = (spend: Spend, units: number): boolean => spend(1 + Math.floor(units / unitsPerStep))

const spendSingle = (spend: Spend, units: number): boolean =>
  spend(1 + Math.floor(units / singleUnitsPerStep))

/** A function that reads its first argument as a whole. */
const reading =
  (run: Implementation, steps = 1): Implementation =>
  (args, spend) =>
    spend(steps + V.sizeOf(args[0] ?? null)) ? run(args, spend) : overBudget

/** Instants and durations are taken apart digit by digit. */
const timeTextSteps = 4

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

const toInt: Implementation = (args) => {
  const [value = null] = args
  if (typeof value === "bigint") return value
  if (value instanceof V.Uint) return intOf(value.value)
  if (value instanceof V.Timestamp) {
    const second = 1_000_000_000n
    return value.nanos < 0n && value.nanos % second !== 0n ? value.nanos / second - 1n : value.nanos / second
  }
  if (typeof value === "number") {
    // The bound itself is no double that is exact, so it is out of range too.
    if (!(value > -9_223_372_036_854_775_808 && value < 9_223_372_036_854_775_808)) {
      return new V.Failure("overflow", "int out of range")
    }
    return BigInt(Math.trunc(value))
  }
  if (typeof value !== "string") return noOverload("int", args)
  return /^[+-]?\d{1,30}$/.test(value)
    ? intOf(BigInt(value.replace("+", "")))
    : new V.Failure("cast", "not an int")
}

const toUint: Implementation = (args) => {
  const [value = null] = args
  if (value instanceof V.Uint) return value
  if (typeof value === "bigint") return uintOf(value)
  if (typeof value === "number") {
    if (!(value >= 0 && value < 18_446_744_073_709_551_616))
      return new V.Failure("overflow", "uint out of range")
    return new V.Uint(BigInt(Math.trunc(value)))
  }
  if (typeof value !== "string") return noOverload("uint", args)
  return /^\d{1,30}$/.test(value) ? uintOf(BigInt(value)) : new V.Failure("cast", "not a uint")
}

const doubleText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

const toDouble: Implementation = (args) => {
  const [value = null] = args
  if (typeof value === "number") return value
  if (typeof value === "bigint") return Number(value)
  if (value instanceof V.Uint) return Number(value.value)
  if (typeof value !== "string") return noOverload("double", args)
  if (doubleText.test(value)) return Number(value)
  const named = /^([+-]?)(?:inf|infinity)$/i.exec(value)
  if (named !== null) return named[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return /^nan$/i.test(value) ? Number.NaN : new V.Failure("cast", "not a double")
}

const formatDouble = (value: number): string => {
  if (Number.isFinite(value))
    return Object.is(value, -0) ? "-0" : String(value).replace(/e([+-])(\d)$/, "e$10$2")
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf"
}

const toText: Implementation = (args) => {
  const [value = null] = args
  if (typeof value === "string") return value
  if (typeof value === "bigint" || typeof value === "boolean") return String(value)
  if (value instanceof V.Uint) return String(value.value)
  if (typeof value === "number") return formatDouble(value)
  if (value instanceof V.Timestamp) return Text.formatTimestamp(value)
  if (value instanceof V.Duration) return Text.formatDuration(value)
  if (!(value instanceof Uint8Array)) return noOverload("string", args)
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    return new V.Failure("cast", "not UTF-8")
  }
}

const truths = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false] as const)
])

const toBool: Implementation = (args) => {
  const [value = null] = args
  if (typeof value === "boolean") return value
  if (typeof value !== "string") return noOverload("bool", args)
  return truths.get(value) ?? new V.Failure("cast", "not a bool")
}

const toTimestamp: Implementation = (args) => {
  const [value = null] = args
  if (value instanceof V.Timestamp) return value
  if (typeof value === "bigint") return Text.timestampOf(value * 1_000_000_000n)
  return typeof value === "string" ? Text.parseTimestamp(value) : noOverload("timestamp", args)
}

const toDuration: Implementation = (args) => {
  const [value = null] = args
  if (value instanceof V.Duration) return value
  return typeof value === "string" ? Text.parseDuration(value) : noOverload("duration", args)
}

const toBytes: Implementation = (args) => {
  const [value = null] = args
  if (value instanceof Uint8Array) return value
  return typeof value === "string" ? new TextEncoder().encode(value) : noOverload("bytes", args)
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
  ["contains", textTest("contains", (text, part) => text.includes(part))],
  ["startsWith", textTest("startsWith", (text, part) => text.startsWith(part))],
  ["endsWith", textTest("endsWith", (text, part) => text.endsWith(part))],
  ["matches", matches],
  ["bool", reading(toBool)],
  ["int", reading(toInt)],
  ["uint", reading(toUint)],
  ["double", reading(toDouble)],
  ["string", reading(toText, timeTextSteps)],
  ["bytes", reading(toBytes)],
  ["timestamp", reading(toTimestamp, timeTextSteps)],
  ["duration", reading(toDuration, timeTextSteps)],
  ["dyn", (args) => args[0] ?? null],
  ["type", (args) => new V.TypeName(V.typeName(args[0] ?? null))],
  ...fieldNames.map((name) => [name, field(name)] as const)
])
