/** Sums events of hot entities by hour, and deletes what is past its retention. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import type * as SqlClient from "effect/sql/SqlClient"

/** Rows of one entity per transaction: some hundred milliseconds. */
export const foldRowsMax = 5_000

/** A result is mostly known within minutes; a row that is folded is dearer to change. */
const settledMinutes = 2

const minuteMillis = 60_000

/** 2 to the power of ten seconds is more than the longest wait. */
const retryDoublingsMax = 10

/** Rows per statement of the prune. */
export const pruneRowsMax = 5_000

/** Deletes rows whose time is before an instant, at most {@link pruneRowsMax} per statement. The names are constants. */
const prune = (sql: SqlClient.SqlClient, table: string, key: string, time: string) => (before: Date) =>
  sql<{ readonly pruned: number }>`
    WITH gone AS (
      DELETE FROM ${sql(table)}
       WHERE (${sql.literal(key)}) IN (
             SELECT ${sql.literal(key)}
               FROM ${sql(table)}
              WHERE ${sql(time)} < ${before}
              LIMIT ${pruneRowsMax}
             )
      RETURNING 1
    )
    SELECT count(*)::integer AS pruned
      FROM gone
  `

export const make = (sql: SqlClient.SqlClient) => ({
  /** In random order: in that of their ids, those that fail would hide the others from every round. */
  dueTenants: (tenantsMax: number) => sql<{ readonly tenantId: string }>`
    WITH RECURSIVE waiting AS (
      (
      SELECT tenant_id
        FROM hm_fraud_entity_due
       ORDER BY tenant_id
       LIMIT 1
      )
      UNION ALL
      SELECT (
             SELECT d.tenant_id
               FROM hm_fraud_entity_due d
              WHERE d.tenant_id > w.tenant_id
              ORDER BY d.tenant_id
              LIMIT 1
             )
        FROM waiting w
       WHERE w.tenant_id IS NOT NULL
    )
    SELECT tenant_id AS "tenantId"
      FROM waiting
     WHERE tenant_id IS NOT NULL
     ORDER BY random()
     LIMIT ${tenantsMax}
  `,

  /** Locks one entity that does not wait after a failure. Another worker locks another one. */
  takeDue: (tenantId: string, now: Date) => sql<{
    readonly entity: bigint | string
    readonly failures: number
  }>`
    SELECT entity, failures
      FROM hm_fraud_entity_due
     WHERE tenant_id = ${tenantId}
       AND (retry_at IS NULL OR retry_at <= ${now})
     ORDER BY entity
     LIMIT 1
       FOR UPDATE SKIP LOCKED
  `,

  /** The entity waits for 1 s, then for twice the time, up to ten minutes. */
  noteFailure: (tenantId: string, entity: string, text: string, now: Date) => sql`
    UPDATE hm_fraud_entity_due d
       SET failures = d.failures + 1, last_error = ${text},
           retry_at = ${now}::timestamptz
                      + least(${EachTenant.retrySecondsMax}::float8, 2 ^ least(${retryDoublingsMax}, d.failures))
                        * interval '1 second'
     WHERE d.tenant_id = ${tenantId} AND d.entity = ${entity}::bigint
  `,

  /** Ends the wait of an entity that could be folded again and has more rows. */
  clearFailure: (tenantId: string, entity: string) => sql`
    UPDATE hm_fraud_entity_due
       SET failures = 0, last_error = NULL, retry_at = NULL
     WHERE tenant_id = ${tenantId} AND entity = ${entity}::bigint
  `,

  removeDue: (tenantId: string, entity: string) => sql`
    DELETE FROM hm_fraud_entity_due
     WHERE tenant_id = ${tenantId} AND entity = ${entity}::bigint
  `,

  /** Marks rows as folded and adds them to their hours, in one statement: a kill leaves all or nothing. */
  fold: (tenantId: string, entity: string, now: Date) => sql<{ readonly folded: number }>`
    WITH due AS (
      SELECT e.occurred_at, e.signal_id
        FROM hm_fraud_entity_event e
       WHERE e.tenant_id = ${tenantId}
         AND e.entity = ${entity}::bigint
         AND e.is_folded = false
         AND e.occurred_at <= ${new Date(now.getTime() - settledMinutes * minuteMillis)}::timestamptz
       ORDER BY e.occurred_at
       LIMIT ${foldRowsMax}
    ),
    moved AS (
      UPDATE hm_fraud_entity_event e
         SET is_folded = true
        FROM due
       WHERE e.tenant_id = ${tenantId}
         AND e.entity = ${entity}::bigint
         AND e.is_folded = false
         AND e.occurred_at = due.occurred_at
         AND e.signal_id = due.signal_id
      RETURNING e.occurred_at, e.kind, e.result, e.amount, coalesce(e.currency, '') AS currency, e.others
    ),
    hours AS (
      INSERT INTO hm_fraud_entity_hour AS h (tenant_id, entity, hour, kind, result, currency, count, sum)
      SELECT ${tenantId}, ${entity}::bigint, to_timestamp(ceil(extract(epoch FROM occurred_at) / 3600) * 3600), kind, result, currency,
             count(*), coalesce(sum(amount), 0)
        FROM moved
       GROUP BY 3, kind, result, currency
          ON CONFLICT (tenant_id, entity, hour, kind, result, currency)
          DO UPDATE SET count = h.count + excluded.count, sum = h.sum + excluded.sum
    ),
    edges AS (
      INSERT INTO hm_risk_edge AS edge (tenant_id, entity, other, first_seen, last_seen)
      SELECT ${tenantId}, ${entity}::bigint, other, min(moved.occurred_at), max(moved.occurred_at)
        FROM moved
       CROSS JOIN LATERAL unnest(moved.others) AS other
       GROUP BY other
          ON CONFLICT (tenant_id, entity, other)
          DO UPDATE SET first_seen = least(edge.first_seen, excluded.first_seen),
                        last_seen = greatest(edge.last_seen, excluded.last_seen)
    )
    SELECT count(*)::integer AS folded
      FROM moved
  `,

  pruneHours: prune(sql, "hm_fraud_entity_hour", "tenant_id, entity, hour, kind, result, currency", "hour"),

  pruneEdges: prune(sql, "hm_risk_edge", "tenant_id, entity, other", "last_seen"),

  pruneKeys: prune(sql, "hm_fraud_signal_key", "tenant_id, source, key", "recorded_at"),

  pruneSubjects: prune(sql, "hm_fraud_signal_subject", "tenant_id, kind, subject", "recorded_at"),

  pruneDecisions: prune(sql, "hm_risk_decision", "tenant_id, decision_id", "recorded_at")
})
