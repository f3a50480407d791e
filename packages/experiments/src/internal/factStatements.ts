/** The statements that write facts and refunds, under the locks of their keys. */
import type * as SqlClient from "effect/sql/SqlClient"
import { totalMax, type UnitKey } from "./accounting.ts"

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

/** The source that orders fill, and refunds reduce. */
export const orderSource = "order"

export const make = (sql: SqlClient.SqlClient) => {
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

  return { lockKeys, holdKeys, writeFacts, writeRefunds, applyRefunds }
}
