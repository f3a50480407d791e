/**
 * The life of an index's versions: built in the background, checked by gates, activated and rolled back in one transaction
 * each, retired with their rows.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import { now } from "@hypermarket/core/Now"
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
import * as Partition from "./internal/partition.ts"
import { patiently } from "./internal/patiently.ts"
import { rulesHash } from "./internal/versionBuild.ts"
import { Search } from "./Search.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { SearchDocuments } from "./SearchDocument.ts"
import type { IndexName } from "./SearchIndex.ts"
import { SearchIndexNotFound, VersionId } from "./SearchIndex.ts"
import type { Status, NewVersion } from "./SearchIndexVersion.ts"
import {
  Gate,
  SearchIndexVersion,
  SearchVersionNotFound,
  SearchVersionState,
  NothingToRollBack,
  SearchVersionLimit,
  versionsMax
} from "./SearchIndexVersion.ts"
const Row = Schema.Struct({
  ...SearchIndexVersion.fields,
  recordedAt: Column.Timestamp,
  builtAt: Schema.NullOr(Column.Timestamp),
  activatedAt: Schema.NullOr(Column.Timestamp),
  retiredAt: Schema.NullOr(Column.Timestamp),
  updatedAt: Column.Timestamp
})

const columns = `
  version_id::text AS "versionId", index_name AS "indexName", status, reason, activates, phase, settings,
  analyser_hash AS "analyserHash", document_count AS documents, checksum, gates, failure, version,
  recorded_at AS "recordedAt", built_at AS "builtAt", activated_at AS "activatedAt", retired_at AS "retiredAt",
  updated_at AS "updatedAt"
`

const pages = Page.make({
  key: Schema.Tuple([VersionId]),
  keyOf: (one: SearchIndexVersion) => [one.versionId] as const
})

/** Larger than any id. */
const beforeAll = VersionId.make("999999999999999999")

/** Queries that the gates try: the commonest. */
const triedQueries = 200

const encodeGates = Schema.encodeSync(Schema.fromJsonString(Schema.Array(Gate)))

/**
 * True when every gate that decides has passed.
 *
 * @category guards
 * @since 0.1.0
 */
export const hasPassed = (gates: ReadonlyArray<Gate>): boolean =>
  gates.every(({ passed, required }) => passed || !required)

/**
 * @category services
 * @since 0.1.0
 */
