/** Statements on the rows of a log that no checkpoint covers. */
import type * as SqlClient from "effect/sql/SqlClient"
import { instant, leafHash } from "./expressions.ts"

/** A row that no checkpoint covers. */
export interface UnsealedRow {
  readonly activityId: string
  readonly recordedAt: string
}

/** A row for the next checkpoint. */
export interface SealableRow extends UnsealedRow {
  readonly leafHash: Uint8Array
  /** Rows without a checkpoint that were looked at, those that do not fit included. */
  readonly unsealed: number
}

export const make = (sql: SqlClient.SqlClient) => {
  const recordedAt = sql.literal(instant("recorded_at"))
  const hash = sql.literal(leafHash)

  /**
   * Rows recorded since an instant that no checkpoint names, the oldest first. `NOT IN` is a hash of the ids in every plan: for
   * `NOT EXISTS` a table without statistics gets a nested loop, with which 10,000 rows take 5 seconds.
   */
  const rows = (tenantId: string, since: Date, limit: number) => sql`
    SELECT *
      FROM hm_platform_activity_log
     WHERE tenant_id = ${tenantId} AND recorded_at >= ${since}
       AND activity_id NOT IN (
           SELECT unnest(activity_ids)
             FROM hm_platform_activity_checkpoint
            WHERE tenant_id = ${tenantId} AND last_recorded_at >= ${since})
     ORDER BY recorded_at, activity_id
     LIMIT ${limit}
  `

  const unsealed = (tenantId: string, since: Date, limit: number) =>
    sql<UnsealedRow>`
      SELECT activity_id::text AS "activityId", ${recordedAt} AS "recordedAt"
        FROM (${rows(tenantId, since, limit)}) AS unsealed
       ORDER BY recorded_at, activity_id
    `

  /**
   * The first of the unsealed rows, with the hashes of their leaves: one row, and more while they are of its month and have no
   * more bytes of text than the limit. Retention drops months, and with them whole checkpoints.
   */
  const sealable = (
    tenantId: string,
    since: Date,
    limit: { readonly rows: number; readonly bytes: number }
  ) =>
    sql<SealableRow>`
      -- The hashes are made of the rows that fit, and of no others.
      WITH measured AS (
        SELECT *, row_number() OVER rising AS place, count(*) OVER () AS unsealed,
               sum(coalesce(octet_length(actor), 0) + coalesce(octet_length(detail), 0)) OVER rising AS bytes,
               date_trunc('month', recorded_at, 'UTC') AS month,
               date_trunc('month', first_value(recorded_at) OVER rising, 'UTC') AS first_month
          FROM (${rows(tenantId, since, limit.rows)}) AS unsealed
        WINDOW rising AS (ORDER BY recorded_at, activity_id)
      )
      SELECT activity_id::text AS "activityId", ${recordedAt} AS "recordedAt", ${hash} AS "leafHash",
             unsealed::int AS unsealed
        FROM measured
       WHERE place = 1 OR (month = first_month AND bytes <= ${limit.bytes})
       ORDER BY recorded_at, activity_id
    `

  return { unsealed, sealable }
}
