/**
 * The values of a version's documents in memory, by ordinal. Typed arrays over shared memory, so that worker threads of
 * a process have one copy; only dictionaries are copied.
 */
import { type ColumnChunk, missingInt32, ordinalsPerChunk } from "./ColumnWriter.ts"
import type { Reader } from "./Filter.ts"
import type { ColumnSummary, VersionSummary } from "./VersionSummary.ts"

export interface NumberColumn {
  readonly kind: "number"
  readonly values: Int32Array | Float64Array
}

export interface KeywordColumn {
  readonly kind: "keyword"
  readonly dictionary: ReadonlyArray<string>
  /** Number of a value + 1; 0 for none. One a document, unless there are `starts`. */
  readonly values: Uint16Array | Uint32Array
  /** Where a document's values begin; one more than there are documents. */
  readonly starts: Uint32Array | undefined
}

export type LoadedColumn = NumberColumn | KeywordColumn

/** NaN for a missing value. */
export const numberAt = (column: NumberColumn, ordinal: number): number => {
  const value = column.values[ordinal] ?? Number.NaN
  return value === missingInt32 && column.values instanceof Int32Array ? Number.NaN : value
}

export const keywordsAt = (column: KeywordColumn, ordinal: number): ReadonlyArray<string> => {
  const start = column.starts === undefined ? ordinal : (column.starts[ordinal] ?? 0)
  const end = column.starts === undefined ? ordinal + 1 : (column.starts[ordinal + 1] ?? 0)
  return Array.from(column.values.subarray(start, end), (number) => column.dictionary[number - 1]).filter(
    (value) => value !== undefined
  )
}

const aligned = (data: Uint8Array): ArrayBuffer => {
  const copy = new Uint8Array(data.length)
  copy.set(data)
  return copy.buffer
}

const chunksOf = (chunks: ReadonlyArray<ColumnChunk>, part: ColumnChunk["part"]) =>
  chunks.filter((chunk) => chunk.part === part).toSorted((a, b) => a.chunk - b.chunk)

const checkSize = (name: string, found: number, expected: number) => {
  if (found !== expected) throw new RangeError(`column ${name} has ${found} values of ${expected}`)
}

const numbers = (
  documentCount: number,
  summary: ColumnSummary & { readonly kind: "number" },
  chunks: ReadonlyArray<ColumnChunk>
): NumberColumn => {
  const isInt32 = summary.width === "int32"
  const values = isInt32
    ? new Int32Array(new SharedArrayBuffer(documentCount * 4))
    : new Float64Array(new SharedArrayBuffer(documentCount * 8))
  let size = 0
  for (const { chunk, data } of chunksOf(chunks, "values")) {
    const part = isInt32 ? new Int32Array(aligned(data)) : new Float64Array(aligned(data))
    values.set(part, chunk * ordinalsPerChunk)
    size += part.length
  }
  checkSize(summary.name, size, documentCount)
  return { kind: "number", values }
}

const strings = (bytes: Uint8Array): ReadonlyArray<string> => {
  const parsed: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
  return Array.isArray(parsed) ? parsed.filter((value) => typeof value === "string") : []
}

const keywords = (
  documentCount: number,
  summary: ColumnSummary & { readonly kind: "keyword" },
  chunks: ReadonlyArray<ColumnChunk>
): KeywordColumn => {
  const dictionary = chunksOf(chunks, "dictionary").flatMap(({ data }) => strings(data))
  checkSize(summary.name, dictionary.length, summary.distinct)
  const isNarrow = summary.width === "uint16"
  const packed = (data: Uint8Array) =>
    isNarrow ? new Uint16Array(aligned(data)) : new Uint32Array(aligned(data))
  const count = summary.isMulti ? summary.values : documentCount
  const values = isNarrow
    ? new Uint16Array(new SharedArrayBuffer(count * 2))
    : new Uint32Array(new SharedArrayBuffer(count * 4))
  let size = 0
  if (!summary.isMulti) {
    for (const { chunk, data } of chunksOf(chunks, "values")) {
      const part = packed(data)
      values.set(part, chunk * ordinalsPerChunk)
      size += part.length
    }
    checkSize(summary.name, size, documentCount)
    return { kind: "keyword", dictionary, values, starts: undefined }
  }
  const starts = new Uint32Array(new SharedArrayBuffer((documentCount + 1) * 4))
  let documents = 0
  for (const { chunk, data } of chunksOf(chunks, "values")) {
    const inChunk = Math.min(ordinalsPerChunk, documentCount - chunk * ordinalsPerChunk)
    const counts = new Uint32Array(aligned(data.subarray(0, inChunk * 4)))
    values.set(packed(data.subarray(inChunk * 4)), size)
    for (const valuesOfOne of counts) {
      size += valuesOfOne
      starts[++documents] = size
    }
  }
  checkSize(summary.name, documents, documentCount)
  checkSize(summary.name, size, summary.values)
  return { kind: "keyword", dictionary, values, starts }
}

