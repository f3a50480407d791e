/**
 * The versions that are built without a request: after many changes, for new popularity, for new rules of the code, and
 * after a restore into another cluster.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Partition from "./partition.ts"
import { rulesHash } from "./versionBuild.ts"

/** Changes from which a version is always due. Each searching process holds them in memory: a fifth of its limit. */
const changesRebuildMax = 20_000
/** Changes below which no version is due: a process reads them in 0.1 s. */
const changesRebuildMin = 2_000
/** Share of the documents, between the two limits, from which a version is due. */
const changesRebuildShare = 0.02
/** Age of a version's popularity, which is that of its build, from which a version is due. */
const popularityAgeMillis = 24 * 60 * 60 * 1000
/** Pause after a failed build: it would mostly fail again at once. */
const failurePauseMillis = 5 * 60 * 1000

/** Tenants of one statement: it counts the changes of each of their indexes. */
const tenantsMax = 200

const startOf = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  partitionDocuments: number,
  tenants: ReadonlyArray<string>
): Effect.fn.Return<number, SqlError> {
  const now = yield* Now.now
  const nextId = Partition.nextId(sql, partitionDocuments, { tenant: "i.tenant_id", index: "i.index_name" })
  const started = yield* sql`
    INSERT INTO hm_search_index_version (tenant_id, version_id, index_name, status, reason, activates, settings, phase,
                                         system_identifier, recorded_at, updated_at)
    SELECT i.tenant_id, ${nextId}, i.index_name, 'building',
           CASE WHEN v.system_identifier <> s.system_identifier::text THEN 'restored'
                WHEN v.rules_hash IS DISTINCT FROM ${rulesHash} THEN 'upgraded'
                WHEN changes.are_many THEN 'changes'
                ELSE 'popularity' END, true,
           -- Changed settings of the index wait for a version that is started by a request.
           v.settings, 'none', s.system_identifier::text, ${now}, ${now}
      FROM hm_search_index i
      JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
      CROSS JOIN pg_control_system() s
      CROSS JOIN LATERAL (
           SELECT count(*) >= ${changesRebuildMax}
                  OR (count(*) >= ${changesRebuildMin}
                      AND count(*) >= ${changesRebuildShare}::float8 * v.document_count) AS are_many
             FROM (
                  SELECT 1
                    FROM hm_search_change c
                   WHERE c.tenant_id = i.tenant_id AND c.index_name = i.index_name
                     AND c.xid >= pg_snapshot_xmin(v.built_snapshot)
                     AND NOT pg_visible_in_snapshot(c.xid, v.built_snapshot)
                   LIMIT ${changesRebuildMax}
                  ) counted) changes
     WHERE i.tenant_id = ANY (${tenants}::text[])
       AND (v.system_identifier <> s.system_identifier::text
            -- No process reads it, so the index does not answer.
            OR v.rules_hash IS DISTINCT FROM ${rulesHash}
            OR (i.automatic
                AND (changes.are_many
                     OR (v.document_count > 0 AND v.built_at < ${new Date(now.getTime() - popularityAgeMillis)}
                         AND EXISTS (SELECT 1
                                       FROM hm_product_popularity_signal p
                                      WHERE p.tenant_id = i.tenant_id AND p.counted_at > v.built_at)))))
       AND NOT EXISTS (
           SELECT 1
             FROM hm_search_index_version o
            WHERE o.tenant_id = i.tenant_id AND o.index_name = i.index_name
              AND (o.status IN ('building', 'validating')
                   OR (o.status = 'failed' AND o.updated_at > ${new Date(now.getTime() - failurePauseMillis)})))
        ON CONFLICT DO NOTHING
    RETURNING 1
  `
  return started.length
})

/** Starts the due versions of all tenants, and returns their number. A tenant that fails does not hold up the others. */
export const start = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  partitionDocuments: number
): Effect.fn.Return<number, SqlError> {
  const tenants = yield* sql<{ readonly tenantId: string }>`
    SELECT DISTINCT tenant_id AS "tenantId"
      FROM hm_search_index
  `
  const ids = tenants.map(({ tenantId }) => tenantId)
  const started = yield* Effect.forEach(Arr.chunksOf(ids, tenantsMax), (chunk) =>
    EachTenant.statement({
      loop: "search.version.start",
      tenants: chunk,
      run: (part) => startOf(sql, partitionDocuments, part)
    })
  ).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  return started.flat().reduce((sum, count) => sum + count, 0)
})
