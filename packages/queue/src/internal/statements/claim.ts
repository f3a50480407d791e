/** Statements of a claim loop: claim, acknowledge, extend leases. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import {
  jobColumns,
  keyedBatchMax,
  lostUntilQuarantine,
  pack,
  packed,
  packKeyed,
  quarantinePrefix,
  unpackedColumns
} from "../jobRow.ts"
import type { Tables } from "../tables.ts"
import type { ClaimedRow, FailedJob, KeyResult } from "./claimRows.ts"
import type { ClaimFlow } from "./flow.ts"

export type { ClaimedRow, FailedJob, KeyResult } from "./claimRows.ts"

/** Completed jobs of one lease while others of it still run. */
export interface Progress {
  readonly tenant_id: string
  readonly queue: string
  readonly batch_id: string
  readonly done: ReadonlyArray<number>
}

/** Outcomes of the jobs of a batch that did not simply complete. */
export interface Outcome {
  readonly tenants: ReadonlyArray<string>
  readonly batchId: string
  /** Writes only the lease of this queue, for a handler whose transaction acknowledges. */
  readonly queue: string | null
  readonly failed: ReadonlyArray<FailedJob>
  readonly keys: ReadonlyArray<KeyResult>
  readonly now: Date
}

export interface ClaimStatements {
  readonly claim: (options: {
    readonly previous: { readonly tenants: ReadonlyArray<string>; readonly batchId: string } | undefined
    readonly flows: ReadonlyArray<ClaimFlow>
    readonly batchId: string
    readonly workerId: string
    readonly leaseMillis: number
    /** Maximum jobs behind claimed keys, all keys together. */
    readonly keyedMax: number
    /** Maximum bytes of large payloads per flow; the first job is claimed regardless of its size. */
    readonly flowBytesMax: number
    readonly now: Date
  }) => Effect.Effect<ReadonlyArray<ClaimedRow>, SqlError>
  /**
   * Writes outcomes and deletes the leases. Returns the number of leases deleted: fewer than expected means that a lease
   * was lost. Ignores outcomes that {@link ClaimStatements.settle} has written.
   */
  readonly acknowledge: (outcome: Outcome) => Effect.Effect<number, SqlError>
  /**
   * Writes outcomes while other jobs of the leases still run. Returns the number of leases that still exist. It is
   * idempotent: an outcome that is written already is ignored.
   */
  readonly settle: (outcome: Outcome) => Effect.Effect<number, SqlError>
  /** Acknowledges partially. Returns the number of leases that still exist. */
  readonly progress: (flows: ReadonlyArray<Progress>) => Effect.Effect<number, SqlError>
  /** Extends leases. Returns the batches that are still leased. */
  readonly extend: (
    tenants: ReadonlyArray<string>,
    batchIds: ReadonlyArray<string>,
    leaseMillis: number
  ) => Effect.Effect<ReadonlyArray<string>, SqlError>
}

