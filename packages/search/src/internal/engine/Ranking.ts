/**
 * The order of hits. By relevance: score, then ordinal (so popularity), then id. Sorted: the sort keys first, documents
 * without a value last in either direction.
 */
import { type Columns, compareTexts, keywordsAt, numberAt } from "./Columns.ts"
import type { DeltaDocument } from "./Delta.ts"
import type { Place } from "./Documents.ts"
import type { SortKey } from "./SearchRequest.ts"

export interface Candidate {
  readonly at: Place
  /** Known for a document of the changes, and for a pinned one. */
  readonly docId: string | undefined
  readonly score: number
  readonly words: number
  /** A changed document stands where the version's own stood; a new one after all. */
  readonly place: number
  readonly keys: ReadonlyArray<number | string | undefined>
  /** With `distinct`, the value of its column. */
  readonly group: string | undefined
  /** The position of a pinned document. */
  readonly pin?: number
}

const compareValues = (a: number | string | undefined, b: number | string | undefined): number => {
  if (a === undefined || b === undefined) return 0
  if (typeof a === "string" && typeof b === "string") return compareTexts(a, b)
  return a < b ? -1 : a > b ? 1 : 0
}

const compareIds = (a: string | undefined, b: string | undefined): number =>
  a === undefined || b === undefined ? 0 : a < b ? -1 : a > b ? 1 : 0

const compareKeys = (sort: ReadonlyArray<SortKey>, a: Candidate, b: Candidate): number => {
  for (let n = 0; n < sort.length; n++) {
    const left = a.keys[n]
    const right = b.keys[n]
    if ((left === undefined) !== (right === undefined)) return left === undefined ? 1 : -1
    const compared = compareValues(left, right)
    if (compared !== 0) return sort[n]?.direction === "descending" ? -compared : compared
  }
  return 0
}

export const comparator =
  (sort: ReadonlyArray<SortKey>) =>
  (a: Candidate, b: Candidate): number =>
    compareKeys(sort, a, b) ||
    b.score - a.score ||
    (a.place === b.place ? compareIds(a.docId, b.docId) : a.place - b.place)

/** Of several values the first counts, as the document has them. */
const first = (values: ReadonlyArray<string> | undefined): string | undefined => values?.[0]

export const keysOfOrdinal = (
  columns: Columns,
  sort: ReadonlyArray<SortKey>,
  ordinal: number
): Candidate["keys"] =>
  sort.map(({ column }) => {
    const loaded = columns.get(column)
    if (loaded === undefined) return undefined
    if (loaded.kind === "keyword") return first(keywordsAt(loaded, ordinal))
    const value = numberAt(loaded, ordinal)
    return Number.isNaN(value) ? undefined : value
  })

export const keysOfDocument = (sort: ReadonlyArray<SortKey>, document: DeltaDocument): Candidate["keys"] =>
  sort.map(({ column }) => document.numbers[column] ?? first(document.keywords[column]))

/**
 * By ordinal, numbers that order as a column's values do: the values themselves, or the ranks of first values. NaN for
 * none.
 */
const orderOf = (columns: Columns, { column }: SortKey): ((ordinal: number) => number) => {
  const loaded = columns.get(column)
  if (loaded === undefined) return () => Number.NaN
  if (loaded.kind === "number") return (ordinal) => numberAt(loaded, ordinal)
  const ranks = columns.ranksOf(column, loaded.dictionary)
  const { starts, values } = loaded
  return (ordinal) => {
    const at = starts === undefined ? ordinal : (starts[ordinal] ?? 0)
    const value = starts !== undefined && at === starts[ordinal + 1] ? 0 : (values[at] ?? 0)
    return value === 0 ? Number.NaN : (ranks[value] ?? 0)
  }
}

/** Compares a version's documents by the sort keys alone. */
export const ordinalComparator = (
  columns: Columns,
  sort: ReadonlyArray<SortKey>
): ((a: number, b: number) => number) => {
  const keys = sort.map((key) => ({
    order: orderOf(columns, key),
    sign: key.direction === "descending" ? -1 : 1
  }))
  return (a, b) => {
    for (const { order, sign } of keys) {
      const left = order(a)
      const right = order(b)
      if (left === right) continue
      if (Number.isNaN(left) || Number.isNaN(right)) {
        if (Number.isNaN(left) && Number.isNaN(right)) continue
        return Number.isNaN(left) ? 1 : -1
      }
      return (left - right) * sign
    }
    return 0
  }
}

/** The first of many in an order: gathers twice as many, sorts, and keeps half. */
export class FirstOf {
  private readonly capacity: number
  private readonly compare: (a: number, b: number) => number
  private readonly kept: Array<number> = []
  private last: number | undefined

  constructor(capacity: number, compare: (a: number, b: number) => number) {
    this.capacity = capacity
    this.compare = compare
  }

  offer(value: number): void {
    if (this.last !== undefined && this.compare(value, this.last) > 0) return
    this.kept.push(value)
    if (this.kept.length >= this.capacity * 2 + 1) this.cut()
  }

  sorted(): ReadonlyArray<number> {
    this.cut()
    return this.kept
  }

  private cut(): void {
    this.kept.sort(this.compare)
    this.kept.length = Math.min(this.kept.length, this.capacity)
    this.last = this.kept.length === this.capacity ? this.kept.at(-1) : undefined
  }
}
