/**
 * Queries and their results: schemas and errors. Without the search itself, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
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
/** Searches of one call: those of a page with its lists. */
const searchesMax = 20
export const queriesDefault = 50
export const snippetWordsDefault = 20
export const facetValuesDefault = 20
export const distinctLimitDefault = 1
const distinctLimitMax = 10
const refinedValuesMax = 1_000
const pathsMax = 50
const tagCharsMax = 100

const Whole = (maximum: number) => BoundedInt.make({ minimum: 0, maximum })

const Tag = Schema.optionalKey(Text.make({ min: 0, max: tagCharsMax }))

const marked = {
  fields: Schema.Array(FieldPath).check(Schema.isMaxLength(pathsMax)),
  /** `<em>` and `</em>` by default. The text around them is escaped for HTML. */
  before: Tag,
  after: Tag
}

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
  filter: Schema.optionalKey(Text.make({ min: 0, max: Filter.filterCharsMax })),
  /**
   * Columns with the values that are chosen in them. A document has one of the values of each column. The facet of such a
   * column counts documents as if nothing were chosen in it, so that the other choices keep their counts.
   */
  refinements: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        column: FieldPath,
        values: Schema.Array(Schema.Union([Text.make({ min: 0, max: 500 }), Schema.Finite])).check(
          Schema.isMaxLength(refinedValuesMax)
        )
      })
    ).check(Schema.isMaxLength(EngineRequest.refinementsMax))
  ),
  /**
   * Shows only the first documents of those with the same value in a keyword column, such as the variants of a product.
   * `found` then counts the documents that are shown, and facets count all.
   */
  distinct: Schema.optionalKey(
    Schema.Struct({
      column: FieldPath,
      /**
       * Documents shown per value.
       *
       * @default 1
       */
      limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: distinctLimitMax }))
    })
  ),
  facets: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        column: FieldPath,
        /** The values listed, the most frequent first; 20 by default. */
        limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: EngineRequest.facetValuesMax })),
        /** Lists only values with words that begin with these. */
        query: Schema.optionalKey(Text.make({ min: 0, max: 200 }))
      })
    ).check(Schema.isMaxLength(EngineRequest.facetsMax))
  ),
  /**
   * Which documents are found, sorted, counted and paged.
   *
   * - `all`: those with every word of the query.
   * - `most`: those with as many words as the best document has.
   * - `any`: those with at least one word.
   *
   * @default with `sort`, `most`; without, `any` for the hits, while facets count the documents of `foundBest`
   */
  match: Schema.optionalKey(Schema.Literals(["all", "most", "any"])),
  /** By relevance when there is none. */
  sort: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({ column: FieldPath, direction: Schema.Literals(["ascending", "descending"]) })
    ).check(Schema.isMaxLength(EngineRequest.sortKeysMax))
  ),
  offset: Schema.optionalKey(Whole(EngineRequest.windowMax)),
  /** 20 by default. */
  limit: Schema.optionalKey(Whole(limitMax)),
  /** False to correct no words; they are corrected by default. */
  typos: Schema.optionalKey(Schema.Boolean),
  /** True while the last word is being typed; it is false by default. */
  prefix: Schema.optionalKey(Schema.Boolean),
  highlight: Schema.optionalKey(Schema.Struct(marked)),
  /** The part of each field with the most found words, marked as a highlight is. */
  snippet: Schema.optionalKey(
    Schema.Struct({
      ...marked,
      /**
       * Maximum words of a snippet.
       *
       * @default 20
       */
      words: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 200 }))
    })
  ),
  /** Fields that are returned with the hits; all by default. */
  retrieve: Schema.optionalKey(
    Schema.Array(Text.make({ min: 0, max: 200 })).check(Schema.isMaxLength(pathsMax))
  ),
  explain: Schema.optionalKey(Schema.Boolean),
  /** A document to explain in `product`, whether the search finds it or not. */
  productId: Schema.optionalKey(AdopterId),
  /** False to search without the rules and synonyms of the index's curation; they apply by default. */
  curated: Schema.optionalKey(Schema.Boolean),
  /** A ready version to search instead of the active one, with the documents as they are now. */
  versionId: Schema.optionalKey(VersionId)
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchQuery = typeof SearchQuery.Type

