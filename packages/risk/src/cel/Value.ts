/**
 * The values of CEL while an expression runs, how they are compared, and errors.
 *
 * An error is a value: it is returned, so that `||` and `&&` can absorb it, and costs no stack.
 *
 * @since 0.1.0
 */

/** An unsigned integer. */
export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

/** An instant, in nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** The type of a value, as a value. */
export class TypeName {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** Why an expression has no value. */
export class Failure {
  readonly reason: Reason
  readonly message: string
  constructor(reason: Reason, message: string) {
    this.reason = reason
    this.message = message
  }
}

/**
 * - `missing`: a variable or a key that is not there.
 * - `overflow`: an integer, a timestamp or a duration out of its range.
 * - `division_by_zero`: also of `%`.
 * - `cast`: a conversion of a value that has no such value.
 * - `overload`: a function that does not apply to a value of type `dyn`.
 * - `index`: outside of a list.
 * - `pattern`: not in RE2's syntax, or too large.
 * - `budget`: the expression takes too long.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "missing"
  | "overflow"
  | "division_by_zero"
  | "cast"
  | "overload"
  | "index"
  | "pattern"
  | "budget"

export type Key = string | boolean | bigint

/** A map. Keys that are equal as numbers are one key, whatever their type. */
export class MapValue {
  private readonly entries = new Map<Key, readonly [Value, Value]>()

  /** Returns false when the key is there, or cannot be one. */
  add(key: Value, value: Value): boolean {
    const normal = keyOf(key)
    if (normal === undefined || this.entries.has(normal)) return false
    this.entries.set(normal, [key, value])
    return true
  }

  get(key: Value): Value | undefined {
    const normal = keyOf(key)
    return normal === undefined ? undefined : this.entries.get(normal)?.[1]
  }

  getText(key: string): Value | undefined {
    return this.entries.get(key)?.[1]
  }

  get size(): number {
    return this.entries.size
  }

  keys(): ReadonlyArray<Value> {
    return Array.from(this.entries.values(), ([key]) => key)
  }

  values(): ReadonlyArray<readonly [Value, Value]> {
    return Array.from(this.entries.values())
  }
}

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint
  | Uint8Array
  | Timestamp
  | Duration
  | TypeName
  | MapValue
  | ReadonlyArray<Value>

export type Outcome = Value | Failure

export const isList = (value: Outcome): value is ReadonlyArray<Value> => Array.isArray(value)

export const keyOf = (value: Value): Key | undefined => {
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value
  if (value instanceof Uint) return value.value
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : undefined
}

export const typeName = (value: Value): string => {
  if (value === null) return "null_type"
  switch (typeof value) {
    case "boolean":
      return "bool"
    case "bigint":
      return "int"
    case "number":
      return "double"
    case "string":
      return "string"
  }
  if (value instanceof Uint) return "uint"
  if (value instanceof Uint8Array) return "bytes"
  if (value instanceof Timestamp) return "google.protobuf.Timestamp"
  if (value instanceof Duration) return "google.protobuf.Duration"
  if (value instanceof TypeName) return "type"
  return value instanceof MapValue ? "map" : "list"
}

/** An int, uint or double as a number that compares with the others; undefined for what is no number. */
const numberOf = (value: Value): bigint | number | undefined => {
  if (typeof value === "bigint" || typeof value === "number") return value
  return value instanceof Uint ? value.value : undefined
}

const compareBytes = (left: Uint8Array, right: Uint8Array): number => {
  for (let index = 0; index < left.length && index < right.length; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** By code point, as CEL orders text; UTF-16 orders characters outside of the first plane otherwise. */
const compareText = (left: string, right: string): number => {
  if (left === right) return 0
  const others = right[Symbol.iterator]()
  for (const character of left) {
    const other = others.next()
    if (other.done === true) return 1
    const difference = (character.codePointAt(0) ?? 0) - (other.value.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return others.next().done === true ? 0 : -1
}

const order = (left: bigint | number, right: bigint | number): number => {
  if (left < right) return -1
  if (left > right) return 1
  return left === right ? 0 : Number.NaN
}

/** Returns less than, equal to or greater than 0, NaN for what has no order, undefined for other types. */
export const compare = (left: Value, right: Value): number | undefined => {
  const leftNumber = numberOf(left)
  const rightNumber = numberOf(right)
  if (leftNumber !== undefined && rightNumber !== undefined) {
    if (typeof leftNumber === typeof rightNumber) return order(leftNumber, rightNumber)
    // As the reference implementation: an integer beside a double is rounded to one.
    return order(Number(leftNumber), Number(rightNumber))
  }
  if (typeof left === "string" && typeof right === "string") return compareText(left, right)
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right)
  if (left instanceof Timestamp && right instanceof Timestamp) return compareNanos(left.nanos, right.nanos)
  if (left instanceof Duration && right instanceof Duration) return compareNanos(left.nanos, right.nanos)
  if (left instanceof Uint8Array && right instanceof Uint8Array) return compareBytes(left, right)
  return undefined
}

const compareNanos = (left: bigint, right: bigint): number => (left < right ? -1 : left > right ? 1 : 0)

/** Characters or bytes that are compared, read or made in about the time of one step. */
const unitsPerStep = 64

/** Returns the steps that it takes to read a value as a whole. */
export const sizeOf = (value: Value): number => {
  if (typeof value === "string" || value instanceof Uint8Array) return Math.floor(value.length / unitsPerStep)
  if (isList(value)) return value.reduce<number>((sum, element) => sum + 1 + sizeOf(element), 0)
  if (value instanceof MapValue) {
    return value.values().reduce((sum, [key, inner]) => sum + 2 + sizeOf(key) + sizeOf(inner), 0)
  }
  return 0
}

/** Values of different types differ, except numbers of one value. NaN differs from itself. */
export const isEqual = (left: Value, right: Value): boolean => {
  if (left === null || right === null) return left === right
  if (typeof left === "string" && typeof right === "string") return left === right
  const compared = compare(left, right)
  if (compared !== undefined) return compared === 0
  if (left instanceof TypeName && right instanceof TypeName) return left.name === right.name
  if (isList(left) && isList(right)) {
    return (
      left.length === right.length && left.every((element, index) => isEqual(element, right[index] ?? null))
    )
  }
  if (left instanceof MapValue && right instanceof MapValue) {
    return (
      left.size === right.size &&
      left.values().every(([key, value]) => {
        const other = right.get(key)
        return other !== undefined && isEqual(value, other)
      })
    )
  }
  return false
}
