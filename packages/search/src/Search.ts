/**
 * Searching an index. An answer names its version, and all its hits belong to it; what was committed before the search
 * began is found by it; within an open transaction a search sees that transaction's own changes, and nobody else does.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Filter from "./internal/engine/Filter.ts"
import { Highlighter } from "./internal/engine/Highlight.ts"
import * as EngineRequest from "./internal/engine/SearchRequest.ts"
import { type Fields, textOf } from "./internal/indexed.ts"
import * as LiveIndex from "./internal/liveIndex.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { type IndexName, SearchIndexNotFound, VersionId } from "./SearchIndex.ts"
import { FieldPath } from "./SearchSettings.ts"

/**
 * Longer queries are truncated to 1,500 characters and 32 words, which the answer says; from this on they are refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const queryCharsMax = 20_000

const limitDefault = 20
const limitMax = 200
const facetValuesDefault = 20
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

/**
 * @category services
 * @since 0.1.0
 */
export class Search extends Context.Service<
  Search,
  {
    readonly search: (
      indexName: IndexName,
      query: SearchQuery
    ) => Effect.Effect<
      SearchResult,
      SearchIndexNotFound | SearchInvalid | SearchIndexBuilding | SqlError,
      Tenant
    >
    /** The first ten of each query by the active version, and by one that need not be active. */
    readonly compare: (
      indexName: IndexName,
      versionId: string,
      queries: ReadonlyArray<string>
    ) => Effect.Effect<
      ReadonlyArray<{ readonly active: ReadonlyArray<string>; readonly candidate: ReadonlyArray<string> }>,
      SqlError,
      Tenant
    >
  }
>()("@hypermarket/search/Search") {
  static readonly layer: Layer.Layer<Search, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    Search,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const live = yield* LiveIndex.make(sql, { residentBytesMax: yield* SearchConfig.residentBytes.config })

      /** Asks the database for what the search still needs, until it has an answer. */
      const onDemand = Effect.fnUntraced(function* (
        version: LiveIndex.Live,
        request: EngineRequest.SearchRequest
      ) {
        const begun = version.searcher.onDemand(request, { delta: version.delta })
        if (Result.isFailure(begun)) return Result.fail(begun.failure)
        const search = begun.success
        for (;;) {
          const step = search.next()
          if (step._tag === "Answer") return Result.succeed(step.answer)
          const { columns, completions, frequencies, postings, typoBuckets } = step.need
          const hasColumns = columns.length > 0 || typoBuckets.length > 0
          search.supply(
            yield* Effect.all(
              {
                postings: postings.length === 0 ? none : LiveIndex.readPostings(sql, version, postings),
                frequencies:
                  frequencies.length === 0 ? none : LiveIndex.readFrequencies(sql, version, frequencies),
                completions:
                  completions === undefined ? none : LiveIndex.readCompletions(sql, version, completions),
                columns: hasColumns ? LiveIndex.readColumns(sql, version, columns, typoBuckets) : none
              },
              { concurrency: "unbounded" }
            )
          )
        }
      })

      const execute = (version: LiveIndex.Live, request: EngineRequest.SearchRequest) => {
        const { delta, searcher, segment } = version
        return segment === undefined
          ? onDemand(version, request)
          : Effect.sync(() => searcher.resident(segment, request, delta))
      }

      interface PageRow {
        readonly ord: number | null
        readonly id: string
        readonly fields: Fields
      }

      /** The documents of the hits, in their order; undefined when the version's rows are gone. */
      const page = Effect.fnUntraced(function* (
        version: LiveIndex.Live,
        hits: ReadonlyArray<EngineRequest.Hit>
      ) {
        const ordinals = hits.flatMap(({ ordinal }) => (ordinal === undefined ? [] : [ordinal]))
        const ids = hits.flatMap(({ docId, ordinal }) =>
          ordinal === undefined && docId !== undefined ? [docId] : []
        )
        const rows = yield* sql<PageRow>`
          SELECT ord, doc_id AS id, fields
            FROM hm_search_document
           WHERE tenant_id = ${version.tenantId} AND version = ${version.versionId}::text::bigint
             AND ord = ANY (${ordinals}::int4[])
           UNION ALL
          SELECT NULL, doc_id, fields
            FROM hm_search_change
           WHERE tenant_id = ${version.tenantId} AND index_name = ${version.indexName} AND doc_id = ANY (${ids}::text[])
             AND fields IS NOT NULL
        `
        const byOrdinal = new Map(rows.map((row) => [row.ord, row]))
        const byId = new Map(rows.filter(({ ord }) => ord === null).map((row) => [row.id, row]))
        if (ordinals.some((ordinal) => !byOrdinal.has(ordinal))) return undefined
        return hits.flatMap((hit) => {
          const row = hit.ordinal === undefined ? byId.get(hit.docId ?? "") : byOrdinal.get(hit.ordinal)
          // Removed by a transaction that committed since the look.
          return row === undefined ? [] : [{ hit, id: row.id, fields: row.fields }]
        })
      })

      const answer = Effect.fnUntraced(function* (version: LiveIndex.Live, query: SearchQuery) {
        const request = yield* toRequest(query)
        const executed = yield* execute(version, request)
        if (Result.isFailure(executed)) {
          const { message, parameter } = executed.failure
          return yield* new SearchInvalid({ errors: [{ path: [parameter], message }] })
        }
        const found = executed.success
        const documents = yield* page(version, found.hits)
        if (documents === undefined) return undefined
        const highlighter = new Highlighter(version.searcher.summary.settings, found.words)
        const result: SearchResult = {
          queryId: yield* Identifier.next,
          indexVersion: VersionId.make(version.versionId),
          hits: documents.map(({ fields, hit, id }): Hit => ({
            id,
            score: hit.score,
            fields: retrieved(fields, query.retrieve),
            ...(query.highlight === undefined
              ? {}
              : { highlights: highlights(highlighter, fields, query.highlight) }),
            ...(hit.explanation === undefined ? {} : { explanation: hit.explanation })
          })),
          found: found.nbHits,
          level: found.level,
          words: found.words,
          facets: found.facets.map(({ column, distinct, stats, values }) => ({
            column,
            values,
            distinct,
            ...(stats === undefined ? {} : { stats })
          })),
          truncated: found.truncated
        }
        return result
      })

      const search = Effect.fn("Search.search")(function* (indexName: IndexName, query: SearchQuery) {
        const tenant = yield* Tenant
        const inTransaction = yield* isOpen(sql)
        // Again when the version was retired and removed under the search: the next look names another.
        for (let attempt = 0; attempt < attemptsMax; attempt++) {
          const looked = yield* inTransaction
            ? live.within(tenant.id, indexName)
            : live.fresh(tenant.id, indexName)
          switch (looked._tag) {
            case "Missing":
              return yield* new SearchIndexNotFound({ indexName })
            case "Foreign":
              return yield* new SearchIndexBuilding({ indexName, reason: "restored" })
            case "Behind":
              return yield* new SearchIndexBuilding({ indexName, reason: "behind" })
            case "Live": {
              const result = yield* answer(looked.live, query)
              if (result !== undefined) return result
            }
          }
        }
        return yield* new SearchIndexBuilding({ indexName, reason: "behind" })
      })

      const firstIds = Effect.fnUntraced(function* (version: LiveIndex.Live, query: string) {
        const executed = yield* execute(version, { ...EngineRequest.defaults, query, limit: comparedHits })
        if (Result.isFailure(executed)) return []
        return ((yield* page(version, executed.success.hits)) ?? []).map(({ id }) => id)
      })

      const compare = Effect.fn("Search.compare")(function* (
        indexName: IndexName,
        versionId: string,
        queries: ReadonlyArray<string>
      ) {
        const tenant = yield* Tenant
        const candidate = yield* LiveIndex.open(sql, tenant.id, indexName, versionId)
        const active = yield* live.fresh(tenant.id, indexName)
        return yield* Effect.forEach(queries, (query) =>
          Effect.all({
            active: active._tag === "Live" ? firstIds(active.live, query) : none,
            candidate: candidate === undefined ? none : firstIds(candidate, query)
          })
        )
      })

      return Search.of({ search, compare })
    })
  )
}

