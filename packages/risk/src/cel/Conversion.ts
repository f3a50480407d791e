/**
 * Conversions of CEL between the types of values, by their names.
 *
 * @since 0.1.0
 */
import { type Implementation, intOf, noOverload, reading, timeTextSteps, uintOf } from "./Implementation.ts"
import * as Text from "./Text.ts"
import * as V from "./Value.ts"

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

/** The conversions by their name in the tree. */
export const conversions: ReadonlyArray<readonly [string, Implementation]> = [
  ["bool", reading(toBool)],
  ["int", reading(toInt)],
  ["uint", reading(toUint)],
  ["double", reading(toDouble)],
  ["string", reading(toText, timeTextSteps)],
  ["bytes", reading(toBytes)],
  ["timestamp", reading(toTimestamp, timeTextSteps)],
  ["duration", reading(toDuration, timeTextSteps)]
]
