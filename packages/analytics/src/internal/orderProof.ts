/**
 * The statements that compare the summaries with the facts, and that repair them.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import * as Grains from "./grains.ts"
import * as Measures from "./measures.ts"
import { lineOf } from "./orderLine.ts"
import { factsFrom } from "./orderRetention.ts"

export interface Difference {
  readonly side: "missing" | "extra"
  readonly grain: number
  readonly bucket: string
  readonly cell: string
}

/** A month of cells by its first day, and the first day after it. */
export interface Month {
  readonly from: string
  readonly until: string
}

/** No close has this day: a row of a seller's cell is a cause for the seller alone. */
const outside = "1969-01-01"

export const make = (sql: SqlClient.SqlClient) => {
  const names = sql.literal(Measures.names)
  const negated = sql.literal(Measures.negated)
  const cellKey = sql.literal(Measures.cellKey)
  const added = sql.literal(Measures.added)
  const sums = sql.literal(Measures.sums)
  const anySum = sql.literal(Measures.anySum)
  const wideSums = sql.literal(Measures.wideSums)
  const anyWideSum = sql.literal(Measures.anyWideSum)
  const cellsOfFacts = sql.literal(Measures.allCellsOf("facts"))
  const cellsOfDelta = sql.literal(Measures.allCellsOf("undrained"))
  const deltaKey = sql.literal(Measures.deltaKey)
  const ofLine = sql.literal(Measures.ofLine)
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)
  const ofCredit = sql.literal(Measures.ofCredit)
  const keyOfCredit = sql.literal(Measures.keyOfCredit)

  /**
   * Returns the months to prove: those that merges have changed since their last proof, those that differed then, those that
   * were never proven, and a share of the others, the longest unproven first. So each month is proven in `rotation` nights.
   * A merge that began before a proof may end after it, and `overlapMinutes` is longer than any merge. Months whose facts were
   * removed are left out.
   */
  const monthsDue = (tenantId: string, overlapMinutes: number, rotation: number) => sql<Month>`
    WITH months AS (
      SELECT month, max(merged_at) AS merged_at
        FROM (
             SELECT date_trunc('month', bucket)::date AS month, merged_at
               FROM hm_order_summary
              WHERE tenant_id = ${tenantId} AND grain = ${Grains.tenantDay.number} AND seller_id = ''
             UNION ALL
             SELECT date_trunc('month', tenant_day)::date, recorded_at
               FROM hm_order_delta
              WHERE tenant_id = ${tenantId}
                AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)
             UNION ALL
             SELECT month, NULL
               FROM hm_order_month
              WHERE tenant_id = ${tenantId}
             ) a
       WHERE month >= ${factsFrom(sql, tenantId)}
       GROUP BY month),
    ranked AS (
      SELECT m.month, row_number() OVER (ORDER BY p.proved_at, m.month) <= ceil(count(*) OVER () / ${rotation}::numeric)
               AS is_in_turn,
             p.month IS NULL OR p.differences > 0
             OR m.merged_at > p.proved_at - make_interval(mins => ${overlapMinutes}) AS is_due
        FROM months m
        LEFT JOIN hm_order_month p ON p.tenant_id = ${tenantId} AND p.month = m.month)
    SELECT month::text AS "from", (month + interval '1 month')::date::text AS until
      FROM ranked
     WHERE is_due OR is_in_turn
     ORDER BY month
  `

  /**
   * The cells that the facts of whole months of days in the tenant's zone give, and the rows that no summary holds yet. Days of
   * any zone are within two days of the instant in UTC: that much wider the facts are read.
   */
  const compared = (tenantId: string, from: string, until: string) => sql`
facts AS MATERIALIZED (
      SELECT ${deltaKey}, date_trunc('month', tenant_day)::date AS month, ${names}
        FROM (
             SELECT ${deltaKey}, ${ofLine}
               FROM hm_order_line
              WHERE tenant_id = ${tenantId}
                AND ordered_at >= ${from}::date - 2 AND ordered_at < ${until}::date + 2
             UNION ALL
             SELECT ${deltaKey}, ${ofRefund}
               FROM (
                    SELECT l.*, adjusted_units, adjusted_amount, adjusted_tax, adjusted_shipping, adjusted_fees,
                           0 AS refunded_before
                      FROM (
                           SELECT order_id, line_id, hm_sum(units) AS adjusted_units,
                                  hm_sum(amount) AS adjusted_amount, hm_sum(tax) AS adjusted_tax,
                                  hm_sum(shipping) AS adjusted_shipping, hm_sum(fees) AS adjusted_fees
                             FROM hm_order_adjustment
                            WHERE tenant_id = ${tenantId} AND kind = 'refund'
                            GROUP BY order_id, line_id
                           ) a
                     CROSS JOIN LATERAL (${lineOf(sql, tenantId, "a")}) l
                     WHERE l.ordered_at >= ${from}::date - 2 AND l.ordered_at < ${until}::date + 2
                    ) r
             UNION ALL
             SELECT ${deltaKey}, ${ofBooking}
               FROM (
                    SELECT *, units AS adjusted_units, amount AS adjusted_amount, tax AS adjusted_tax,
                           shipping AS adjusted_shipping, fees AS adjusted_fees
                      FROM hm_order_adjustment
                     WHERE tenant_id = ${tenantId} AND currency IS NOT NULL
                       AND booked_at >= ${from}::date - 2 AND booked_at < ${until}::date + 2
                    ) b
             UNION ALL
             SELECT ${keyOfCredit}, ${ofCredit}
               FROM hm_order_credit
              WHERE tenant_id = ${tenantId}
                AND booked_at >= ${from}::date - 2 AND booked_at < ${until}::date + 2
             ) f),
    undrained AS MATERIALIZED (
      SELECT *, date_trunc('month', tenant_day)::date AS month
        FROM hm_order_delta
       WHERE tenant_id = ${tenantId}
         AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenantId}), 0)),
    expected AS MATERIALIZED (
      SELECT ${cellKey}, ${names}
        FROM (${cellsOfFacts}) c
       WHERE bucket >= ${from}::date AND bucket < ${until}::date)
  `

  /**
   * Returns every cell that is not what `GROUP BY` of the facts gives, in both directions, in one snapshot. Cells whose facts were
   * removed by then are left out.
   */
  const differences = (tenantId: string, from: string, until: string, max: number) => sql<Difference>`
    WITH ${compared(tenantId, from, until)},
    kept AS MATERIALIZED (
      SELECT ${cellKey}, ${sums}
        FROM (
             SELECT ${cellKey}, ${names}
               FROM hm_order_summary
              WHERE tenant_id = ${tenantId} AND bucket >= ${from}::date AND bucket < ${until}::date
             UNION ALL
             SELECT ${cellKey}, ${names}
               FROM (${cellsOfDelta}) c
              WHERE bucket >= ${from}::date AND bucket < ${until}::date
             ) k
       GROUP BY ${cellKey}
      HAVING ${anySum})
    SELECT side, grain, bucket::text AS bucket, to_json(x)::text AS cell
      FROM (
           SELECT 'missing' AS side, e.*
             FROM (
                  SELECT *
                    FROM expected
                  EXCEPT ALL
                  SELECT *
                    FROM kept
                  ) e
           UNION ALL
           SELECT 'extra', k.*
             FROM (
                  SELECT *
                    FROM kept
                  EXCEPT ALL
                  SELECT *
                    FROM expected
                  ) k
           ) x
     WHERE bucket >= ${factsFrom(sql, tenantId)}
     LIMIT ${max}
  `

  /**
   * Makes the summaries what the facts give, less what is not merged yet. Runs under the lock of the tenant's merges, with a
   * snapshot that is younger than the lock: no merge is between the two. Writers go on, as their rows are merged later. Corrected
   * cells of a closed period are restated as caused by `rebuild`.
   */
  const rebuild = (tenantId: string, { from, until }: Month, now: Date, closes: bigint) => sql<{
    readonly cells: number
  }>`
    WITH ${compared(tenantId, from, until)},
    corrections AS MATERIALIZED (
      SELECT ${cellKey}, ${wideSums}
        FROM (
             SELECT ${cellKey}, ${names}
               FROM expected
             UNION ALL
             SELECT ${cellKey}, ${negated}
               FROM hm_order_summary
              WHERE tenant_id = ${tenantId} AND bucket >= ${from}::date AND bucket < ${until}::date
             UNION ALL
             SELECT ${cellKey}, ${negated}
               FROM (${cellsOfDelta}) c
              WHERE bucket >= ${from}::date AND bucket < ${until}::date
             ) k
       WHERE bucket >= ${factsFrom(sql, tenantId)}
       GROUP BY ${cellKey}
      HAVING ${anyWideSum}),
    written AS (
      INSERT INTO hm_order_summary AS s (tenant_id, ${cellKey}, ${names}, merged_at)
      SELECT ${tenantId}, ${cellKey}, ${names}, ${now}
        FROM corrections
       ORDER BY ${cellKey}
          ON CONFLICT (tenant_id, grain, seller_id, bucket, category, region, channel, currency)
          DO UPDATE SET ${added}, merged_at = excluded.merged_at),
    restated AS (
      INSERT INTO hm_order_restatement (tenant_id, seq, order_id, seller_id, tenant_day, seller_day, currency,
                                        after_close, ${names})
      SELECT ${tenantId}, nextval(pg_get_serial_sequence('hm_order_delta', 'seq')), 'rebuild', seller_id,
             CASE WHEN grain = ${Grains.tenantDay.number} THEN bucket ELSE ${outside}::date END,
             CASE WHEN grain = ${Grains.sellerDay.number} THEN bucket END, currency, ${closes}, ${names}
        FROM corrections
       WHERE grain IN (${Grains.tenantDay.number}, ${Grains.sellerDay.number})
         AND EXISTS (SELECT
                       FROM hm_order_close
                      WHERE tenant_id = ${tenantId} AND from_day <= bucket AND until_day > bucket))
    SELECT count(*)::int AS cells
      FROM corrections
  `

  /** Locks the tenant's merges. A merge with an older snapshot does nothing. */
  const lockMerges = (tenantId: string) => sql<{ readonly closes: bigint }>`
    INSERT INTO hm_order_merge AS m (tenant_id, closes)
    VALUES (${tenantId}, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET closes = m.closes + 1
    RETURNING closes
  `

  /** Returns the first day of kept facts when it is after a day. */
  const removedBefore = (tenantId: string, day: string) => sql<{ readonly before: string }>`
    SELECT facts_from::text AS before
      FROM hm_order_retention
     WHERE tenant_id = ${tenantId} AND facts_from > ${day}::date
  `

  /** Keeps the result of a month's proof. */
  const keep = (tenantId: string, month: string, provedAt: Date, found: number) => sql`
    INSERT INTO hm_order_month (tenant_id, month, proved_at, differences)
    VALUES (${tenantId}, ${month}::date, ${provedAt}, ${found})
        ON CONFLICT (tenant_id, month)
        DO UPDATE SET proved_at = excluded.proved_at, differences = excluded.differences
  `

  return { monthsDue, differences, rebuild, lockMerges, removedBefore, keep }
}
