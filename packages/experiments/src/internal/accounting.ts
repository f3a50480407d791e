/**
 * The statements that write facts and exposures and bring them into the moments.
 *
 * Each writer locks its units, writes, and then accounts for them: a unit's totals are computed from its facts, and the
 * moments change by the difference to what they hold of it. So neither the order of arrival nor a repetition matters.
 */
import type * as SqlClient from "effect/sql/SqlClient"

/** A total beyond it would lose digits outside of Postgres: the unit counts with this much. */
const totalMax = 9_007_199_254_740_991n

export const products = ["yy", "yd", "yx", "ye", "dd", "dx", "de", "xx", "xe", "ee"] as const
export const sums = ["y", "d", "x", "e"] as const
const measures = ["n", "crossed", "other", ...sums, ...products] as const

export interface FactColumns {
  readonly sources: ReadonlyArray<string>
  readonly factIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<string>
  readonly unitKinds: ReadonlyArray<string>
  readonly units: ReadonlyArray<string>
  readonly ats: ReadonlyArray<string>
  readonly quantities: ReadonlyArray<number>
  readonly values: ReadonlyArray<string>
  /** Empty for none: the driver cannot send an array of nulls only. */
  readonly currencies: ReadonlyArray<string>
}

export interface RefundColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly refundIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<string>
  readonly amounts: ReadonlyArray<string>
}

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

