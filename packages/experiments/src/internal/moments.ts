/** The sums and products of which statistics are computed: per experiment, metric, variant, phase and day. */
import type * as SqlClient from "effect/sql/SqlClient"

export const products = ["yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee"] as const
export const sums = ["y", "d", "x", "e"] as const
export const measures = ["n", "crossed", "other", ...sums, ...products] as const

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(measures.join(", "))
  const summed = sql.literal(measures.map((name) => `sum(${name}) AS ${name}`).join(", "))
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

  /** The moments of an experiment, merged or not, in one snapshot. */
  const moments = (tenantId: string, experimentId: string) => sql<Record<string, unknown>>`
    SELECT position, variant, phase, ${summed}
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
     ORDER BY position, variant, phase
  `

  return { merge, moments }
}
