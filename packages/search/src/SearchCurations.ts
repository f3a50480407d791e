/**
 * The service of rules and synonyms that take effect with the next search.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Filter from "./internal/engine/Filter.ts"
import * as EngineRequests from "./internal/engineRequest.ts"
import { Curation, SearchCuration } from "./SearchCuration.ts"
import { IndexName, SearchIndexNotFound } from "./SearchIndex.ts"
import { SearchInvalid } from "./SearchQuery.ts"
import { SearchSettings } from "./SearchSettings.ts"

const decodeRow = Schema.decodeUnknownEffect(
  Schema.Struct({
    indexName: IndexName,
    curation: Curation,
    version: Schema.Int,
    updatedAt: Schema.NullOr(Column.Timestamp)
  })
)

const decodeSettings = Schema.decodeUnknownEffect(SearchSettings)

const encodeCuration = Schema.encodeSync(Schema.fromJsonString(Curation))

const filterIssue = (path: ReadonlyArray<string>, text: string) => {
  const parsed = Filter.parse(text)
  if (Result.isSuccess(parsed)) return []
  const { message, position } = parsed.failure
  return [{ path: [...path, String(position)], message: `${message} at ${position}` }]
}

/** The filters that do not parse. */
const issuesOf = ({ clientFilter, rules }: Curation) => [
  ...(clientFilter === undefined ? [] : filterIssue(["clientFilter"], clientFilter)),
  ...rules.flatMap(({ boosts = [] }, rule) =>
    boosts.flatMap(({ filter }, boost) =>
      filterIssue(["rules", String(rule), "boosts", String(boost), "filter"], filter)
    )
  )
]

const toCuration = (row: unknown) =>
  Effect.orDie(
    Effect.map(
      decodeRow(row),
      ({ curation, indexName, updatedAt, version }) =>
        new SearchCuration({ indexName, ...curation, version, updatedAt })
    )
  )

/**
 * Reads and sets the curation of an index.
 *
 * @category services
 * @since 0.1.0
 */
export class SearchCurations extends Context.Service<
  SearchCurations,
  {
    /** Reads the rules and synonyms of an index. */
    readonly get: (
      indexName: IndexName
    ) => Effect.Effect<SearchCuration, SearchIndexNotFound | SqlError, Tenant>
    /**
     * Replaces all rules and synonyms, with an audit entry. The next search of every process has them. A filter that does not
     * parse, or a client filter with a column that the settings lack, is refused with its place.
     */
    readonly set: (
      indexName: IndexName,
      version: number,
      curation: Curation
    ) => Effect.Effect<SearchCuration, SearchIndexNotFound | SearchInvalid | VersionStale | SqlError, Tenant>
  }
>()("@hypermarket/search/SearchCurations") {
  static readonly layer: Layer.Layer<SearchCurations, never, SqlClient.SqlClient> = Layer.effect(
    SearchCurations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const get = Effect.fn("SearchCurations.get")(function* (indexName: IndexName) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT index_name AS "indexName", curation, curation_version AS version, curated_at AS "updatedAt"
            FROM hm_search_index
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
        `
        return row === undefined ? yield* new SearchIndexNotFound({ indexName }) : yield* toCuration(row)
      })

      /** Searches with client keys would all be refused. */
      const checkColumns = Effect.fnUntraced(function* (indexName: IndexName, clientFilter: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly settings: unknown }>`
          SELECT settings
            FROM hm_search_index
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
        `
        if (row === undefined) return yield* new SearchIndexNotFound({ indexName })
        const settings = yield* Effect.orDie(decodeSettings(row.settings))
        yield* EngineRequests.testOf(settings, clientFilter).pipe(
          Effect.mapError(
            ({ errors }) =>
              new SearchInvalid({
                errors: errors.map(({ message }) => ({ path: ["clientFilter"], message }))
              })
          )
        )
      })

      const set = Effect.fn("SearchCurations.set")(function* (
        indexName: IndexName,
        version: number,
        curation: Curation
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const errors = issuesOf(curation)
        if (errors.length > 0) return yield* new SearchInvalid({ errors })
        if (curation.clientFilter !== undefined) yield* checkColumns(indexName, curation.clientFilter)
        const [row] = yield* sql`
          UPDATE hm_search_index
             SET curation = ${encodeCuration(curation)}::text::jsonb, curation_version = curation_version + 1,
                 curated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND curation_version = ${version}
          RETURNING index_name AS "indexName", curation, curation_version AS version, curated_at AS "updatedAt"
        `
        if (row !== undefined) return yield* toCuration(row)
        const current = yield* get(indexName)
        return yield* new VersionStale({ currentVersion: current.version })
      })

      return SearchCurations.of({
        get,
        set: (indexName, version, curation) =>
          AuditedChange.change(sql, set(indexName, version, curation), {
            action: "index.curated",
            target: { type: "index", id: indexName },
            before: get(indexName),
            after: (curated) => curated
          })
      })
    })
  )
}
