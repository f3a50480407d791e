/** Reads and locks the rows of an index's versions. An index is locked before its versions. */
import * as Column from "@hypermarket/core/Column"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { type IndexName, type VersionId } from "../SearchIndex.ts"
import {
  SearchIndexVersion,
  SearchVersionNotFound,
  SearchVersionState,
  type Status
} from "../SearchIndexVersion.ts"
import { rulesHash } from "./versionBuild.ts"

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

const decode = Schema.decodeUnknownEffect(Row)

const toVersion = (row: unknown) =>
  Effect.orDie(Effect.map(decode(row), (decoded) => new SearchIndexVersion(decoded)))

export const make = (sql: SqlClient.SqlClient) => {
  const returned = sql.literal(columns)

  const get = Effect.fn("SearchIndexVersions.get")(function* (indexName: IndexName, versionId: VersionId) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${returned}
        FROM hm_search_index_version
       WHERE tenant_id = ${tenant.id} AND version_id = ${versionId}::text::bigint AND index_name = ${indexName}
    `
    return row === undefined ? yield* new SearchVersionNotFound({ versionId }) : yield* toVersion(row)
  })

  /** Locks the row of a version, which must be in one of the statuses, until the transaction ends. */
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
    const current = yield* toVersion(row)
    return statuses.includes(current.status)
      ? current
      : yield* new SearchVersionState({ versionId, currentStatus: current.status })
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

  /** Checks that this process can read a version: of its cluster, since snapshots mean nothing in another, and rules. */
  const isReadable = Effect.fnUntraced(function* (versionId: VersionId) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT 1
        FROM hm_search_index_version v
        JOIN pg_control_system() s ON v.system_identifier = s.system_identifier::text
       WHERE v.tenant_id = ${tenant.id} AND v.version_id = ${versionId}::text::bigint
         AND v.rules_hash = ${rulesHash}
    `
    return rows.length > 0
  })

  return { returned, toVersion, get, lock, lockIndex, isReadable }
}
