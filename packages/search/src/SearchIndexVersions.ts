/**
 * The life of an index's versions: built in the background, checked by gates, activated and rolled back in one transaction
 * each, retired with their rows.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { type AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Activations from "./internal/activation.ts"
import * as DueVersions from "./internal/dueVersions.ts"
import * as IndexVersionRow from "./internal/indexVersionRow.ts"
import * as Partition from "./internal/partition.ts"
import * as VersionGates from "./internal/versionGates.ts"
import { Search } from "./Search.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { SearchDocuments } from "./SearchDocuments.ts"
import type { IndexName } from "./SearchIndex.ts"
import { SearchIndexNotFound, VersionId } from "./SearchIndex.ts"
import {
  type Activation,
  Gate,
  type NewVersion,
  type NothingToRollBack,
  type SearchIndexVersion,
  type SearchVersionHeld,
  SearchVersionLimit,
  SearchVersionNotFound,
  SearchVersionState,
  versionsMax
} from "./SearchIndexVersion.ts"

const pages = Page.make({
  list: "search.versions",
  key: Schema.Tuple([VersionId]),
  keyOf: (version: SearchIndexVersion) => [version.versionId] as const
})

/** Greater than every id: the first page of a descending list starts before it. */
const beforeAll = VersionId.make("999999999999999999")

const encodeGates = Schema.encodeSync(Schema.fromJsonString(Schema.Array(Gate)))

/**
 * Starts, validates, activates, rolls back and retires the versions of an index.
 *
 * @category services
 * @since 0.1.0
 */
