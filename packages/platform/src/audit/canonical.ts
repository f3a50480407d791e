/**
 * JSON as RFC 8785 writes it: members in the order of their UTF-16 code units, numbers as ECMAScript prints them, no space. -0
 * is `0`, 1e21 is `1e+21`. A lone surrogate is U+FFFD, as in every text that a column holds.
 */
import type * as Schema from "effect/Schema"

const isObject = (value: Schema.Json): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Texts that are between quotes as they are: nearly all. Looking costs a fraction of what `JSON.stringify` does. */
const unescaped = /^[\u0020\u0021\u0023-\u005b\u005d-\u007e]*$/

const textOf = (value: string): string =>
  unescaped.test(value) ? `"${value}"` : JSON.stringify(value.isWellFormed() ? value : value.toWellFormed())

/** Names of a literal of ours most often are, and sorting them costs more than the rest. */
const isSorted = (names: ReadonlyArray<string>): boolean => {
  let before = ""
  for (const name of names) {
    if (name < before) return false
    before = name
  }
  return true
}

const writeMembers = (value: Schema.JsonObject, other?: Schema.JsonObject): string => {
  const names = Object.keys(value)
  let text = ""
  for (const name of isSorted(names) ? names : names.toSorted()) {
    const member = value[name]
    if (member === undefined) continue
    if (other !== undefined && Object.hasOwn(other, name) && isSame(member, other[name])) continue
    text += `${text === "" ? "" : ","}${textOf(name)}:${write(member)}`
  }
  return `{${text}}`
}

export const write = (value: Schema.Json): string => {
  if (typeof value === "string") return textOf(value)
  if (Number.isSafeInteger(value)) return String(value)
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  return isObject(value) ? writeMembers(value) : JSON.stringify(value)
}

/** Only objects can be the same without being equal. */
const isSame = (one: Schema.Json, other: Schema.Json | undefined): boolean =>
  one === other || (typeof one === "object" && typeof other === "object" && write(one) === write(other))

/** The members of two objects that differ; both as they are when one of them is no object. */
export const writeDifferences = (
  before: Schema.Json | undefined,
  after: Schema.Json | undefined
): { readonly before: string | undefined; readonly after: string | undefined } => {
  const hasBoth = before !== undefined && after !== undefined && isObject(before) && isObject(after)
  return hasBoth
    ? { before: writeMembers(before, after), after: writeMembers(after, before) }
    : {
        before: before === undefined ? undefined : write(before),
        after: after === undefined ? undefined : write(after)
      }
}
