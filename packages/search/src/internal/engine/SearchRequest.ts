/**
 * One search, its limits and its answer.
 */
import type { EngineSettings } from "./EngineSettings.ts"
import type { Filter } from "./Filter.ts"

/** Pages reach this far; an exhaustive walk is an export, not a search. */
export const windowMax = 1_000
export const facetsMax = 32
export const facetValuesMax = 1_000
export const sortKeysMax = 4

export interface FacetRequest {
  readonly column: string
  /** How many values are listed, the most frequent first. */
  readonly valuesMax: number
  /** Lists only values that have a word beginning with each word of this: the search in a facet's values. */
  readonly query?: string | undefined
}

export interface SortKey {
  readonly column: string
  readonly direction: "ascending" | "descending"
}

export interface SearchRequest {
  /** Empty finds everything, the most popular first. */
  readonly query: string
  /** The last word is being typed: find words that begin with it. */
  readonly prefix: boolean
  /** Correct words that no document has. */
  readonly typos: boolean
  readonly filter?: Filter | undefined
  readonly facets: ReadonlyArray<FacetRequest>
  /** Empty sorts by relevance. Documents without a value come last either way. */
  readonly sort: ReadonlyArray<SortKey>
  readonly offset: number
  readonly limit: number
  readonly explain: boolean
}

export const defaults: SearchRequest = {
  query: "",
  prefix: false,
  typos: true,
  facets: [],
  sort: [],
  offset: 0,
  limit: 20,
  explain: false
}

export interface RequestRefused {
  readonly parameter: "filter" | "facets" | "sort" | "page"
  readonly message: string
}

/** What a word of the query found, and how. */
export interface Matched {
  readonly word: string
  readonly terms: ReadonlyArray<string>
  readonly how: "exact" | "prefix" | "typo" | "split" | "synonym" | "joined" | "unit"
  readonly score: number
}

export interface Explanation {
  readonly words: ReadonlyArray<Matched>
  /** Counted words of the query that the document has, of all. */
  readonly share: number
  readonly popularity: number
  /** The product of the above: sum of the words' scores * share * popularity. */
  readonly score: number
}

export interface Hit {
  /** Where the document stands in the version; undefined when it comes from the changes since the version was built. */
  readonly ordinal: number | undefined
  /** Known when the hit comes from the changes; else the caller reads it with the page. */
  readonly docId: string | undefined
  readonly score: number
  readonly explanation?: Explanation | undefined
}

export interface FacetStats {
  readonly min: number
  readonly max: number
  readonly sum: number
  readonly count: number
}

export interface Facet {
  readonly column: string
  readonly values: ReadonlyArray<{ readonly value: string | number; readonly count: number }>
  /** All distinct values among the hits, listed or not. */
  readonly distinct: number
  /** Of number columns that have a value among the hits. */
  readonly stats?: FacetStats | undefined
}

/** What became of a word of the query. */
export interface WordOutcome {
  readonly word: string
  /** Where it stands in the query, for highlighting in a search box. */
  readonly start: number
  readonly end: number
  /** All terms looked for in its place; empty when nothing is known. What the hits' texts are highlighted with. */
  readonly terms: ReadonlyArray<string>
  readonly how: Matched["how"] | "unknown"
}

export interface SearchAnswer {
  readonly hits: ReadonlyArray<Hit>
  /**
   * Documents with at least `level` of the query's words, where the level is the highest that has 100 documents, or
   * 1. Hits and facets are of these documents and no others.
   */
  readonly nbHits: number
  readonly level: number
  readonly words: ReadonlyArray<WordOutcome>
  readonly facets: ReadonlyArray<Facet>
  /** The query was longer than the limits, and the rest was not looked for. */
  readonly truncated: boolean
}

const filterProblem = (kinds: ReadonlyMap<string, string>, filter: Filter): string | undefined => {
  switch (filter._tag) {
    case "And":
    case "Or":
      return filter.filters.map((part) => filterProblem(kinds, part)).find((problem) => problem !== undefined)
    case "Not":
      return filterProblem(kinds, filter.filter)
    default: {
      const kind = kinds.get(filter.column)
      if (kind === undefined) return `there is no column ${filter.column}`
      if (filter._tag === "Range" && kind !== "number") return `${filter.column} has no numbers`
      return filter._tag === "In" && kind === "number" && !filter.values.every(isNumber)
        ? `${filter.column} is compared with a number`
        : undefined
    }
  }
}

const isNumber = (text: string) => text.trim() !== "" && Number.isFinite(Number(text))

const isWithin = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max

/** Why a version with these settings cannot answer a request. */
export const problemOf = (settings: EngineSettings, request: SearchRequest): RequestRefused | undefined => {
  const kinds = new Map(settings.columns.map(({ kind, name }) => [name, kind]))
  const unknown = (columns: ReadonlyArray<{ readonly column: string }>) =>
    columns.find(({ column }) => !kinds.has(column))?.column
  const { facets, filter, limit, offset, sort } = request
  if (!isWithin(offset, windowMax) || !isWithin(limit, windowMax) || offset + limit > windowMax) {
    return { parameter: "page", message: `a page ends within the first ${windowMax} hits` }
  }
  const refusedFilter = filter === undefined ? undefined : filterProblem(kinds, filter)
  if (refusedFilter !== undefined) return { parameter: "filter", message: refusedFilter }
  if (facets.length > facetsMax) return { parameter: "facets", message: `more than ${facetsMax} facets` }
  const unknownFacet = unknown(facets)
  if (unknownFacet !== undefined) {
    return { parameter: "facets", message: `there is no column ${unknownFacet}` }
  }
  if (!facets.every(({ valuesMax }) => isWithin(valuesMax, facetValuesMax))) {
    return { parameter: "facets", message: `at most ${facetValuesMax} values of a facet` }
  }
  if (sort.length > sortKeysMax) return { parameter: "sort", message: `more than ${sortKeysMax} sort keys` }
  const unknownSort = unknown(sort)
  return unknownSort === undefined
    ? undefined
    : { parameter: "sort", message: `there is no column ${unknownSort}` }
}