export class SearchIndexVersions extends Context.Service<
  SearchIndexVersions,
  {
    /** Starts a version with the current settings of the index. It is built in the background. */
    readonly start: (
      indexName: IndexName,
      options: NewVersion
    ) => Effect.Effect<SearchIndexVersion, SearchIndexNotFound | SearchVersionLimit | SqlError, Tenant>
    /** Reads a version. */
    readonly get: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SqlError, Tenant>
    /** Lists the newest first. */
    readonly list: (
      indexName: IndexName,
      request: Page.Request
    ) => Effect.Effect<Page.Page<SearchIndexVersion>, Page.CursorInvalid | SqlError, Tenant>
    /**
     * Tries the gates of a built version and stores their results. A version that does not pass a gate that stops has
     * failed. One that `activates` and passes all gates is activated in the same transaction.
     */
    readonly validate: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SearchVersionState | SqlError, Tenant>
    /**
     * Activates a ready version in one transaction, with an audit entry. Running searches finish with the version they
     * began with. A gate that warns and was not passed is named in `despite`, or the version is held back.
     */
    readonly activate: (
      indexName: IndexName,
      versionId: VersionId,
      options?: Activation
    ) => Effect.Effect<
      SearchIndexVersion,
      SearchVersionHeld | SearchVersionNotFound | SearchVersionState | SqlError,
      Tenant
    >
    /** Activates the version that was active before. Two roll-backs in a row change nothing. */
    readonly rollBack: (
      indexName: IndexName
    ) => Effect.Effect<SearchIndexVersion, SearchIndexNotFound | NothingToRollBack | SqlError, Tenant>
    /** Retires a version. Its rows are removed after a minute: searches that began with it may still run. */
    readonly retire: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SearchVersionState | SqlError, Tenant>
    /** Starts the versions that are due without a request, over all tenants, and returns their number. */
    readonly startDue: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/search/SearchIndexVersions") {
  static readonly layer = Layer.effect(
    SearchIndexVersions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const search = yield* Search
      const documents = yield* SearchDocuments
      const partitionDocuments = yield* SearchConfig.ownPartitionDocuments.config
      const versionGates = VersionGates.make(sql, search, documents)
      const rows = IndexVersionRow.make(sql)
      const { get, lock, lockIndex, returned, toVersion } = rows
      const { activateIn, rollBackIn } = Activations.make(sql, rows)

      const nextId = Partition.nextId(sql, partitionDocuments, {
        tenant: "i.tenant_id",
        index: "i.index_name"
      })

      const start = Effect.fn("SearchIndexVersions.start")(function* (
        indexName: IndexName,
        options: NewVersion
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const startIn = Effect.gen(function* () {
          const [index] = yield* sql<{ readonly live: number }>`
            SELECT (
                   SELECT count(*)::int
                     FROM hm_search_index_version v
                    WHERE v.tenant_id = ${tenant.id} AND v.index_name = ${indexName}
                      AND v.status NOT IN ('retired', 'failed')
                   ) AS live
              FROM hm_search_index
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
               FOR UPDATE
          `
          if (index === undefined) return yield* new SearchIndexNotFound({ indexName })
          if (index.live >= versionsMax) return yield* new SearchVersionLimit({ limit: versionsMax })
          const [row] = yield* sql`
            INSERT INTO hm_search_index_version (tenant_id, version_id, index_name, status, reason, activates, settings, phase,
                                                 system_identifier, recorded_at, updated_at)
            SELECT ${tenant.id}, ${nextId}, i.index_name, 'building', 'requested',
                   ${options.activates ?? false}, i.settings, 'none', c.system_identifier::text, ${now}, ${now}
              FROM hm_search_index i, pg_control_system() c
             WHERE i.tenant_id = ${tenant.id} AND i.index_name = ${indexName}
            RETURNING ${returned}
          `
          return yield* toVersion(row)
        })
        return yield* transactionOf(sql)(startIn)
      })

      const list = Effect.fn("SearchIndexVersions.list")(function* (
        indexName: IndexName,
        request: Page.Request
      ) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [beforeAll] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_search_index_version
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName} AND version_id < ${before}::text::bigint
           ORDER BY version_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toVersion), request)
      })

      const summaryOf = ({ indexName, status, versionId }: SearchIndexVersion) => ({
        indexName,
        versionId,
        status
      })
      const targetOf = ({ versionId }: { readonly versionId: string }) => ({
        type: "index-version",
        id: versionId
      })

      const activate = Effect.fn("SearchIndexVersions.activate")(
        (indexName: IndexName, versionId: VersionId, options: Activation = {}) =>
          AuditedChange.change(sql, transactionOf(sql)(activateIn(indexName, versionId, options)), {
            action: "index-version.activated",
            target: targetOf,
            after: (version) => ({ ...summaryOf(version), despite: options.despite ?? [] })
          })
      )

      /** Stores the results of the gates. Undefined when the version has left the status in which they were tried. */
      const judge = Effect.fnUntraced(function* (
        { status, versionId }: SearchIndexVersion,
        gates: ReadonlyArray<Gate>
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const failed = gates.filter(({ effect, passed }) => effect === "stops" && !passed)
        const failure =
          failed.length === 0 ? null : `did not pass: ${failed.map(({ gate }) => gate).join(", ")}`
        const [row] = yield* sql`
          UPDATE hm_search_index_version
             SET gates = ${encodeGates(gates)}::text::jsonb, status = ${failure === null ? "ready" : "failed"},
                 failure = ${failure}, retired_at = ${failure === null ? null : now}::timestamptz, lease_id = NULL,
                 lease_until = NULL, version = version + 1, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint AND status = ${status}
          RETURNING ${returned}
        `
        return row === undefined ? undefined : yield* toVersion(row)
      })

      const validate = Effect.fn("SearchIndexVersions.validate")(function* (
        indexName: IndexName,
        versionId: VersionId
      ) {
        const before = yield* get(indexName, versionId)
        if (before.status !== "validating" && before.status !== "ready") {
          return yield* new SearchVersionState({ versionId, currentStatus: before.status })
        }
        const gates = yield* versionGates.tryGates(indexName, versionId)
        const judgeIn = Effect.gen(function* () {
          // The lock of an activation, in its order: the index and then the version.
          yield* lockIndex(indexName)
          const judged = yield* judge(before, gates)
          if (judged === undefined) return yield* get(indexName, versionId)
          // Only at the end of a build: a ready version is validated again to look at it.
          const activates = before.status === "validating" && judged.activates && judged.status === "ready"
          const holding = Activations.heldBy(judged, [])
          // An automatic version has the settings of the active one. Held back, it would let changes pile up.
          if (!activates || (judged.reason === "requested" && holding.length > 0)) return judged
          if (holding.length > 0) {
            yield* Effect.logWarning(`Version ${versionId} is activated despite ${holding.join(", ")}`)
          }
          // No commit is between the two: a process that ends here leaves a version that is validated again.
          return yield* activate(indexName, versionId, { despite: holding }).pipe(
            Effect.catchTag("SearchVersionHeld", () => Effect.succeed(judged))
          )
        })
        return yield* transactionOf(sql)(judgeIn)
      })

      const rollBack = Effect.fn("SearchIndexVersions.rollBack")((indexName: IndexName) =>
        transactionOf(sql)(rollBackIn(indexName))
      )

      const retireIn = Effect.fnUntraced(function* (indexName: IndexName, versionId: VersionId) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const index = yield* lockIndex(indexName)
        if (index === undefined) return yield* new SearchVersionNotFound({ versionId })
        const current = yield* lock(indexName, versionId, [
          "building",
          "validating",
          "ready",
          "failed",
          "retired"
        ])
        if (current.status === "retired") return current
        if (index.previous === versionId) {
          yield* sql`
            UPDATE hm_search_index
               SET previous_version = NULL, version = version + 1, updated_at = ${now}
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
          `
        }
        const [row] = yield* sql`
          UPDATE hm_search_index_version
             SET status = 'retired', retired_at = coalesce(retired_at, ${now}::timestamptz), lease_id = NULL,
                 lease_until = NULL, version = version + 1, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint
          RETURNING ${returned}
        `
        return yield* toVersion(row)
      })

      const retire = Effect.fn("SearchIndexVersions.retire")((indexName: IndexName, versionId: VersionId) =>
        transactionOf(sql)(retireIn(indexName, versionId))
      )

      const startDue = DueVersions.start(sql, partitionDocuments).pipe(
        Effect.withSpan("SearchIndexVersions.startDue")
      )

      return SearchIndexVersions.of({
        start: (indexName, options) =>
          AuditedChange.change(sql, start(indexName, options), {
            action: "index-version.started",
            target: targetOf,
            after: summaryOf
          }),
        get,
        list,
        validate,
        activate,
        rollBack: (indexName) =>
          AuditedChange.change(sql, rollBack(indexName), {
            action: "index.rolled-back",
            target: { type: "index", id: indexName },
            after: summaryOf
          }),
        retire: (indexName, versionId) =>
          AuditedChange.change(sql, retire(indexName, versionId), {
            action: "index-version.retired",
            target: targetOf,
            after: summaryOf
          }),
        startDue
      })
    })
  )
}
