/**
 * From a document's JSON to what the engine indexes.
 */
import type * as Schema from "effect/Schema"
import type { SearchSettings } from "../SearchSettings.ts"
import { type IndexDocument, keywordCharsMax, keywordsPerDocumentMax } from "./engine/IndexDocument.ts"

/** A document's content. */
export type Fields = Readonly<Record<string, Schema.Json>>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The value at a path; undefined where there is none. A key that is the whole path wins over nesting. */
export const at = (fields: Fields, path: string): Schema.Json | undefined => {
  if (Object.hasOwn(fields, path)) return fields[path]
  let value: Schema.Json | undefined = fields
  for (const key of path.split(".")) {
    if (!isFields(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

/** Every text and number in a value, in its order. */
const collect = (value: Schema.Json | undefined, into: Array<string>): void => {
  if (typeof value === "string") into.push(value)
  else if (typeof value === "number") into.push(String(value))
  else if (Array.isArray(value)) for (const one of value) collect(one, into)
  else if (isFields(value)) for (const key of Object.keys(value)) collect(value[key], into)
}

/** The text of a field, as it is searched and highlighted. */
export const textOf = (fields: Fields, path: string): string => {
  const value = at(fields, path)
  if (typeof value === "string") return value
  const texts: Array<string> = []
  collect(value, texts)
  return texts.join(" ")
}

const keywordsOf = (value: Schema.Json | undefined): ReadonlyArray<string> => {
  const values: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  const keywords = new Set<string>()
  for (const one of values) {
    const text = typeof one === "string" ? one.normalize("NFC").trim() : ""
    if (text !== "") keywords.add(text.slice(0, keywordCharsMax))
    else if (typeof one === "number" || typeof one === "boolean") keywords.add(String(one))
    if (keywords.size === keywordsPerDocumentMax) break
  }
  return Array.from(keywords)
}

/** As written by a feed that has only texts, such as CSV. */
const numberPattern = /^\s*-?\d+(?:\.\d+)?\s*$/

const numberOf = (value: Schema.Json): number | undefined => {
  if (typeof value === "boolean") return value ? 1 : 0
  const number = typeof value === "string" && numberPattern.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

/** A feed of texts has an empty text where there is no value. */
const isEmpty = (value: Schema.Json | undefined): boolean =>
  value === undefined || value === null || (typeof value === "string" && value.trim() === "")

/** Returns the number columns that a document has a value for which is no number. */
export const unfitColumnsOf = (columns: SearchSettings["columns"], fields: Fields): ReadonlyArray<string> =>
  columns.flatMap(({ kind, name }) => {
    const value = at(fields, name)
    return kind !== "number" || value === undefined || isEmpty(value) || numberOf(value) !== undefined
      ? []
      : [name]
  })

/** Without the names that every object has: a shop may name a field `constructor`, and a document may lack it. */
const emptyRecord = <A>(): Record<string, A> => Object.create(null)

/**
 * Returns the document as the engine indexes it. A number that is written as text is a number. Values that do not fit a
 * column's kind are left out of the column: a write refuses them, unless the column is newer than the document.
 */
export const toIndexDocument = (
  settings: Pick<SearchSettings, "fields" | "columns">,
  docId: string,
  fields: Fields,
  popularity: number
): IndexDocument => {
  const text = emptyRecord<string>()
  const keywords = emptyRecord<ReadonlyArray<string>>()
  const numbers = emptyRecord<number>()
  for (const { name } of settings.fields) text[name] = textOf(fields, name)
  for (const { kind, name } of settings.columns) {
    const value = at(fields, name)
    if (value === undefined || value === null) continue
    if (kind === "keyword") {
      const found = keywordsOf(value)
      if (found.length > 0) keywords[name] = found
    } else {
      const number = numberOf(value)
      if (number !== undefined) numbers[name] = number
    }
  }
  return { docId, text, keywords, numbers, popularity }
}
