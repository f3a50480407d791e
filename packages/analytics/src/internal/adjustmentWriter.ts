/**
 * The statements that write refunds and shipments of orders whose heads are locked. See `orderWriter.ts` for how they join.
 */
import type { Fragment, Parameter, Statement } from "effect/sql/Statement"
import type * as SqlClient from "effect/sql/SqlClient"
import { givenRows, shapeOf } from "./givenRows.ts"
import * as KeptStatement from "./keptStatement.ts"
import * as Measures from "./measures.ts"
import type { AdjustmentColumns } from "./orderColumns.ts"
import { lineOrPlaceOf } from "./orderLine.ts"
import {
  adjustmentColumns,
  dimensionColumns,
  lineColumns,
  overlapColumns,
  placeColumns,
  placeReplacedBy,
  prefixed
} from "./orderRows.ts"

/** A `bigint`, as text where another driver reads the rows. */
type Version = bigint | string

export interface Gate {
  readonly orderId: string
  readonly kind: string
  readonly adjustmentId: string
  readonly storedVersion: Version
  readonly storedHash: string
}

export interface AdjustmentWriter {
  /**
   * Writes refunds and shipments that are new, as nearly all are. The heads of their orders must be locked. Returns what is
   * stored of the others, and leaves them as they are.
   */
  readonly book: (tenantId: string, adjustments: AdjustmentColumns, now: Date) => Statement<Gate>
  /** Replaces refunds and shipments, of orders whose heads are locked, by newer ones. */
  readonly adjust: (
    tenantId: string,
    orderIds: ReadonlyArray<string>,
    adjustments: AdjustmentColumns,
    now: Date
  ) => Statement<object>
}

/** The input of {@link AdjustmentWriter.book} and {@link AdjustmentWriter.adjust}. */
interface Given {
  readonly tenantId: string
  readonly orderIds: ReadonlyArray<string>
  readonly adjustments: AdjustmentColumns
  readonly now: Date
}

const tenantIdOf = ({ tenantId }: Given) => tenantId
const orderIdsOf = ({ orderIds }: Given) => orderIds
const nowOf = ({ now }: Given) => now

const shapeOfGiven = ({ adjustments }: Given) => `${shapeOf(adjustments.orderIds)} ${hasRefunds(adjustments)}`

/** Shipments alone need nothing of what was given back. */
const hasRefunds = ({ kinds }: AdjustmentColumns): boolean => kinds.includes("refund")

