/**
 * Writes of documents before they reach the table: what cannot be indexed, several writes of one document, and changes of
 * some fields.
 */
import type * as Schema from "effect/Schema"
import { documentBytesMax } from "../SearchDocument.ts"
import type { SearchSettings } from "../SearchSettings.ts"
import { type Fields, unfitColumnsOf } from "./indexed.ts"

export interface Write {
  readonly id: string
  readonly version: number
  /** JSON; empty for a tombstone. */
  readonly text: string
}

export interface Issue {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

/** Matches the escapes of U+0000 and of halves of surrogate pairs, which jsonb refuses. */
const refusedEscape = /(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/

const problemOf = (text: string): string | undefined => {
  const bytes = Buffer.byteLength(text)
  if (bytes > documentBytesMax) return `Expected at most ${documentBytesMax} bytes, got ${bytes}`
  return refusedEscape.test(text) ? "Expected neither U+0000 nor half of a surrogate pair" : undefined
}

/** The reasons why a document cannot be indexed. `columns` are those that its values must fit. */
export const issuesOf = (
  path: ReadonlyArray<string>,
  fields: Fields,
  text: string,
  columns: SearchSettings["columns"]
): ReadonlyArray<Issue> => {
  const message = problemOf(text)
  const unfit = unfitColumnsOf(columns, fields).map((name) => ({
    path: [...path, "fields", name],
    message: `Expected a number, because ${name} is a number column`
  }))
  return message === undefined ? unfit : [{ path: [...path, "fields"], message }, ...unfit]
}

/** Replaces fields by those of a change; null removes a field. */
export const merged = (fields: Fields, change: Fields): Fields => {
  const all: Record<string, Schema.Json> = { ...fields, ...change }
  for (const [name, value] of Object.entries(change)) if (value === null) delete all[name]
  return all
}

/**
 * Returns one write per document: of several the one with the highest version, or else the last. Sorted, so that two
 * batches cannot deadlock.
 */
export const distinct = (writes: ReadonlyArray<Write>): ReadonlyArray<Write> => {
  const byId = new Map<string, Write>()
  for (const write of writes) {
    const other = byId.get(write.id)
    if (other === undefined || write.version === 0 || write.version >= other.version)
      byId.set(write.id, write)
  }
  return Array.from(byId.values()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