/** The source that orders fill, and refunds reduce. */
export const orderSource = "order"

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(measures.join(", "))
  const summed = sql.literal(measures.map((name) => `sum(${name}) AS ${name}`).join(", "))
  const added = sql.literal(measures.map((name) => `${name} = m.${name} + excluded.${name}`).join(",\n"))
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

  /** Locks the keys of facts, which are made when they are missing. All writers lock in this order: keys, then units. */
  const lockKeys = (
    tenantId: string,
    sources: ReadonlyArray<string>,
    factIds: ReadonlyArray<string>,
    now: Date
  ) => sql`
    INSERT INTO hm_experiment_fact_key (tenant_id, source, fact_id, version, unit_kind, unit, at, quantity, value)
    SELECT DISTINCT ${tenantId}, k.source, k.fact_id, 0, '', '', ${now}::timestamptz, 0, 0
      FROM unnest(${sources}::text[], ${factIds}::text[]) AS k (source, fact_id)
     ORDER BY k.source, k.fact_id
        ON CONFLICT (tenant_id, source, fact_id) DO NOTHING
  `

  const holdKeys = (tenantId: string, sources: ReadonlyArray<string>, factIds: ReadonlyArray<string>) => sql`
    SELECT 1
      FROM hm_experiment_fact_key h
      JOIN (
           SELECT DISTINCT source, fact_id
             FROM unnest(${sources}::text[], ${factIds}::text[]) AS i (source, fact_id)
           ) k
        ON k.source = h.source AND k.fact_id = h.fact_id
     WHERE h.tenant_id = ${tenantId}
     ORDER BY h.source, h.fact_id
       FOR UPDATE OF h
  `

  /** Writes the facts that are newer than what is known, and returns the units that they left or came to. */
  const writeFacts = (tenantId: string, facts: FactColumns) => sql<{
    readonly unitKind: string | null
    readonly unit: string | null
    /** The number of facts written, in the first row; 0 in the others. */
    readonly written: number
  }>`
    WITH incoming AS (
      SELECT *
        FROM unnest(${facts.sources}::text[], ${facts.factIds}::text[], ${facts.versions}::bigint[],
                    ${facts.unitKinds}::text[], ${facts.units}::text[], ${facts.ats}::timestamptz[],
                    ${facts.quantities}::bigint[], ${facts.values}::bigint[], ${facts.currencies}::text[])
             AS i (source, fact_id, version, unit_kind, unit, at, quantity, value, currency)
    ),
    -- A lower version comes late, an equal one again: both change nothing.
    -- A deleted order comes without a unit and keeps the one it had, or has none while the order is unknown.
    newer AS MATERIALIZED (
      SELECT i.source, i.fact_id, i.version, i.quantity, i.value, i.currency,
             CASE WHEN i.unit = '' THEN k.unit_kind ELSE i.unit_kind END AS unit_kind,
             CASE WHEN i.unit = '' THEN k.unit ELSE i.unit END AS unit,
             CASE WHEN i.unit = '' THEN k.at ELSE i.at END AS at,
             k.version AS old_version, k.unit_kind AS old_kind, k.unit AS old_unit, k.at AS old_at,
             CASE WHEN i.quantity = 0 THEN 0 ELSE i.value - k.refunded END AS effective
        FROM incoming i
       CROSS JOIN LATERAL (
             SELECT *
               FROM hm_experiment_fact_key
              WHERE tenant_id = ${tenantId} AND source = i.source AND fact_id = i.fact_id
              LIMIT 1
             ) k
       WHERE i.version > k.version
    ),
    moved AS (
      DELETE FROM hm_experiment_fact f
       USING newer n
       WHERE f.tenant_id = ${tenantId} AND f.unit_kind = n.old_kind AND f.unit = n.old_unit AND f.at = n.old_at
         AND f.source = n.source AND f.fact_id = n.fact_id
         AND n.old_version > 0 AND (n.old_kind, n.old_unit, n.old_at) <> (n.unit_kind, n.unit, n.at)
    ),
    written AS (
      INSERT INTO hm_experiment_fact AS f (tenant_id, unit_kind, unit, at, source, fact_id, version, quantity, value,
                                           currency)
      SELECT ${tenantId}, unit_kind, unit, at, source, fact_id, version, quantity,
             least(greatest(effective, -${max}), ${max})::bigint, nullif(currency, '')
        FROM newer
       WHERE unit <> ''
          ON CONFLICT (tenant_id, unit_kind, unit, at, source, fact_id)
             DO UPDATE
             SET version = excluded.version,
                 quantity = excluded.quantity,
                 value = excluded.value,
                 currency = excluded.currency
    ),
    keyed AS (
      INSERT INTO hm_experiment_fact_key AS k (tenant_id, source, fact_id, version, unit_kind, unit, at, quantity, value)
      SELECT ${tenantId}, source, fact_id, version, unit_kind, unit, at, quantity, value
        FROM newer
          ON CONFLICT (tenant_id, source, fact_id)
             DO UPDATE
             SET version = excluded.version,
                 unit_kind = excluded.unit_kind,
                 unit = excluded.unit,
                 at = excluded.at,
                 quantity = excluded.quantity,
                 value = excluded.value
    )
    SELECT touched.unit_kind AS "unitKind", touched.unit,
           CASE WHEN coalesce(touched.place, 1) = 1 THEN c.written ELSE 0 END::int AS written
      FROM (
           SELECT count(*) AS written
             FROM newer
           ) c
      LEFT JOIN (
           SELECT unit_kind, unit, row_number() OVER () AS place
             FROM (
                  SELECT unit_kind, unit
                    FROM newer
                   UNION
                  SELECT old_kind, old_unit
                    FROM newer
                   WHERE old_version > 0
                  ) units
            WHERE unit <> ''
           ) touched ON true
  `

  /** Writes refunds, and takes them from the facts of their orders, known or to come. Returns the units concerned. */
  const writeRefunds = (tenantId: string, refunds: RefundColumns) => sql`
    INSERT INTO hm_experiment_refund AS r (tenant_id, order_id, refund_id, version, amount)
    SELECT ${tenantId}, *
      FROM unnest(${refunds.orderIds}::text[], ${refunds.refundIds}::text[], ${refunds.versions}::bigint[],
                  ${refunds.amounts}::numeric[])
        ON CONFLICT (tenant_id, order_id, refund_id)
           DO UPDATE
           SET version = excluded.version,
               amount = excluded.amount
         WHERE r.version < excluded.version
  `

  const applyRefunds = (tenantId: string, orderIds: ReadonlyArray<string>) => sql<UnitKey>`
    WITH orders AS MATERIALIZED (
      SELECT o.order_id, t.refunded
        FROM (
             SELECT DISTINCT order_id
               FROM unnest(${orderIds}::text[]) AS i (order_id)
             ) o
       CROSS JOIN LATERAL (
             SELECT sum(amount) AS refunded
               FROM hm_experiment_refund
              WHERE tenant_id = ${tenantId} AND order_id = o.order_id
             ) t
    ),
    keyed AS (
      UPDATE hm_experiment_fact_key k
         SET refunded = o.refunded
        FROM orders o
       WHERE k.tenant_id = ${tenantId} AND k.source = ${orderSource} AND k.fact_id = o.order_id
         AND k.refunded <> o.refunded
      RETURNING k.*
    ),
    written AS (
      UPDATE hm_experiment_fact f
         SET value = CASE WHEN k.quantity = 0 THEN 0
                          ELSE least(greatest(k.value - k.refunded, -${max}), ${max})::bigint END
        FROM keyed k
       WHERE k.version > 0 AND f.tenant_id = ${tenantId} AND f.unit_kind = k.unit_kind AND f.unit = k.unit
         AND f.at = k.at AND f.source = k.source AND f.fact_id = k.fact_id
    )
    SELECT DISTINCT unit_kind AS "unitKind", unit
      FROM keyed
     WHERE version > 0
  `

  /** Makes the units' locks, in the order in which {@link holdUnits} takes them. */
  const makeUnits = (tenantId: string, kinds: ReadonlyArray<string>, units: ReadonlyArray<string>) => sql`
    INSERT INTO hm_experiment_subject (tenant_id, unit_kind, unit)
    SELECT DISTINCT ${tenantId}, t.unit_kind, t.unit
      FROM unnest(${kinds}::text[], ${units}::text[]) AS t (unit_kind, unit)
     ORDER BY t.unit_kind, t.unit
        ON CONFLICT (tenant_id, unit_kind, unit) DO NOTHING
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
               least(greatest(CASE WHEN m.kind = 'conversion' THEN least(s.y, 1) ELSE s.y END, -c.y), c.y)::bigint,
               least(greatest(s.d, -c.d), c.d)::bigint,
               least(greatest(CASE WHEN m.kind = 'conversion' THEN least(s.x, 1) ELSE s.x END, -c.y), c.y)::bigint,
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
                    coalesce(sum(v.amount) FILTER (WHERE v.is_numerator AND NOT v.is_after), 0) AS x,
                    coalesce(sum(v.quantity) FILTER (WHERE v.is_denominator AND NOT v.is_after), 0) AS e,
                    count(*) FILTER (WHERE v.is_other AND v.is_after) AS other
               FROM (
                    SELECT f.quantity,
                           CASE WHEN m.kind IN ('sum', 'ratio') THEN f.value ELSE f.quantity END AS amount,
                           f.source = m.source AND NOT b.is_other AS is_numerator,
                           f.source = m.denominator_source AND NOT b.is_other AS is_denominator,
                           b.is_other,
                           f.at >= a.first_exposed_at AS is_after
                      FROM hm_experiment_fact f
                     CROSS JOIN LATERAL (
                           SELECT m.currency IS NOT NULL AND f.currency IS NOT NULL AND f.currency <> m.currency
                                  AS is_other
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

  return {
    lockKeys,
    holdKeys,
    writeFacts,
    writeRefunds,
    applyRefunds,
    makeUnits,
    holdUnits,
    writeExposures,
    account,
    merge,
    moments
  }
}
