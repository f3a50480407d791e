/**
 * The statements that move jobs. Every one of them is tested for rows in = rows out.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { Tables } from "./tables.ts"

/**
 * Payloads above it go to the body table, in bytes: measured, a copy in the lease row wins below about 1 KiB and loses
 * above about 2.
 */
export const inlineBytesMax = 1024

/** Jobs behind one key that a claim takes along at most: they run one after the other and hold the batch open. */
export const keyedBatchMax = 20

/** From this many expired leases on a job runs alone, so that it cannot take its neighbours along. */
export const lostUntilQuarantine = 2

/** A job that took its worker down this often is dead. */
export const lostMax = 4

/** Lanes of quarantined jobs: a name that no queue can have. */
export const quarantinePrefix = "!"

export interface NewJobs {
  readonly tenantId: string
  readonly queues: ReadonlyArray<string>
  readonly priorities: ReadonlyArray<number>
  readonly jobIds: ReadonlyArray<string>
  readonly types: ReadonlyArray<string>
  readonly payloads: ReadonlyArray<string>
  readonly attemptsMax: ReadonlyArray<number>
  /** Null where no job has one. */
  readonly headers: ReadonlyArray<string | null> | null
  readonly orderingKeys: ReadonlyArray<string | null> | null
  readonly runAts: ReadonlyArray<Date | null> | null
}

const moved =
  "job_id, type, attempt, attempts_max, lost, recorded_at, headers, errors, payload, body_day, body_seq"

export interface LaneRow {
  readonly tenantId: string
  readonly queue: string
  readonly priority: number
}

export interface ClaimLane extends LaneRow {
  readonly hint: number
  readonly limit: number
}

/** One row a lane, and one for each large body. */
export interface ClaimedRow {
  readonly tenantId: string
  readonly queue: string
  readonly count: number
  readonly jobs: string | null
  readonly keyed: string | null
  readonly bodySeq: string | null
  readonly body: string | null
}

/** A job that failed. The rest of it is taken from the lease, byte for byte. */
export interface FailedJob {
  readonly tenant_id: string
  readonly queue: string
  readonly seq: number
  readonly attempt: number
  readonly errors: unknown
  /** When it runs again; null buries it. */
  readonly run_at: string | null
}

/** What became of the jobs of one key. */
export interface KeyResult {
  readonly tenant_id: string
  readonly queue: string
  readonly ordering_key: string
  readonly priority: number
  readonly done: ReadonlyArray<number>
  /** The job that failed and stays at the head, or is buried. */
  readonly failed: number | null
  readonly buried: boolean
  readonly attempt: number
  readonly errors: unknown
  /** When the key's next job may run; null at once. */
  readonly run_at: string | null
}

export interface Statements {
  readonly enqueuePlain: (jobs: NewJobs, now: Date) => Effect.Effect<void, SqlError>
  readonly enqueue: (jobs: NewJobs, now: Date) => Effect.Effect<void, SqlError>
  /** Enqueues what a SELECT yields; see `sourceColumns`. */
  readonly enqueueFrom: (source: Fragment, now: Date) => Effect.Effect<void, SqlError>
  readonly claim: (options: {
    readonly previous: { readonly tenants: ReadonlyArray<string>; readonly batchId: string } | undefined
    readonly lanes: ReadonlyArray<ClaimLane>
    readonly batchId: string
    readonly workerId: string
    readonly leaseMillis: number
    readonly now: Date
  }) => Effect.Effect<ReadonlyArray<ClaimedRow>, SqlError>
  /** Tells how many lanes were still leased: fewer than expected means that the lease was lost. */
  readonly acknowledge: (options: {
    readonly tenants: ReadonlyArray<string>
    readonly batchId: string
    /** Only this lane's lease, for a handler that acknowledges in its own transaction. */
    readonly queue: string | null
    readonly failed: ReadonlyArray<FailedJob>
    readonly keys: ReadonlyArray<KeyResult>
    readonly now: Date
  }) => Effect.Effect<number, SqlError>
  readonly extend: (
    tenants: ReadonlyArray<string>,
    batchIds: ReadonlyArray<string>,
    leaseMillis: number
  ) => Effect.Effect<ReadonlyArray<string>, SqlError>
  readonly moveDue: (now: Date, limit: number) => Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
  readonly reap: (limit: number, now: Date) => Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
  readonly sweep: Effect.Effect<ReadonlyArray<LaneRow>, SqlError>
}

