/** Switches the active version of an index, forward and back. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { type IndexName, SearchIndexNotFound, type VersionId } from "../SearchIndex.ts"
import {
  type Activation,
  type GateName,
  NothingToRollBack,
  type SearchIndexVersion,
  SearchVersionHeld,
  SearchVersionNotFound,
  SearchVersionState
} from "../SearchIndexVersion.ts"
import type * as IndexVersionRow from "./indexVersionRow.ts"

/** The gates that warn, were not passed and are not named. */
export const heldBy = (
  { gates }: SearchIndexVersion,
  despite: ReadonlyArray<GateName>
): ReadonlyArray<GateName> =>
  (gates ?? [])
    .filter(({ effect, gate, passed }) => effect === "warns" && !passed && !despite.includes(gate))
    .map(({ gate }) => gate)

export const make = (sql: SqlClient.SqlClient, rows: ReturnType<typeof IndexVersionRow.make>) => {
  const { isReadable, lock, lockIndex, returned, toVersion } = rows

  /** Makes a version the active one. The caller has locked the row of the index. */
  const switchTo = Effect.fnUntraced(function* (
    indexName: IndexName,
    versionId: VersionId,
    previous: VersionId
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* sql`
      UPDATE hm_search_index
         SET active_version = ${versionId}::text::bigint, previous_version = ${previous}::text::bigint,
             version = version + 1, updated_at = ${now}
       WHERE tenant_id = ${tenant.id} AND index_name = ${indexName}
    `
    const rows = yield* sql`
      UPDATE hm_search_index_version
         SET status = CASE version_id WHEN ${versionId}::text::bigint THEN 'active' ELSE 'ready' END,
             activated_at = CASE version_id WHEN ${versionId}::text::bigint THEN ${now}::timestamptz ELSE activated_at END,
             version = version + 1, updated_at = ${now}
       WHERE tenant_id = ${tenant.id}
         AND version_id IN (${versionId}::text::bigint, ${previous}::text::bigint)
      RETURNING ${returned}
    `
    const versions = yield* Effect.forEach(rows, toVersion)
    const active = versions.find((version) => version.versionId === versionId)
    return active ?? (yield* new SearchVersionNotFound({ versionId }))
  })

  const activateIn = Effect.fnUntraced(function* (
    indexName: IndexName,
    versionId: VersionId,
    { despite = [] }: Activation
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const index = yield* lockIndex(indexName)
    if (index === undefined) return yield* new SearchVersionNotFound({ versionId })
    const current = yield* lock(indexName, versionId, ["ready", "active"])
    if (current.status === "active") return current
    if (!(yield* isReadable(versionId))) {
      return yield* new SearchVersionState({ versionId, currentStatus: current.status })
    }
    const holding = heldBy(current, despite)
    if (holding.length > 0) return yield* new SearchVersionHeld({ versionId, gates: holding })
    // A roll-back returns to the version that is active now, so the one before it is of no use any more.
    if (index.previous !== null && index.previous !== versionId) {
      yield* sql`
        UPDATE hm_search_index_version
           SET status = 'retired', retired_at = ${now}, version = version + 1, updated_at = ${now}
         WHERE tenant_id = ${tenant.id} AND version_id = ${index.previous}::text::bigint
      `
    }
    return yield* switchTo(indexName, versionId, index.active)
  })

  const rollBackIn = Effect.fnUntraced(function* (indexName: IndexName) {
    const index = yield* lockIndex(indexName)
    if (index === undefined) return yield* new SearchIndexNotFound({ indexName })
    if (index.previous === null || !(yield* isReadable(index.previous))) {
      return yield* new NothingToRollBack({ indexName })
    }
    return yield* lock(indexName, index.previous, ["ready"]).pipe(
      Effect.andThen(({ versionId }) => switchTo(indexName, versionId, index.active)),
      // The version has failed its gates since, or was removed.
      Effect.catchTag(["SearchVersionNotFound", "SearchVersionState"], () =>
        Effect.fail(new NothingToRollBack({ indexName }))
      )
    )
  })

  return { activateIn, rollBackIn }
}
