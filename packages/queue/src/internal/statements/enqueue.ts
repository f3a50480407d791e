/** Statements that enqueue jobs. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { inlineBytesMax, jobColumns } from "../jobRow.ts"
import type { Tables } from "../tables.ts"
import type { FlowRow } from "./flow.ts"

/** Jobs in columns. A column without a value in any job is null: an array of only nulls has no type. */
export interface NewJobs {
  readonly tenants: ReadonlyArray<string>
  readonly queues: ReadonlyArray<string>
  readonly priorities: ReadonlyArray<number>
  readonly jobIds: ReadonlyArray<string>
  readonly types: ReadonlyArray<string>
  readonly payloads: ReadonlyArray<string>
  readonly attemptsMax: ReadonlyArray<number | null> | null
  readonly headers: ReadonlyArray<string | null> | null
  readonly options: ReadonlyArray<string | null> | null
  readonly orderingKeys: ReadonlyArray<string | null> | null
  readonly runAts: ReadonlyArray<Date | null> | null
  readonly dedupeKeys: ReadonlyArray<string | null> | null
  readonly dedupeUntils: ReadonlyArray<Date | null> | null
}

/** Jobs that differ only in id and payload. */
export interface AlikeJobs {
  readonly tenantId: string
  readonly queue: string
  readonly priority: number
  readonly type: string
  readonly jobIds: ReadonlyArray<string>
  readonly payloads: ReadonlyArray<string>
}

export interface HeldKey {
  readonly queue: string
  readonly dedupeKey: string
  readonly jobId: string
}

