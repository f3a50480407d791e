/** Statements that make due jobs and the jobs of expired leases runnable again, find flows, and prune. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  jobColumns,
  keyedBatchMax,
  lostMax,
  lostUntilQuarantine,
  packed,
  quarantinePrefix,
  unpackedColumns
} from "../jobRow.ts"
import type { Tables } from "../tables.ts"
import type { FlowRow } from "./flow.ts"

/** Retention of the dead-letter queue: `prune` deletes older jobs, except those that were rejected with a reason. */
export const deadKeepDays = 90

const dayMillis = 24 * 60 * 60 * 1_000

/** Error of an attempt whose lease expired: the worker could not say more. */
const workerLost =
  "the worker was lost: its process ended, or its event loop was blocked for longer than the lease"

/** A flow that received jobs, and their number. */
export interface FilledFlow extends FlowRow {
  readonly count: number
}

export interface HousekeepingStatements {
  /** Moves due jobs to the runnable ones, of all tenants or of one. */
  readonly moveDue: (
    now: Date,
    limit: number,
    tenantId?: string
  ) => Effect.Effect<ReadonlyArray<FilledFlow>, SqlError>
  /** Returns the jobs of expired leases to their queues, or to the dead-letter queue, of all tenants or of one. */
  readonly reap: (
    limit: number,
    now: Date,
    tenantId?: string
  ) => Effect.Effect<ReadonlyArray<FlowRow>, SqlError>
  /** Returns all flows that have jobs. */
  readonly sweep: Effect.Effect<ReadonlyArray<FlowRow>, SqlError>
  /** Returns the flows that have jobs, except known flows with no job at or after their hint. */
  readonly sweepBeyond: (
    hints: ReadonlyArray<FlowRow & { readonly hint: number }>
  ) => Effect.Effect<ReadonlyArray<FlowRow>, SqlError>
  /**
   * Deletes expired deduplication keys, idle ordering keys and old dead letters, of all tenants or of one. Returns the
   * largest of the counts.
   */
  readonly prune: (now: Date, limit: number, tenantId?: string) => Effect.Effect<number, SqlError>
  /** Returns tenants that the statement of this name has work for, at most `limit`, in random order. */
  readonly tenants: Readonly<
    Record<
      "moveDue" | "reap" | "prune",
      (now: Date, limit: number) => Effect.Effect<ReadonlyArray<string>, SqlError>
    >
  >
}

/** The oldest died_at that is kept. */
const deadBefore = (now: Date): Date => new Date(now.getTime() - deadKeepDays * dayMillis)

