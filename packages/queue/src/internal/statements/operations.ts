/** Statements of operators: cancel, redrive, discard. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { jobColumns, quarantinePrefix } from "../jobRow.ts"
import type { Tables } from "../tables.ts"
import type { FlowRow } from "./flow.ts"

export interface DeadLetterFilter {
  readonly type: string | null
  readonly jobIds: ReadonlyArray<string> | null
  readonly failure: string | null
  readonly diedFrom: Date | null
  readonly diedBefore: Date | null
  readonly limit: number
}

export interface OperationStatements {
  /** Cancels a job that no worker has leased. Returns the count: 0 or 1. */
  readonly cancel: (tenantId: string, queue: string, jobId: string) => Effect.Effect<number, SqlError>
  /** Moves dead-lettered jobs back with all their attempts, oldest first. Returns the count. */
  readonly redrive: (
    tenantId: string,
    queue: string,
    filter: DeadLetterFilter,
    perSecond: number | null,
    now: Date
  ) => Effect.Effect<{ readonly redriven: number; readonly flows: ReadonlyArray<FlowRow> }, SqlError>
  /** Deletes dead-lettered jobs. Returns the count. */
  readonly discard: (
    tenantId: string,
    queue: string,
    filter: DeadLetterFilter
  ) => Effect.Effect<number, SqlError>
}

