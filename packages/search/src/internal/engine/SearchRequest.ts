/**
 * One search, its limits and its answer.
 */
import type { EngineSettings } from "./EngineSettings.ts"
import type { Filter } from "./Filter.ts"
import type { Synonyms } from "./Synonyms.ts"
import * as Filters from "./Filter.ts"

/** Pages reach this far; an exhaustive walk is an export, not a search. */
export const windowMax = 1_000
export const facetsMax = 32
export const facetValuesMax = 1_000
export const sortKeysMax = 4
/** A document's failed refinements are the bits of one byte. */
export const refinementsMax = 8

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

/** One of some values of a column. A facet of the same column counts documents as if this were not asked. */
export interface Refinement {
  readonly column: string
  readonly values: ReadonlyArray<string>
}

/** Of the documents with the same first value in a keyword column, the first `limit` are shown. */
export interface Distinct {
  readonly column: string
  readonly limit: number
}

/** Multiplies the scores of the documents in a filter. */
export interface Boost {
  readonly filter: Filter
  readonly factor: number
}

/** A document that is shown at a position, from 1, as long as it is in the filter. */
export interface Pin {
  readonly docId: string
  readonly position: number
}

/**
 * Which documents are found: with every word of the query, with as many words as the best document has, or with any
 * word.
 */
export type Match = "all" | "most" | "any"

export interface SearchRequest {
  /** Empty finds everything, the most popular first. */
  readonly query: string
  /** The last word is being typed: find words that begin with it. */
  readonly prefix: boolean
  /** Correct words that no document has. */
  readonly typos: boolean
  /** In place of those of the version. */
  readonly synonyms?: Synonyms | undefined
  /**
   * Undefined is `most` with a sort. Without one it is `any` for the hits, whose order puts full matches first, while
   * facets count the best matches alone.
   */
  readonly match?: Match | undefined
  readonly filter?: Filter | undefined
  readonly refinements: ReadonlyArray<Refinement>
  readonly distinct?: Distinct | undefined
  /** Not with a sort. By ascending position, each document once. */
  readonly pins: ReadonlyArray<Pin>
  /** Ids of documents that are not found. */
  readonly hides: ReadonlyArray<string>
  readonly boosts: ReadonlyArray<Boost>
  readonly facets: ReadonlyArray<FacetRequest>
  /** Empty sorts by relevance. Documents without a value come last either way. */
  readonly sort: ReadonlyArray<SortKey>
  readonly offset: number
  readonly limit: number
  readonly explain: boolean
  /** The id of a document to explain, found or not. */
  readonly explained?: string | undefined
  /** Where the version has the documents of {@link idsOf}; those it does not have are absent. */
  readonly ordinals: ReadonlyMap<string, number>
}

export const defaults: SearchRequest = {
  query: "",
  prefix: false,
  typos: true,
  refinements: [],
  pins: [],
  hides: [],
  boosts: [],
  facets: [],
  sort: [],
  offset: 0,
  limit: 20,
  explain: false,
  ordinals: new Map()
}

/** Ids that a request names, whose ordinals the search needs. */
export const idsOf = ({ boosts, explained, filter, hides, pins }: SearchRequest): ReadonlySet<string> =>
  new Set([
    ...(filter === undefined ? [] : Filters.idsOf(filter)),
    ...boosts.flatMap((boost) => [...Filters.idsOf(boost.filter)]),
    ...hides,
    ...pins.map(({ docId }) => docId),
    ...(explained === undefined ? [] : [explained])
  ])

export interface RequestRefused {
  readonly parameter: "filter" | "refinements" | "distinct" | "facets" | "sort" | "page"
  readonly message: string
}

/** A match of a word of the query, and its kind. */
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
  /** The factors of the boosts that the document is in, multiplied. */
  readonly boost: number
  /** The product of the above: sum of the words' scores * share * popularity * boost. */
  readonly score: number
}

export interface Hit {
  /** Position of the document in the version; undefined when it comes from the changes since the version was built. */
  readonly ordinal: number | undefined
  /** Known when the hit comes from the changes; else the caller reads it with the page. */
  readonly docId: string | undefined
  readonly score: number
  /** Counted words of the query that the document does not have. */
  readonly missingWords: number
  /** A rule has put it where it is. */
  readonly pinned?: boolean
  readonly explanation?: Explanation | undefined
}

/**
 * The reason why a document is found or not. It is not in the index, a rule hides it, or the filter or a refinement leaves
 * it out. Or it has an excluded word, lacks a word in quotes, or has fewer words of the query than those that are found.
 */
export type Outcome = "found" | "absent" | "hidden" | "filtered" | "excluded" | "required" | "words"

export interface Explained {
  readonly docId: string
  readonly outcome: Outcome
  /** Among the hits, from 1; undefined past the last page, and for a document that another one of its group stands for. */
  readonly position: number | undefined
  readonly missingWords: number
  /** Undefined for a document that is not in the index. */
  readonly explanation: Explanation | undefined
}

export interface FacetStats {
  readonly min: number
  readonly max: number
  readonly sum: number
  readonly count: number
}

export interface Facet {
  readonly column: string
  /** `best`: counted over the documents of `foundBest`; `found`: over all that are found. */
  readonly of: "best" | "found"
  readonly values: ReadonlyArray<{ readonly value: string | number; readonly count: number }>
  /** All distinct values among the hits, listed or not. */
  readonly distinct: number
  /** Of number columns that have a value among the hits. */
  readonly stats?: FacetStats | undefined
}

/** The interpretation of a word of the query. */
export interface WordOutcome {
  readonly word: string
  /** Its position in the query, for highlighting in a search box. */
  readonly start: number
  readonly end: number
  /** All terms looked for in its place; empty when nothing is known. What the hits' texts are highlighted with. */
  readonly terms: ReadonlyArray<string>
  /** The same for people, as far as it is known: a term may be a stem, which is no word. */
  readonly shown: ReadonlyArray<string>
  readonly how: Matched["how"] | "unknown"
}

export interface SearchAnswer {
  readonly hits: ReadonlyArray<Hit>
  /** Documents with at least `level` of the query's words: those that can be paged. */
  readonly nbHits: number
  readonly level: number
  /** Documents with `levelBest` words, the highest number that any document has. */
  readonly nbHitsBest: number
  readonly levelBest: number
  readonly words: ReadonlyArray<WordOutcome>
  readonly facets: ReadonlyArray<Facet>
  readonly explained?: Explained | undefined
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
      if (filter.column === Filters.idColumn) {
        return filter._tag === "Range" ? `${Filters.idColumn} has no numbers` : undefined
      }
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

const refinementProblem = (
  kinds: ReadonlyMap<string, string>,
  refinements: ReadonlyArray<Refinement>
): string | undefined => {
  if (refinements.length > refinementsMax) return `more than ${refinementsMax} refinements`
  const names = refinements.map(({ column }) => column)
  const twice = names.find((name, n) => names.indexOf(name) !== n)
  if (twice !== undefined) return `${twice} is refined twice`
  return refinements
    .map(({ column, values }) => filterProblem(kinds, { _tag: "In", column, values }))
    .find((problem) => problem !== undefined)
}

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
  const refusedRefinement = refinementProblem(kinds, request.refinements)
  if (refusedRefinement !== undefined) return { parameter: "refinements", message: refusedRefinement }
  const { distinct } = request
  if (distinct !== undefined && kinds.get(distinct.column) !== "keyword") {
    return { parameter: "distinct", message: `there is no keyword column ${distinct.column}` }
  }
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
