/** How long facts are kept: for the time of the setting, and longer while an experiment still needs them. */
import type * as SqlClient from "effect/sql/SqlClient"

/** Keys per statement: some tens of milliseconds. */
const pruneMax = 5_000

export const make = (sql: SqlClient.SqlClient) => {
  /**
   * The oldest instant whose facts are needed, of one tenant or, without one, of all. An experiment that runs, or stopped
   * in the last 30 days, needs those from 30 days before its start: the longest time before an exposure that counts. A start that
   * is no instant would fail the retention of all tenants.
   */
  const oldestNeeded = (tenantId: string | undefined, keepDays: number, now: Date) => sql<{
    readonly oldest: Date
  }>`
    SELECT least(
             ${now}::timestamptz - make_interval(days => ${keepDays}::int),
             (
             SELECT min(started_at) - interval '30 days'
               FROM hm_experiment
              WHERE (${tenantId ?? null}::text IS NULL OR tenant_id = ${tenantId ?? null})
                AND isfinite(started_at)
                AND (status IN ('running', 'paused') OR stopped_at > ${now}::timestamptz - interval '30 days')
             )
           ) AS oldest
  `

  /** Deletes keys of facts that are gone, and the refunds of their orders. */
  const prune = (before: Date) => sql<{ readonly pruned: number }>`
    WITH gone AS MATERIALIZED (
      DELETE FROM hm_experiment_fact_key
       WHERE ctid = ANY (ARRAY (
             SELECT ctid
               FROM hm_experiment_fact_key
              WHERE at < ${before}
              LIMIT ${pruneMax}
                FOR UPDATE SKIP LOCKED
             ))
      RETURNING tenant_id, source, fact_id
    ),
    refunds AS (
      DELETE FROM hm_experiment_refund r
       USING gone g
       WHERE g.source = 'order' AND r.tenant_id = g.tenant_id AND r.order_id = g.fact_id
    )
    SELECT count(*)::int AS pruned
      FROM gone
  `

  return { oldestNeeded, prune, pruneMax }
}