export interface EnqueueStatements {
  readonly enqueueAlike: (jobs: AlikeJobs, now: Date) => Effect.Effect<void, SqlError>
  readonly enqueuePlain: (jobs: NewJobs, now: Date) => Effect.Effect<void, SqlError>
  readonly enqueue: (jobs: NewJobs, now: Date) => Effect.Effect<void, SqlError>
  /** Enqueues the rows of a SELECT, and returns their flows; see `sourceColumns`. */
  readonly enqueueFrom: (source: Fragment, now: Date) => Effect.Effect<ReadonlyArray<FlowRow>, SqlError>
  /** Returns the jobs that hold deduplication keys. */
  readonly heldKeys: (
    tenantId: string,
    queues: ReadonlyArray<string>,
    dedupeKeys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<HeldKey>, SqlError>
}

/** Columns that the source of `enqueueFrom` yields, by name. Jobs with the same `share` have the same payload. */
export const sourceColumns =
  "n, tenant_id, queue, priority, job_id, type, attempts_max, headers, options, payload, share, ordering_key, run_at"

export const make = (sql: SqlClient.SqlClient, t: Tables): EnqueueStatements => {
  const ready = sql.literal(t.ready)
  const delayed = sql.literal(t.delayed)
  const key = sql.literal(t.key)
  const keyed = sql.literal(t.keyed)
  const body = sql.literal(t.body)
  const dedupe = sql.literal(t.dedupe)
  const sequence = sql.literal(`'${t.sequence}'`)
  const job = sql.literal(jobColumns)

  const enqueueAlike: EnqueueStatements["enqueueAlike"] = (jobs, now) =>
    Effect.asVoid(sql`
      INSERT INTO ${ready} (tenant_id, queue, priority, job_id, type, payload, recorded_at)
      SELECT ${jobs.tenantId}, ${jobs.queue}, ${jobs.priority}::smallint, x.job_id, ${jobs.type}, x.payload::json, ${now}
        FROM unnest(${jobs.jobIds}::uuid[], ${jobs.payloads}::text[]) AS x (job_id, payload)
    `)

  const enqueuePlain: EnqueueStatements["enqueuePlain"] = (jobs, now) =>
    Effect.asVoid(sql`
      INSERT INTO ${ready} (tenant_id, queue, priority, job_id, type, attempts_max, headers, options, payload, recorded_at)
      SELECT x.tenant_id, x.queue, x.priority, x.job_id, x.type, x.attempts_max, x.headers::json, x.options::json,
             x.payload::json, ${now}
        FROM unnest(${jobs.tenants}::text[], ${jobs.queues}::text[], ${jobs.priorities}::smallint[], ${jobs.jobIds}::uuid[],
                    ${jobs.types}::text[], ${jobs.attemptsMax}::smallint[], ${jobs.headers}::text[],
                    ${jobs.options}::text[], ${jobs.payloads}::text[])
             AS x (tenant_id, queue, priority, job_id, type, attempts_max, headers, options, payload)
    `)

  /** `before` are further common table expressions: those that write must be at the top level. */
  const insert = (before: Fragment, source: Fragment, now: Date) => sql<FlowRow>`
      WITH ${before} i AS MATERIALIZED (${source}),
      -- A shared payload is stored once. Delayed jobs keep a copy: they may outlive the partition.
      b AS MATERIALIZED (
        SELECT tenant_id, share, payload, nextval(${sequence}) AS body_seq
          FROM (
                SELECT DISTINCT ON (tenant_id, share) tenant_id, share, payload
                  FROM i
                 WHERE octet_length(payload) > ${inlineBytesMax} AND (run_at IS NULL OR run_at <= ${now})
                 ORDER BY tenant_id, share) large),
      stored AS (
        INSERT INTO ${body} (tenant_id, day, body_seq, payload)
        SELECT tenant_id, ${now}::date, body_seq, payload::json
          FROM b),
      j AS MATERIALIZED (
        SELECT i.n, i.tenant_id, i.queue, i.priority, i.ordering_key, i.job_id, i.type, 0::smallint AS attempt,
               CASE WHEN i.run_at > ${now} THEN i.run_at END AS run_at,
               i.attempts_max, 0::smallint AS lost, ${now}::timestamptz AS recorded_at, i.headers::json AS headers,
               i.options::json AS options, NULL::json AS errors,
               CASE WHEN b.body_seq IS NULL THEN i.payload::json END AS payload,
               CASE WHEN b.body_seq IS NOT NULL THEN ${now}::date END AS body_day, b.body_seq,
               CASE WHEN b.body_seq IS NOT NULL THEN octet_length(i.payload) END AS body_bytes
          FROM i
          LEFT JOIN b ON b.tenant_id = i.tenant_id AND b.share = i.share AND (i.run_at IS NULL OR i.run_at <= ${now})),
      -- Sorted, so that concurrent statements lock the same keys in the same order.
      counted AS MATERIALIZED (
        SELECT tenant_id, queue, ordering_key, count(*)::int AS added, max(priority) AS priority,
               (array_agg(run_at ORDER BY n))[1] AS run_at
          FROM j
         WHERE ordering_key IS NOT NULL
         GROUP BY 1, 2, 3
         ORDER BY 1, 2, 3),
      locked AS (
        INSERT INTO ${key} AS k (tenant_id, queue, ordering_key, pending)
        SELECT tenant_id, queue, ordering_key, added
          FROM counted
            ON CONFLICT (tenant_id, queue, ordering_key) DO UPDATE SET pending = k.pending + excluded.pending
        RETURNING k.tenant_id, k.queue, k.ordering_key, k.pending),
      keys AS MATERIALIZED (
        SELECT counted.*, locked.pending
          FROM locked
          JOIN counted
         USING (tenant_id, queue, ordering_key)),
      -- The sequence number is drawn after the row of the key is locked: it is the order of the key.
      behind AS (
        INSERT INTO ${keyed} (tenant_id, queue, ordering_key, priority, run_at, ${job})
        SELECT tenant_id, queue, ordering_key, j.priority, j.run_at, ${job}
          FROM j
          JOIN (
                SELECT tenant_id, queue, ordering_key
                  FROM keys) k
         USING (tenant_id, queue, ordering_key)
         ORDER BY n),
      -- The key was idle: insert its token, delayed when its head is not due.
      tokens AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key)
        SELECT tenant_id, queue, priority, ordering_key
          FROM keys
         WHERE pending = added AND run_at IS NULL),
      tokens_later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, ordering_key, run_at)
        SELECT tenant_id, queue, priority, ordering_key, run_at
          FROM keys
         WHERE pending = added AND run_at IS NOT NULL),
      later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, run_at, ${job})
        SELECT tenant_id, queue, priority, run_at, ${job}
          FROM j
         WHERE ordering_key IS NULL AND run_at IS NOT NULL),
      at_once AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ${job})
        SELECT tenant_id, queue, priority, ${job}
          FROM j
         WHERE ordering_key IS NULL AND run_at IS NULL
         ORDER BY n)
      SELECT DISTINCT tenant_id AS "tenantId", queue, priority
        FROM j
       WHERE run_at IS NULL
    `

  const enqueueFrom: EnqueueStatements["enqueueFrom"] = (source, now) => insert(sql.literal(""), source, now)

  const enqueue: EnqueueStatements["enqueue"] = (jobs, now) => {
    const rows = sql`
      SELECT *
        FROM unnest(${jobs.tenants}::text[], ${jobs.queues}::text[], ${jobs.priorities}::smallint[],
                           ${jobs.jobIds}::uuid[], ${jobs.types}::text[], ${jobs.attemptsMax}::smallint[],
                           ${jobs.headers}::text[], ${jobs.options}::text[], ${jobs.payloads}::text[],
                           ${jobs.orderingKeys}::text[], ${jobs.runAts}::timestamptz[], ${jobs.dedupeKeys}::text[],
                           ${jobs.dedupeUntils}::timestamptz[])
               WITH ORDINALITY
               AS x (tenant_id, queue, priority, job_id, type, attempts_max, headers, options, payload, ordering_key, run_at,
                     dedupe_key, dedupe_until, n)
    `
    const columns = sql.literal(sourceColumns.replace("share", "n AS share"))
    if (jobs.dedupeKeys === null) {
      return Effect.asVoid(enqueueFrom(sql`SELECT ${columns} FROM (${rows}) x`, now))
    }
    // DISTINCT ON: Postgres refuses to update a row twice in one statement. Sorted, so that concurrent statements over the
    // same keys cannot deadlock.
    const dedupes = sql`
      x AS MATERIALIZED (${rows}),
      won AS (
        INSERT INTO ${dedupe} AS d (tenant_id, queue, dedupe_key, job_id, expires_at)
        SELECT DISTINCT ON (tenant_id, queue, dedupe_key) tenant_id, queue, dedupe_key, job_id, dedupe_until
          FROM x
         WHERE dedupe_key IS NOT NULL
         ORDER BY tenant_id, queue, dedupe_key, n
            ON CONFLICT (tenant_id, queue, dedupe_key)
            DO UPDATE SET job_id = excluded.job_id, expires_at = excluded.expires_at
                    WHERE d.expires_at <= ${now}
        RETURNING d.job_id),
    `
    const source = sql`
      SELECT ${columns}
        FROM x
       WHERE dedupe_key IS NULL OR job_id IN (SELECT job_id FROM won)
    `
    return Effect.asVoid(insert(dedupes, source, now))
  }

  const heldKeys: EnqueueStatements["heldKeys"] = (tenantId, queues, dedupeKeys) => sql<HeldKey>`
      SELECT d.queue, d.dedupe_key AS "dedupeKey", d.job_id::text AS "jobId"
        FROM ${dedupe} d
        JOIN (
              SELECT DISTINCT *
                FROM unnest(${queues}::text[], ${dedupeKeys}::text[]) AS x (queue, dedupe_key)) x
          ON x.queue = d.queue AND x.dedupe_key = d.dedupe_key
       WHERE d.tenant_id = ${tenantId}
    `

  return { enqueueAlike, enqueuePlain, enqueue, enqueueFrom, heldKeys }
}
