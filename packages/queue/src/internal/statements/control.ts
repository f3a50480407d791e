/** Statements over the state of queues: depth, history, settings and dead-letter queue. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { packed, quarantinePrefix } from "../jobRow.ts"
import type { Tables } from "../tables.ts"

export interface SettingsRow {
  readonly tenantId: string
  readonly queue: string
  readonly paused: boolean
  readonly weight: number
  readonly isLimited: boolean
}

export interface DepthRow {
  readonly queue: string
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly dead: number
  readonly oldestSeconds: number
}

interface Settings {
  readonly weight: number
  readonly concurrencyMax: number | null
  readonly rate: { readonly max: number; readonly periodMillis: number } | null
}

interface Key {
  readonly tenantId: string
  readonly queue: string
  readonly orderingKey: string
}

export interface ControlStatements {
  /** Returns the state of all queues of a tenant, or of one. */
  readonly states: (
    tenantId: string,
    queue: string | null,
    limit: number,
    now: Date,
    /** Beginning of the history that is summed up. */
    since: Date
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
  readonly minutes: (
    tenantId: string,
    queue: string,
    since: Date,
    limit: number
  ) => Effect.Effect<ReadonlyArray<unknown>, SqlError>
  /** Returns false when the version is not the current one. */
  readonly configure: (
    tenantId: string,
    queue: string,
    version: number,
    settings: Settings,
    now: Date
  ) => Effect.Effect<boolean, SqlError>
  readonly setPaused: (
    tenantId: string,
    queue: string,
    paused: boolean,
    now: Date
  ) => Effect.Effect<void, SqlError>
  readonly countKeys: (keys: ReadonlyArray<Key>) => Effect.Effect<ReadonlyArray<number>, SqlError>
}

/** Counts jobs per queue and state. `scope` limits the rows: a condition on `tenant_id` and `queue`. */
const counted = (sql: SqlClient.SqlClient, tables: Tables, scope: Fragment) => sql`
  SELECT ltrim(queue, ${quarantinePrefix}) AS queue, count(*) AS ready, 0 AS leased, 0 AS delayed, 0 AS dead,
         min(recorded_at) AS oldest
    FROM ${sql(tables.ready)}
   WHERE ordering_key IS NULL
     AND ${scope}
   GROUP BY 1
  UNION ALL
  SELECT queue, count(*), 0, 0, 0, min(recorded_at)
    FROM ${sql(tables.keyed)}
   WHERE ${scope}
   GROUP BY 1
  UNION ALL
  SELECT ltrim(queue, ${quarantinePrefix}), 0, sum(jobs_count - cardinality(done)), 0, 0, NULL
    FROM ${sql(tables.lease)}
   WHERE ${scope}
   GROUP BY 1
  UNION ALL
  SELECT queue, 0, 0, count(*), 0, NULL
    FROM ${sql(tables.delayed)}
   WHERE ordering_key IS NULL
     AND ${scope}
   GROUP BY 1
  UNION ALL
  SELECT queue, 0, 0, 0, count(*), NULL
    FROM ${sql(tables.dead)}
   WHERE ${scope}
   GROUP BY 1
`