const How = Schema.Literals(["exact", "prefix", "typo", "split", "synonym", "joined", "unit"])

/**
 * The parts of a product's popularity, from 0 to 1 each, as it is now. The factor in a score is that of when the
 * version was built.
 *
 * @category models
 * @since 0.1.0
 */
export const PopularityParts = Schema.Struct({
  window: Schema.Literals(["day", "week", "month"]),
  /** The product's events beside those of the most wanted product, on a logarithmic scale. It weighs 1. */
  events: Schema.Number,
  signals: Schema.Array(Schema.Struct({ signal: Schema.String, weight: Schema.Number, value: Schema.Number }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type PopularityParts = typeof PopularityParts.Type

/**
 * How a score came about: the sum of the words' scores, times the share of words that the document has, times popularity
 * and boost.
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
  popularityParts: Schema.optionalKey(PopularityParts),
  /** The factors of the rules that boost the document. */
  boost: Schema.Number,
  score: Schema.Number
})

/**
 * @category models
 * @since 0.1.0
 */
export const Hit = Schema.Struct({
  id: Schema.String,
  score: Schema.Number,
  /** Words of the query that the document does not have. */
  missingWords: Schema.Int,
  fields: Schema.Record(Schema.String, Schema.Json),
  highlights: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  snippets: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** True for a document that a rule has put at its position. */
  pinned: Schema.optionalKey(Schema.Boolean),
  explanation: Schema.optionalKey(Explanation)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Hit = typeof Hit.Type

/**
 * Why a document is found or not.
 *
 * - `absent`: it is not in the index.
 * - `hidden`: a rule hides it.
 * - `filtered`: the filter or a refinement leaves it out.
 * - `excluded`: it has a word that the query excludes.
 * - `required`: it lacks a word that the query has in quotes.
 * - `words`: it has fewer words of the query than the documents that are found.
 *
 * @category models
 * @since 0.1.0
 */
export const ExplainedProduct = Schema.Struct({
  id: Schema.String,
  outcome: Schema.Literals(["found", "absent", "hidden", "filtered", "excluded", "required", "words"]),
  /** Among the hits, from 1. Null past the last page, and for a document that another one of its group stands for. */
  position: Schema.NullOr(Schema.Int),
  missingWords: Schema.Int,
  explanation: Schema.NullOr(Explanation)
})

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
  /** Documents that can be paged: those with at least `level` of the query's words. */
  found: Schema.Int,
  level: Schema.Int,
  /** Documents with the highest number of words that any document has. */
  foundBest: Schema.Int,
  /** The words that were looked for in place of each word, as people write it. */
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
      /** The documents that are counted: those of `foundBest`, or all that are `found`. */
      of: Schema.Literals(["best", "found"]),
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
  /** The rules that applied, in their order. */
  rules: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The address that a rule leads to. */
  redirect: Schema.optionalKey(Schema.String),
  /** Of the request's `productId`. */
  product: Schema.optionalKey(ExplainedProduct),
  /** True when the query was longer than what is looked for. */
  truncated: Schema.Boolean
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchResult = typeof SearchResult.Type

/**
 * The searches of one call, which are answered from one version and one snapshot. All have the same `versionId`, or none.
 *
 * @category models
 * @since 0.1.0
 */
export const SearchQueries = Schema.Array(SearchQuery).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(searchesMax)
)

/**
 * A list of the commonest queries.
 *
 * @category models
 * @since 0.1.0
 */
export const CommonQueries = Schema.Struct({
  /**
   * The number of queries listed.
   *
   * @default 50
   */
  limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: 200 })),
  /** True for those alone that find nothing now. */
  withoutResults: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type CommonQueries = typeof CommonQueries.Type

/**
 * A query with how often it was searched for, and the number of documents that it finds now.
 *
 * @category models
 * @since 0.1.0
 */
export const CommonQuery = Schema.Struct({
  query: Schema.String,
  searches: Schema.Int,
  searchedAt: Schema.DateTimeUtcFromString,
  found: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export type CommonQuery = typeof CommonQuery.Type

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
 * The index is being built: its version came from another database cluster (`restored`), was built by the rules of another
 * release (`upgrading`), or has too many changes beside it (`behind`). Try again.
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
  { indexName: Schema.String, reason: Schema.Literals(["restored", "behind", "upgrading"]) }
) {}
