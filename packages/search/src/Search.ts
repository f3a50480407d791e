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
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Filter from "./internal/engine/Filter.ts"
import { Highlighter } from "./internal/engine/Highlight.ts"
import * as EngineRequest from "./internal/engine/SearchRequest.ts"
import { type Fields, textOf } from "./internal/indexed.ts"
import * as LiveIndex from "./internal/liveIndex.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { type IndexName, SearchIndexNotFound, VersionId } from "./SearchIndex.ts"
import type { SearchQuery, Hit, SearchResult } from "./SearchQuery.ts"
import { SearchInvalid, SearchIndexBuilding, limitDefault, facetValuesDefault } from "./SearchQuery.ts"
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
        // One by one by its key: for several at once a planner without statistics walks all documents of the index.
        const rows = yield* sql<PageRow>`
          SELECT ord, doc_id AS id, fields
            FROM hm_search_document
           WHERE tenant_id = ${version.tenantId} AND version = ${version.versionId}::text::bigint
             AND ord = ANY (${ordinals}::int4[])
           UNION ALL
          SELECT NULL, c.doc_id, c.fields
            FROM unnest(${ids}::text[]) AS wanted (doc_id)
           CROSS JOIN LATERAL (
                 SELECT doc_id, fields
                   FROM hm_search_change
                  WHERE tenant_id = ${version.tenantId} AND index_name = ${version.indexName}
                    AND doc_id = wanted.doc_id AND fields IS NOT NULL
                  LIMIT 1) c
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
