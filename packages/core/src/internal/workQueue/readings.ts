/** What a worker reads now and then: how queues are set, and how full they are. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { packed, quarantinePrefix } from "./jobRow.ts"
import type { Tables } from "./tables.ts"

export interface DefinitionRow {
  readonly tenantId: string
  readonly queue: string
  readonly paused: boolean
  readonly weight: number
  readonly isLimited: boolean
}

export const readDefinitions = (
  sql: SqlClient.SqlClient,
  tables: Tables
): Effect.Effect<ReadonlyArray<DefinitionRow>, SqlError> => sql<DefinitionRow>`
  SELECT tenant_id AS "tenantId", queue, paused, weight,
         concurrency_max IS NOT NULL OR rate_max IS NOT NULL AS "isLimited"
    FROM ${sql(tables.definition)}
   WHERE paused OR weight <> 1 OR concurrency_max IS NOT NULL OR rate_max IS NOT NULL
`

export interface DepthRow {
  readonly queue: string
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly dead: number
  readonly oldestSeconds: number
}

/** Over all tenants, of the queues named. */
export const readDepths = (
  sql: SqlClient.SqlClient,
  tables: Tables,
  queues: ReadonlyArray<string>,
  now: Date
): Effect.Effect<ReadonlyArray<DepthRow>, SqlError> => sql<DepthRow>`
  SELECT q.queue, coalesce(sum(c.ready), 0)::float8 AS ready, coalesce(sum(c.delayed), 0)::float8 AS delayed,
         coalesce(sum(c.leased), 0)::float8 AS leased, coalesce(sum(c.dead), 0)::float8 AS dead,
         coalesce(extract(epoch FROM ${now}::timestamptz - min(c.oldest)), 0)::float8 AS "oldestSeconds"
    FROM unnest(${queues}::text[]) AS q (queue)
    LEFT JOIN (
         SELECT ltrim(queue, ${quarantinePrefix}) AS queue, count(*) AS ready, 0 AS delayed, 0 AS leased, 0 AS dead,
                min(recorded_at) AS oldest
           FROM ${sql(tables.ready)} WHERE ordering_key IS NULL GROUP BY 1
         UNION ALL
         SELECT queue, count(*), 0, 0, 0, min(recorded_at) FROM ${sql(tables.keyed)} GROUP BY 1
         UNION ALL
         SELECT queue, 0, count(*), 0, 0, NULL FROM ${sql(tables.delayed)} WHERE ordering_key IS NULL GROUP BY 1
         UNION ALL
         SELECT ltrim(queue, ${quarantinePrefix}), 0, 0, sum(jobs_count - cardinality(done)), 0, NULL
           FROM ${sql(tables.lease)} GROUP BY 1
         UNION ALL
         SELECT queue, 0, 0, 0, count(*), NULL FROM ${sql(tables.dead)} GROUP BY 1) c ON c.queue = q.queue
   GROUP BY q.queue
`

/** The first day whose large payloads a job still refers to. */
export const oldestBody = (tables: Tables): Effect.Effect<Date | undefined, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly millis: number | null }>`
      SELECT (1000 * extract(epoch FROM min(day)))::float8 AS millis
        FROM (SELECT min(body_day) AS day FROM ${sql(tables.ready)}
              UNION ALL SELECT min(body_day) FROM ${sql(tables.delayed)}
              UNION ALL SELECT min(body_day) FROM ${sql(tables.keyed)}
              UNION ALL SELECT min(body_day) FROM ${sql(tables.dead)}
              UNION ALL
              SELECT min(${sql.literal(packed.bodyDay)}) FROM ${sql(tables.lease)} l CROSS JOIN LATERAL json_array_elements(l.jobs) e) d
    `
  ).pipe(
    Effect.map(([row]) => (row?.millis === null || row === undefined ? undefined : new Date(row.millis)))
  )
