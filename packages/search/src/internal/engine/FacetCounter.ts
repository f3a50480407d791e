/**
 * Counts the values of the documents found: those of the version by number of value, those of the changes by value.
 */
import { normalise } from "./Analyser.ts"
import { type Columns, type KeywordColumn, numberAt, type NumberColumn } from "./Columns.ts"
import type { DeltaDocument } from "./Delta.ts"
import type { Executor } from "./Executor.ts"
import type { Facet, FacetRequest, FacetStats } from "./SearchRequest.ts"

export interface FacetCounter {
  readonly countVersion: (executor: Executor, level: number) => void
  readonly countDocument: (document: DeltaDocument) => void
  readonly facet: () => Facet
}

const notWordPattern = /[^\p{L}\p{N}]+/u

/** Whether a value has a word beginning with each word of the query. */
const matcher = (query: string | undefined): ((value: string | number) => boolean) => {
  const wanted = normalise(query ?? "")
    .split(notWordPattern)
    .filter((word) => word !== "")
  if (wanted.length === 0) return () => true
  return (value) => {
    const words = normalise(String(value)).split(notWordPattern)
    return wanted.every((beginning) => words.some((word) => word.startsWith(beginning)))
  }
}

const facetOf = (
  request: FacetRequest,
  counts: ReadonlyMap<string | number, number>,
  stats: FacetStats | undefined
): Facet => {
  const isWanted = matcher(request.query)
  const values = Array.from(counts, ([value, count]) => ({ value, count })).filter(({ value }) =>
    isWanted(value)
  )
  return {
    column: request.column,
    distinct: values.length,
    values: values
      .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
      .slice(0, request.valuesMax),
    ...(stats === undefined ? {} : { stats })
  }
}

const keywordCounter = (request: FacetRequest, column: KeywordColumn | undefined): FacetCounter => {
  const counts = new Uint32Array((column?.dictionary.length ?? 0) + 1)
  const changed = new Map<string, number>()
  return {
    countVersion: (executor, level) => {
      if (column === undefined) return
      const { starts, values } = column
      executor.forEach(
        level,
        starts === undefined
          ? (ordinal) => {
              const value = values[ordinal] ?? 0
              counts[value] = (counts[value] ?? 0) + 1
            }
          : (ordinal) => {
              const end = starts[ordinal + 1] ?? 0
              for (let at = starts[ordinal] ?? 0; at < end; at++) {
                const value = values[at] ?? 0
                counts[value] = (counts[value] ?? 0) + 1
              }
            }
      )
    },
    countDocument: ({ keywords }) => {
      for (const value of new Set(keywords[request.column])) changed.set(value, (changed.get(value) ?? 0) + 1)
    },
    facet: () => {
      const merged = new Map<string | number, number>(changed)
      column?.dictionary.forEach((value, number) => {
        const count = counts[number + 1] ?? 0
        if (count > 0) merged.set(value, (merged.get(value) ?? 0) + count)
      })
      return facetOf(request, merged, undefined)
    }
  }
}

const numberCounter = (request: FacetRequest, column: NumberColumn | undefined): FacetCounter => {
  const counts = new Map<number, number>()
  const add = (value: number) => {
    if (!Number.isNaN(value)) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return {
    countVersion: (executor, level) => {
      if (column !== undefined) executor.forEach(level, (ordinal) => add(numberAt(column, ordinal)))
    },
    countDocument: ({ numbers }) => add(numbers[request.column] ?? Number.NaN),
    facet: () => {
      if (counts.size === 0) return facetOf(request, counts, undefined)
      let min = Infinity
      let max = -Infinity
      let sum = 0
      let count = 0
      for (const [value, times] of counts) {
        min = Math.min(min, value)
        max = Math.max(max, value)
        sum += value * times
        count += times
      }
      return facetOf(request, counts, { min, max, sum, count })
    }
  }
}

export const make = (request: FacetRequest, kind: "keyword" | "number", columns: Columns): FacetCounter => {
  const column = columns.get(request.column)
  return kind === "number"
    ? numberCounter(request, column?.kind === "number" ? column : undefined)
    : keywordCounter(request, column?.kind === "keyword" ? column : undefined)
}
