/** Looks jobs up by their ids, in all tables of one snapshot: a job on its way from one table to another is in one of them. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { type JobLookUp, type JobState, type LookedUpJob, lookUpMax } from "../../QueueJob.ts"
import { packed, quarantinePrefix } from "../jobRow.ts"
import type { Tables } from "../tables.ts"

export interface LookUpStatements {
  /** Looks for a job of a queue, with any ordering key or none. */
  readonly any: (
    tenantId: string,
    queue: string,
    jobId: string
  ) => Effect.Effect<ReadonlyArray<JobLookUp>, SqlError>
  /** Looks for jobs behind their ordering keys, in their order. */
  readonly all: (
    tenantId: string,
    jobs: ReadonlyArray<LookedUpJob>
  ) => Effect.Effect<ReadonlyArray<JobLookUp>, SqlError>
}

interface Row extends Omit<JobState, "state"> {
  readonly state: JobState["state"] | null
  readonly unsearched: number
}

/** Above every priority. */
const priorityTop = 32_768

const columns = "type, priority, attempt, ordering_key, recorded_at, run_at, errors"

export const make = (sql: SqlClient.SqlClient, tables: Tables): LookUpStatements => {
  const ready = sql(tables.ready)
  const keyed = sql(tables.keyed)
  const lease = sql(tables.lease)
  const column = sql.literal(columns)

  /** By the index on the id, which the OFFSET makes the only way: a key that begins with the tenant may be as cheap to the planner. */
  const byId = (state: "dead" | "delayed", table: string, runAt: string, tenantId: string) => sql`
    SELECT ${sql.literal(`'${state}'`)} AS state, type, priority, attempt, ordering_key, recorded_at,
           ${sql.literal(runAt)} AS run_at, errors
      FROM (
            SELECT *
              FROM ${sql(table)}
             WHERE job_id = x.job_id
            OFFSET 0) AS job
     WHERE tenant_id = ${tenantId}
       AND queue = x.queue
  `

  const running = (tenantId: string) => sql`
    SELECT 'running', ${sql.literal(packed.type)}, ${sql.literal(packed.priority)}, ${sql.literal(packed.attempt)},
           NULL, ${sql.literal(packed.recordedAt)}, NULL, ${sql.literal(packed.errors)}
      FROM ${lease} l
     CROSS JOIN LATERAL json_array_elements(l.jobs) e
     WHERE l.tenant_id = ${tenantId}
       AND l.queue IN (x.queue, ${quarantinePrefix} || x.queue)
       AND ${sql.literal(packed.jobId)} = x.job_id
       AND NOT ${sql.literal(packed.seq)} = ANY (l.done)
  `

  /** The first job of a key runs while a worker has leased the token of the key. */
  const behindKey = (tenantId: string, rows: Fragment) => sql`
    SELECT CASE WHEN EXISTS (
                             SELECT 1
                               FROM ${lease} l
                              CROSS JOIN LATERAL json_array_elements(l.jobs) e
                              WHERE l.tenant_id = ${tenantId}
                                AND l.queue IN (x.queue, ${quarantinePrefix} || x.queue)
                                AND ${sql.literal(packed.orderingKey)} = job.ordering_key
                                AND NOT ${sql.literal(packed.seq)} = ANY (l.done))
                 AND NOT EXISTS (
                                 SELECT 1
                                   FROM ${keyed} before
                                  WHERE before.tenant_id = ${tenantId}
                                    AND before.queue = x.queue
                                    AND before.ordering_key = job.ordering_key
                                    AND before.seq < job.seq)
                THEN 'running'
                WHEN run_at IS NULL THEN 'ready'
                ELSE 'delayed' END, ${column}
      FROM (${rows}) AS job
     WHERE job_id = x.job_id
  `

  // In the order of the claim, which descends by priority while the index ascends: one step per priority.
  const waiting = (tenantId: string) => sql`
    SELECT 'ready', ${column}
      FROM (
            WITH RECURSIVE level AS (
              SELECT names.queue, ${priorityTop}::int AS rank
                FROM unnest(ARRAY[x.queue, ${quarantinePrefix} || x.queue]) AS names (queue)
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
            SELECT job.*
              FROM level
             CROSS JOIN LATERAL (
                   SELECT r.job_id, r.type, r.priority, r.attempt, r.ordering_key, r.recorded_at, NULL::timestamptz AS run_at,
                          r.errors
                     FROM ${ready} r
                    WHERE r.tenant_id = ${tenantId}
                      AND r.queue = level.queue
                      AND r.priority = level.rank
                    ORDER BY r.seq
                    LIMIT ${lookUpMax}) job
             LIMIT ${lookUpMax}) AS job
     WHERE job_id = x.job_id
  `

  const lookUp = (
    tenantId: string,
    jobs: Fragment,
    behind: Fragment,
    beyond: Fragment
  ): Effect.Effect<ReadonlyArray<JobLookUp>, SqlError> =>
    sql<Row>`
      SELECT job.state, job.type, job.priority, job.attempt, job.ordering_key AS "orderingKey",
             (1000 * extract(epoch FROM job.recorded_at))::float8 AS "recordedAtMillis",
             (1000 * extract(epoch FROM job.run_at))::float8 AS "runAtMillis", job.errors,
             CASE WHEN job.state IS NULL THEN (${beyond}) ELSE 0 END AS unsearched
        FROM (${jobs}) x
        LEFT JOIN LATERAL (
             SELECT *
               FROM (
                     ${byId("dead", tables.dead, "NULL::timestamptz", tenantId)}
                     UNION ALL
                     ${byId("delayed", tables.delayed, "run_at", tenantId)}
                     UNION ALL
                     ${running(tenantId)}
                     UNION ALL
                     ${behindKey(tenantId, behind)}
                     UNION ALL
                     ${waiting(tenantId)}) places
              LIMIT 1) job ON true
       ORDER BY x.n
    `.pipe(Effect.map((rows) => rows.map(toLookUp)))

  const readyBeyond = (tenantId: string) => sql`
    SELECT greatest(0, count(*) - ${lookUpMax})::int
      FROM ${ready}
     WHERE tenant_id = ${tenantId}
       AND queue IN (x.queue, ${quarantinePrefix} || x.queue)
  `

  const any: LookUpStatements["any"] = (tenantId, queue, jobId) =>
    lookUp(
      tenantId,
      sql`SELECT 1 AS n, ${queue}::text AS queue, ${jobId}::uuid AS job_id`,
      sql`
        SELECT *
          FROM ${keyed}
         WHERE tenant_id = ${tenantId}
           AND queue = x.queue
         ORDER BY ordering_key, seq
         LIMIT ${lookUpMax}
      `,
      sql`
        SELECT (${readyBeyond(tenantId)}) + (
               SELECT greatest(0, count(*) - ${lookUpMax})::int
                 FROM ${keyed}
                WHERE tenant_id = ${tenantId}
                  AND queue = x.queue)
      `
    )

  const all: LookUpStatements["all"] = (tenantId, jobs) =>
    lookUp(
      tenantId,
      sql`
        SELECT n, queue, job_id, nullif(ordering_key, '') AS ordering_key
          FROM unnest(${jobs.map(({ queue }) => queue)}::text[], ${jobs.map(({ jobId }) => jobId)}::text[]::uuid[],
                      ${jobs.map(({ orderingKey }) => orderingKey ?? "")}::text[])
               WITH ORDINALITY AS x (queue, job_id, ordering_key, n)
      `,
      sql`
        SELECT *
          FROM ${keyed}
         WHERE tenant_id = ${tenantId}
           AND queue = x.queue
           AND ordering_key = x.ordering_key
         ORDER BY seq
      `,
      // A job with a key is in no other table of waiting jobs, unless it was redriven.
      readyBeyond(tenantId)
    )

  return { any, all }
}

const toLookUp = ({ state, unsearched, ...row }: Row): JobLookUp => ({
  job: state === null ? undefined : { ...row, state },
  unsearched
})