export const make = (sql: SqlClient.SqlClient, t: Tables): ClaimStatements => {
  const ready = sql.literal(t.ready)
  const lease = sql.literal(t.lease)
  const delayed = sql.literal(t.delayed)
  const key = sql.literal(t.key)
  const keyed = sql.literal(t.keyed)
  const body = sql.literal(t.body)
  const dead = sql.literal(t.dead)
  const history = sql.literal(t.history)
  const job = sql.literal(jobColumns)
  const packing = sql.literal(pack)
  const seq = sql.literal(packed.seq)
  const packingKeyed = sql.literal(packKeyed)
  const unpacked = sql.literal(unpackedColumns)

  const claim: ClaimStatements["claim"] = ({
    batchId,
    keyedMax,
    flowBytesMax,
    flows,
    leaseMillis,
    now,
    previous,
    workerId
  }) => sql<ClaimedRow>`
      WITH acknowledged AS (
        DELETE FROM ${lease}
         WHERE tenant_id = ANY (${previous?.tenants ?? []}::text[]) AND batch_id = ${previous?.batchId ?? batchId}::uuid
        RETURNING tenant_id, batch_id, queue, jobs_count, claimed_at),
      logged AS (
        INSERT INTO ${history} (tenant_id, day, batch_id, queue, jobs_count, failed_count, claimed_at, done_at)
        SELECT tenant_id, ${now}::date, batch_id, queue, jobs_count, 0, claimed_at, clock_timestamp()
          FROM acknowledged),
      -- One row per flow: with equality on the priority the hint is an index bound. Without it
      -- Postgres 15 to 17 walk the whole range: 26.6 ms against 0.03 ms over 600,000 dead entries.
      l AS MATERIALIZED (
        SELECT *
          FROM unnest(${flows.map((flow) => flow.tenantId)}::text[], ${flows.map((flow) => flow.queue)}::text[],
                             ${flows.map((flow) => flow.priority)}::smallint[],
                             ${flows.map((flow) => String(flow.hint))}::text[]::bigint[],
                             ${flows.map((flow) => flow.limit)}::int[]) AS t (tenant_id, queue, priority, hint, jobs_max)),
      c AS (
        DELETE FROM ${ready}
         WHERE ctid = ANY (ARRAY (
                 SELECT f.ctid
                   FROM l
                  CROSS JOIN LATERAL (
                        WITH q AS MATERIALIZED (
                          SELECT r.ctid, r.seq, r.body_bytes
                            FROM ${ready} r
                           WHERE r.tenant_id = l.tenant_id AND r.queue = l.queue AND r.priority = l.priority
                             AND r.seq >= l.hint
                           ORDER BY r.seq
                           LIMIT l.jobs_max
                             FOR UPDATE SKIP LOCKED)
                        -- Payloads in the row itself are small, and bounded by the limit of jobs: only large payloads, which
                        -- are few, are added up.
                        SELECT q.ctid
                          FROM q
                         WHERE q.seq < coalesce(
                                 (SELECT min(b.seq)
                                    FROM (
                                          SELECT seq, sum(body_bytes) OVER (ORDER BY seq) - body_bytes AS before
                                            FROM q
                                           WHERE body_bytes IS NOT NULL) b
                                   WHERE b.before >= ${flowBytesMax}), 9223372036854775807)) f))
        -- Packed here: otherwise nineteen columns would be formed into rows and taken apart again.
        RETURNING tenant_id, queue, ordering_key, attempt, lost, body_day, body_seq, payload, ${packing} AS job),
      -- The jobs behind claimed tokens stay where they are.
      behind AS MATERIALIZED (
        SELECT c.tenant_id, c.queue, h.*
          FROM c
         CROSS JOIN LATERAL (
               SELECT q.*, sum(q.body_bytes) OVER (ORDER BY q.seq ROWS UNBOUNDED PRECEDING) AS upto
                 FROM (
                       SELECT k.ordering_key, k.seq, k.priority, k.job_id, k.attempt, k.attempts_max, k.type, k.recorded_at,
                              k.headers, k.options, k.errors, k.payload, k.body_day, k.body_seq, k.body_bytes, k.run_at
                         FROM ${keyed} k
                        WHERE k.tenant_id = c.tenant_id AND k.queue = ltrim(c.queue, ${quarantinePrefix})
                          AND k.ordering_key = c.ordering_key
                        ORDER BY k.seq
                        -- A key whose lease was lost runs one job at a time, so that the poison job is found.
                        LIMIT CASE WHEN c.attempt > 0 OR c.lost >= ${lostUntilQuarantine} THEN 1
                                   ELSE greatest(1, least(${keyedBatchMax}::bigint, ${keyedMax}::int /
                                          greatest(1, (SELECT count(*) FROM c WHERE ordering_key IS NOT NULL)))) END) q) h
         WHERE c.ordering_key IS NOT NULL
           AND (h.upto IS NULL OR h.upto - coalesce(h.body_bytes, 0) < ${flowBytesMax})),
      -- Unordered, but both in the same order: sorting in the worker costs less than sorting rows with payloads here.
      g AS MATERIALIZED (
        SELECT tenant_id, queue, count(*)::int AS count, json_agg(job) AS jobs, array_agg(payload) AS payloads
          FROM c
         GROUP BY 1, 2),
      leased AS (
        INSERT INTO ${lease} (tenant_id, batch_id, queue, worker_id, lease_until, jobs_count, jobs, payloads)
        SELECT tenant_id, ${batchId}::uuid, queue, ${workerId}::uuid,
               clock_timestamp() + ${leaseMillis}::float8 * interval '1 millisecond', count, jobs, payloads FROM g)
      SELECT g.tenant_id AS "tenantId", g.queue, g.count, g.jobs::text AS jobs, array_to_json(g.payloads)::text AS payloads,
             b.jobs::text AS keyed, array_to_json(b.payloads)::text AS "keyedPayloads", NULL AS "bodySeq", NULL AS body
        FROM g
        LEFT JOIN LATERAL (
             SELECT json_agg(${packingKeyed} ORDER BY seq) AS jobs, array_agg(payload ORDER BY seq) AS payloads
               FROM behind
              WHERE behind.tenant_id = g.tenant_id AND behind.queue = g.queue) b ON true
      UNION ALL
      SELECT r.tenant_id, '', 0, NULL, NULL, NULL, NULL, r.body_seq::text, b.payload::text
        FROM (
              SELECT tenant_id, body_day, body_seq
                FROM c
               WHERE body_seq IS NOT NULL
              UNION ALL
              SELECT tenant_id, body_day, body_seq
                FROM behind
               WHERE body_seq IS NOT NULL) r
        JOIN ${body} b ON b.tenant_id = r.tenant_id AND b.body_seq = r.body_seq AND b.day = r.body_day
    `

  /** Writes outcomes. `head` is the leases, and `tail` what else is written to them. */
  const write = ({ failed, keys, now }: Outcome, head: Fragment, tail: Fragment) =>
    sql<{ readonly leases: number }>`
      WITH ${head},
      -- The rest joins these leases: a worker that lost its lease changes nothing.
      e AS MATERIALIZED (
        SELECT a.tenant_id, ltrim(a.queue, ${quarantinePrefix}) AS queue, a.queue AS leased_queue, ${seq} AS seq, e, payload
          FROM acknowledged a
          CROSS JOIN LATERAL ROWS FROM (json_array_elements(a.jobs), unnest(a.payloads)) AS p (e, payload)
         WHERE ${failed.length > 0}
           AND NOT ${seq} = ANY (a.done)),
      failures AS MATERIALIZED (
        SELECT *
          FROM json_to_recordset(${JSON.stringify(failed)}::text::json) AS r (
                 tenant_id text, queue text, seq bigint, attempt smallint, errors json, run_at timestamptz)),
      f AS MATERIALIZED (
        SELECT r.tenant_id, r.queue, e.leased_queue, seq AS settled, r.run_at, r.attempt, 0::smallint AS lost, r.errors,
               ${unpacked}
          FROM failures r
          JOIN e USING (tenant_id, queue, seq)),
      results AS MATERIALIZED (
        SELECT *
          FROM json_to_recordset(${JSON.stringify(keys)}::text::json) AS r (
                 tenant_id text, queue text, ordering_key text, token bigint, priority smallint, done json, buried json,
                 failed bigint, attempt smallint, errors json, run_at timestamptz, token_lost smallint,
                 token_singly smallint)),
      r AS MATERIALIZED (
        SELECT r.*, a.queue AS leased_queue,
               ARRAY (SELECT value::bigint FROM json_array_elements_text(r.done) value) AS done_seqs
          FROM results r
          JOIN acknowledged a ON a.tenant_id = r.tenant_id AND ltrim(a.queue, ${quarantinePrefix}) = r.queue
         WHERE NOT r.token = ANY (a.done)),
      x AS MATERIALIZED (
        SELECT r.tenant_id, r.queue, r.ordering_key, b.*
          FROM r
         CROSS JOIN LATERAL json_to_recordset(r.buried) AS b (seq bigint, attempt smallint, errors json)),
      ${tail},
      again AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, run_at, ${job})
        SELECT tenant_id, queue, priority, run_at, ${job}
          FROM f
         WHERE run_at IS NOT NULL),
      buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, died_at, ${job})
        SELECT tenant_id, queue, priority, ${now}, ${job}
          FROM f
         WHERE run_at IS NULL),
      done AS (
        DELETE FROM ${keyed} k USING r
         WHERE k.tenant_id = r.tenant_id AND k.queue = r.queue AND k.ordering_key = r.ordering_key
           AND k.seq = ANY (r.done_seqs)),
      gone AS (
        DELETE FROM ${keyed} k USING x
         WHERE k.tenant_id = x.tenant_id AND k.queue = x.queue AND k.ordering_key = x.ordering_key AND k.seq = x.seq
        RETURNING k.*, x.attempt AS last_attempt, x.errors AS last_errors),
      keyed_buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, ordering_key, died_at, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, last_attempt, attempts_max, 0, recorded_at,
               headers, options, last_errors, payload, body_day, body_seq, body_bytes
          FROM gone),
      charged AS (
        UPDATE ${keyed} k
           SET attempt = r.attempt, errors = r.errors, run_at = r.run_at
          FROM r
         WHERE k.tenant_id = r.tenant_id AND k.queue = r.queue AND k.ordering_key = r.ordering_key AND k.seq = r.failed),
      -- Locked in the order in which an enqueue locks them.
      locked AS MATERIALIZED (
        SELECT k.tenant_id, k.queue, k.ordering_key, r.priority, r.run_at, r.token_lost, r.token_singly,
               cardinality(r.done_seqs) + json_array_length(r.buried) AS removed
          FROM ${key} k
          JOIN r
         USING (tenant_id, queue, ordering_key)
         ORDER BY k.tenant_id, k.queue, k.ordering_key
           FOR UPDATE OF k),
      left_over AS (
        UPDATE ${key} k
           SET pending = k.pending - l.removed
          FROM locked l
         WHERE k.tenant_id = l.tenant_id AND k.queue = l.queue AND k.ordering_key = l.ordering_key
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending, l.priority, l.run_at, l.token_lost, l.token_singly),
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, lost, attempt)
        SELECT tenant_id, queue, priority, ordering_key, token_lost, token_singly
          FROM left_over
         WHERE pending > 0 AND run_at IS NULL),
      -- The key stays blocked until its head is due: the order holds under retries and delays.
      tokens_later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, ordering_key, lost, attempt, run_at)
        SELECT tenant_id, queue, priority, ordering_key, token_lost, token_singly, run_at
          FROM left_over
         WHERE pending > 0 AND run_at IS NOT NULL)
      SELECT count(*)::int AS leases
        FROM acknowledged
    `.pipe(Effect.map(([row]) => row?.leases ?? 0))

  const leases = ({ batchId, queue, tenants }: Outcome) => sql`
    tenant_id = ANY (${tenants}::text[]) AND batch_id = ${batchId}::uuid AND (${queue}::text IS NULL OR queue = ${queue})
  `

  const acknowledge: ClaimStatements["acknowledge"] = (outcome) =>
    write(
      outcome,
      sql`
        acknowledged AS (
          DELETE FROM ${lease}
           WHERE ${leases(outcome)}
          RETURNING tenant_id, batch_id, queue, jobs_count, claimed_at, jobs, payloads, done)
      `,
      // Failures that were written while the batch ran count here too: the history has one row per batch and queue.
      sql`
        logged AS (
          INSERT INTO ${history} (tenant_id, day, batch_id, queue, jobs_count, failed_count, claimed_at, done_at)
          SELECT a.tenant_id, ${outcome.now}::date, a.batch_id, a.queue, a.jobs_count,
                 (SELECT count(*)
                    FROM failures r
                   WHERE r.tenant_id = a.tenant_id AND r.queue = ltrim(a.queue, ${quarantinePrefix}))
                 + (SELECT coalesce(sum((r.failed IS NOT NULL)::int + json_array_length(r.buried)), 0)
                      FROM results r
                     WHERE r.tenant_id = a.tenant_id AND r.queue = ltrim(a.queue, ${quarantinePrefix})),
                 a.claimed_at, clock_timestamp()
            FROM acknowledged a)
      `
    )

  const settle: ClaimStatements["settle"] = (outcome) =>
    write(
      outcome,
      sql`
        acknowledged AS MATERIALIZED (
          SELECT tenant_id, batch_id, queue, jobs_count, claimed_at, jobs, payloads, done
            FROM ${lease}
           WHERE ${leases(outcome)}
             FOR UPDATE)
      `,
      // A settled key is its token alone: the jobs of it that are done are deleted, and the limit of a queue counts leases.
      sql`
        marks AS (
          SELECT tenant_id, leased_queue, coalesce(array_agg(seq) FILTER (WHERE is_settled), '{}') AS settled,
                 coalesce(array_agg(seq) FILTER (WHERE NOT is_settled), '{}') AS gone
            FROM (
                  SELECT tenant_id, leased_queue, settled AS seq, true AS is_settled
                    FROM f
                   UNION ALL
                  SELECT tenant_id, leased_queue, token, true
                    FROM r
                   UNION ALL
                  SELECT r.tenant_id, r.leased_queue, seq, false
                    FROM r
                   CROSS JOIN LATERAL unnest(r.done_seqs) AS seq) m
           GROUP BY 1, 2),
        marked AS (
          UPDATE ${lease} l
             SET done = ARRAY (SELECT seq FROM unnest(l.done) AS seq WHERE seq <> ALL (m.gone)) || m.settled
            FROM marks m
           WHERE l.tenant_id = m.tenant_id AND l.batch_id = ${outcome.batchId}::uuid AND l.queue = m.leased_queue)
      `
    )

  const progress: ClaimStatements["progress"] = (flows) =>
    sql`
      UPDATE ${lease} l
         SET done = l.done || ARRAY (SELECT value::bigint FROM json_array_elements_text(x.done) value)
        FROM json_to_recordset(${JSON.stringify(flows)}::text::json)
          AS x (tenant_id text, queue text, batch_id uuid, done json)
       WHERE l.tenant_id = x.tenant_id AND l.batch_id = x.batch_id AND l.queue = x.queue
      RETURNING 1
    `.pipe(Effect.map((rows) => rows.length))

  const extend: ClaimStatements["extend"] = (tenants, batchIds, leaseMillis) =>
    sql<{ readonly batchId: string }>`
      UPDATE ${lease}
         SET lease_until = clock_timestamp() + ${leaseMillis}::float8 * interval '1 millisecond'
       WHERE tenant_id = ANY (${tenants}::text[]) AND batch_id = ANY (${batchIds}::uuid[])
         AND lease_until > clock_timestamp()
      RETURNING batch_id::text AS "batchId"
    `.pipe(Effect.map((rows) => rows.map((row) => row.batchId)))

  return { claim, acknowledge, settle, progress, extend }
}
