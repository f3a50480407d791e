/**
 * Counts the values of the documents found: those of the version by number of value, those of the changes by value.
 */
import { normalise } from "./Fold.ts"
import { type Columns, type KeywordColumn, numberAt, type NumberColumn } from "./Columns.ts"
import type { DeltaDocument } from "./Delta.ts"
import type * as SearchRequest from "./SearchRequest.ts"

type FacetRequest = SearchRequest.FacetRequest
type FacetStats = SearchRequest.FacetStats
/** Counts of values. The caller knows of which documents. */
type Facet = Omit<SearchRequest.Facet, "of">

export interface FacetCounter {
  readonly countVersion: (ordinals: Uint32Array) => void
  readonly countDocument: (document: DeltaDocument) => void
  readonly facet: () => Facet
}

const notWordPattern = /[^\p{L}\p{N}]+/u

/** Returns a test for values that have a word beginning with each word of the query. */
const matcher = (query: string): ((value: string | number) => boolean) => {
  const wanted = normalise(query)
    .split(notWordPattern)
    .filter((word) => word !== "")
  if (wanted.length === 0) return () => true
  return (value) => {
    const words = normalise(String(value)).split(notWordPattern)
    return wanted.every((beginning) => words.some((word) => word.startsWith(beginning)))
  }
}

/** The most frequent, and those that are as frequent as the last of them: the rest need not be sorted. */
const frequent = (values: ReadonlyArray<Facet["values"][number]>, valuesMax: number): Facet["values"] => {
  if (values.length <= valuesMax) return values
  const counts = Uint32Array.from(values, ({ count }) => count).toSorted()
  const least = counts[counts.length - valuesMax] ?? Infinity
  return values.filter(({ count }) => count >= least)
}

const facetOf = (request: FacetRequest, all: Facet["values"], stats: FacetStats | undefined): Facet => {
  const isWanted = request.query === undefined ? undefined : matcher(request.query)
  const values = isWanted === undefined ? all : all.filter(({ value }) => isWanted(value))
  return {
    column: request.column,
    distinct: values.length,
    values: frequent(values, request.valuesMax)
      .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
      .slice(0, request.valuesMax),
    ...(stats === undefined ? {} : { stats })
  }
}

const keywordCounter = (request: FacetRequest, column: KeywordColumn | undefined): FacetCounter => {
  const counts = new Uint32Array((column?.dictionary.length ?? 0) + 1)
  const changed = new Map<string, number>()
  return {
    countVersion: (ordinals) => {
      if (column === undefined) return
      const { starts, values } = column
      for (let n = 0; n < ordinals.length; n++) {
        const ordinal = ordinals[n] ?? 0
        const end = starts === undefined ? ordinal + 1 : (starts[ordinal + 1] ?? 0)
        for (let at = starts === undefined ? ordinal : (starts[ordinal] ?? 0); at < end; at++) {
          const value = values[at] ?? 0
          counts[value] = (counts[value] ?? 0) + 1
        }
      }
    },
    countDocument: ({ keywords }) => {
      const values = keywords[request.column] ?? []
      for (const value of values.length < 2 ? values : new Set(values)) {
        changed.set(value, (changed.get(value) ?? 0) + 1)
      }
    },
    facet: () => {
      const values: Array<Facet["values"][number]> = []
      for (let number = 1; number < counts.length; number++) {
        const value = column?.dictionary[number - 1] ?? ""
        let count = counts[number] ?? 0
        if (changed.size > 0) {
          count += changed.get(value) ?? 0
          changed.delete(value)
        }
        if (count > 0) values.push({ value, count })
      }
      for (const [value, count] of changed) values.push({ value, count })
      return facetOf(request, values, undefined)
    }
  }
}

const numberCounter = (request: FacetRequest, column: NumberColumn | undefined): FacetCounter => {
  const counts = new Map<number, number>()
  const add = (value: number) => {
    if (!Number.isNaN(value)) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return {
    countVersion: (ordinals) => {
      if (column !== undefined) for (const ordinal of ordinals) add(numberAt(column, ordinal))
    },
    countDocument: ({ numbers }) => add(numbers[request.column] ?? Number.NaN),
    facet: () => {
      const values = Array.from(counts, ([value, count]) => ({ value, count }))
      if (values.length === 0) return facetOf(request, values, undefined)
      let min = Infinity
      let max = -Infinity
      let sum = 0
      let count = 0
      for (const { count: times, value } of values) {
        min = Math.min(min, value)
        max = Math.max(max, value)
        sum += value * times
        count += times
      }
      return facetOf(request, values, { min, max, sum, count })
    }
  }
}

export const make = (request: FacetRequest, kind: "keyword" | "number", columns: Columns): FacetCounter => {
  const column = columns.get(request.column)
  return kind === "number"
    ? numberCounter(request, column?.kind === "number" ? column : undefined)
    : keywordCounter(request, column?.kind === "keyword" ? column : undefined)
}