/** A version is removed a minute after it was retired: one more look is enough, unless the process slept. */
const attemptsMax = 3

const comparedHits = 10

const none = Effect.succeed([])

const toRequest = (query: SearchQuery): Effect.Effect<EngineRequest.SearchRequest, SearchInvalid> => {
  const filter = query.filter === undefined ? undefined : Filter.parse(query.filter)
  if (filter !== undefined && Result.isFailure(filter)) {
    const { message, position } = filter.failure
    return Effect.fail(
      new SearchInvalid({
        errors: [{ path: ["filter", String(position)], message: `${message} at ${position}` }]
      })
    )
  }
  return Effect.succeed({
    query: query.query ?? "",
    prefix: query.prefix ?? false,
    typos: query.typos ?? true,
    filter: filter?.success,
    facets: (query.facets ?? []).map(({ column, limit, query }) => ({
      column,
      valuesMax: limit ?? facetValuesDefault,
      query
    })),
    sort: query.sort ?? [],
    offset: query.offset ?? 0,
    limit: query.limit ?? limitDefault,
    explain: query.explain ?? false
  })
}

const retrieved = (fields: Fields, names: ReadonlyArray<string> | undefined): Fields => {
  if (names === undefined) return fields
  const chosen: Record<string, Schema.Json> = {}
  for (const name of names) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (value !== undefined) chosen[name] = value
  }
  return chosen
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? "")

const highlights = (
  highlighter: Highlighter,
  fields: Fields,
  { after, before, fields: names }: NonNullable<SearchQuery["highlight"]>
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.map((name) => [
      name,
      highlighter.mark(textOf(fields, name), before ?? "<em>", after ?? "</em>", escape)
    ])
  )
