/** The statements that bring jobs back: what is due, and what its worker lost. */
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
import type { LaneRow } from "./lane.ts"

/** Dead jobs are kept so long. */
export const deadKeepDays = 90

const dayMillis = 24 * 60 * 60 * 1_000

/** A lane that got jobs, and how many. */
export interface FilledLane extends LaneRow {
  readonly count: number
}

export interface HousekeepingStatements {
  readonly moveDue: (now: Date, limit: number) => Effect.Effect<ReadonlyArray<FilledLane>, SqlError>
  readonly reap: (limit: number, now: Date) => Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
  /** Every lane. */
  readonly sweep: Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
  /** The lanes but those that hold only what stands before their hint. */
  readonly sweepBeyond: (
    hints: ReadonlyArray<LaneRow & { readonly hint: number }>
  ) => Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
  /** Forgets keys past their window, idle ordering keys and the long dead. Tells the most of one kind. */
  readonly prune: (now: Date, limit: number) => Effect.Effect<number, SqlError>
}

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

  const moveDue: HousekeepingStatements["moveDue"] = (now, limit) => sql<FilledLane>`
      WITH due AS (
        DELETE FROM ${delayed}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM ${delayed} WHERE run_at <= ${now} ORDER BY run_at LIMIT ${limit} FOR UPDATE SKIP LOCKED))
        RETURNING *),
      -- A fresh sequence number: the job stands behind the lane's hint and is found.
      back AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${job} FROM due ORDER BY run_at, seq
        RETURNING tenant_id, queue, priority)
      SELECT tenant_id AS "tenantId", queue, priority, count(*)::int AS count FROM back GROUP BY 1, 2, 3
    `

  const reap: HousekeepingStatements["reap"] = (limit, now) => sql<LaneRow>`
      WITH expired AS (
        DELETE FROM ${lease}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM ${lease} WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING tenant_id, ltrim(queue, ${quarantinePrefix}) AS queue, jobs, payloads, done),
      -- What its worker lost: the jobs that were not done, and every token.
      j AS MATERIALIZED (
        SELECT x.tenant_id, x.queue, x.done, ${seq} AS seq, ${orderingKey} AS ordering_key,
               ${attempt} AS attempt, ${lost} + 1 AS lost, ${unpacked},
               (coalesce(${errors}, '[]')::jsonb
                || jsonb_build_object('attempt', ${attempt} + 1, 'at', ${now}::timestamptz,
                                      'error', 'the worker was lost'))::json AS errors
          FROM expired x
          CROSS JOIN LATERAL ROWS FROM (json_array_elements(x.jobs), unnest(x.payloads)) AS p (e, payload)
         WHERE ${orderingKey} IS NOT NULL OR NOT ${seq} = ANY (x.done)),
      finished AS (
        DELETE FROM ${keyed} k USING j
         WHERE j.ordering_key IS NOT NULL AND k.tenant_id = j.tenant_id AND k.queue = j.queue
           AND k.ordering_key = j.ordering_key AND k.seq = ANY (j.done)
        RETURNING k.tenant_id, k.queue, k.ordering_key),
      -- The head of a key whose token was lost too often is what takes its workers down.
      head AS MATERIALIZED (
        SELECT j.tenant_id, j.queue, j.ordering_key, j.lost, j.errors AS lost_errors, h.seq
          FROM j CROSS JOIN LATERAL (
               SELECT k.seq FROM ${keyed} k
                WHERE k.tenant_id = j.tenant_id AND k.queue = j.queue AND k.ordering_key = j.ordering_key
                  AND NOT k.seq = ANY (j.done)
                ORDER BY k.seq LIMIT 1) h
         WHERE j.ordering_key IS NOT NULL AND j.lost >= ${lostMax}),
      head_gone AS (
        DELETE FROM ${keyed} k USING head
         WHERE k.tenant_id = head.tenant_id AND k.queue = head.queue AND k.ordering_key = head.ordering_key
           AND k.seq = head.seq
        RETURNING k.*, head.lost AS token_lost, head.lost_errors),
      removed AS MATERIALIZED (
        SELECT tenant_id, queue, ordering_key, count(*)::int AS removed, bool_or(is_head) AS is_head
          FROM (SELECT tenant_id, queue, ordering_key, false AS is_head FROM finished
                UNION ALL
                SELECT tenant_id, queue, ordering_key, true FROM head_gone) u
         GROUP BY 1, 2, 3),
      -- Locked in the order in which publishers lock them.
      locked AS MATERIALIZED (
        SELECT k.tenant_id, k.queue, k.ordering_key, removed.removed, removed.is_head
          FROM ${key} k JOIN removed USING (tenant_id, queue, ordering_key)
         ORDER BY k.tenant_id, k.queue, k.ordering_key
           FOR UPDATE OF k),
      left_over AS (
        UPDATE ${key} k SET pending = k.pending - l.removed FROM locked l
         WHERE k.tenant_id = l.tenant_id AND k.queue = l.queue AND k.ordering_key = l.ordering_key
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending, l.is_head),
      buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, ordering_key, died_at, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, attempt, attempts_max, lost, recorded_at,
               headers, options, errors, payload, body_day, body_seq, body_bytes
          FROM j WHERE ordering_key IS NULL AND lost >= ${lostMax}
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
          FROM j WHERE ordering_key IS NULL AND lost < ${lostMax}
         ORDER BY seq
        RETURNING tenant_id, queue, priority),
      -- A token keeps its losses while its head may be at fault, and runs the jobs that were lost with it one at a time.
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, errors, lost, attempt)
        SELECT j.tenant_id,
               CASE WHEN j.lost >= ${lostUntilQuarantine} AND l.is_head IS NOT TRUE THEN ${quarantinePrefix} ELSE '' END
               || j.queue,
               j.priority, j.ordering_key, CASE WHEN l.is_head IS NOT TRUE THEN j.errors END,
               CASE WHEN l.is_head IS TRUE THEN 0 ELSE j.lost END, ${keyedBatchMax}
          FROM j LEFT JOIN left_over l USING (tenant_id, queue, ordering_key)
         WHERE j.ordering_key IS NOT NULL AND (l.pending IS NULL OR l.pending > 0)
        RETURNING tenant_id, queue, priority)
      SELECT tenant_id AS "tenantId", queue, priority FROM back
      UNION
      SELECT tenant_id, queue, priority FROM tokens
    `

  /** A loose index scan over the primary key: one step a lane, however many jobs it has. */
  const sweep: HousekeepingStatements["sweep"] = sql<LaneRow>`
    WITH RECURSIVE lane AS (
      (SELECT tenant_id, queue, priority FROM ${ready} ORDER BY tenant_id, queue, priority LIMIT 1)
      UNION ALL
      SELECT n.*
        FROM lane CROSS JOIN LATERAL (
             SELECT r.tenant_id, r.queue, r.priority FROM ${ready} r
              WHERE (r.tenant_id, r.queue, r.priority) > (lane.tenant_id, lane.queue, lane.priority)
              ORDER BY r.tenant_id, r.queue, r.priority LIMIT 1) n)
    SELECT tenant_id AS "tenantId", queue, priority FROM lane
  `

  /**
   * Steps over the dead entries of the lanes that are known: under a snapshot that somebody holds, the walk above reads
   * each of them (46 ms for 500,000). The known lanes are looked at from their hints, the others searched for between them.
   */
  const sweepBeyond: HousekeepingStatements["sweepBeyond"] = (hints) =>
    sql<LaneRow>`
      WITH RECURSIVE known AS MATERIALIZED (
        SELECT k.tenant_id, k.queue, k.priority, k.hint
          FROM unnest(${hints.map((lane) => lane.tenantId)}::text[], ${hints.map((lane) => lane.queue)}::text[],
                      ${hints.map((lane) => lane.priority)}::smallint[],
                      ${hints.map((lane) => String(lane.hint))}::text[]::bigint[])
               AS k (tenant_id, queue, priority, hint)),
      -- From a known lane to the next, both ends left out; the first gap has no lane before it, the last none behind.
      gap AS MATERIALIZED (
        SELECT tenant_id, queue, priority,
               lead(tenant_id) OVER place AS end_tenant, lead(queue) OVER place AS end_queue,
               lead(priority) OVER place AS end_priority
          FROM (SELECT tenant_id, queue, priority FROM known UNION ALL SELECT '', '', 0) k
        WINDOW place AS (ORDER BY tenant_id, queue, priority)),
      lane AS (
        SELECT * FROM gap
        UNION ALL
        SELECT n.tenant_id, n.queue, n.priority, lane.end_tenant, lane.end_queue, lane.end_priority
          FROM lane CROSS JOIN LATERAL (
               -- Two branches: with an OR the end would not bound the index scan.
               (SELECT r.tenant_id, r.queue, r.priority FROM ${ready} r
                 WHERE lane.end_tenant IS NOT NULL
                   AND (r.tenant_id, r.queue, r.priority) > (lane.tenant_id, lane.queue, lane.priority)
                   AND (r.tenant_id, r.queue, r.priority) < (lane.end_tenant, lane.end_queue, lane.end_priority)
                 ORDER BY r.tenant_id, r.queue, r.priority LIMIT 1)
               UNION ALL
               (SELECT r.tenant_id, r.queue, r.priority FROM ${ready} r
                 WHERE lane.end_tenant IS NULL
                   AND (r.tenant_id, r.queue, r.priority) > (lane.tenant_id, lane.queue, lane.priority)
                 ORDER BY r.tenant_id, r.queue, r.priority LIMIT 1)) n)
      SELECT tenant_id AS "tenantId", queue, priority
        FROM lane
       WHERE NOT EXISTS (SELECT 1 FROM gap g
                          WHERE g.tenant_id = lane.tenant_id AND g.queue = lane.queue AND g.priority = lane.priority)
      UNION ALL
      SELECT k.tenant_id, k.queue, k.priority
        FROM known k CROSS JOIN LATERAL (
             SELECT 1 FROM ${ready} r
              WHERE r.tenant_id = k.tenant_id AND r.queue = k.queue AND r.priority = k.priority AND r.seq >= k.hint
              ORDER BY r.seq LIMIT 1) there
    `

  const prune: HousekeepingStatements["prune"] = (now, limit) =>
    sql<{ readonly pruned: number }>`
      WITH keys AS (
        DELETE FROM ${key}
         WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${key} WHERE pending = 0 LIMIT ${limit} FOR UPDATE SKIP LOCKED))
        RETURNING 1),
      names AS (
        DELETE FROM ${dedupe}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM ${dedupe} WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING 1),
      gone AS (
        DELETE FROM ${dead}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM ${dead} WHERE died_at <= ${new Date(now.getTime() - deadKeepDays * dayMillis)}
                  ORDER BY died_at LIMIT ${limit} FOR UPDATE SKIP LOCKED))
        RETURNING 1)
      SELECT greatest((SELECT count(*) FROM keys), (SELECT count(*) FROM names), (SELECT count(*) FROM gone))::int AS pruned
    `.pipe(Effect.map(([row]) => row?.pruned ?? 0))

  return { moveDue, reap, sweep, sweepBeyond, prune }
}