export const make = (sql: SqlClient.SqlClient): AdjustmentWriter => {
  const line = sql.literal(lineColumns)
  const key = sql.literal(Measures.deltaKey)
  const names = sql.literal(Measures.names)
  const dimensions = sql.literal(dimensionColumns)
  const overlapOfLine = sql.literal(prefixed("x", overlapColumns))
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)
  const sums = sql.literal(Measures.sums)
  const anySum = sql.literal(Measures.anySum)
  const any = sql.literal(Measures.any)
  const adjustment = sql.literal(adjustmentColumns)
  const bookedPlace = sql.literal(placeColumns)
  const placeReplaced = sql.literal(placeReplacedBy)
  const overlap = sql.literal(overlapColumns)

  const zone = (tenantId: Parameter) => sql`
    coalesce((SELECT zone
                FROM hm_order_zone
               WHERE tenant_id = ${tenantId} AND seller_id = ''), 'UTC')
  `

  /** The given lines of refunds and shipments. */
  const givenAdjustments = (valueOf: KeptStatement.ValueOf<Given>, { adjustments }: Given) =>
    givenRows(valueOf, "i", adjustments.orderIds, [
      ["order_id", "text", ({ adjustments }) => adjustments.orderIds],
      ["line_id", "text", ({ adjustments }) => adjustments.lineIds],
      ["kind", "text", ({ adjustments }) => adjustments.kinds],
      ["adjustment_id", "text", ({ adjustments }) => adjustments.adjustmentIds],
      ["version", "bigint", ({ adjustments }) => adjustments.versions],
      ["body_hash", "text", ({ adjustments }) => adjustments.bodyHashes],
      ["booked_at", "timestamptz", ({ adjustments }) => adjustments.bookedAt],
      ["units", "bigint", ({ adjustments }) => adjustments.units],
      ["amount", "bigint", ({ adjustments }) => adjustments.amounts],
      ["tax", "bigint", ({ adjustments }) => adjustments.taxes],
      ["shipping", "bigint", ({ adjustments }) => adjustments.shippings],
      ["fees", "bigint", ({ adjustments }) => adjustments.fees]
    ])

  /** The money that stored refunds have given back of a line x, where that matters. */
  const refundedOf = (tenantId: Parameter, adjusted: Fragment) => sql`
    CASE WHEN x.cancelled OR x.cancelled_amount > 0
         THEN (SELECT hm_sum(a.amount)
                 FROM hm_order_adjustment a
                WHERE a.tenant_id = ${tenantId} AND a.order_id = ${adjusted}.order_id
                  AND a.line_id = ${adjusted}.line_id AND a.kind = 'refund')
         ELSE 0 END
  `

  /** Lines without content, for what names a line that the order does not have. */
  const placeholders = (tenantId: Parameter) => sql`
    INSERT INTO hm_order_line (tenant_id, ${line})
    SELECT DISTINCT ON (order_id, line_id)
           ${tenantId}, order_id, line_id, '', '', '', region, channel, currency, customer_id, cancelled, false, false,
           true, ordered_at, tenant_day, tenant_day, 0, 0, 0, 0, 0, 0, 0, 0
      FROM x
     WHERE NOT is_known AND (adjusted_units, adjusted_amount, adjusted_tax, adjusted_shipping, adjusted_fees)
                            <> (0, 0, 0, 0, 0)
        ON CONFLICT (tenant_id, order_id, line_id) DO NOTHING
  `

  /** {@link refundedOf}, and by the refunds of the same batch before. */
  const refundedBefore = (tenantId: Parameter) => sql`
    ${refundedOf(tenantId, sql.literal("i"))}
    + hm_sum(i.amount) OVER (PARTITION BY i.order_id, i.line_id
                                 ORDER BY i.kind, i.adjustment_id
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  `

  /** The contributions of refunds on the days of their orders. */
  const refunds = sql`
    SELECT ${key}, ${ofRefund}
      FROM x
     WHERE currency IS NOT NULL AND kind = 'refund'
    UNION ALL
  `

  /** The new state of all that is adjusted. */
  const adjustmentRows = (tenantId: Parameter) => sql`
    INSERT INTO hm_order_adjustment (tenant_id, ${adjustment}, ${bookedPlace})
    SELECT ${tenantId}, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at, adjusted_units,
           adjusted_amount, adjusted_tax, adjusted_shipping, adjusted_fees, seller_id, product_id, category, region,
           channel, currency, booked_tenant_day, booked_seller_day
      FROM x
  `

  const bookOf = KeptStatement.make<Gate, Given>(sql, shapeOfGiven, (valueOf, given) => {
    const tenantId = valueOf(tenantIdOf)
    const now = valueOf(nowOf)
    return sql`
      WITH i AS MATERIALIZED (
        SELECT i.*, s.version AS stored_version, s.body_hash AS stored_hash
          FROM ${givenAdjustments(valueOf, given)}
          LEFT JOIN LATERAL (
               SELECT a.version, a.body_hash
                 FROM hm_order_adjustment a
                WHERE a.tenant_id = ${tenantId} AND a.order_id = i.order_id AND a.kind = i.kind
                  AND a.adjustment_id = i.adjustment_id
                LIMIT 1) s ON true),
      -- With its line, or in its order's place. What came before its order is counted when the order comes.
      x AS MATERIALIZED (
        SELECT i.order_id, i.line_id, i.kind, i.adjustment_id, i.version, i.body_hash, i.booked_at,
               i.units AS adjusted_units, i.amount AS adjusted_amount, i.tax AS adjusted_tax,
               i.shipping AS adjusted_shipping, i.fees AS adjusted_fees, x.seller_id, x.product_id, x.category, x.region,
               x.channel, x.currency, x.customer_id, x.ordered_at, x.is_known, ${overlapOfLine}, x.tenant_day,
               x.seller_day, (i.booked_at AT TIME ZONE t.zone)::date AS booked_tenant_day,
               CASE WHEN x.currency IS NOT NULL
                    THEN (i.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date END AS booked_seller_day,
               ${hasRefunds(given.adjustments) ? refundedBefore(tenantId) : sql`0`} AS refunded_before
          FROM i
         CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
          LEFT JOIN LATERAL (${lineOrPlaceOf(sql, tenantId, "i")}) x ON true
          LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id
         WHERE i.stored_version IS NULL),
      p AS (${placeholders(tenantId)}),
      a AS (${adjustmentRows(tenantId)}),
      d AS (
        INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
        SELECT ${tenantId}, ${now}, q.*
          FROM (
               ${hasRefunds(given.adjustments) ? refunds : sql``}
               SELECT ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking}
                 FROM x
                WHERE currency IS NOT NULL
               ) q
         WHERE ${any})
      SELECT order_id AS "orderId", kind, adjustment_id AS "adjustmentId", stored_version AS "storedVersion",
             stored_hash AS "storedHash"
        FROM i
       WHERE stored_version IS NOT NULL
    `
  })

  const adjustOf = KeptStatement.make<object, Given>(sql, shapeOfGiven, (valueOf, given) => {
    const tenantId = valueOf(tenantIdOf)
    const orderIds = valueOf(orderIdsOf)
    const now = valueOf(nowOf)
    return sql`
      WITH i AS (
        SELECT *
          FROM ${givenAdjustments(valueOf, given)}),
      -- Given and stored lines under one another; window functions compare where a join of two CTEs would be quadratic.
      u AS (
        SELECT i.*, NULL AS seller_id, NULL AS category, NULL AS region, NULL AS channel, NULL AS currency,
               NULL::date AS tenant_day, NULL::date AS seller_day, true AS is_given
          FROM i
        UNION ALL
        SELECT ${adjustment}, seller_id, category, region, channel, currency, tenant_day, seller_day, false
          FROM hm_order_adjustment
         WHERE tenant_id = ${tenantId} AND order_id = ANY (${orderIds}::text[])),
      g AS (
        SELECT u.*, max(version) FILTER (WHERE is_given) OVER w AS new_version,
               max(body_hash) FILTER (WHERE is_given) OVER w AS new_hash,
               max(booked_at) FILTER (WHERE is_given) OVER w AS new_at
          FROM u
        WINDOW w AS (PARTITION BY order_id, kind, adjustment_id)),
      m AS MATERIALIZED (
        SELECT order_id, kind, adjustment_id, line_id, max(new_version) AS version, max(new_hash) AS body_hash,
               max(new_at) AS booked_at, hm_sum(units) FILTER (WHERE is_given) AS units,
               hm_sum(amount) FILTER (WHERE is_given) AS amount, hm_sum(tax) FILTER (WHERE is_given) AS tax,
               hm_sum(shipping) FILTER (WHERE is_given) AS shipping, hm_sum(fees) FILTER (WHERE is_given) AS fees,
               hm_sum(units) FILTER (WHERE NOT is_given) AS old_units,
               hm_sum(amount) FILTER (WHERE NOT is_given) AS old_amount,
               hm_sum(tax) FILTER (WHERE NOT is_given) AS old_tax,
               hm_sum(shipping) FILTER (WHERE NOT is_given) AS old_shipping,
               hm_sum(fees) FILTER (WHERE NOT is_given) AS old_fees,
               max(seller_id) AS old_seller_id, max(category) AS old_category, max(region) AS old_region,
               max(channel) AS old_channel, max(currency) AS old_currency, max(tenant_day) AS old_tenant_day,
               max(seller_day) AS old_seller_day
          FROM g
         WHERE new_version IS NOT NULL
         GROUP BY order_id, kind, adjustment_id, line_id),
      -- With its line, or in its order's place. What came before its order is counted when the order comes.
      x AS MATERIALIZED (
        SELECT m.order_id, m.line_id, m.kind, m.adjustment_id, m.version, m.body_hash, m.booked_at,
               m.units AS adjusted_units, m.amount AS adjusted_amount, m.tax AS adjusted_tax,
               m.shipping AS adjusted_shipping, m.fees AS adjusted_fees, m.old_units, m.old_amount, m.old_tax,
               m.old_shipping, m.old_fees, m.old_seller_id, m.old_category, m.old_region, m.old_channel, m.old_currency,
               m.old_tenant_day, m.old_seller_day, x.seller_id, x.product_id, x.category, x.region, x.channel,
               x.currency, x.customer_id, x.ordered_at, x.is_known, ${overlapOfLine}, x.tenant_day, x.seller_day,
               (m.booked_at AT TIME ZONE t.zone)::date AS booked_tenant_day,
               CASE WHEN x.currency IS NOT NULL
                    THEN (m.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date END AS booked_seller_day,
               ${refundedOf(tenantId, sql.literal("m"))}
               + hm_sum(m.amount - m.old_amount) OVER (PARTITION BY m.order_id, m.line_id
                                                           ORDER BY m.kind, m.adjustment_id
                                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                 AS refunded_before
          FROM m
         CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
          LEFT JOIN LATERAL (${lineOrPlaceOf(sql, tenantId, "m")}) x ON true
          LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id),
      p AS (${placeholders(tenantId)}),
      a AS (${adjustmentRows(tenantId)}
            ON CONFLICT (tenant_id, order_id, line_id, kind, adjustment_id)
            DO UPDATE SET version = excluded.version, body_hash = excluded.body_hash, booked_at = excluded.booked_at,
                          units = excluded.units, amount = excluded.amount, tax = excluded.tax,
                          shipping = excluded.shipping, fees = excluded.fees, tenant_day = excluded.tenant_day,
                          ${placeReplaced}),
      d AS (
        INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
        SELECT ${tenantId}, ${now}, ${key}, ${sums}
          FROM (
               SELECT ${key}, ${ofRefund}
                 FROM (
                      SELECT ${key}, kind, ${overlap}, refunded_before,
                             adjusted_units - old_units AS adjusted_units,
                             adjusted_amount - old_amount AS adjusted_amount,
                             adjusted_tax - old_tax AS adjusted_tax,
                             adjusted_shipping - old_shipping AS adjusted_shipping,
                             adjusted_fees - old_fees AS adjusted_fees
                        FROM x
                      ) r
                WHERE kind = 'refund' AND currency IS NOT NULL
               UNION ALL
               SELECT ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking}
                 FROM x
                WHERE currency IS NOT NULL
               UNION ALL
               SELECT ${dimensions}, old_tenant_day, old_seller_day, ${ofBooking}
                 FROM (
                      SELECT order_id, kind, old_seller_id AS seller_id, old_category AS category,
                             old_region AS region, old_channel AS channel, old_currency AS currency, old_tenant_day,
                             old_seller_day, -old_units AS adjusted_units, -old_amount AS adjusted_amount,
                             -old_tax AS adjusted_tax, -old_shipping AS adjusted_shipping, -old_fees AS adjusted_fees
                        FROM x
                      ) o
                WHERE currency IS NOT NULL
               ) q
         GROUP BY ${key}
        HAVING ${anySum})
      SELECT 1 AS done
    `
  })

  return {
    book: (tenantId, adjustments, now) => bookOf({ tenantId, orderIds: [], adjustments, now }),
    adjust: (tenantId, orderIds, adjustments, now) => adjustOf({ tenantId, orderIds, adjustments, now })
  }
}
