/** Statements that list jobs: those that wait or run, dead letters and their groups, payloads. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { ListedState } from "../../QueueJob.ts"
import { packed, quarantinePrefix } from "../jobRow.ts"
import type { Tables } from "../tables.ts"
import type { DeadLetterFilter } from "./operations.ts"

/** Where a page of jobs begins: after a priority or an ordering key, and a sequence number of it. */
export interface After {
  readonly group: string
  readonly seq: string
}

export interface OutcomeRow {
  readonly jobId: string
  readonly outcome: "waiting" | "running" | "retrying" | "done" | "dead"
  readonly error: string | null
}

export interface ListingStatements {
  readonly jobs: (
    tenantId: string,
    queue: string,
    state: ListedState,
    type: string | null,
    after: After | undefined,
    limit: number
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
  readonly deadLetters: (
    tenantId: string,
    queue: string,
    filter: DeadLetterFilter,
    after: string
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
  /** Returns the dead letters of a queue by their last error, the most frequent first. */
  readonly groups: (
    tenantId: string,
    queue: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
  /** Returns the outcomes of jobs with one ordering key. */
  readonly outcomes: (
    tenantId: string,
    queue: string,
    orderingKey: string,
    jobIds: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<OutcomeRow>, SqlError>
  /** Returns the text of a job's payload; undefined when there is no such job. Scans the queue. */
  readonly payload: (
    tenantId: string,
    queue: string,
    jobId: string
  ) => Effect.Effect<string | null | undefined, SqlError>
}

/** Above every priority. */
const priorityTop = 32_768

export const make = (sql: SqlClient.SqlClient, tables: Tables): ListingStatements => {
  const ready = sql(tables.ready)
  const keyed = sql(tables.keyed)
  const delayed = sql(tables.delayed)
  const lease = sql(tables.lease)
  const dead = sql(tables.dead)
  const body = sql(tables.body)

  const listed = (state: ListedState, runAt: string) =>
    sql.literal(`
      ${state === "ordered" ? "CASE WHEN run_at IS NULL THEN 'ready' ELSE 'delayed' END" : `'${state}'`} AS state,
      seq::text AS seq, job_id::text AS "jobId", type, priority, attempt, ordering_key AS "orderingKey",
      recorded_at AS "recordedAt", ${runAt} AS "runAt", errors
    `)

  const jobs: ListingStatements["jobs"] = (tenantId, queue, state, type, after, limit) => {
    const isType = sql`(${type}::text IS NULL OR type = ${type})`
    const seq = after?.seq ?? "0"
    switch (state) {
      // The claim order is descending by priority, and the index ascending: one step per priority, and one scan in each.
      case "ready":
        return sql`
          WITH RECURSIVE level AS (
            SELECT names.queue, ${priorityTop}::int AS rank
              FROM unnest(ARRAY[${queue}, ${quarantinePrefix + queue}]::text[]) AS names (queue)
            UNION ALL
            SELECT level.queue, lower.rank
              FROM level
             CROSS JOIN LATERAL (
                   SELECT r.priority::int AS rank
                     FROM ${ready} r
                    WHERE r.tenant_id = ${tenantId}
                      AND r.queue = level.queue
                      AND r.priority < level.rank
                    ORDER BY r.priority DESC
                    LIMIT 1) lower)
          SELECT ${listed("ready", "NULL::timestamptz")}
            FROM level
           CROSS JOIN LATERAL (
                 SELECT r.seq, r.job_id, r.type, r.priority, r.attempt, r.ordering_key, r.recorded_at, r.errors
                   FROM ${ready} r
                  WHERE r.tenant_id = ${tenantId}
                    AND r.queue = level.queue
                    AND r.priority = level.rank
                    AND r.ordering_key IS NULL
                    AND ${isType}
                    AND (level.rank < ${after?.group ?? String(priorityTop)}::text::int
                         OR level.rank = ${after?.group ?? String(priorityTop)}::text::int
                            AND r.seq > ${seq}::text::bigint)
                  ORDER BY r.seq
                  LIMIT ${limit}) job
           ORDER BY job.priority DESC, job.seq
           LIMIT ${limit}
        `
      case "ordered":
        return sql`
          SELECT ${listed("ordered", "run_at")}
            FROM ${keyed} keyed
           WHERE tenant_id = ${tenantId}
             AND queue = ${queue}
             AND ${isType}
             AND (ordering_key, keyed.seq) > (${after?.group ?? ""}, ${seq}::text::bigint)
           ORDER BY ordering_key, keyed.seq
           LIMIT ${limit}
        `
      case "delayed":
        return sql`
          SELECT ${listed("delayed", "run_at")}
            FROM ${delayed} delayed
           WHERE tenant_id = ${tenantId}
             AND queue = ${queue}
             AND ordering_key IS NULL
             AND ${isType}
             AND delayed.seq > ${seq}::text::bigint
           ORDER BY delayed.seq
           LIMIT ${limit}
        `
      case "running":
        return sql`
          SELECT ${listed("running", "NULL::timestamptz")}
            FROM (
                  SELECT ${sql.literal(packed.seq)} AS seq, ${sql.literal(packed.jobId)} AS job_id,
                         ${sql.literal(packed.type)} AS type, ${sql.literal(packed.priority)} AS priority,
                         ${sql.literal(packed.attempt)} AS attempt, NULL AS ordering_key,
                         ${sql.literal(packed.recordedAt)} AS recorded_at, ${sql.literal(packed.errors)} AS errors
                    FROM ${lease} l
                   CROSS JOIN LATERAL json_array_elements(l.jobs) e
                   WHERE l.tenant_id = ${tenantId}
                     AND l.queue IN (${queue}, ${quarantinePrefix + queue})
                     AND ${sql.literal(packed.orderingKey)} IS NULL
                     AND NOT ${sql.literal(packed.seq)} = ANY (l.done)) job
           WHERE ${isType}
             AND job.seq > ${seq}::text::bigint
           ORDER BY job.seq
           LIMIT ${limit}
        `
    }
  }

  const deadLetters: ListingStatements["deadLetters"] = (tenantId, queue, filter, after) => sql`
    SELECT queue, seq::text AS seq, job_id::text AS "jobId", type, attempt, ordering_key AS "orderingKey", errors,
           rejected, failure, died_at AS "diedAt"
      FROM ${dead} dead
     WHERE tenant_id = ${tenantId}
       AND queue = ${queue}
       AND dead.seq > ${after}::text::bigint
       AND (${filter.type}::text IS NULL OR type = ${filter.type})
       AND (${filter.failure}::text IS NULL OR failure = ${filter.failure})
       AND (${filter.diedFrom}::timestamptz IS NULL OR died_at >= ${filter.diedFrom})
       AND (${filter.diedBefore}::timestamptz IS NULL OR died_at < ${filter.diedBefore})
     ORDER BY dead.seq
     LIMIT ${filter.limit}
  `

  const groups: ListingStatements["groups"] = (tenantId, queue, limit) => sql`
    SELECT g.failure, g.count, g.first AS "firstDiedAt", g.last AS "lastDiedAt", g.types,
           latest.job_id::text AS "jobId", coalesce(latest.errors #>> '{-1,error}', '') AS error
      FROM (
            SELECT failure, count(*)::int AS count, min(died_at) AS first, max(died_at) AS last, max(seq) AS latest,
                   (array_agg(DISTINCT type))[1:10] AS types
              FROM ${dead}
             WHERE tenant_id = ${tenantId}
               AND queue = ${queue}
             GROUP BY failure
             ORDER BY count(*) DESC, failure
             LIMIT ${limit}) g
      JOIN ${dead} latest ON latest.tenant_id = ${tenantId} AND latest.queue = ${queue} AND latest.seq = g.latest
     ORDER BY g.count DESC, g.failure
  `

  const payload: ListingStatements["payload"] = (tenantId, queue, jobId) =>
    sql<{ readonly payload: string | null }>`
      SELECT coalesce(job.payload::text, b.payload::text) AS payload
        FROM (
              SELECT payload, body_day, body_seq
                FROM ${ready}
               WHERE tenant_id = ${tenantId} AND queue IN (${queue}, ${quarantinePrefix + queue})
                 AND job_id = ${jobId}::uuid
               UNION ALL
              SELECT payload, body_day, body_seq
                FROM ${keyed}
               WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid
               UNION ALL
              SELECT payload, body_day, body_seq
                FROM ${delayed}
               WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid
               UNION ALL
              SELECT payload, body_day, body_seq
                FROM ${dead}
               WHERE tenant_id = ${tenantId} AND queue = ${queue} AND job_id = ${jobId}::uuid
               UNION ALL
              SELECT p.payload, ${sql.literal(packed.bodyDay)}, ${sql.literal(packed.bodySeq)}
                FROM ${lease} l
               CROSS JOIN LATERAL unnest(ARRAY (SELECT json_array_elements(l.jobs)), l.payloads) AS p (e, payload)
               WHERE l.tenant_id = ${tenantId} AND l.queue IN (${queue}, ${quarantinePrefix + queue})
                 AND ${sql.literal(packed.jobId)} = ${jobId}::uuid
                 AND NOT ${sql.literal(packed.seq)} = ANY (l.done)) job
        LEFT JOIN ${body} b
          ON b.tenant_id = ${tenantId} AND b.body_seq = job.body_seq AND b.day = job.body_day
       LIMIT 1
    `.pipe(Effect.map(([row]) => row?.payload))

  const outcomes: ListingStatements["outcomes"] = (tenantId, queue, orderingKey, jobIds) => sql<OutcomeRow>`
    WITH unfinished AS (
      SELECT job_id, attempt, errors, row_number() OVER (ORDER BY seq) AS place
        FROM ${keyed}
       WHERE tenant_id = ${tenantId}
         AND queue = ${queue}
         AND ordering_key = ${orderingKey}),
    token AS (
      SELECT count(*) > 0 AS is_leased
        FROM ${lease} l
       CROSS JOIN LATERAL json_array_elements(l.jobs) e
       WHERE l.tenant_id = ${tenantId}
         AND l.queue IN (${queue}, ${quarantinePrefix + queue})
         AND ${sql.literal(packed.orderingKey)} = ${orderingKey}
         AND NOT ${sql.literal(packed.seq)} = ANY (l.done))
    SELECT x.job_id::text AS "jobId", coalesce(u.errors, d.errors) #>> '{-1,error}' AS error,
           CASE WHEN u.place = 1 AND token.is_leased THEN 'running'
                WHEN u.attempt > 0 THEN 'retrying'
                WHEN u.attempt = 0 THEN 'waiting'
                WHEN d.job_id IS NOT NULL THEN 'dead'
                ELSE 'done' END AS outcome
      FROM unnest(${jobIds}::text[]::uuid[]) AS x (job_id)
     CROSS JOIN token
      LEFT JOIN unfinished u ON u.job_id = x.job_id
      LEFT JOIN ${dead} d ON d.tenant_id = ${tenantId} AND d.queue = ${queue} AND d.job_id = x.job_id
  `

  return { jobs, deadLetters, groups, outcomes, payload }
}
