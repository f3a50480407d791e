/**
 * JSON as RFC 8785 writes it: members in the order of their UTF-16 code units, numbers as ECMAScript prints them, no space. -0
 * is `0`, 1e21 is `1e+21`. A lone surrogate is U+FFFD, as in every text that a column holds.
 */
import type * as Schema from "effect/Schema"

const isObject = (value: Schema.Json): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = (value: string): string => JSON.stringify(value.isWellFormed() ? value : value.toWellFormed())

/** Names of a literal of ours most often are, and sorting them costs more than the rest. */
const isSorted = (names: ReadonlyArray<string>): boolean => {
  let before = ""
  for (const name of names) {
    if (name < before) return false
    before = name
  }
  return true
}

export const write = (value: Schema.Json): string => {
  if (typeof value === "string") return textOf(value)
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  if (!isObject(value)) return JSON.stringify(value)
  const names = Object.keys(value)
  let text = ""
  for (const name of isSorted(names) ? names : names.toSorted()) {
    const member = value[name]
    if (member !== undefined) text += `${text === "" ? "" : ","}${textOf(name)}:${write(member)}`
  }
  return `{${text}}`
}

/** Only objects can be the same without being equal. */
const isSame = (one: Schema.Json, other: Schema.Json | undefined): boolean =>
  one === other || (typeof one === "object" && typeof other === "object" && write(one) === write(other))

/** The members of two objects that differ; both as they are when one of them is no object. */
export const differences = (
  before: Schema.Json | undefined,
  after: Schema.Json | undefined
): { readonly before?: Schema.Json; readonly after?: Schema.Json } => {
  if (before === undefined || after === undefined || !isObject(before) || !isObject(after)) {
    return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
  }
  const pick = (from: Schema.JsonObject, other: Schema.JsonObject): Schema.Json =>
    Object.fromEntries(
      Object.entries(from).filter(([name, member]) => {
        const counterpart = Object.hasOwn(other, name) ? other[name] : undefined
        return !isSame(member, counterpart)
      })
    )
  return { before: pick(before, after), after: pick(after, before) }
}
