/** Values on their way through the door. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"

/** Deeper values are no data of ours; the depth of JSON is bounded far below. */
const depthMax = 200

type Fields = Readonly<Record<string, unknown>>

const isPlain = (value: object): value is Fields => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const fromArray = (values: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  let copy: Array<unknown> | undefined
  for (const [index, value] of values.entries()) {
    const next = toPlain(value)
    if (copy === undefined && next !== value) copy = values.slice(0, index)
    copy?.push(next)
  }
  return copy ?? values
}

// Keys and not entries: a list per field is a third of the time of a list of documents.
const fromRecord = (record: Fields): object => {
  let copy: Record<string, unknown> | undefined
  for (const key of Object.keys(record)) {
    const value = record[key]
    const next = toPlain(value)
    if (next === value && value !== undefined) continue
    copy ??= { ...record }
    if (next === undefined) delete copy[key]
    else copy[key] = next
  }
  return copy ?? record
}

/**
 * Returns a value as `JSON.stringify` would send it, with minor units as decimal text. Copies what has to change only: most
 * of a list of documents is plain already.
 */
export const toPlain = (value: unknown): unknown => {
  if (typeof value === "bigint") return value.toString()
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return fromArray(value)
  if (Option.isOption(value)) return Option.isSome(value) ? toPlain(value.value) : null
  if (isPlain(value)) return fromRecord(value)
  if (hasProperty(value, "toJSON") && typeof value.toJSON === "function") {
    const json: unknown = value.toJSON()
    return toPlain(json)
  }
  return fromRecord({ ...value })
}

/**
 * Returns an argument as the wire has it: `Date` and `bigint` as text. Fields that are undefined are left out, as JSON
 * leaves them out.
 */
export const toEncoded = (value: unknown, depth = 0): unknown => {
  if (typeof value === "bigint") return value.toString()
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value
  if (depth > depthMax) return Symbol("a value nested more deeply")
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString()
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  if (Array.isArray(value)) return value.map((element) => toEncoded(element, depth + 1))
  if (value instanceof Map || value instanceof Set) return Symbol("a Map or Set")
  const copy: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue
    const encoded = toEncoded(field, depth + 1)
    if (key === "__proto__") {
      // An assignment would set the prototype of the copy.
      Object.defineProperty(copy, key, {
        value: encoded,
        enumerable: true,
        configurable: true,
        writable: true
      })
    } else copy[key] = encoded
  }
  return copy
}