export const make = (sql: SqlClient.SqlClient, t: Tables): HousekeepingStatements => {
  const ready = sql.literal(t.ready)
  const lease = sql.literal(t.lease)
  const delayed = sql.literal(t.delayed)
  const key = sql.literal(t.key)
  const keyed = sql.literal(t.keyed)
  const dead = sql.literal(t.dead)
  const dedupe = sql.literal(t.dedupe)
  const job = sql.literal(jobColumns)
  const unpacked = sql.literal(unpackedColumns)
  const seq = sql.literal(packed.seq)
  const orderingKey = sql.literal(packed.orderingKey)
  const attempt = sql.literal(packed.attempt)
  const lost = sql.literal(packed.lost)
  const errors = sql.literal(packed.errors)

  /** The statements for all tenants have no condition: their plans stay those of one scan in order of time. */
  const ofTenant = (tenantId: string | undefined) =>
    tenantId === undefined ? sql.literal("") : sql`AND tenant_id = ${tenantId}`

  const moveDue: HousekeepingStatements["moveDue"] = (now, limit, tenantId) => sql<FilledFlow>`
      WITH due AS (
        DELETE FROM ${delayed}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${delayed}
                  WHERE run_at <= ${now} ${ofTenant(tenantId)}
                  ORDER BY run_at
                  LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING *),
      -- A new sequence number: the job is after the hint of its flow, and is found.
      back AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${job}
          FROM due
         ORDER BY run_at, seq
        RETURNING tenant_id, queue, priority)
      SELECT tenant_id AS "tenantId", queue, priority, count(*)::int AS count
        FROM back
       GROUP BY 1, 2, 3
    `

  const reap: HousekeepingStatements["reap"] = (limit, now, tenantId) => sql<FlowRow>`
      WITH expired AS (
        DELETE FROM ${lease}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${lease}
                  WHERE lease_until < clock_timestamp() ${ofTenant(tenantId)}
                  ORDER BY lease_until
                  LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING tenant_id, ltrim(queue, ${quarantinePrefix}) AS queue, jobs, payloads, done),
      -- The unfinished jobs, and the tokens of the keys that are not settled.
      j AS MATERIALIZED (
        SELECT x.tenant_id, x.queue, x.done, ${seq} AS seq, ${orderingKey} AS ordering_key,
               ${attempt} AS attempt, ${lost} + 1 AS lost, ${unpacked},
               (coalesce(${errors}, '[]')::jsonb
                || jsonb_build_object('attempt', ${attempt} + 1, 'at', ${now}::timestamptz,
                                      'error', ${workerLost}::text))::json AS errors
          FROM expired x
          CROSS JOIN LATERAL ROWS FROM (json_array_elements(x.jobs), unnest(x.payloads)) AS p (e, payload)
         WHERE NOT ${seq} = ANY (x.done)),
      finished AS (
        DELETE FROM ${keyed} k USING j
         WHERE j.ordering_key IS NOT NULL AND k.tenant_id = j.tenant_id AND k.queue = j.queue
           AND k.ordering_key = j.ordering_key AND k.seq = ANY (j.done)
        RETURNING k.tenant_id, k.queue, k.ordering_key),
      -- The head of a key whose token was lost too often is the poison job.
      head AS MATERIALIZED (
        SELECT j.tenant_id, j.queue, j.ordering_key, j.lost, j.errors AS lost_errors, h.seq
          FROM j
         CROSS JOIN LATERAL (
               SELECT k.seq
                 FROM ${keyed} k
                WHERE k.tenant_id = j.tenant_id AND k.queue = j.queue AND k.ordering_key = j.ordering_key
                  AND NOT k.seq = ANY (j.done)
                ORDER BY k.seq
                LIMIT 1) h
         WHERE j.ordering_key IS NOT NULL AND j.lost >= ${lostMax}),
      head_gone AS (
        DELETE FROM ${keyed} k USING head
         WHERE k.tenant_id = head.tenant_id AND k.queue = head.queue AND k.ordering_key = head.ordering_key
           AND k.seq = head.seq
        RETURNING k.*, head.lost AS token_lost, head.lost_errors),
      removed AS MATERIALIZED (
        SELECT tenant_id, queue, ordering_key, count(*)::int AS removed, bool_or(is_head) AS is_head
          FROM (
                SELECT tenant_id, queue, ordering_key, false AS is_head
                  FROM finished
                UNION ALL
                SELECT tenant_id, queue, ordering_key, true
                  FROM head_gone) u
         GROUP BY 1, 2, 3),
      -- Locked in the order in which an enqueue locks them.
      locked AS MATERIALIZED (
        SELECT k.tenant_id, k.queue, k.ordering_key, removed.removed, removed.is_head
          FROM ${key} k
          JOIN removed
         USING (tenant_id, queue, ordering_key)
         ORDER BY k.tenant_id, k.queue, k.ordering_key
           FOR UPDATE OF k),
      left_over AS (
        UPDATE ${key} k
           SET pending = k.pending - l.removed
          FROM locked l
         WHERE k.tenant_id = l.tenant_id AND k.queue = l.queue AND k.ordering_key = l.ordering_key
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending, l.is_head),
      buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, ordering_key, died_at, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, attempt, attempts_max, lost, recorded_at,
               headers, options, errors, payload, body_day, body_seq, body_bytes
          FROM j
         WHERE ordering_key IS NULL AND lost >= ${lostMax}
        UNION ALL
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, attempt, attempts_max, token_lost,
               recorded_at, headers, options,
               (coalesce(errors::jsonb, '[]') || lost_errors::jsonb)::json, payload, body_day, body_seq, body_bytes
          FROM head_gone),
      back AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ${job})
        SELECT tenant_id, CASE WHEN lost >= ${lostUntilQuarantine} THEN ${quarantinePrefix} || queue ELSE queue END,
               priority, job_id, type, attempt, attempts_max, lost, recorded_at, headers, options, errors, payload, body_day,
               body_seq, body_bytes
          FROM j
         WHERE ordering_key IS NULL AND lost < ${lostMax}
         ORDER BY seq
        RETURNING tenant_id, queue, priority),
      -- A token keeps its losses while its head may be the poison job, and runs the jobs lost with it one at a time.
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, errors, lost, attempt)
        SELECT j.tenant_id,
               CASE WHEN j.lost >= ${lostUntilQuarantine} AND l.is_head IS NOT TRUE THEN ${quarantinePrefix} ELSE '' END
               || j.queue,
               j.priority, j.ordering_key, CASE WHEN l.is_head IS NOT TRUE THEN j.errors END,
               CASE WHEN l.is_head IS TRUE THEN 0 ELSE j.lost END, ${keyedBatchMax}
          FROM j
          LEFT JOIN left_over l
         USING (tenant_id, queue, ordering_key)
         WHERE j.ordering_key IS NOT NULL AND (l.pending IS NULL OR l.pending > 0)
        RETURNING tenant_id, queue, priority)
      SELECT tenant_id AS "tenantId", queue, priority
        FROM back
      UNION
      SELECT tenant_id, queue, priority
        FROM tokens
    `

  /** A loose index scan over the primary key: one step per flow, regardless of its number of jobs. */
  const sweep: HousekeepingStatements["sweep"] = sql<FlowRow>`
    WITH RECURSIVE flow AS (
      (SELECT tenant_id, queue, priority
         FROM ${ready}
        ORDER BY tenant_id, queue, priority
        LIMIT 1)
      UNION ALL
      SELECT n.*
        FROM flow
       CROSS JOIN LATERAL (
             SELECT r.tenant_id, r.queue, r.priority
               FROM ${ready} r
              WHERE (r.tenant_id, r.queue, r.priority) > (flow.tenant_id, flow.queue, flow.priority)
              ORDER BY r.tenant_id, r.queue, r.priority
              LIMIT 1) n)
    SELECT tenant_id AS "tenantId", queue, priority
      FROM flow
  `

  /**
   * Skips the dead entries of known flows: while a long-running transaction is open, the scan above reads each of them
   * (46 ms for 500,000). Known flows are probed from their hints, and the others are searched for between them.
   */
  const sweepBeyond: HousekeepingStatements["sweepBeyond"] = (hints) =>
    sql<FlowRow>`
      WITH RECURSIVE known AS MATERIALIZED (
        SELECT k.tenant_id, k.queue, k.priority, k.hint
          FROM unnest(${hints.map((flow) => flow.tenantId)}::text[], ${hints.map((flow) => flow.queue)}::text[],
                      ${hints.map((flow) => flow.priority)}::smallint[],
                      ${hints.map((flow) => String(flow.hint))}::text[]::bigint[])
               AS k (tenant_id, queue, priority, hint)),
      -- From a known flow to the next, both excluded; the first gap has no flow before it, the last one none after it.
      gap AS MATERIALIZED (
        SELECT tenant_id, queue, priority,
               lead(tenant_id) OVER place AS end_tenant, lead(queue) OVER place AS end_queue,
               lead(priority) OVER place AS end_priority
          FROM (
                SELECT tenant_id, queue, priority
                  FROM known
                 UNION ALL
                SELECT '', '', 0) k
        WINDOW place AS (ORDER BY tenant_id, queue, priority)),
      flow AS (
        SELECT *
          FROM gap
        UNION ALL
        SELECT n.tenant_id, n.queue, n.priority, flow.end_tenant, flow.end_queue, flow.end_priority
          FROM flow
         CROSS JOIN LATERAL (
               -- Two branches: with an OR the end would not bound the index scan.
               (SELECT r.tenant_id, r.queue, r.priority
                  FROM ${ready} r
                 WHERE flow.end_tenant IS NOT NULL
                   AND (r.tenant_id, r.queue, r.priority) > (flow.tenant_id, flow.queue, flow.priority)
                   AND (r.tenant_id, r.queue, r.priority) < (flow.end_tenant, flow.end_queue, flow.end_priority)
                 ORDER BY r.tenant_id, r.queue, r.priority
                 LIMIT 1)
               UNION ALL
               (SELECT r.tenant_id, r.queue, r.priority
                  FROM ${ready} r
                 WHERE flow.end_tenant IS NULL
                   AND (r.tenant_id, r.queue, r.priority) > (flow.tenant_id, flow.queue, flow.priority)
                 ORDER BY r.tenant_id, r.queue, r.priority
                 LIMIT 1)) n)
      SELECT tenant_id AS "tenantId", queue, priority
        FROM flow
       WHERE NOT EXISTS (
                         SELECT 1
                           FROM gap g
                          WHERE g.tenant_id = flow.tenant_id AND g.queue = flow.queue AND g.priority = flow.priority)
      UNION ALL
      SELECT k.tenant_id, k.queue, k.priority
        FROM known k
       CROSS JOIN LATERAL (
             SELECT 1
               FROM ${ready} r
              WHERE r.tenant_id = k.tenant_id AND r.queue = k.queue AND r.priority = k.priority AND r.seq >= k.hint
              ORDER BY r.seq
              LIMIT 1) there
    `

  const prune: HousekeepingStatements["prune"] = (now, limit, tenantId) =>
    sql<{ readonly pruned: number }>`
      WITH keys AS (
        DELETE FROM ${key}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${key}
                  WHERE pending = 0 ${ofTenant(tenantId)}
                  LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING 1),
      names AS (
        DELETE FROM ${dedupe}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${dedupe}
                  WHERE expires_at <= ${now} ${ofTenant(tenantId)}
                  ORDER BY expires_at
                  LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING 1),
      gone AS (
        DELETE FROM ${dead}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid
                   FROM ${dead}
                  WHERE rejected IS NULL AND died_at <= ${deadBefore(now)} ${ofTenant(tenantId)}
                  ORDER BY died_at
                  LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING 1)
      SELECT greatest((SELECT count(*) FROM keys), (SELECT count(*) FROM names), (SELECT count(*) FROM gone))::int AS pruned
    `.pipe(Effect.map(([row]) => row?.pruned ?? 0))

  const idsOf = Effect.map((rows: ReadonlyArray<{ readonly tenantId: string }>) =>
    rows.map(({ tenantId }) => tenantId)
  )
  const tenants: HousekeepingStatements["tenants"] = {
    moveDue: (now, limit) =>
      idsOf(sql<{ readonly tenantId: string }>`
        SELECT tenant_id AS "tenantId"
          FROM (SELECT DISTINCT tenant_id FROM ${delayed} WHERE run_at <= ${now}) AS due
         ORDER BY random()
         LIMIT ${limit}
      `),
    reap: (_, limit) =>
      idsOf(sql<{ readonly tenantId: string }>`
        SELECT tenant_id AS "tenantId"
          FROM (SELECT DISTINCT tenant_id FROM ${lease} WHERE lease_until < clock_timestamp()) AS expired
         ORDER BY random()
         LIMIT ${limit}
      `),
    prune: (now, limit) =>
      idsOf(sql<{ readonly tenantId: string }>`
        WITH old AS (
          SELECT tenant_id
            FROM ${key}
           WHERE pending = 0
          UNION
          SELECT tenant_id
            FROM ${dedupe}
           WHERE expires_at <= ${now}
          UNION
          SELECT tenant_id
            FROM ${dead}
           WHERE rejected IS NULL AND died_at <= ${deadBefore(now)}
        )
        SELECT tenant_id AS "tenantId"
          FROM old
         ORDER BY random()
         LIMIT ${limit}
      `)
  }

  return { moveDue, reap, sweep, sweepBeyond, prune, tenants }
}
