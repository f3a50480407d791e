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

const arrayToEncoded = (values: ReadonlyArray<unknown>, depth: number): ReadonlyArray<unknown> => {
  const copy: Array<unknown> = []
  for (const value of values) copy.push(toEncoded(value, depth))
  return copy
}

const recordToEncoded = (record: object, depth: number): object => {
  // A copy of the whole is made in one step, and fields by name are not.
  const copy: Record<PropertyKey, unknown> = { ...record }
  for (const symbol of Object.getOwnPropertySymbols(copy)) delete copy[symbol]
  for (const key of Object.keys(copy)) {
    const value = copy[key]
    if (typeof value === "string" || typeof value === "number") continue
    if (value === undefined) delete copy[key]
    else copy[key] = toEncoded(value, depth)
  }
  return copy
}

/**
 * Returns an argument as the wire has it: `Date` and `bigint` as text. Fields that are undefined are left out, as JSON
 * leaves them out. Copies the rest, so that a caller who changes the value after the call does not change what was checked.
 */
export const toEncoded = (value: unknown, depth = 0): unknown => {
  if (typeof value === "bigint") return value.toString()
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value
  if (depth > depthMax) return Symbol("a value nested more deeply")
  // Most values are one of these two.
  if (Array.isArray(value)) return arrayToEncoded(value, depth + 1)
  if (isPlain(value)) return recordToEncoded(value, depth + 1)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString()
  if (DateTime.isDateTime(value)) return DateTime.formatIso(value)
  if (value instanceof Map || value instanceof Set) return Symbol("a Map or Set")
  return recordToEncoded(value, depth + 1)
}
