/** The part of search in pages that show more than one domain. */
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { products } from "../SearchIndex.ts"

interface FailedVersion {
  readonly indexName: string
  readonly versionId: string
  readonly failure: string | null
  readonly updatedAt: Date
}

/** Indexes whose newest version failed: what is live is older than what was asked for. */
export const alerts: Overview.Alerts<SqlClient.SqlClient | Tenant> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const failed = yield* sql<FailedVersion>`
    SELECT v.index_name AS "indexName", v.version_id::text AS "versionId", v.failure, v.updated_at AS "updatedAt"
      FROM hm_search_index i
     CROSS JOIN LATERAL (
           SELECT *
             FROM hm_search_index_version v
            WHERE v.tenant_id = i.tenant_id AND v.index_name = i.index_name
            ORDER BY v.version_id DESC
            LIMIT 1) v
     WHERE i.tenant_id = ${tenant.id} AND v.status = 'failed'
     ORDER BY v.updated_at
     LIMIT ${Overview.alertsMax}
  `
  return failed.map(({ failure, indexName, updatedAt, versionId }) =>
    Overview.Alert.make({
      kind: "index.failed",
      severity: "warning",
      subject: indexName,
      value: null,
      since: DateTime.fromDateUnsafe(updatedAt),
      data: { versionId, failure }
    })
  )
})

/** Products of the catalogue by their id. */
export const lookup: Overview.Lookup<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* (text) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const rows = yield* sql<typeof Overview.Match.Type>`
    SELECT 'product' AS kind, doc_id AS id, coalesce(fields ->> 'title', doc_id) AS title
      FROM hm_search_change
     WHERE tenant_id = ${tenant.id} AND index_name = ${products} AND doc_id = ${text} AND fields IS NOT NULL
  `
  return rows.map((row) => Overview.Match.make(row))
})