export const make = (
  sql: SqlClient.SqlClient,
  tables: Tables,
  names?: (tenantId: string) => Fragment
): ControlStatements => {
  const definition = sql(tables.definition)

  const states: ControlStatements["states"] = (tenantId, queue, limit, now, since) => {
    const quarantined = queue === null ? null : quarantinePrefix + queue
    const scope = sql`tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue IN (${queue}, ${quarantined}))`
    // Queues that exist although they may be empty.
    const named =
      names === undefined
        ? sql.literal("")
        : sql`
            UNION ALL
            SELECT queue, 0, 0, 0, 0, NULL
              FROM (${names(tenantId)}) names
             WHERE ${queue}::text IS NULL OR queue = ${queue}
          `
    return sql`
      WITH counted AS (
        ${counted(sql, tables, scope)}
        UNION ALL
        SELECT queue, 0, 0, 0, 0, NULL
          FROM ${definition}
         WHERE ${scope}
        ${named}),
      summed AS (
        SELECT queue, sum(ready)::int AS ready, sum(leased)::int AS leased, sum(delayed)::int AS delayed,
               sum(dead)::int AS dead, min(oldest) AS oldest
          FROM counted
         GROUP BY queue
         ORDER BY queue
         LIMIT ${limit})
      SELECT s.queue, s.ready, s.leased, s.delayed, s.dead,
             greatest(0, extract(epoch FROM ${now}::timestamptz - s.oldest))::float8 AS "oldestAgeSeconds",
             coalesce(d.paused, false) AS paused, coalesce(d.weight, 1)::int AS weight,
             d.concurrency_max AS "concurrencyMax",
             CASE WHEN d.rate_max IS NOT NULL
                  THEN json_build_object('max', d.rate_max, 'periodMillis', d.rate_period_millis) END AS rate,
             coalesce(d.version, 0) AS version,
             json_build_object('jobs', h.jobs, 'failed', h.failed) AS "lastHour"
        FROM summed s
       CROSS JOIN LATERAL (
             SELECT coalesce(sum(jobs_count), 0) AS jobs, coalesce(sum(failed_count), 0) AS failed
               FROM ${sql(tables.history)}
              WHERE tenant_id = ${tenantId}
                AND queue IN (s.queue, ${quarantinePrefix} || s.queue)
                AND done_at >= ${since}
                AND day >= ${since}::timestamptz::date) h
        LEFT JOIN ${definition} d ON d.tenant_id = ${tenantId} AND d.queue = s.queue
       ORDER BY s.queue
    `
  }

  const minutes: ControlStatements["minutes"] = (tenantId, queue, since, limit) => sql`
    SELECT date_trunc('minute', done_at) AS at, sum(jobs_count)::int AS jobs, sum(failed_count)::int AS failed,
           (1000 * avg(extract(epoch FROM done_at - claimed_at)))::float8 AS "batchMillis"
      FROM ${sql(tables.history)}
     WHERE tenant_id = ${tenantId}
       AND queue IN (${queue}, ${quarantinePrefix + queue})
       AND done_at >= ${since}
       AND day >= ${since}::timestamptz::date
     GROUP BY 1
     ORDER BY 1 DESC
     LIMIT ${limit}
  `

  // The first settings insert; all later ones find the version that they expect, or write nothing.
  const configure: ControlStatements["configure"] = (tenantId, queue, version, settings, now) =>
    sql`
      INSERT INTO ${definition} AS d (tenant_id, queue, weight, concurrency_max, rate_max, rate_period_millis, updated_at)
      SELECT ${tenantId}::text, ${queue}::text, ${settings.weight}::smallint, ${settings.concurrencyMax}::int,
             ${settings.rate?.max ?? null}::int, ${settings.rate?.periodMillis ?? null}::int, ${now}::timestamptz
       WHERE ${version}::int = 0
          OR EXISTS (SELECT 1
                       FROM ${definition}
                      WHERE tenant_id = ${tenantId}
                        AND queue = ${queue})
          ON CONFLICT (tenant_id, queue)
          DO UPDATE SET weight = excluded.weight, concurrency_max = excluded.concurrency_max, rate_max = excluded.rate_max,
                        rate_period_millis = excluded.rate_period_millis, version = d.version + 1,
                        updated_at = excluded.updated_at
              WHERE d.version = ${version}
      RETURNING 1
    `.pipe(Effect.map((rows) => rows.length > 0))

  const setPaused: ControlStatements["setPaused"] = (tenantId, queue, paused, now) =>
    Effect.asVoid(sql`
      INSERT INTO ${definition} AS d (tenant_id, queue, paused, updated_at)
      VALUES (${tenantId}, ${queue}, ${paused}, ${now})
          ON CONFLICT (tenant_id, queue)
          DO UPDATE SET paused = excluded.paused, version = d.version + 1, updated_at = excluded.updated_at
    `)

  const countKeys: ControlStatements["countKeys"] = (keys) =>
    keys.length === 0
      ? Effect.succeed([])
      : sql<{ readonly pending: number }>`
          SELECT coalesce(k.pending, 0) AS pending
            FROM unnest(${keys.map((key) => key.tenantId)}::text[], ${keys.map((key) => key.queue)}::text[],
                        ${keys.map((key) => key.orderingKey)}::text[])
                 WITH ORDINALITY AS x (tenant_id, queue, ordering_key, n)
            LEFT JOIN ${sql(tables.key)} k
              ON k.tenant_id = x.tenant_id AND k.queue = x.queue AND k.ordering_key = x.ordering_key
           ORDER BY x.n
        `.pipe(Effect.map((rows) => rows.map((row) => row.pending)))

  return { states, minutes, configure, setPaused, countKeys }
}

/** Returns the queues of all tenants that are paused, limited or have another weight than 1. */
export const readSettings = (
  sql: SqlClient.SqlClient,
  tables: Tables
): Effect.Effect<ReadonlyArray<SettingsRow>, SqlError> => sql<SettingsRow>`
  SELECT tenant_id AS "tenantId", queue, paused, weight,
         concurrency_max IS NOT NULL OR rate_max IS NOT NULL AS "isLimited"
    FROM ${sql(tables.definition)}
   WHERE paused
      OR weight <> 1
      OR concurrency_max IS NOT NULL
      OR rate_max IS NOT NULL
`

/** Returns the depth of the named queues, over all tenants. */
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
    LEFT JOIN (${counted(sql, tables, sql.literal("true"))}) c ON c.queue = q.queue
   GROUP BY q.queue
`

/** Returns the first day of the payload table that a job still refers to; undefined when no job does. */
export const oldestBody = (
  sql: SqlClient.SqlClient,
  tables: Tables
): Effect.Effect<Date | undefined, SqlError> =>
  sql<{ readonly millis: number | null }>`
    SELECT (1000 * extract(epoch FROM min(day)))::float8 AS millis
      FROM (
            SELECT min(body_day) AS day
              FROM ${sql(tables.ready)}
            UNION ALL
            SELECT min(body_day)
              FROM ${sql(tables.delayed)}
            UNION ALL
            SELECT min(body_day)
              FROM ${sql(tables.keyed)}
            UNION ALL
            SELECT min(body_day)
              FROM ${sql(tables.dead)}
            UNION ALL
            SELECT min(${sql.literal(packed.bodyDay)})
              FROM ${sql(tables.lease)} l
              CROSS JOIN LATERAL json_array_elements(l.jobs) e) days
  `.pipe(Effect.map(([row]) => (row?.millis == null ? undefined : new Date(row.millis))))
