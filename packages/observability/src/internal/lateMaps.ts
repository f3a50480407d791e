/**
 * Serves stored events with a source map that came after them: their frames are translated, and the hashes that follow lead
 * to their issue.
 */
import * as Now from "@hypermarket/core/Now"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { SourceMap } from "./sourceMaps.ts"
import type * as StoredEvent from "./storedEvent.ts"

const eventsMax = 100
/** A writer that found no map may commit its event this much later. */
const freshMillis = 60_000

interface Row {
  readonly projectId: number
  readonly debugId: string
  readonly logId: string
  readonly issueId: string | null
  readonly payload: Uint8Array | null
  readonly receivedAt: Date
}

type MapsOf = (
  wants: ReadonlyArray<{ readonly projectId: number; readonly debugId: string }>
) => Effect.Effect<(projectId: number) => (debugId: string) => SourceMap | undefined, SqlError>

type Translate = (
  data: Uint8Array,
  sourceMapOf: (debugId: string) => SourceMap | undefined
) => Effect.Effect<StoredEvent.Translation | undefined>

export const make = (sql: SqlClient.SqlClient) => ({
  serve: (tenantId: string, mapsOf: MapsOf, translate: Translate) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const now = yield* Now.now
        // The locks of the projects, as intake has them: hashes and issues do not change meanwhile.
        yield* sql`
          SELECT
            FROM hm_error_project
           WHERE tenant_id = ${tenantId}
             AND project_id IN (
                 SELECT unnest(project_ids)
                   FROM hm_error_source_map
                  WHERE tenant_id = ${tenantId} AND is_fresh
                 )
           ORDER BY project_id
             FOR NO KEY UPDATE
        `
        const rows = yield* sql<Row>`
          SELECT gap.project_id AS "projectId", gap.debug_id::text AS "debugId", gap.log_id::text AS "logId",
                 gap.received_at AS "receivedAt", l.issue_id::text AS "issueId", l.payload
            FROM hm_error_source_map m
            JOIN hm_error_missing_map gap ON gap.tenant_id = m.tenant_id
                                         AND gap.project_id = ANY (m.project_ids)
                                         AND gap.debug_id = m.debug_id
            LEFT JOIN hm_error_log l ON l.tenant_id = gap.tenant_id
                                    AND l.log_id = gap.log_id
                                    AND l.received_at = gap.received_at
           WHERE m.tenant_id = ${tenantId} AND m.is_fresh
           ORDER BY gap.project_id, gap.log_id
           LIMIT ${eventsMax}
        `
        if (rows.length === 0) {
          yield* sql`
            UPDATE hm_error_source_map
               SET is_fresh = false
             WHERE tenant_id = ${tenantId} AND is_fresh AND recorded_at < ${new Date(now.getTime() - freshMillis)}
          `
          return { count: 0, hasMore: false }
        }
        const maps = yield* mapsOf(rows)
        for (const { issueId, logId, payload, projectId, receivedAt } of rows) {
          if (payload === null || issueId === null) continue
          const translation = yield* translate(payload, maps(projectId))
          if (translation === undefined) continue
          const { culprit, data, hashes, title } = translation
          yield* sql`
            UPDATE hm_error_log
               SET payload = ${data}::bytea
             WHERE tenant_id = ${tenantId} AND log_id = ${logId}::uuid AND received_at = ${receivedAt}
          `
          yield* sql`
            UPDATE hm_error_issue
               SET culprit = coalesce(${culprit}, culprit), title = ${title}
             WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
          `
          yield* sql`
            INSERT INTO hm_error_hash (tenant_id, project_id, hash, issue_id, recorded_at)
            SELECT ${tenantId}, ${projectId}::int4, n.hash, ${issueId}::uuid, ${now}
              FROM unnest(${hashes}::text[]) AS n (hash)
                ON CONFLICT (tenant_id, project_id, hash)
                DO NOTHING
          `
        }
        yield* sql`
          DELETE FROM hm_error_missing_map g
           USING unnest(${rows.map(({ projectId }) => projectId)}::int4[],
                        ${rows.map(({ debugId }) => debugId)}::uuid[],
                        ${rows.map(({ logId }) => logId)}::uuid[]) AS served (project_id, debug_id, log_id)
           WHERE g.tenant_id = ${tenantId}
             AND g.project_id = served.project_id
             AND g.debug_id = served.debug_id
             AND g.log_id = served.log_id
        `
        return { count: rows.length, hasMore: rows.length === eventsMax }
      })
    )
})