export class SearchIndexVersions extends Context.Service<
  SearchIndexVersions,
  {
    /** Has a version built in the background, with the index's settings as they are now. */
    readonly start: (
      indexName: IndexName,
      options: NewVersion
    ) => Effect.Effect<SearchIndexVersion, SearchIndexNotFound | SearchVersionLimit | SqlError, Tenant>
    readonly get: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SqlError, Tenant>
    /** The newest first. */
    readonly list: (
      indexName: IndexName,
      request: Page.Request
    ) => Effect.Effect<Page.Page<SearchIndexVersion>, Page.CursorInvalid | SqlError, Tenant>
    /** Tries the gates of a built version, and says what they found; one that does not pass them has failed. */
    readonly validate: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SearchVersionState | SqlError, Tenant>
    /** Lets a ready version answer. One transaction; searches that run finish with the version they began with. */
    readonly activate: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SearchVersionState | SqlError, Tenant>
    /** Lets the version answer that was active before. Doing it twice changes nothing. */
    readonly rollBack: (
      indexName: IndexName
    ) => Effect.Effect<SearchIndexVersion, SearchIndexNotFound | NothingToRollBack | SqlError, Tenant>
    /** Has a version's rows removed, a minute from now: searches that began with it may still run. */
    readonly retire: (
      indexName: IndexName,
      versionId: VersionId
    ) => Effect.Effect<SearchIndexVersion, SearchVersionNotFound | SearchVersionState | SqlError, Tenant>
    /** Starts versions of the indexes that have too many changes, or that came from another cluster. */
    readonly startDue: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/search/SearchIndexVersions") {
  static readonly layer = Layer.effect(
    SearchIndexVersions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const search = yield* Search
      const documents = yield* SearchDocuments
      const ownPartitionDocuments = yield* SearchConfig.ownPartitionDocuments.config
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toVersion = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new SearchIndexVersion(decoded)))

      /** Ids of large indexes lie above the boundary of partitions. */
      const nextId = (tenant: string, index: string) => sql`
        (SELECT nextval('hm_search_index_version_seq')
                + CASE WHEN count(*) >= ${ownPartitionDocuments}::int THEN ${Partition.ownFromText}::text::bigint ELSE 0 END
           FROM (SELECT 1
                   FROM hm_search_change c
                  WHERE c.tenant_id = ${sql.literal(tenant)} AND c.index_name = ${sql.literal(index)}
                    AND c.fields IS NOT NULL
                  LIMIT ${ownPartitionDocuments}::int) counted)
      `

      const start = Effect.fn("SearchIndexVersions.start")(function* (
        indexName: IndexName,
        options: NewVersion
      ) {
        const tenant = yield* Tenant
        const moment = yield* now
        const startIn = Effect.gen(function* () {
          const [index] = yield* sql<{ readonly live: number }>`
            SELECT (SELECT count(*)::int
                      FROM hm_search_index_version v
                     WHERE v.tenant_id = ${tenant.id} AND v.index_name = ${indexName}
                       AND v.status NOT IN ('retired', 'failed')) AS live
              FROM hm_search_index
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
               FOR UPDATE
          `
          if (index === undefined) return yield* new SearchIndexNotFound({ indexName })
          if (index.live >= versionsMax) return yield* new SearchVersionLimit({ limit: versionsMax })
          const [row] = yield* sql`
            INSERT INTO hm_search_index_version (tenant_id, version_id, index_name, status, reason, activates, settings, phase,
                                                 system_identifier, recorded_at, updated_at)
            SELECT ${tenant.id}, ${nextId("i.tenant_id", "i.index_name")}, i.index_name, 'building', 'requested',
                   ${options.activates ?? false}, i.settings, 'none', c.system_identifier::text, ${moment}, ${moment}
              FROM hm_search_index i, pg_control_system() c
             WHERE i.tenant_id = ${tenant.id} AND i.index_name = ${indexName}
            RETURNING ${returned}
          `
          return yield* toVersion(row)
        })
        return yield* transactionOf(sql)(startIn)
      })

      const get = Effect.fn("SearchIndexVersions.get")(function* (
        indexName: IndexName,
        versionId: VersionId
      ) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_search_index_version
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint AND index_name = ${indexName}
        `
        return row === undefined ? yield* new SearchVersionNotFound({ versionId }) : yield* toVersion(row)
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

      /** The version, in one of the statuses; its row stays locked until the transaction ends. */
      const lock = Effect.fnUntraced(function* (
        indexName: IndexName,
        versionId: VersionId,
        statuses: ReadonlyArray<typeof Status.Type>
      ) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_search_index_version
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint AND index_name = ${indexName}
             FOR UPDATE
        `
        if (row === undefined) return yield* new SearchVersionNotFound({ versionId })
        const found = yield* toVersion(row)
        return statuses.includes(found.status)
          ? found
          : yield* new SearchVersionState({ versionId, currentStatus: found.status })
      })

      const stored = Effect.fnUntraced(function* (versionId: VersionId) {
        const tenant = yield* Tenant
        const [row] = yield* patiently(sql)(sql<{
          readonly expectedDocuments: number
          readonly expectedChecksum: string
          readonly documents: number
          readonly checksum: string
          readonly expectedPostings: string
          readonly postings: string
        }>`
          SELECT v.document_count AS "expectedDocuments", v.checksum AS "expectedChecksum", d.documents, d.checksum,
                 (v.statistics ->> 'termCount') || ' terms, ' || (v.statistics ->> 'postingBytes') || ' bytes' AS "expectedPostings",
                 p.terms || ' terms, ' || p.bytes || ' bytes' AS postings
            FROM hm_search_index_version v
            CROSS JOIN (SELECT count(*)::int AS documents,
                               coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
                          FROM hm_search_document
                         WHERE tenant_id = ${tenant.id} AND version = ${versionId}::text::bigint) d
            CROSS JOIN (SELECT count(*) FILTER (WHERE chunk = 0) AS terms, coalesce(sum(octet_length(data)), 0) AS bytes
                          FROM hm_search_posting
                         WHERE tenant_id = ${tenant.id} AND version = ${versionId}::text::bigint) p
           WHERE v.tenant_id = ${tenant.id} AND v.version_id = ${versionId}::text::bigint
        `)
        return row
      })

      const percent = (part: number, whole: number): string =>
        whole === 0 ? "no queries yet" : `${((100 * part) / whole).toFixed(1)} % of ${whole} queries`

      /** What the gates find. */
      const tryGates = Effect.fnUntraced(function* (indexName: IndexName, versionId: VersionId) {
        const tenant = yield* Tenant
        const kept = yield* stored(versionId)
        if (kept === undefined) return yield* new SearchVersionNotFound({ versionId })
        const current = yield* documents
          .compare(indexName, versionId)
          .pipe(
            Effect.catchTag("SearchIndexNotFound", () =>
              Effect.fail(new SearchVersionNotFound({ versionId }))
            )
          )
        const queries = yield* sql<{ readonly query: string }>`
          SELECT query
            FROM hm_search_query
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
           ORDER BY searches DESC
           LIMIT ${triedQueries}
        `
        const tried = yield* search.compare(
          indexName,
          versionId,
          queries.map(({ query }) => query)
        )
        const withoutBefore = tried.filter(({ active }) => active.length === 0).length
        const without = tried.filter(({ candidate }) => candidate.length === 0).length
        const answered = tried.filter(({ active }) => active.length > 0)
        const common = answered.reduce(
          (sum, { active, candidate }) =>
            sum + active.filter((id) => candidate.includes(id)).length / active.length,
          0
        )
        const gates: ReadonlyArray<Gate> = [
          {
            gate: "documents",
            passed: kept.documents === kept.expectedDocuments,
            required: true,
            expected: String(kept.expectedDocuments),
            found: String(kept.documents)
          },
          {
            gate: "checksum",
            passed: kept.checksum === kept.expectedChecksum,
            required: true,
            expected: kept.expectedChecksum,
            found: kept.checksum
          },
          {
            gate: "postings",
            passed: kept.postings === kept.expectedPostings,
            required: true,
            expected: kept.expectedPostings,
            found: kept.postings
          },
          {
            gate: "catalogue",
            passed:
              current.checksum === current.indexedChecksum && current.documents === current.indexedDocuments,
            required: true,
            expected: `${current.documents} documents, ${current.checksum}`,
            found: `${current.indexedDocuments} documents, ${current.indexedChecksum}`
          },
          {
            gate: "zero-results",
            passed: without <= withoutBefore,
            required: true,
            expected: percent(withoutBefore, tried.length),
            found: percent(without, tried.length)
          },
          {
            gate: "overlap",
            passed: true,
            required: false,
            expected: "reported only",
            found: percent(common, answered.length)
          }
        ]
        return gates
      })

      const validate = Effect.fn("SearchIndexVersions.validate")(function* (
        indexName: IndexName,
        versionId: VersionId
      ) {
        const tenant = yield* Tenant
        const before = yield* get(indexName, versionId)
        if (before.status !== "validating" && before.status !== "ready") {
          return yield* new SearchVersionState({ versionId, currentStatus: before.status })
        }
        const gates = yield* tryGates(indexName, versionId)
        const moment = yield* now
        const failed = gates.filter(({ passed, required }) => required && !passed)
        // Only from the status it was tried in: meanwhile it may have become active.
        const [row] = yield* sql`
          UPDATE hm_search_index_version
             SET gates = ${encodeGates(gates)}::text::jsonb, status = ${failed.length === 0 ? "ready" : "failed"},
                 failure = ${failed.length === 0 ? null : `did not pass: ${failed.map(({ gate }) => gate).join(", ")}`},
                 retired_at = ${failed.length === 0 ? null : moment}::timestamptz, lease_id = NULL, lease_until = NULL,
                 version = version + 1, updated_at = ${moment}
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint AND status = ${before.status}
          RETURNING ${returned}
        `
        return row === undefined ? yield* get(indexName, versionId) : yield* toVersion(row)
      })

      /** Makes a version the active one. The index's row is locked. */
      const switchTo = Effect.fnUntraced(function* (
        indexName: IndexName,
        versionId: VersionId,
        previous: VersionId
      ) {
        const tenant = yield* Tenant
        const moment = yield* now
        yield* sql`
          UPDATE hm_search_index
             SET active_version = ${versionId}::text::bigint, previous_version = ${previous}::text::bigint,
                 version = version + 1, updated_at = ${moment}
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
        `
        const rows = yield* sql`
          UPDATE hm_search_index_version
             SET status = CASE version_id WHEN ${versionId}::text::bigint THEN 'active' ELSE 'ready' END,
                 activated_at = CASE version_id WHEN ${versionId}::text::bigint THEN ${moment}::timestamptz ELSE activated_at END,
                 version = version + 1, updated_at = ${moment}
           WHERE tenant_id = ${tenant.id}
             AND version_id IN (${versionId}::text::bigint, ${previous}::text::bigint)
          RETURNING ${returned}
        `
        const versions = yield* Effect.forEach(rows, toVersion)
        const active = versions.find((one) => one.versionId === versionId)
        return active ?? (yield* new SearchVersionNotFound({ versionId }))
      })

      const lockIndex = Effect.fnUntraced(function* (indexName: IndexName) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly active: VersionId; readonly previous: VersionId | null }>`
          SELECT active_version::text AS active, previous_version::text AS previous
            FROM hm_search_index
           WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
             FOR UPDATE
        `
        return row
      })

      /** A version of another cluster cannot tell what has changed since it was built. */
      const isOfThisCluster = Effect.fnUntraced(function* (versionId: VersionId) {
        const tenant = yield* Tenant
        const rows = yield* sql`
          SELECT 1
            FROM hm_search_index_version v
            JOIN pg_control_system() s ON v.system_identifier = s.system_identifier::text
           WHERE v.tenant_id = ${tenant.id} AND v.version_id = ${versionId}::text::bigint
        `
        return rows.length > 0
      })

      const activateIn = Effect.fnUntraced(function* (indexName: IndexName, versionId: VersionId) {
        const tenant = yield* Tenant
        const moment = yield* now
        const index = yield* lockIndex(indexName)
        if (index === undefined) return yield* new SearchVersionNotFound({ versionId })
        const found = yield* lock(indexName, versionId, ["ready", "active"])
        if (found.status === "active") return found
        if (!(yield* isOfThisCluster(versionId))) {
          return yield* new SearchVersionState({ versionId, currentStatus: found.status })
        }
        // The one before the one before cannot be returned to any more.
        if (index.previous !== null && index.previous !== versionId) {
          yield* sql`
            UPDATE hm_search_index_version
               SET status = 'retired', retired_at = ${moment}, version = version + 1, updated_at = ${moment}
             WHERE tenant_id = ${tenant.id} AND version_id = ${index.previous}::text::bigint
          `
        }
        return yield* switchTo(indexName, versionId, index.active)
      })

      const activate = Effect.fn("SearchIndexVersions.activate")(
        (indexName: IndexName, versionId: VersionId) => transactionOf(sql)(activateIn(indexName, versionId))
      )

      const rollBackIn = Effect.fnUntraced(function* (indexName: IndexName) {
        const index = yield* lockIndex(indexName)
        if (index === undefined) return yield* new SearchIndexNotFound({ indexName })
        if (index.previous === null || !(yield* isOfThisCluster(index.previous))) {
          return yield* new NothingToRollBack({ indexName })
        }
        return yield* lock(indexName, index.previous, ["ready"]).pipe(
          Effect.andThen(({ versionId }) => switchTo(indexName, versionId, index.active)),
          // It has failed its gates since, or was removed.
          Effect.catchTag(["SearchVersionNotFound", "SearchVersionState"], () =>
            Effect.fail(new NothingToRollBack({ indexName }))
          )
        )
      })

      const rollBack = Effect.fn("SearchIndexVersions.rollBack")((indexName: IndexName) =>
        transactionOf(sql)(rollBackIn(indexName))
      )

      const retireIn = Effect.fnUntraced(function* (indexName: IndexName, versionId: VersionId) {
        const tenant = yield* Tenant
        const moment = yield* now
        const index = yield* lockIndex(indexName)
        if (index === undefined) return yield* new SearchVersionNotFound({ versionId })
        const found = yield* lock(indexName, versionId, [
          "building",
          "validating",
          "ready",
          "failed",
          "retired"
        ])
        if (found.status === "retired") return found
        if (index.previous === versionId) {
          yield* sql`
            UPDATE hm_search_index
               SET previous_version = NULL, version = version + 1, updated_at = ${moment}
             WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
          `
        }
        const [row] = yield* sql`
          UPDATE hm_search_index_version
             SET status = 'retired', retired_at = coalesce(retired_at, ${moment}::timestamptz), lease_id = NULL,
                 lease_until = NULL, version = version + 1, updated_at = ${moment}
           WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint
          RETURNING ${returned}
        `
        return yield* toVersion(row)
      })

      const retire = Effect.fn("SearchIndexVersions.retire")((indexName: IndexName, versionId: VersionId) =>
        transactionOf(sql)(retireIn(indexName, versionId))
      )

      const startDue = Effect.gen(function* () {
        const moment = yield* now
        const started = yield* sql`
          INSERT INTO hm_search_index_version (tenant_id, version_id, index_name, status, reason, activates, settings, phase,
                                               system_identifier, recorded_at, updated_at)
          SELECT i.tenant_id, ${nextId("i.tenant_id", "i.index_name")}, i.index_name, 'building',
                 CASE WHEN v.system_identifier <> s.system_identifier::text THEN 'restored'
                      WHEN v.rules_hash <> ${rulesHash} THEN 'upgraded'
                      WHEN changes.are_many THEN 'changes'
                      ELSE 'popularity' END, true,
                 -- What is changed in the index's settings waits for a version that somebody asks for.
                 v.settings, 'none', s.system_identifier::text, ${moment}, ${moment}
            FROM hm_search_index i
            JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
            CROSS JOIN pg_control_system() s
            CROSS JOIN LATERAL (
                 SELECT count(*) >= ${changesRebuildMax}
                        OR (count(*) >= ${changesRebuildMin}
                            AND count(*) >= ${changesRebuildShare}::float8 * v.document_count) AS are_many
                   FROM (SELECT 1
                           FROM hm_search_change c
                          WHERE c.tenant_id = i.tenant_id AND c.index_name = i.index_name
                            AND c.xid >= pg_snapshot_xmin(v.built_snapshot)
                            AND NOT pg_visible_in_snapshot(c.xid, v.built_snapshot)
                          LIMIT ${changesRebuildMax}) one) changes
           WHERE (v.system_identifier <> s.system_identifier::text
                  OR (i.automatic
                      AND (changes.are_many OR v.rules_hash <> ${rulesHash}
                           OR (v.document_count > 0 AND v.built_at < ${new Date(moment.getTime() - popularityAgeMillis)}
                               AND EXISTS (SELECT 1
                                             FROM hm_product_popularity_signal p
                                            WHERE p.tenant_id = i.tenant_id AND p.counted_at > v.built_at)))))
             AND NOT EXISTS (
                 SELECT 1
                   FROM hm_search_index_version o
                  WHERE o.tenant_id = i.tenant_id AND o.index_name = i.index_name
                    AND (o.status IN ('building', 'validating')
                         OR (o.status = 'failed' AND o.updated_at > ${new Date(moment.getTime() - failurePauseMillis)})))
              ON CONFLICT DO NOTHING
          RETURNING 1
        `
        return started.length
      }).pipe(Effect.withSpan("SearchIndexVersions.startDue"))

      return SearchIndexVersions.of({ start, get, list, validate, activate, rollBack, retire, startDue })
    })
  )
}

/** Changes are held in memory by every process that searches: a fifth of what it may hold. */
const changesRebuildMax = 20_000
/** Below this a version is not worth its rows: so many changes are read in a tenth of a second. */
const changesRebuildMin = 2_000
const changesRebuildShare = 0.02
/** A version has the popularity of when it was built. */
const popularityAgeMillis = 24 * 60 * 60 * 1000
/** What failed once will mostly fail again at once. */
const failurePauseMillis = 5 * 60 * 1000
