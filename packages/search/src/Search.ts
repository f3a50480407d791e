/**
 * Searching an index. An answer names its version, and all its hits belong to it. A search finds what was committed before
 * it began. Within an open transaction it also sees that transaction's own changes, which no other search sees.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen } from "@hypermarket/core/Transaction"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as EngineRequest from "./internal/engine/SearchRequest.ts"
import * as EngineRequests from "./internal/engineRequest.ts"
import * as HitRows from "./internal/hitRows.ts"
import * as LiveIndex from "./internal/liveIndex.ts"
import * as PopularityParts from "./internal/popularityParts.ts"
import { readBytesMax, ReadDocuments } from "./internal/readDocuments.ts"
import * as ResultOf from "./internal/resultOf.ts"
import * as VersionRows from "./internal/versionRows.ts"
import * as VersionSearch from "./internal/versionSearch.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { type IndexName, SearchIndexNotFound, type VersionId } from "./SearchIndex.ts"
import { SearchVersionNotFound, SearchVersionState } from "./SearchIndexVersion.ts"
import type { CommonQueries, CommonQuery, SearchQuery, SearchResult } from "./SearchQuery.ts"
import * as SearchMetrics from "./internal/searchMetrics.ts"
import { queriesDefault, SearchInvalid, SearchIndexBuilding } from "./SearchQuery.ts"

type SearchError =
  | SearchIndexNotFound
  | SearchInvalid
  | SearchIndexBuilding
  | SearchVersionNotFound
  | SearchVersionState
  | SqlError

/** Puts the name of a search into its failure. */
type Named = <A, E extends SearchInvalid | SqlError>(
  n: number,
  effect: Effect.Effect<A, E>
) => Effect.Effect<A, E | SearchInvalid>

/**
 * Searches an index.
 *
 * @category services
 * @since 0.1.0
 */
