/** The statements of planned looks: when the next one is due, and which experiments have one. */
import type * as SqlClient from "effect/sql/SqlClient"

/** Tenants per round of the job. Others have their turn in the next one, as tenants come in random order. */
const tenantsMax = 1_000

export interface Due {
  /** The plan has looks at fixed times. */
  readonly isPlanned: boolean
  /** The time of a planned look has come, and it was not taken. */
  readonly isDue: boolean
}

export const make = (sql: SqlClient.SqlClient) => {
  /** Locks the experiment: of two that take its planned look the second finds that none is due. */
  const lock = (tenantId: string, experimentId: string, now: Date) => sql<Due>`
    SELECT plan ->> 'lookEverySeconds' IS NOT NULL AS "isPlanned", coalesce(next_look_at <= ${now}, false) AS "isDue"
      FROM hm_experiment
     WHERE tenant_id = ${tenantId} AND experiment_id = ${experimentId}::uuid
       FOR UPDATE
  `

  /**
   * Goes on to the planned time after this one, if a look was due. Times that have passed meanwhile are left out: looks at the same
   * units would find nothing more.
   */
  const advance = (tenantId: string, experimentId: string, now: Date, isOver: boolean) => sql`
    UPDATE hm_experiment
       SET next_look_at = CASE WHEN ${isOver}::boolean THEN NULL
                               ELSE next_look_at
                                    + (floor(extract(epoch FROM ${now}::timestamptz - next_look_at)
                                             / (plan ->> 'lookEverySeconds')::numeric)::int + 1)
                                      * (plan ->> 'lookEverySeconds')::int * interval '1 second'
                          END
     WHERE tenant_id = ${tenantId} AND experiment_id = ${experimentId}::uuid
       AND (next_look_at <= ${now} OR (${isOver}::boolean AND next_look_at IS NOT NULL))
  `

  /** A tenant with many due looks is one row, and one that fails is not always the first. */
  const dueTenants = (now: Date) => sql<{ readonly tenantId: string }>`
    SELECT tenant_id AS "tenantId"
      FROM hm_experiment
     WHERE next_look_at <= ${now}
     GROUP BY tenant_id
     ORDER BY random()
     LIMIT ${tenantsMax}
  `

  /** Two experiments at most: the one to look at, and whether there are more. In random order, so that no one blocks the others. */
  const dueExperiments = (tenantId: string, now: Date) => sql<{ readonly experimentId: string }>`
    SELECT experiment_id::text AS "experimentId"
      FROM hm_experiment
     WHERE tenant_id = ${tenantId} AND next_look_at <= ${now}
     ORDER BY random()
     LIMIT 2
  `

  return { lock, advance, dueTenants, dueExperiments }
}