const collator = new Intl.Collator("und", { numeric: true })

/** The order of texts for people, whatever their language: by letters, then accents, then case, and numbers by their value. */
export const compareTexts = (a: string, b: string): number =>
  collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0)

export class Columns {
  private readonly loaded: ReadonlyMap<string, LoadedColumn>
  /** By keyword column: the place of each value in the order of all, for sorting. Made when first asked for. */
  private readonly ranks = new Map<string, Uint32Array>()

  constructor(loaded: ReadonlyMap<string, LoadedColumn>) {
    this.loaded = loaded
  }

  /** Those columns of the version that the chunks belong to, each with all of its chunks. */
  static load(summary: VersionSummary, chunks: Iterable<ColumnChunk>): Columns {
    const byName = Map.groupBy(chunks, ({ name }) => name)
    const loaded = new Map<string, LoadedColumn>()
    for (const column of summary.columns) {
      const found = byName.get(column.name)
      if (found === undefined && summary.documentCount > 0) continue
      loaded.set(
        column.name,
        column.kind === "number"
          ? numbers(summary.documentCount, column, found ?? [])
          : keywords(summary.documentCount, column, found ?? [])
      )
    }
    return new Columns(loaded)
  }

  /** These and the others. */
  with(others: Columns): Columns {
    return new Columns(new Map([...this.loaded, ...others.loaded]))
  }

  get names(): ReadonlySet<string> {
    return new Set(this.loaded.keys())
  }

  get(name: string): LoadedColumn | undefined {
    return this.loaded.get(name)
  }

  entries(): ReadonlyMap<string, LoadedColumn> {
    return this.loaded
  }

  /** Dictionaries at a guess of two bytes a character and 24 a value. */
  get bytes(): number {
    let total = 0
    for (const column of this.loaded.values()) {
      total += column.values.byteLength
      if (column.kind === "number") continue
      total += column.starts?.byteLength ?? 0
      for (const value of column.dictionary) total += 24 + value.length * 2
    }
    return total
  }

  /** By number of value + 1, for one that has been loaded. */
  ranksOf(name: string, dictionary: ReadonlyArray<string>): Uint32Array {
    const known = this.ranks.get(name)
    if (known !== undefined) return known
    const ranks = new Uint32Array(dictionary.length + 1)
    dictionary
      .map((value, number) => ({ value, number }))
      .toSorted((a, b) => compareTexts(a.value, b.value))
      .forEach(({ number }, rank) => (ranks[number + 1] = rank))
    this.ranks.set(name, ranks)
    return ranks
  }

  /** For filters over ordinals. A column that is not loaded has no values. */
  readonly reader: Reader<number> = {
    isIn: (name, wanted) => {
      const column = this.loaded.get(name)
      if (column === undefined) return () => false
      if (column.kind === "number") {
        const values = new Set(wanted.map(Number))
        return (ordinal) => values.has(numberAt(column, ordinal))
      }
      const set = new Set(wanted)
      const flags = new Uint8Array(column.dictionary.length + 1)
      column.dictionary.forEach((value, number) => (flags[number + 1] = set.has(value) ? 1 : 0))
      const { starts, values } = column
      if (starts === undefined) return (ordinal) => flags[values[ordinal] ?? 0] === 1
      return (ordinal) => {
        const end = starts[ordinal + 1] ?? 0
        for (let at = starts[ordinal] ?? 0; at < end; at++) if (flags[values[at] ?? 0] === 1) return true
        return false
      }
    },
    number: (name) => {
      const column = this.loaded.get(name)
      return column?.kind === "number" ? (ordinal) => numberAt(column, ordinal) : () => Number.NaN
    },
    exists: (name) => {
      const column = this.loaded.get(name)
      if (column === undefined) return () => false
      if (column.kind === "number") return (ordinal) => !Number.isNaN(numberAt(column, ordinal))
      const { starts, values } = column
      return starts === undefined
        ? (ordinal) => values[ordinal] !== 0
        : (ordinal) => (starts[ordinal + 1] ?? 0) > (starts[ordinal] ?? 0)
    }
  }
}
