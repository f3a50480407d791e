/** The sums and products of which statistics are computed: per experiment, metric, variant, phase and day. */
import type * as SqlClient from "effect/sql/SqlClient"

export const products = ["yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee"] as const
export const sums = ["y", "d", "x", "e"] as const
export const measures = ["n", "crossed", "other", ...sums, ...products] as const

export interface CappedExperiment {
  readonly experimentId: string
  readonly unitKind: string
}

/** The percentile of a metric's totals, by the metric's place in them. */
export interface Percentile {
  readonly position: number
  readonly percentile: number
}

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(measures.join(", "))
  const summed = sql.literal(measures.map((name) => `sum(${name}) AS ${name}`).join(", "))
  const cappedSums = sql.literal(
    [
      ...["n", "crossed", "other", ...sums].map((name) => `sum(${name}) AS ${name}`),
      ...products.map((pair) => `sum(${pair[0]} * ${pair[1]}) AS ${pair}`)
    ].join(", ")
  )
  const added = sql.literal(measures.map((name) => `${name} = m.${name} + excluded.${name}`).join(",\n"))

  /** Moves some of the log into the moments. One statement: what is deleted is what is added. */
  const merge = (tenantId: string, limit: number) => sql<{ readonly merged: number }>`
    WITH taken AS MATERIALIZED (
      DELETE FROM hm_experiment_delta
       WHERE tenant_id = ${tenantId}
         AND ctid = ANY (ARRAY (
             SELECT ctid
               FROM hm_experiment_delta
              WHERE tenant_id = ${tenantId}
              LIMIT ${limit}
                FOR UPDATE SKIP LOCKED
             ))
      RETURNING *
    ),
    added AS (
      INSERT INTO hm_experiment_moment AS m (tenant_id, experiment_id, position, variant, phase, day, ${names})
      SELECT ${tenantId}, experiment_id, position, variant, phase, day, ${summed}
        FROM taken
       GROUP BY experiment_id, position, variant, phase, day
       ORDER BY experiment_id, position, variant, phase, day
          ON CONFLICT (tenant_id, experiment_id, position, variant, phase, day)
             DO UPDATE
             SET ${added}
    )
    SELECT count(*)::int AS merged
      FROM taken
  `

  /** The moments of an experiment, merged or not. */
  const held = (tenantId: string, experimentId: string) => sql`
    SELECT position, variant, phase, ${summed}, NULL::bigint AS cap, NULL::bigint AS "denominatorCap"
      FROM (
           SELECT position, variant, phase, ${names}
             FROM hm_experiment_moment
            WHERE tenant_id = ${tenantId} AND experiment_id = ${experimentId}::uuid
            UNION ALL
           SELECT position, variant, phase, ${names}
             FROM hm_experiment_delta
            WHERE tenant_id = ${tenantId} AND experiment_id = ${experimentId}::uuid
           ) held
     GROUP BY position, variant, phase
  `

  /**
   * The moments of the metrics at these positions with their totals capped at percentiles, from the rows of the units: a cap that
   * moves changes units of any day.
   */
  const capped = (
    tenantId: string,
    { experimentId, unitKind }: CappedExperiment,
    percentiles: ReadonlyArray<Percentile>
  ) => sql`
    WITH lines AS MATERIALIZED (
      SELECT u.accounted_variant AS variant, u.accounted_phase AS phase, p.position, p.percentile,
             coalesce(u.totals[p.position][1], 0) AS y, coalesce(u.totals[p.position][2], 0) AS d,
             coalesce(u.totals[p.position][3], 0) AS x, coalesce(u.totals[p.position][4], 0) AS e,
             coalesce(u.totals[p.position][5], 0) AS other
        FROM hm_experiment_unit u
       CROSS JOIN unnest(${percentiles.map(({ position }) => position)}::int[],
                         ${percentiles.map(({ percentile }) => percentile)}::float8[]) AS p (position, percentile)
       WHERE u.tenant_id = ${tenantId} AND u.unit_kind = ${unitKind} AND u.experiment_id = ${experimentId}::uuid
         AND u.accounted_variant IS NOT NULL AND NOT u.accounted_crossed
    ),
    caps AS MATERIALIZED (
      SELECT position, percentile_disc(percentile) WITHIN GROUP (ORDER BY y) AS cap,
             percentile_disc(percentile) WITHIN GROUP (ORDER BY d) AS denominator_cap
        FROM lines
       GROUP BY position, percentile
    ),
    -- The bound holds for the time before as for the time after.
    bounded AS (
      SELECT l.position, l.variant, l.phase, 1 AS n, 0 AS crossed, l.other, c.cap, c.denominator_cap,
             least(l.y, c.cap)::numeric AS y, least(l.d, c.denominator_cap)::numeric AS d,
             least(l.x, c.cap)::numeric AS x, least(l.e, c.denominator_cap)::numeric AS e
        FROM lines l
        JOIN caps c ON c.position = l.position
    )
    SELECT position, variant, phase, ${cappedSums}, cap, denominator_cap AS "denominatorCap"
      FROM bounded
     GROUP BY position, variant, phase, cap, denominator_cap
  `

  /** The moments of an experiment in one snapshot, those of metrics with a percentile from the rows of the units. */
  const moments = (tenantId: string, experiment: CappedExperiment, percentiles: ReadonlyArray<Percentile>) =>
    percentiles.length === 0
      ? sql<Record<string, unknown>>`
          SELECT *
            FROM (${held(tenantId, experiment.experimentId)}) cells
           ORDER BY position, variant, phase
        `
      : sql<Record<string, unknown>>`
          SELECT *
            FROM (${held(tenantId, experiment.experimentId)}) cells
           WHERE position <> ALL (${percentiles.map(({ position }) => position)}::int[])
           UNION ALL
          SELECT *
            FROM (${capped(tenantId, experiment, percentiles)}) capped_cells
           ORDER BY position, variant, phase
        `

  return { merge, moments }
}
