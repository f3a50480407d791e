/**
 * The statements of events that need a source map: those that wait for a worker, and those that were stored without.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { type Entered, keyOf, type Placed } from "./groupedBatch.ts"
import * as SubmissionRecord from "./submissionRecord.ts"

/** Stored events that a late map serves. Older ones stay as they came. */
const missingMax = 200

const wantsOf = (entries: ReadonlyArray<Entered>) =>
  entries.flatMap(({ event, logId, projectId, tenantId }) =>
    event.debugIds.map((debugId) => ({ tenantId, projectId, debugId, logId, event }))
  )

export const make = (sql: SqlClient.SqlClient) => ({
  /** Separates events for which there is a map from those for which there is none. */
  split: Effect.fnUntraced(function* (entries: ReadonlyArray<Entered>) {
    const wants = wantsOf(entries)
    if (wants.length === 0) return { held: [], ready: entries }
    const served = yield* sql<{
      readonly tenantId: string
      readonly projectId: number
      readonly debugId: string
    }>`
      SELECT DISTINCT wanted.tenant_id AS "tenantId", wanted.project_id AS "projectId", wanted.debug_id::text AS "debugId"
        FROM unnest(${wants.map(({ tenantId }) => tenantId)}::text[],
                    ${wants.map(({ projectId }) => projectId)}::int4[],
                    ${wants.map(({ debugId }) => debugId)}::uuid[]) AS wanted (tenant_id, project_id, debug_id)
        JOIN hm_error_source_map m ON m.tenant_id = wanted.tenant_id
                                  AND m.debug_id = wanted.debug_id
                                  AND wanted.project_id = ANY (m.project_ids)
    `
    const keys = new Set(
      served.map(({ debugId, projectId, tenantId }) => keyOf(tenantId, projectId, debugId))
    )
    const isServed = ({ event, projectId, tenantId }: Entered) =>
      event.debugIds.some((debugId) => keys.has(keyOf(tenantId, projectId, debugId)))
    return { held: entries.filter(isServed), ready: entries.filter((entry) => !isServed(entry)) }
  }),

  hold: (entries: ReadonlyArray<Entered>) =>
    entries.length === 0
      ? Effect.void
      : sql`
          INSERT INTO hm_error_pending (tenant_id, pending_id, project_id, received_at, title, user_key, event, payload)
          SELECT n.tenant_id, n.pending_id, n.project_id, n.received_at, n.title, nullif(n.user_key, ''), n.event::jsonb, n.data
            FROM unnest(${entries.map(({ tenantId }) => tenantId)}::text[],
                        ${entries.map(({ logId }) => logId)}::uuid[],
                        ${entries.map(({ projectId }) => projectId)}::int4[],
                        ${entries.map(({ event }) => new Date(event.receivedAtMillis))}::timestamptz[],
                        ${entries.map(({ event }) => event.title)}::text[],
                        ${entries.map(({ event }) => event.userKey ?? "")}::text[],
                        ${entries.map(({ event }) => SubmissionRecord.encodeEvent(event))}::text[],
                        ${entries.map(({ event }) => event.data)}::bytea[])
                 AS n (tenant_id, pending_id, project_id, received_at, title, user_key, event, data)
        `,

  noteMissing: (placed: ReadonlyArray<Placed>) => {
    const wants = wantsOf(placed)
    if (wants.length === 0) return Effect.void
    return sql`
      INSERT INTO hm_error_missing_map (tenant_id, project_id, debug_id, log_id, received_at)
      SELECT n.tenant_id, n.project_id, n.debug_id, n.log_id, n.received_at
        FROM unnest(${wants.map(({ tenantId }) => tenantId)}::text[],
                    ${wants.map(({ projectId }) => projectId)}::int4[],
                    ${wants.map(({ debugId }) => debugId)}::uuid[],
                    ${wants.map(({ logId }) => logId)}::uuid[],
                    ${wants.map(({ event }) => new Date(event.receivedAtMillis))}::timestamptz[])
             AS n (tenant_id, project_id, debug_id, log_id, received_at)
       WHERE (
             SELECT count(*)
               FROM (
                    SELECT
                      FROM hm_error_missing_map m
                     WHERE m.tenant_id = n.tenant_id AND m.project_id = n.project_id AND m.debug_id = n.debug_id
                     LIMIT ${missingMax}
                    ) noted
             ) < ${missingMax}
          ON CONFLICT DO NOTHING
    `
  }
})
