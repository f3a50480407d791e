/**
 * The statements that write exposures, and bring units and their facts into the moments.
 *
 * Each writer locks its units, writes, and then accounts for them: a unit's totals are computed from its facts, and the
 * moments change by the difference to what they hold of it. So neither the order of arrival nor a repetition matters.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { measures, products, sums } from "./moments.ts"

/** A total beyond it would lose digits outside of Postgres: the unit counts with this much. */
export const totalMax = 9_007_199_254_740_991n

export interface ExposureColumns {
  readonly experimentIds: ReadonlyArray<string>
  readonly unitKinds: ReadonlyArray<string>
  readonly units: ReadonlyArray<string>
  readonly variants: ReadonlyArray<number>
  readonly phases: ReadonlyArray<number>
  readonly ats: ReadonlyArray<string>
}

export interface UnitKey {
  readonly unitKind: string
  readonly unit: string
}

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(measures.join(", "))
  const signedProducts = sql.literal(
    products
      .map(
        (pair) =>
          `coalesce(sum(sign * ${pair[0]}::numeric * ${pair[1]}) FILTER (WHERE NOT crossed), 0) AS ${pair}`
      )
      .join(",\n")
  )
  const signedSums = sql.literal(
    sums.map((name) => `coalesce(sum(sign * ${name}) FILTER (WHERE NOT crossed), 0) AS ${name}`).join(",\n")
  )
  const max = sql.literal(String(totalMax))

  /** Makes the units' locks, in the order in which {@link holdUnits} takes them. */
  const makeUnits = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql`
    INSERT INTO hm_experiment_subject (tenant_id, unit_kind, unit)
    SELECT DISTINCT ${tenantId}, t.unit_kind, t.unit
      FROM unnest(${kinds}::text[], ${units}::text[]) AS t (unit_kind, unit)
     ORDER BY t.unit_kind, t.unit
        ON CONFLICT (tenant_id, unit_kind, unit) DO NOTHING
    RETURNING 1
  `

  /** Deletes the units' locks, which this transaction has: others wait for it all the same. */
  const dropUnits = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql`
    DELETE FROM hm_experiment_subject s
     USING unnest(${kinds}::text[], ${units}::text[]) AS i (unit_kind, unit)
     WHERE s.tenant_id = ${tenantId} AND s.unit_kind = i.unit_kind AND s.unit = i.unit
    RETURNING 1
  `

  const holdUnits = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql`
    SELECT 1
      FROM hm_experiment_subject s
      JOIN (
           SELECT DISTINCT unit_kind, unit
             FROM unnest(${kinds}::text[], ${units}::text[]) AS i (unit_kind, unit)
           ) t
        ON t.unit_kind = s.unit_kind AND t.unit = s.unit
     WHERE s.tenant_id = ${tenantId}
     ORDER BY s.unit_kind, s.unit
       FOR UPDATE OF s
  `

  /**
   * Writes exposures and returns the units whose arm, phase or first exposure they changed. The earliest exposure decides,
   * by time and then by arm, so that their order of arrival does not.
   */
  const writeExposures = (tenantId: string, exposures: ExposureColumns) => sql<UnitKey>`
    INSERT INTO hm_experiment_unit AS u (tenant_id, unit_kind, unit, experiment_id, variant, phase, first_exposed_at,
                                         crossed)
    SELECT ${tenantId}, i.unit_kind, i.unit, i.experiment_id,
           (array_agg(i.variant ORDER BY i.at, i.variant))[1], (array_agg(i.phase ORDER BY i.at, i.variant))[1],
           min(i.at), count(DISTINCT i.variant) > 1
      FROM unnest(${exposures.experimentIds}::uuid[], ${exposures.unitKinds}::text[], ${exposures.units}::text[],
                  ${exposures.variants}::smallint[], ${exposures.phases}::int[], ${exposures.ats}::timestamptz[])
           AS i (experiment_id, unit_kind, unit, variant, phase, at)
     GROUP BY i.unit_kind, i.unit, i.experiment_id
     ORDER BY i.unit_kind, i.unit, i.experiment_id
        ON CONFLICT (tenant_id, unit_kind, unit, experiment_id)
           DO UPDATE
           SET variant = CASE WHEN (excluded.first_exposed_at, excluded.variant) < (u.first_exposed_at, u.variant)
                              THEN excluded.variant ELSE u.variant END,
               phase = CASE WHEN (excluded.first_exposed_at, excluded.variant) < (u.first_exposed_at, u.variant)
                            THEN excluded.phase ELSE u.phase END,
               first_exposed_at = least(u.first_exposed_at, excluded.first_exposed_at),
               crossed = u.crossed OR excluded.crossed OR u.variant <> excluded.variant
         WHERE excluded.first_exposed_at < u.first_exposed_at
            OR (NOT u.crossed AND (excluded.crossed OR u.variant <> excluded.variant))
            OR (excluded.first_exposed_at = u.first_exposed_at AND excluded.variant < u.variant)
    RETURNING u.unit_kind AS "unitKind", u.unit
  `

  /** Logs what is in `signed` for the moments. */
  const logged = (tenantId: string) => sql`
    INSERT INTO hm_experiment_delta (tenant_id, experiment_id, position, variant, phase, day, ${names})
    SELECT ${tenantId}, experiment_id, position, variant, phase, day, ${names}
      FROM (
           SELECT experiment_id, position, variant, phase, day,
                  coalesce(sum(sign) FILTER (WHERE NOT crossed), 0) AS n,
                  coalesce(sum(sign) FILTER (WHERE crossed), 0) AS crossed,
                  coalesce(sum(sign * other) FILTER (WHERE NOT crossed), 0) AS other,
                  ${signedSums},
                  ${signedProducts}
             FROM (
                  SELECT s.sign, s.experiment_id, s.variant, s.phase, s.day, s.crossed, p.position,
                         coalesce(s.totals[p.position][1], 0) AS y, coalesce(s.totals[p.position][2], 0) AS d,
                         coalesce(s.totals[p.position][3], 0) AS x, coalesce(s.totals[p.position][4], 0) AS e,
                         coalesce(s.totals[p.position][5], 0) AS other
                    FROM signed s
                   CROSS JOIN LATERAL generate_series(0, coalesce(array_length(s.totals, 1), 0)) AS p (position)
                  ) lines
            GROUP BY experiment_id, position, variant, phase, day
           ) cells
     WHERE (n, crossed, other, y, d, x, e, yy, dd, xx, ee, yd, yx, ye, dx, de, xe)
           <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  `

  /** Brings the units' totals up to their facts, and logs the difference for the moments. */
  const account = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql`
    WITH affected AS MATERIALIZED (
      SELECT u.*
        FROM (
             SELECT DISTINCT unit_kind, unit
               FROM unnest(${kinds}::text[], ${units}::text[]) AS i (unit_kind, unit)
             ) t
       CROSS JOIN LATERAL (
             SELECT *
               FROM hm_experiment_unit
              WHERE tenant_id = ${tenantId} AND unit_kind = t.unit_kind AND unit = t.unit
             OFFSET 0
             ) u
    ),
    -- One line per metric. A conversion is at most 1, and caps hold for both parts of a ratio and for the past alike.
    lines AS (
      SELECT a.unit_kind, a.unit, a.experiment_id, g.position,
             ARRAY[
               least(greatest(CASE WHEN m.kind IN ('conversion', 'retention') THEN least(s.y, 1) ELSE s.y END, -c.y), c.y)::bigint,
               least(greatest(s.d, -c.d), c.d)::bigint,
               least(greatest(CASE WHEN m.kind IN ('conversion', 'retention') THEN least(s.x, 1) ELSE s.x END, -c.y), c.y)::bigint,
               least(greatest(s.e, -c.d), c.d)::bigint,
               s.other
             ] AS line
        FROM affected a
        JOIN hm_experiment_goal g ON g.tenant_id = ${tenantId} AND g.experiment_id = a.experiment_id
       CROSS JOIN LATERAL (
             SELECT *
               FROM hm_experiment_metric
              WHERE tenant_id = ${tenantId} AND metric_id = g.metric_id
              LIMIT 1
             ) m
       CROSS JOIN LATERAL (
             SELECT coalesce(m.cap, ${max})::numeric AS y, coalesce(m.denominator_cap, ${max})::numeric AS d
             ) c
       CROSS JOIN LATERAL (
             SELECT coalesce(sum(v.amount) FILTER (WHERE v.is_numerator AND v.is_after), 0) AS y,
                    coalesce(sum(v.quantity) FILTER (WHERE v.is_denominator AND v.is_after), 0) AS d,
                    coalesce(sum(v.amount) FILTER (WHERE v.is_numerator AND v.is_before), 0) AS x,
                    coalesce(sum(v.quantity) FILTER (WHERE v.is_denominator AND v.is_before), 0) AS e,
                    count(*) FILTER (WHERE v.is_other AND v.is_after) AS other
               FROM (
                    SELECT f.quantity,
                           CASE WHEN m.kind IN ('sum', 'ratio') THEN f.value ELSE f.quantity END AS amount,
                           f.source = m.source AND NOT b.is_other AS is_numerator,
                           f.source = m.denominator_source AND NOT b.is_other AS is_denominator,
                           b.is_other,
                           f.at < a.first_exposed_at AS is_before,
                           f.at >= a.first_exposed_at + make_interval(secs => m.window_start_seconds) AS is_after
                      FROM hm_experiment_fact f
                     CROSS JOIN LATERAL (
                           -- Money is added in one currency only; without one, a sum takes numbers that are no money.
                           SELECT f.currency IS NOT NULL AND f.currency IS DISTINCT FROM m.currency
                                  AND (m.currency IS NOT NULL OR m.kind IN ('sum', 'ratio')) AS is_other
                           ) b
                     WHERE f.tenant_id = ${tenantId} AND f.unit_kind = a.unit_kind AND f.unit = a.unit
                       AND f.at >= a.first_exposed_at - make_interval(secs => m.pre_period_seconds)
                       AND f.at < a.first_exposed_at + make_interval(secs => m.window_seconds)
                       AND (f.source = m.source OR f.source = m.denominator_source)
                    ) v
             ) s
    ),
    current AS MATERIALIZED (
      SELECT a.unit_kind, a.unit, a.experiment_id, a.variant, a.phase, a.crossed,
             (a.first_exposed_at AT TIME ZONE 'UTC')::date AS day,
             a.accounted_variant, a.accounted_phase, a.accounted_day, a.accounted_crossed, a.totals AS accounted,
             coalesce(array_agg(l.line ORDER BY l.position) FILTER (WHERE l.position IS NOT NULL), '{}') AS totals
        FROM affected a
        LEFT JOIN lines l ON l.unit_kind = a.unit_kind AND l.unit = a.unit AND l.experiment_id = a.experiment_id
       GROUP BY a.unit_kind, a.unit, a.experiment_id, a.variant, a.phase, a.crossed, a.first_exposed_at,
                a.accounted_variant, a.accounted_phase, a.accounted_day, a.accounted_crossed, a.totals
    ),
    changed AS MATERIALIZED (
      SELECT *
        FROM current
       WHERE (variant, phase, day, crossed, totals)
             IS DISTINCT FROM (accounted_variant, accounted_phase, accounted_day, accounted_crossed, accounted)
    ),
    noted AS (
      UPDATE hm_experiment_unit u
         SET accounted_variant = c.variant,
             accounted_phase = c.phase,
             accounted_day = c.day,
             accounted_crossed = c.crossed,
             totals = c.totals
        FROM changed c
       WHERE u.tenant_id = ${tenantId} AND u.unit_kind = c.unit_kind AND u.unit = c.unit
         AND u.experiment_id = c.experiment_id
    ),
    -- What the moments hold of the unit is taken out, and what it is now is put in.
    signed AS (
      SELECT -1 AS sign, experiment_id, accounted_variant AS variant, accounted_phase AS phase, accounted_day AS day,
             accounted_crossed AS crossed, accounted AS totals
        FROM changed
       WHERE accounted_variant IS NOT NULL
       UNION ALL
      SELECT 1, experiment_id, variant, phase, day, crossed, totals
        FROM changed
    )
    ${logged(tenantId)}
  `

  /** Deletes units with what the moments hold of them, as if they had never been exposed. Returns their number. */
  const release = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql<{
    readonly released: number
  }>`
    WITH gone AS MATERIALIZED (
      DELETE FROM hm_experiment_unit u
       USING unnest(${kinds}::text[], ${units}::text[]) AS i (unit_kind, unit)
       WHERE u.tenant_id = ${tenantId} AND u.unit_kind = i.unit_kind AND u.unit = i.unit
      RETURNING u.*
    ),
    signed AS (
      SELECT -1 AS sign, experiment_id, accounted_variant AS variant, accounted_phase AS phase, accounted_day AS day,
             accounted_crossed AS crossed, totals
        FROM gone
       WHERE accounted_variant IS NOT NULL
    ),
    logged AS (
      ${logged(tenantId)}
    )
    SELECT count(*)::int AS released
      FROM gone
  `

  /**
   * Makes and takes the units' locks. An erasure deletes locks that another transaction waits for, so that what was not taken is
   * made again. Returns how many were made.
   */
  const lockUnits = Effect.fnUntraced(function* (
    tenantId: string,
    kinds: ReadonlyArray<string>,
    units: ReadonlyArray<string>
  ) {
    const wanted = new Set(units.map((unit, index) => JSON.stringify([kinds[index], unit]))).size
    let made = 0
    let held = 0
    while (held < wanted) {
      made += (yield* makeUnits(tenantId, kinds, units)).length
      held = (yield* holdUnits(tenantId, kinds, units)).length
    }
    return made
  })

  return { lockUnits, dropUnits, writeExposures, account, release }
}
