/**
 * What is searched for and what is answered. Without the searching itself, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as Filter from "./internal/engine/Filter.ts"
import * as EngineRequest from "./internal/engine/SearchRequest.ts"
import { VersionId } from "./SearchIndex.ts"
import { FieldPath } from "./SearchSettings.ts"

/**
 * Longer queries are truncated to 1,500 characters and 32 words, which the answer says; from this on they are refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const queryCharsMax = 20_000

export const limitDefault = 20
const limitMax = 200
export const facetValuesDefault = 20
const pathsMax = 50
const tagCharsMax = 100

const Whole = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

/**
 * A search. Pages reach 1,000 hits deep.
 *
 * @category models
 * @since 0.1.0
 */
export const SearchQuery = Schema.Struct({
  /** Empty finds everything. */
  query: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(queryCharsMax))),
  /** `brand = "Canon" AND price >= 10000 AND NOT (stock = 0)`. */
  filter: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(Filter.filterCharsMax))),
  facets: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        column: FieldPath,
        /** The values listed, the most frequent first; 20 by default. */
        limit: Schema.optionalKey(
          Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: EngineRequest.facetValuesMax }))
        ),
        /** Lists only values with words that begin with these. */
        query: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200)))
      })
    ).check(Schema.isMaxLength(EngineRequest.facetsMax))
  ),
  /** By relevance when there is none. */
  sort: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({ column: FieldPath, direction: Schema.Literals(["ascending", "descending"]) })
    ).check(Schema.isMaxLength(EngineRequest.sortKeysMax))
  ),
  offset: Schema.optionalKey(Whole(EngineRequest.windowMax)),
  /** 20 by default. */
  limit: Schema.optionalKey(Whole(limitMax)),
  /** Whether words that no document has are corrected; they are by default. */
  typos: Schema.optionalKey(Schema.Boolean),
  /** Whether the last word is being typed; it is not by default. */
  prefix: Schema.optionalKey(Schema.Boolean),
  highlight: Schema.optionalKey(
    Schema.Struct({
      fields: Schema.Array(FieldPath).check(Schema.isMaxLength(pathsMax)),
      /** `<em>` and `</em>` by default. The text around them is escaped for HTML. */
      before: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(tagCharsMax))),
      after: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(tagCharsMax)))
    })
  ),
  /** What of the documents comes with the hits; all by default. */
  retrieve: Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.isMaxLength(200))).check(Schema.isMaxLength(pathsMax))
  ),
  explain: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchQuery = typeof SearchQuery.Type

const How = Schema.Literals(["exact", "prefix", "typo", "split", "synonym", "joined", "unit"])

/**
 * How a score came about: the sum of the words' scores, times the share of words that the document has, times popularity.
 *
 * @category models
 * @since 0.1.0
 */
export const Explanation = Schema.Struct({
  words: Schema.Array(
    Schema.Struct({
      word: Schema.String,
      terms: Schema.Array(Schema.String),
      how: How,
      score: Schema.Number
    })
  ),
  share: Schema.Number,
  popularity: Schema.Number,
  score: Schema.Number
})

/**
 * @category models
 * @since 0.1.0
 */
export const Hit = Schema.Struct({
  id: Schema.String,
  score: Schema.Number,
  fields: Schema.Record(Schema.String, Schema.Json),
  highlights: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  explanation: Schema.optionalKey(Explanation)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Hit = typeof Hit.Type

/**
 * @category models
 * @since 0.1.0
 */
export const SearchResult = Schema.Struct({
  /** To be given with the clicks that follow. */
  queryId: Schema.String,
  /** The version that all hits belong to, with the changes since it was built. */
  indexVersion: VersionId,
  hits: Schema.Array(Hit),
  /** Documents that have at least `level` of the query's words; facets count the same documents. */
  found: Schema.Int,
  level: Schema.Int,
  /** What was looked for in place of each word. */
  words: Schema.Array(
    Schema.Struct({
      word: Schema.String,
      start: Schema.Int,
      end: Schema.Int,
      terms: Schema.Array(Schema.String),
      how: Schema.Literals([...How.literals, "unknown"])
    })
  ),
  facets: Schema.Array(
    Schema.Struct({
      column: Schema.String,
      values: Schema.Array(
        Schema.Struct({ value: Schema.Union([Schema.String, Schema.Number]), count: Schema.Int })
      ),
      /** Different values among the documents found, listed or not. */
      distinct: Schema.Int,
      stats: Schema.optionalKey(
        Schema.Struct({ min: Schema.Number, max: Schema.Number, sum: Schema.Number, count: Schema.Int })
      )
    })
  ),
  /** Whether the query was longer than what is looked for. */
  truncated: Schema.Boolean
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchResult = typeof SearchResult.Type

/**
 * A part of the search is not understood: a filter that does not parse (with the position), a column that the version
 * does not have, a page past the limit.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchInvalid extends HttpApiError.Problem<SearchInvalid>()(
  "SearchInvalid",
  {
    type: "urn:hypermarket:problem:search:search-invalid",
    status: 400,
    title: "The search is not understood"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The index is being built: its version came from another database cluster, or too many changes stand beside it. Try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchIndexBuilding extends HttpApiError.Problem<SearchIndexBuilding>()(
  "SearchIndexBuilding",
  {
    type: "urn:hypermarket:problem:search:index-building",
    status: 503,
    title: "The index is being built; try again"
  },
  { indexName: Schema.String, reason: Schema.Literals(["restored", "behind"]) }
) {}