/** The columns that the source of `enqueueFrom` yields, in this order. `share` is the same for jobs with one payload. */
export const sourceColumns =
  "n, tenant_id, queue, priority, job_id, type, attempts_max, headers, payload, share, ordering_key, run_at"

export const make = (sql: SqlClient.SqlClient, t: Tables): Statements => {
  const ready = sql.literal(t.ready)
  const lease = sql.literal(t.lease)
  const delayed = sql.literal(t.delayed)
  const key = sql.literal(t.key)
  const keyed = sql.literal(t.keyed)
  const body = sql.literal(t.body)
  const dead = sql.literal(t.dead)
  const history = sql.literal(t.history)
  const sequence = sql.literal(`'${t.sequence}'`)
  const job = sql.literal(moved)

  const enqueuePlain: Statements["enqueuePlain"] = (jobs, now) =>
    Effect.asVoid(sql`
      INSERT INTO ${ready} (tenant_id, queue, priority, job_id, type, attempts_max, headers, payload, recorded_at)
      SELECT ${jobs.tenantId}, x.queue, x.priority, x.job_id, x.type, x.attempts_max, x.headers::json, x.payload::json,
             ${now}
        FROM unnest(${jobs.queues}::text[], ${jobs.priorities}::smallint[], ${jobs.jobIds}::uuid[], ${jobs.types}::text[],
                    ${jobs.attemptsMax}::smallint[], ${jobs.headers}::text[], ${jobs.payloads}::text[])
             AS x (queue, priority, job_id, type, attempts_max, headers, payload)
    `)

  const enqueueFrom: Statements["enqueueFrom"] = (source, now) =>
    Effect.asVoid(sql`
      WITH i AS MATERIALIZED (${source}),
      -- A payload that several jobs share is stored once.
      b AS MATERIALIZED (
        SELECT tenant_id, share, payload, nextval(${sequence}) AS body_seq
          FROM (SELECT DISTINCT ON (tenant_id, share) tenant_id, share, payload
                  FROM i WHERE octet_length(payload) > ${inlineBytesMax} ORDER BY tenant_id, share) large),
      stored AS (
        INSERT INTO ${body} (tenant_id, day, body_seq, payload)
        SELECT tenant_id, ${now}::date, body_seq, payload::json FROM b),
      j AS MATERIALIZED (
        SELECT i.n, i.tenant_id, i.queue, i.priority, i.ordering_key, i.run_at, i.job_id, i.type, 0::smallint AS attempt,
               i.attempts_max, 0::smallint AS lost, ${now}::timestamptz AS recorded_at, i.headers::json AS headers,
               NULL::json AS errors, CASE WHEN b.body_seq IS NULL THEN i.payload::json END AS payload,
               CASE WHEN b.body_seq IS NOT NULL THEN ${now}::date END AS body_day, b.body_seq
          FROM i LEFT JOIN b USING (tenant_id, share)),
      -- Sorted, so that two publishers of the same keys lock them in the same order.
      counted AS MATERIALIZED (
        SELECT tenant_id, queue, ordering_key, count(*)::int AS added, min(priority) AS priority
          FROM j WHERE ordering_key IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3),
      locked AS (
        INSERT INTO ${key} AS k (tenant_id, queue, ordering_key, pending)
        SELECT tenant_id, queue, ordering_key, added FROM counted
            ON CONFLICT (tenant_id, queue, ordering_key) DO UPDATE SET pending = k.pending + excluded.pending
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending),
      keys AS MATERIALIZED (
        SELECT counted.*, locked.pending FROM locked JOIN counted USING (tenant_id, queue, ordering_key)),
      -- The sequence number is drawn after the key's row is locked: it is the order of the key.
      behind AS (
        INSERT INTO ${keyed} (tenant_id, queue, ordering_key, priority, ${job})
        SELECT j.tenant_id, j.queue, j.ordering_key, j.priority, ${job}
          FROM j JOIN keys k USING (tenant_id, queue, ordering_key)
         ORDER BY j.n),
      -- The key was idle: put its token out.
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key)
        SELECT tenant_id, queue, priority, ordering_key FROM keys WHERE pending = added),
      later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, run_at, ${job})
        SELECT tenant_id, queue, priority, run_at, ${job} FROM j WHERE ordering_key IS NULL AND run_at > ${now})
      INSERT INTO ${ready} (tenant_id, queue, priority, ${job})
      SELECT tenant_id, queue, priority, ${job}
        FROM j WHERE ordering_key IS NULL AND (run_at IS NULL OR run_at <= ${now})
       ORDER BY n
    `)

  const enqueue: Statements["enqueue"] = (jobs, now) =>
    enqueueFrom(
      sql`
        SELECT x.n, ${jobs.tenantId}::text AS tenant_id, x.queue, x.priority, x.job_id, x.type, x.attempts_max, x.headers,
               x.payload, x.n AS share, x.ordering_key, x.run_at
          FROM unnest(${jobs.queues}::text[], ${jobs.priorities}::smallint[], ${jobs.jobIds}::uuid[],
                      ${jobs.types}::text[], ${jobs.attemptsMax}::smallint[], ${jobs.headers}::text[],
                      ${jobs.payloads}::text[], ${jobs.orderingKeys}::text[], ${jobs.runAts}::timestamptz[])
               WITH ORDINALITY
               AS x (queue, priority, job_id, type, attempts_max, headers, payload, ordering_key, run_at, n)
      `,
      now
    )

  const claim: Statements["claim"] = ({ batchId, lanes, leaseMillis, now, previous, workerId }) =>
    sql<ClaimedRow>`
      WITH acknowledged AS (
        DELETE FROM ${lease}
         WHERE tenant_id = ANY (${previous?.tenants ?? []}::text[]) AND batch_id = ${previous?.batchId ?? batchId}::uuid
        RETURNING tenant_id, batch_id, queue, jobs_count, claimed_at),
      logged AS (
        INSERT INTO ${history} (tenant_id, day, batch_id, queue, jobs_count, failed_count, claimed_at, done_at)
        SELECT tenant_id, ${now}::date, batch_id, queue, jobs_count, 0, claimed_at, clock_timestamp() FROM acknowledged),
      -- One lane a (tenant, queue, priority): with equality on the priority the hint is an index bound. Without it
      -- Postgres 15 to 17 walk the whole range: 26.6 ms against 0.03 ms over 600,000 dead entries.
      l AS MATERIALIZED (
        SELECT * FROM unnest(${lanes.map((lane) => lane.tenantId)}::text[], ${lanes.map((lane) => lane.queue)}::text[],
                             ${lanes.map((lane) => lane.priority)}::smallint[],
                             ${lanes.map((lane) => String(lane.hint))}::text[]::bigint[],
                             ${lanes.map((lane) => lane.limit)}::int[]) AS t (tenant_id, queue, priority, hint, jobs_max)),
      c AS (
        DELETE FROM ${ready}
         WHERE ctid = ANY (ARRAY (
                 SELECT f.ctid
                   FROM l CROSS JOIN LATERAL (
                        SELECT r.ctid FROM ${ready} r
                         WHERE r.tenant_id = l.tenant_id AND r.queue = l.queue AND r.priority = l.priority
                           AND r.seq >= l.hint
                         ORDER BY r.seq LIMIT l.jobs_max FOR UPDATE SKIP LOCKED) f))
        RETURNING *),
      -- The jobs behind claimed tokens stay where they are.
      behind AS MATERIALIZED (
        SELECT c.tenant_id, c.queue, c.ordering_key, h.*
          FROM c CROSS JOIN LATERAL (
               SELECT k.seq, k.priority, k.job_id, k.attempt, k.attempts_max, k.type, k.recorded_at, k.headers, k.errors,
                      k.payload, k.body_day, k.body_seq
                 FROM ${keyed} k
                WHERE k.tenant_id = c.tenant_id AND k.queue = ltrim(c.queue, ${quarantinePrefix})
                  AND k.ordering_key = c.ordering_key
                ORDER BY k.seq
                LIMIT CASE WHEN c.lost >= ${lostUntilQuarantine} THEN 1 ELSE ${keyedBatchMax} END) h
         WHERE c.ordering_key IS NOT NULL),
      g AS MATERIALIZED (
        SELECT tenant_id, queue, count(*)::int AS count,
               json_agg(json_build_array(seq, priority, job_id, attempt, attempts_max, lost, ordering_key, type,
                                         extract(epoch FROM recorded_at) * 1000, headers, errors, payload, body_day,
                                         body_seq) ORDER BY seq) AS jobs
          FROM c GROUP BY 1, 2),
      leased AS (
        INSERT INTO ${lease} (tenant_id, batch_id, queue, worker_id, lease_until, jobs_count, jobs)
        SELECT tenant_id, ${batchId}::uuid, queue, ${workerId}::uuid,
               clock_timestamp() + ${leaseMillis}::float8 * interval '1 millisecond', count, jobs FROM g)
      SELECT g.tenant_id AS "tenantId", g.queue, g.count, g.jobs::text AS jobs,
             (SELECT json_agg(json_build_array(seq, priority, job_id, attempt, attempts_max, 0, ordering_key, type,
                                               extract(epoch FROM recorded_at) * 1000, headers, errors, payload,
                                               body_day, body_seq) ORDER BY seq)
                FROM behind b WHERE b.tenant_id = g.tenant_id AND b.queue = g.queue)::text AS keyed,
             NULL AS "bodySeq", NULL AS body
        FROM g
      UNION ALL
      SELECT r.tenant_id, '', 0, NULL, NULL, r.body_seq::text, b.payload::text
        FROM (SELECT tenant_id, body_day, body_seq FROM c WHERE body_seq IS NOT NULL
              UNION ALL
              SELECT tenant_id, body_day, body_seq FROM behind WHERE body_seq IS NOT NULL) r
        JOIN ${body} b ON b.tenant_id = r.tenant_id AND b.body_seq = r.body_seq AND b.day = r.body_day
    `

  const acknowledge: Statements["acknowledge"] = ({ batchId, failed, keys, now, queue, tenants }) =>
    sql<{ readonly lanes: number }>`
      WITH acknowledged AS (
        DELETE FROM ${lease}
         WHERE tenant_id = ANY (${tenants}::text[]) AND batch_id = ${batchId}::uuid
           AND (${queue}::text IS NULL OR queue = ${queue})
        RETURNING tenant_id, batch_id, queue, jobs_count, claimed_at, jobs),
      -- Everything below joins what is still leased: a worker that lost its lease changes nothing.
      e AS MATERIALIZED (
        SELECT a.tenant_id, ltrim(a.queue, ${quarantinePrefix}) AS queue, (e ->> 0)::bigint AS seq, e
          FROM acknowledged a CROSS JOIN LATERAL json_array_elements(a.jobs) e
         WHERE ${failed.length > 0}),
      f AS MATERIALIZED (
        SELECT r.tenant_id, r.queue, r.run_at, (e ->> 1)::smallint AS priority, (e ->> 2)::uuid AS job_id, e ->> 7 AS type,
               r.attempt, (e ->> 4)::smallint AS attempts_max, 0::smallint AS lost,
               to_timestamp((e ->> 8)::float8 / 1000) AS recorded_at, nullif((e -> 9)::text, 'null')::json AS headers,
               r.errors, nullif((e -> 11)::text, 'null')::json AS payload, (e ->> 12)::date AS body_day,
               (e ->> 13)::bigint AS body_seq
          FROM json_to_recordset(${JSON.stringify(failed)}::text::json) AS r (
                 tenant_id text, queue text, seq bigint, attempt smallint, errors json, run_at timestamptz)
          JOIN e USING (tenant_id, queue, seq)),
      r AS MATERIALIZED (
        SELECT r.*, ARRAY (SELECT value::bigint FROM json_array_elements_text(r.done) value) AS done_seqs
          FROM json_to_recordset(${JSON.stringify(keys)}::text::json) AS r (
                 tenant_id text, queue text, ordering_key text, priority smallint, done json, failed bigint,
                 buried boolean, attempt smallint, errors json, run_at timestamptz)
          JOIN acknowledged a ON a.tenant_id = r.tenant_id AND ltrim(a.queue, ${quarantinePrefix}) = r.queue),
      logged AS (
        INSERT INTO ${history} (tenant_id, day, batch_id, queue, jobs_count, failed_count, claimed_at, done_at)
        SELECT a.tenant_id, ${now}::date, a.batch_id, a.queue, a.jobs_count,
               (SELECT count(*) FROM f WHERE f.tenant_id = a.tenant_id AND f.queue = ltrim(a.queue, ${quarantinePrefix}))
               + (SELECT count(*) FROM r WHERE r.tenant_id = a.tenant_id AND r.failed IS NOT NULL
                                           AND r.queue = ltrim(a.queue, ${quarantinePrefix})),
               a.claimed_at, clock_timestamp()
          FROM acknowledged a),
      again AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, run_at, ${job})
        SELECT tenant_id, queue, priority, run_at, ${job} FROM f WHERE run_at IS NOT NULL),
      buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, died_at, ${job})
        SELECT tenant_id, queue, priority, ${now}, ${job} FROM f WHERE run_at IS NULL),
      gone AS (
        DELETE FROM ${keyed} k USING r
         WHERE k.tenant_id = r.tenant_id AND k.queue = r.queue AND k.ordering_key = r.ordering_key
           AND (k.seq = ANY (r.done_seqs) OR (r.buried AND k.seq = r.failed))
        RETURNING k.*, r.buried AND k.seq = r.failed AS is_buried, r.attempt AS last_attempt, r.errors AS last_errors),
      keyed_buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, ordering_key, died_at, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, last_attempt, attempts_max, 0, recorded_at,
               headers, last_errors, payload, body_day, body_seq
          FROM gone WHERE is_buried),
      charged AS (
        UPDATE ${keyed} k SET attempt = r.attempt, errors = r.errors FROM r
         WHERE k.tenant_id = r.tenant_id AND k.queue = r.queue AND k.ordering_key = r.ordering_key
           AND k.seq = r.failed AND NOT r.buried),
      left_over AS (
        UPDATE ${key} k
           SET pending = k.pending - cardinality(r.done_seqs) - (CASE WHEN r.buried THEN 1 ELSE 0 END)
          FROM r
         WHERE k.tenant_id = r.tenant_id AND k.queue = r.queue AND k.ordering_key = r.ordering_key
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending, r.priority, r.run_at),
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key)
        SELECT tenant_id, queue, priority, ordering_key FROM left_over WHERE pending > 0 AND run_at IS NULL),
      -- The key stays blocked until its head may run again: the order holds under retries.
      tokens_later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, ordering_key, run_at)
        SELECT tenant_id, queue, priority, ordering_key, run_at FROM left_over WHERE pending > 0 AND run_at IS NOT NULL)
      SELECT count(*)::int AS lanes FROM acknowledged
    `.pipe(Effect.map(([row]) => row?.lanes ?? 0))

  const extend: Statements["extend"] = (tenants, batchIds, leaseMillis) =>
    sql<{ readonly batchId: string }>`
      UPDATE ${lease}
         SET lease_until = clock_timestamp() + ${leaseMillis}::float8 * interval '1 millisecond'
       WHERE tenant_id = ANY (${tenants}::text[]) AND batch_id = ANY (${batchIds}::uuid[])
         AND lease_until > clock_timestamp()
      RETURNING batch_id::text AS "batchId"
    `.pipe(Effect.map((rows) => rows.map((row) => row.batchId)))

  const moveDue: Statements["moveDue"] = (now, limit) =>
    sql<LaneRow>`
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
      SELECT DISTINCT tenant_id AS "tenantId", queue, priority FROM back
    `

  const reap: Statements["reap"] = (limit, now) =>
    sql<LaneRow>`
      WITH expired AS (
        DELETE FROM ${lease}
         WHERE ctid = ANY (ARRAY (
                 SELECT ctid FROM ${lease} WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT ${limit}
                    FOR UPDATE SKIP LOCKED))
        RETURNING tenant_id, ltrim(queue, ${quarantinePrefix}) AS queue, jobs),
      j AS MATERIALIZED (
        SELECT x.tenant_id, x.queue, (e ->> 1)::smallint AS priority, (e ->> 2)::uuid AS job_id,
               (e ->> 3)::smallint AS attempt, (e ->> 4)::smallint AS attempts_max, (e ->> 5)::smallint + 1 AS lost,
               e ->> 6 AS ordering_key, e ->> 7 AS type, to_timestamp((e ->> 8)::float8 / 1000) AS recorded_at,
               nullif((e -> 9)::text, 'null')::json AS headers, nullif((e -> 10)::text, 'null')::json AS errors,
               nullif((e -> 11)::text, 'null')::json AS payload, (e ->> 12)::date AS body_day,
               (e ->> 13)::bigint AS body_seq
          FROM expired x CROSS JOIN LATERAL json_array_elements(x.jobs) e),
      -- The head of a key whose token was lost too often is what takes its workers down.
      head AS MATERIALIZED (
        SELECT j.tenant_id, j.queue, j.ordering_key, h.seq
          FROM j CROSS JOIN LATERAL (
               SELECT k.seq FROM ${keyed} k
                WHERE k.tenant_id = j.tenant_id AND k.queue = j.queue AND k.ordering_key = j.ordering_key
                ORDER BY k.seq LIMIT 1) h
         WHERE j.ordering_key IS NOT NULL AND j.lost >= ${lostMax}),
      head_gone AS (
        DELETE FROM ${keyed} k USING head
         WHERE k.tenant_id = head.tenant_id AND k.queue = head.queue AND k.ordering_key = head.ordering_key
           AND k.seq = head.seq
        RETURNING k.*),
      head_left AS (
        UPDATE ${key} k SET pending = k.pending - 1 FROM head_gone
         WHERE k.tenant_id = head_gone.tenant_id AND k.queue = head_gone.queue
           AND k.ordering_key = head_gone.ordering_key
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending),
      buried AS (
        INSERT INTO ${dead} (tenant_id, queue, priority, ordering_key, died_at, ${job})
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, attempt, attempts_max, lost, recorded_at,
               headers, errors, payload, body_day, body_seq
          FROM j WHERE ordering_key IS NULL AND lost >= ${lostMax}
        UNION ALL
        SELECT tenant_id, queue, priority, ordering_key, ${now}, job_id, type, attempt, attempts_max,
               ${lostMax}::smallint, recorded_at, headers, errors, payload, body_day, body_seq
          FROM head_gone),
      back AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, ${job})
        SELECT tenant_id, CASE WHEN lost >= ${lostUntilQuarantine} THEN ${quarantinePrefix} || queue ELSE queue END,
               priority, ordering_key, job_id, type, attempt, attempts_max, lost, recorded_at, headers, errors, payload,
               body_day, body_seq
          FROM j WHERE lost < ${lostMax}
        UNION ALL
        SELECT j.tenant_id, j.queue, j.priority, j.ordering_key, NULL, NULL, 0::smallint, j.attempts_max, 0::smallint,
               j.recorded_at, NULL, NULL, NULL, NULL, NULL
          FROM j JOIN head_left USING (tenant_id, queue, ordering_key)
         WHERE j.lost >= ${lostMax} AND head_left.pending > 0
        RETURNING tenant_id, queue, priority)
      SELECT DISTINCT tenant_id AS "tenantId", queue, priority FROM back
    `

  /** A loose index scan over the primary key: one step a lane, however many jobs it has. */
  const sweep: Statements["sweep"] = sql<LaneRow>`
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

  return { enqueuePlain, enqueue, enqueueFrom, claim, acknowledge, extend, moveDue, reap, sweep }
}
