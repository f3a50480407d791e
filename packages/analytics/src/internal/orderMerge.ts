/**
 * The statements that move the delta log into the summaries.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import * as Measures from "./measures.ts"

export interface Merged {
  /** False while another merge or a close holds the tenant, and for a tenant that has no row yet. */
  readonly held: boolean
  readonly merged: number
}

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(Measures.names)
  const coalesced = sql.literal(Measures.coalesced)
  const cellKey = sql.literal(Measures.cellKey)
  const added = sql.literal(Measures.added)
  const dayCells = sql.literal(Measures.dayCellsOf("b"))
  const cellsOfMerged = sql.literal(Measures.allCellsFrom("b", "day_cells"))

  const ensure = (tenantId: string) => sql`
    INSERT INTO hm_order_merge (tenant_id)
    VALUES (${tenantId})
        ON CONFLICT (tenant_id) DO NOTHING
  `

  /**
   * Exactly once, because it is one statement: what is deleted is what is added. Two merges of a tenant stay exact, and
   * the second one skips.
   *
   * The hint. A row may be below the highest visible number and not be visible yet. Its writer has had its transaction id
   * before it drew the number (it writes or locks the head first), so before this statement was given its own id. When
   * every transaction before that id has ended and all that is visible has been merged, nothing can come below the
   * number any more. The snapshot's xmax would not do: it lies below a writer that began after the last one that
   * ended. `mayMoveHint` is false inside a longer transaction, whose id may be older than that. An id that this server has
   * not given yet is of the server that the rows were copied from: no transaction of before runs here.
   *
   * A close counts up `closes` under the row's lock. A merge that read its snapshot before and the row after does
   * nothing: it would add to the summary without knowing which periods are closed.
   */
  const merge = (tenantId: string, limit: number, now: Date, mayMoveHint: boolean) => sql<Merged>`
    WITH row AS MATERIALIZED (
      SELECT hint, next_hint, next_xid, closes
        FROM hm_order_merge
       WHERE tenant_id = ${tenantId}
         FOR UPDATE SKIP LOCKED),
    st AS MATERIALIZED (
      SELECT *
        FROM row
       WHERE closes = (SELECT closes FROM hm_order_merge WHERE tenant_id = ${tenantId})),
    sel AS MATERIALIZED (
      SELECT ARRAY (
                   SELECT ctid
                     FROM hm_order_delta
                    WHERE tenant_id = ${tenantId} AND seq >= (SELECT hint FROM st)
                    ORDER BY seq
                    LIMIT ${limit}
                   ) AS ctids),
    b AS MATERIALIZED (
      DELETE FROM hm_order_delta
       WHERE tenant_id = ${tenantId} AND ctid = ANY ((SELECT ctids FROM sel)::tid[])
      RETURNING *, date_trunc('month', tenant_day)::date AS month),
    day_cells AS MATERIALIZED (${dayCells}),
    m AS (
      INSERT INTO hm_order_summary AS s (tenant_id, ${cellKey}, ${names}, merged_at)
      SELECT ${tenantId}, ${cellKey}, ${names}, ${now}
        FROM (${cellsOfMerged}) u
       ORDER BY grain, seller_id, bucket, category, region, channel, currency
          ON CONFLICT (tenant_id, grain, seller_id, bucket, category, region, channel, currency)
          DO UPDATE SET ${added}, merged_at = excluded.merged_at),
    closed_days AS (
      SELECT from_day
        FROM hm_order_close
       WHERE tenant_id = ${tenantId} AND period = 'day'),
    closed_months AS (
      SELECT from_day
        FROM hm_order_close
       WHERE tenant_id = ${tenantId} AND period = 'month'),
    r AS (
      INSERT INTO hm_order_restatement (tenant_id, seq, order_id, seller_id, tenant_day, seller_day, currency,
                                        after_close, ${names})
      SELECT ${tenantId}, seq, order_id, seller_id, tenant_day, seller_day, currency, (SELECT closes FROM st),
             ${coalesced}
        FROM b
       WHERE tenant_day IN (SELECT from_day FROM closed_days)
          OR seller_day IN (SELECT from_day FROM closed_days)
          OR month IN (SELECT from_day FROM closed_months)
          OR date_trunc('month', seller_day)::date IN (SELECT from_day FROM closed_months)),
    settled AS (
      SELECT next_hint IS NOT NULL
             AND (pg_snapshot_xmin(pg_current_snapshot()) >= next_xid OR pg_current_xact_id() < next_xid)
             AND cardinality((SELECT ctids FROM sel)) < ${limit} AS ok
        FROM st),
    u AS (
      UPDATE hm_order_merge t
         SET hint = CASE WHEN ok THEN t.next_hint ELSE t.hint END,
             next_hint = CASE WHEN ok OR t.next_hint IS NULL THEN (SELECT max(seq) + 1 FROM b) ELSE t.next_hint END,
             next_xid = CASE WHEN ok OR t.next_hint IS NULL THEN pg_current_xact_id() ELSE t.next_xid END
        FROM settled
       WHERE t.tenant_id = ${tenantId} AND ${mayMoveHint}
         AND (ok OR t.next_hint IS NULL AND EXISTS (SELECT FROM b)))
    SELECT EXISTS (SELECT FROM st) AS held, (SELECT count(*)::int FROM b) AS merged
  `

  /** Returns tenants with at least this number of waiting rows, or one waiting since this time. Reads only each tenant's first rows. */
  const due = (rowsMin: number, waitingSince: Date) => sql<{ readonly tenantId: string }>`
    WITH RECURSIVE t AS (
      (SELECT tenant_id
         FROM hm_order_delta
        ORDER BY tenant_id
        LIMIT 1)
      UNION ALL
      SELECT (
             SELECT d.tenant_id
               FROM hm_order_delta d
              WHERE d.tenant_id > t.tenant_id
              ORDER BY d.tenant_id
              LIMIT 1
             )
        FROM t
       WHERE t.tenant_id IS NOT NULL)
    SELECT t.tenant_id AS "tenantId"
      FROM t
      LEFT JOIN hm_order_merge m ON m.tenant_id = t.tenant_id
     WHERE t.tenant_id IS NOT NULL
       AND ((SELECT d.recorded_at
               FROM hm_order_delta d
              WHERE d.tenant_id = t.tenant_id AND d.seq >= coalesce(m.hint, 0)
              ORDER BY d.seq
              LIMIT 1) <= ${waitingSince}
         OR (SELECT count(*)
               FROM (
                    SELECT
                      FROM hm_order_delta d
                     WHERE d.tenant_id = t.tenant_id AND d.seq >= coalesce(m.hint, 0)
                     LIMIT ${rowsMin}
                    ) w) >= ${rowsMin})
  `

  /** Returns the number of rows that wait, counted to a maximum. */
  const waiting = (tenantId: string, max: number) => sql<{ readonly waiting: number }>`
    SELECT count(*)::int AS waiting
      FROM (
           SELECT
             FROM hm_order_delta
            WHERE tenant_id = ${tenantId}
              AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)
            LIMIT ${max}
           ) w
  `

  return { ensure, merge, due, waiting }
}