export class Search extends Context.Service<
  Search,
  {
    /** Searches an index. */
    readonly search: (
      indexName: IndexName,
      query: SearchQuery
    ) => Effect.Effect<SearchResult, SearchError, Tenant>
    /**
     * Runs several searches of one index on one version and one snapshot. A refusal names the search in its path.
     */
    readonly searchAll: (
      indexName: IndexName,
      queries: ReadonlyArray<SearchQuery>
    ) => Effect.Effect<ReadonlyArray<SearchResult>, SearchError, Tenant>
    /** Searches as a client key may: with the client filter of the index's curation. */
    readonly searchByClient: (
      indexName: IndexName,
      query: SearchQuery
    ) => Effect.Effect<SearchResult, SearchError, Tenant>
    /** Runs several searches as a client key may. */
    readonly searchAllByClient: (
      indexName: IndexName,
      queries: ReadonlyArray<SearchQuery>
    ) => Effect.Effect<ReadonlyArray<SearchResult>, SearchError, Tenant>
    /**
     * Lists the commonest queries, and how many documents each finds now. Those without results are looked for among the
     * 1,000 commonest.
     */
    readonly queries: (
      indexName: IndexName,
      request: CommonQueries
    ) => Effect.Effect<
      ReadonlyArray<CommonQuery>,
      SearchIndexNotFound | SearchInvalid | SearchIndexBuilding | SqlError,
      Tenant
    >
    /** Returns the first ten of each query by the active version, and by one that need not be active. */
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
      const residentBytesMax = yield* SearchConfig.residentBytes.config
      const live = yield* LiveIndex.make(sql, { residentBytesMax })
      const read = new ReadDocuments(Math.min(readBytesMax, residentBytesMax))
      const { execute } = VersionSearch.make(sql)

      const requestOf = Effect.fnUntraced(function* (
        version: VersionRows.Live,
        query: SearchQuery,
        by: "server" | "client" = "server"
      ) {
        const curated = query.curated === false ? undefined : version.curated
        const applied = curated?.apply(query.query ?? "")
        const made = yield* EngineRequests.make(query)
        // A client cannot switch it off.
        const forced = by === "client" ? version.curated?.clientFilter : undefined
        const request = yield* HitRows.withOrdinals(sql, version, {
          ...made,
          ...applied?.request,
          filter: EngineRequests.both(made.filter, forced),
          synonyms: curated?.synonyms
        })
        return { query, applied, request, isForced: forced !== undefined }
      })

      const executed = Effect.fnUntraced(function* (
        version: VersionRows.Live,
        asked: Effect.Success<ReturnType<typeof requestOf>>
      ) {
        const { outcome, ...moment } = yield* execute(version, asked.request)
        if (Result.isSuccess(outcome)) return { ...asked, moment, found: outcome.success }
        const { message, parameter } = outcome.failure
        return yield* new SearchInvalid({ errors: [{ path: [parameter], message }] })
      })

      /** Returns the results of all searches, of one snapshot. Undefined when the changes moved on meanwhile: to be tried again. */
      const answer = Effect.fnUntraced(function* (
        version: VersionRows.Live,
        queries: ReadonlyArray<SearchQuery>,
        {
          fields,
          isOfOneMoment
        }: Pick<Extract<LiveIndex.Within, { _tag: "Live" }>, "fields" | "isOfOneMoment">,
        by: "server" | "client",
        named: Named
      ) {
        const asked = yield* Effect.forEach(queries, (query, n) => named(n, requestOf(version, query, by)))
        const answers = yield* Effect.forEach(asked, (one, n) => named(n, executed(version, one)))
        const snapshots = new Set(answers.map(({ moment }) => moment.snapshot))
        if (!isOfOneMoment() || snapshots.size > 1) return undefined
        const pages = yield* Effect.forEach(answers, ({ found, moment }) =>
          HitRows.page(sql, version, found.hits, { ...moment, fields }, read)
        )
        const results: Array<SearchResult> = []
        for (const [n, { applied, found, isForced, query }] of answers.entries()) {
          const page = pages[n]
          if (page?._tag !== "Whole") return undefined
          const whole = ResultOf.make(version, query, yield* Identifier.next, found, page.documents)
          const made = isForced ? ResultOf.withoutRefused(whole) : whole
          const explained = ResultOf.explainedIds(made)
          const result =
            explained.length === 0
              ? made
              : ResultOf.withParts(made, yield* PopularityParts.read(sql, version, explained))
          results.push({
            ...result,
            ...(applied === undefined ? {} : { rules: applied.ruleIds }),
            ...(applied?.redirect === undefined ? {} : { redirect: applied.redirect })
          })
        }
        return results
      })

      const shared = { isOfOneMoment: () => true, fields: undefined }

      const look = (
        tenantId: string,
        indexName: IndexName,
        kind: "shared" | "overlay" | "detached",
        versionId: VersionId | undefined
      ) =>
        kind === "shared"
          ? Effect.map(live.fresh(tenantId, indexName, versionId), (result) =>
              result._tag === "Live" ? { ...result, ...shared } : result
            )
          : live.within(tenantId, indexName, kind, versionId)

      const answerAll = Effect.fnUntraced(function* (
        indexName: IndexName,
        queries: ReadonlyArray<SearchQuery>,
        by: "server" | "client",
        named: Named
      ) {
        const tenant = yield* Tenant
        const versionId = queries[0]?.versionId
        const kind = (yield* isOpen(sql)) ? "overlay" : "shared"
        // Again when the version was removed under the search, or a hit has changed since it was found.
        for (let attempt = 0; attempt < attemptsMax; attempt++) {
          const looked = yield* look(
            tenant.id,
            indexName,
            attempt < attemptsSharedMax ? kind : "detached",
            versionId
          )
          switch (looked._tag) {
            case "Missing":
              return yield* new SearchIndexNotFound({ indexName })
            case "NoVersion":
              return yield* new SearchVersionNotFound({ versionId: versionId ?? "" })
            case "NotReady":
              return yield* new SearchVersionState({
                versionId: versionId ?? "",
                currentStatus: looked.status
              })
            case "Foreign":
              return yield* new SearchIndexBuilding({ indexName, reason: "restored" })
            case "Outdated":
              return yield* new SearchIndexBuilding({ indexName, reason: "upgrading" })
            case "Behind":
              return yield* new SearchIndexBuilding({ indexName, reason: "behind" })
            case "Live": {
              const results = yield* answer(looked.live, queries, looked, by, named)
              if (results !== undefined) return results
            }
          }
        }
        return yield* new SearchIndexBuilding({ indexName, reason: "behind" })
      })

      const searchBy = Effect.fnUntraced(function* (
        indexName: IndexName,
        query: SearchQuery,
        by: "server" | "client"
      ) {
        const [result] = yield* SearchMetrics.timed(answerAll(indexName, [query], by, (_, effect) => effect))
        return result ?? (yield* new SearchIndexNotFound({ indexName }))
      })

      const searchAllBy = Effect.fnUntraced(function* (
        indexName: IndexName,
        queries: ReadonlyArray<SearchQuery>,
        by: "server" | "client"
      ) {
        const other = queries.findIndex(({ versionId }) => versionId !== queries[0]?.versionId)
        if (other !== -1) {
          const message = "Expected the same version in all searches of a call"
          return yield* new SearchInvalid({
            errors: [{ path: ["searches", String(other), "versionId"], message }]
          })
        }
        return yield* SearchMetrics.timed(
          answerAll(indexName, queries, by, (n, effect) =>
            Effect.mapError(effect, (error) =>
              error._tag === "SearchInvalid"
                ? new SearchInvalid({
                    errors: error.errors.map(({ message, path }) => ({
                      path: ["searches", String(n), ...path],
                      message
                    }))
                  })
                : error
            )
          )
        )
      })

      const search = Effect.fn("Search.search")((indexName: IndexName, query: SearchQuery) =>
        searchBy(indexName, query, "server")
      )
      const searchAll = Effect.fn("Search.searchAll")(
        (indexName: IndexName, queries: ReadonlyArray<SearchQuery>) =>
          searchAllBy(indexName, queries, "server")
      )
      const searchByClient = Effect.fn("Search.searchByClient")((indexName: IndexName, query: SearchQuery) =>
        searchBy(indexName, query, "client")
      )
      const searchAllByClient = Effect.fn("Search.searchAllByClient")(
        (indexName: IndexName, queries: ReadonlyArray<SearchQuery>) =>
          searchAllBy(indexName, queries, "client")
      )

      const queries = Effect.fn("Search.queries")(function* (
        indexName: IndexName,
        { limit = queriesDefault, withoutResults = false }: CommonQueries
      ) {
        const tenant = yield* Tenant
        const looked = yield* live.fresh(tenant.id, indexName)
        if (looked._tag === "Missing") return yield* new SearchIndexNotFound({ indexName })
        if (looked._tag !== "Live") return yield* new SearchIndexBuilding({ indexName, reason: "behind" })
        const rows = yield* sql<{
          readonly query: string
          readonly searches: number
          readonly searchedAt: Date
        }>`
          SELECT query, searches::float8 AS searches, searched_at AS "searchedAt"
            FROM hm_search_query
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
           ORDER BY searches DESC, query
           LIMIT ${withoutResults ? queriesTriedMax : limit}
        `
        const items: Array<CommonQuery> = []
        for (const { query, searchedAt, searches } of rows) {
          if (items.length === limit) break
          const asked = yield* requestOf(looked.live, { query, limit: 0 })
          const { found } = yield* executed(looked.live, asked)
          if (withoutResults && found.nbHits > 0) continue
          items.push({
            query,
            searches,
            searchedAt: DateTime.fromDateUnsafe(searchedAt),
            found: found.nbHits
          })
          // Hundreds of searches one after another would hold up those of visitors.
          yield* Effect.yieldNow
        }
        return items
      })

      const firstIds = Effect.fnUntraced(function* (version: VersionRows.Live, query: string) {
        const { horizon, outcome, snapshot } = yield* execute(version, {
          ...EngineRequest.defaults,
          query,
          limit: comparedHits
        })
        if (Result.isFailure(outcome)) return []
        const documents = yield* HitRows.page(
          sql,
          version,
          outcome.success.hits,
          { snapshot, horizon, fields: undefined },
          read
        )
        return documents._tag === "Gone" ? [] : documents.documents.map(({ id }) => id)
      })

      const compare = Effect.fn("Search.compare")(function* (
        indexName: IndexName,
        versionId: string,
        queries: ReadonlyArray<string>
      ) {
        const tenant = yield* Tenant
        const candidate = yield* VersionRows.open(sql, tenant.id, indexName, versionId)
        const active = yield* live.fresh(tenant.id, indexName)
        return yield* Effect.forEach(queries, (query) =>
          Effect.all({
            active: active._tag === "Live" ? firstIds(active.live, query) : none,
            candidate: candidate === undefined ? none : firstIds(candidate, query)
          })
        )
      })

      return Search.of({ search, searchAll, searchByClient, searchAllByClient, queries, compare })
    })
  )
}

/**
 * Looks of a search whose rows are read after it. A hit changes within the width of a round trip only under a steady load of
 * writes: the looks after these read all changes with their fields, which takes as long as a first search.
 */
const attemptsSharedMax = 3
/** A version is removed a minute after it was retired: one more look is enough, unless the process slept. */
const attemptsMax = attemptsSharedMax + 2

/** Queries that are tried for one list of those without results. */
const queriesTriedMax = 1_000

const comparedHits = 10

const none = Effect.succeed([])