export const make = (sql: SqlClient.SqlClient, t: Tables): OperationStatements => {
  const ready = sql.literal(t.ready)
  const delayed = sql.literal(t.delayed)
  const key = sql.literal(t.key)
  const keyed = sql.literal(t.keyed)
  const dead = sql.literal(t.dead)
  const dedupe = sql.literal(t.dedupe)
  const job = sql.literal(jobColumns)

  const cancel: OperationStatements["cancel"] = (tenantId, queue, jobId) =>
    sql<{ readonly cancelled: number }>`
      WITH plain AS (
        DELETE FROM ${ready}
         WHERE tenant_id = ${tenantId} AND queue IN (${queue}, ${quarantinePrefix + queue}) AND job_id = ${jobId}::uuid
        RETURNING 1),
      later AS (
        DELETE FROM ${delayed}
              WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid
          RETURNING 1),
      k AS MATERIALIZED (
        SELECT ordering_key, seq
          FROM ${keyed}
         WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid),
      -- The holder of the token has the key: taking it, as a claim does, excludes the workers. A leased key has no token
      -- here, and its job is not cancelled.
      taken_ready AS (
        DELETE FROM ${ready}
         WHERE ctid = ANY (ARRAY (
                 SELECT r.ctid
                   FROM ${ready} r
                  WHERE r.tenant_id = ${tenantId} AND r.queue IN (${queue}, ${quarantinePrefix + queue})
                    AND r.ordering_key = (SELECT ordering_key FROM k)
                    FOR UPDATE SKIP LOCKED))
        RETURNING queue, priority, lost, attempt, errors),
      taken_delayed AS (
        DELETE FROM ${delayed}
         WHERE ctid = ANY (ARRAY (
                 SELECT d.ctid
                   FROM ${delayed} d
                  WHERE d.tenant_id = ${tenantId} AND d.queue = ${queue} AND d.ordering_key = (SELECT ordering_key FROM k)
                    FOR UPDATE SKIP LOCKED))
        RETURNING queue, priority, lost, attempt, errors),
      taken AS (SELECT *
                  FROM taken_ready
                 UNION ALL
                SELECT *
                  FROM taken_delayed),
      gone AS (
        DELETE FROM ${keyed}
         WHERE tenant_id = ${tenantId} AND queue = ${queue} AND ordering_key = (SELECT ordering_key FROM k)
           AND seq = (SELECT seq FROM k) AND EXISTS (SELECT 1 FROM taken)
        RETURNING 1),
      left_over AS (
        UPDATE ${key}
           SET pending = pending - 1
         WHERE tenant_id = ${tenantId} AND queue = ${queue} AND ordering_key = (SELECT ordering_key FROM k)
           AND EXISTS (SELECT 1 FROM gone)
        RETURNING pending),
      -- Among the runnable ones: the worker checks on the head itself if it is due.
      back AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ordering_key, lost, attempt, errors)
        SELECT ${tenantId}::text, taken.queue, taken.priority, (SELECT ordering_key FROM k), taken.lost, taken.attempt,
               taken.errors
          FROM taken
          LEFT JOIN left_over ON true
         WHERE coalesce(left_over.pending, 1) > 0),
      -- A job that never ran does not block the next one with its deduplication key.
      released AS (
        DELETE FROM ${dedupe}
         WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid
           AND (EXISTS (SELECT 1 FROM plain) OR EXISTS (SELECT 1 FROM later) OR EXISTS (SELECT 1 FROM gone)))
      SELECT (SELECT count(*)::int FROM plain) + (SELECT count(*)::int FROM later) + (SELECT count(*)::int FROM gone)
               AS cancelled
    `.pipe(Effect.map(([row]) => row?.cancelled ?? 0))

  const chosen = (tenantId: string, queue: string, filter: DeadLetterFilter) => sql`
    SELECT seq
      FROM ${dead}
     WHERE tenant_id = ${tenantId} AND queue = ${queue}
       AND (${filter.type}::text IS NULL OR type = ${filter.type})
       AND (${filter.jobIds}::uuid[] IS NULL OR job_id = ANY (${filter.jobIds}::uuid[]))
       AND (${filter.failure}::text IS NULL OR failure = ${filter.failure})
       AND (${filter.diedFrom}::timestamptz IS NULL OR died_at >= ${filter.diedFrom})
       AND (${filter.diedBefore}::timestamptz IS NULL OR died_at < ${filter.diedBefore})
     ORDER BY seq
     LIMIT ${filter.limit}
       FOR UPDATE SKIP LOCKED
  `

  const redrive: OperationStatements["redrive"] = (tenantId, queue, filter, perSecond, now) =>
    sql<FlowRow & { readonly count: number }>`
      WITH back AS (
        DELETE FROM ${dead}
         WHERE tenant_id = ${tenantId} AND queue = ${queue} AND seq = ANY (ARRAY (${chosen(tenantId, queue, filter)}))
        RETURNING *),
      -- The other jobs of its ordering key have run: a redriven job has none.
      j AS MATERIALIZED (
        SELECT tenant_id, queue, priority, seq, job_id, type, 0::smallint AS attempt, attempts_max, 0::smallint AS lost,
               recorded_at, headers, (options::jsonb - 'expiresAtMillis')::json AS options, errors, payload, body_day,
               body_seq, body_bytes,
               ${now}::timestamptz + (row_number() OVER (ORDER BY seq) - 1) / ${perSecond}::float8 * interval '1 second'
                 AS run_at
          FROM back),
      at_once AS (
        INSERT INTO ${ready} (tenant_id, queue, priority, ${job})
        SELECT tenant_id, queue, priority, ${job}
          FROM j
         WHERE run_at IS NULL
         ORDER BY seq),
      later AS (
        INSERT INTO ${delayed} (tenant_id, queue, priority, run_at, ${job})
        SELECT tenant_id, queue, priority, run_at, ${job}
          FROM j
         WHERE run_at IS NOT NULL
         ORDER BY seq)
      SELECT tenant_id AS "tenantId", queue, priority, count(*)::int AS count
        FROM j
       GROUP BY 1, 2, 3
    `.pipe(
      Effect.map((flows) => ({
        redriven: flows.reduce((sum, flow) => sum + flow.count, 0),
        flows: perSecond === null ? flows : []
      }))
    )

  const discard: OperationStatements["discard"] = (tenantId, queue, filter) =>
    sql`
      DELETE FROM ${dead}
       WHERE tenant_id = ${tenantId} AND queue = ${queue} AND seq = ANY (ARRAY (${chosen(tenantId, queue, filter)}))
      RETURNING 1
    `.pipe(Effect.map((rows) => rows.length))

  return { cancel, redrive, discard }
}
