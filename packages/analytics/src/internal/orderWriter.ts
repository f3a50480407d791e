/**
 * The statements that write order facts. Each acts on a whole batch; every table reference names the tenant, so that the
 * same texts run on a table that is distributed by it.
 *
 * What is joined to what is chosen with care: joining two CTEs makes a planner that cannot know their sizes loop over one
 * for each row of the other (1,000 changes: 690 orders/s against 8,900). And a tenant that the statistics do not know is taken for
 * a row or two, so that a join to a table may read all of the tenant for each row. So a table is looked up by its key, in a
 * lateral with a limit, which no planner turns into a join; and what is gone is found with EXCEPT.
 */
import type { Fragment, Parameter, Statement } from "effect/sql/Statement"
import type * as SqlClient from "effect/sql/SqlClient"
import { givenRows, shapeOf } from "./givenRows.ts"
import * as KeptStatement from "./keptStatement.ts"
import * as Measures from "./measures.ts"
import type { HeadColumns, LineColumns } from "./orderColumns.ts"
import * as AdjustmentWriter from "./adjustmentWriter.ts"
import {
  adjustmentColumns,
  adjustmentsMax,
  dimensionColumns,
  lineColumns,
  overlapColumns,
  placeColumns,
  placeReplacedBy,
  prefixed,
  replaced
} from "./orderRows.ts"

/** A `bigint`, as text where another driver reads the rows. */
type Version = bigint | string

export interface Head {
  readonly orderId: string
  readonly version: Version
  readonly bodyHash: string
  readonly isRetired: boolean
  readonly isolation: string
}

export interface OrderWriter extends AdjustmentWriter.AdjustmentWriter {
  /** Inserts new orders and returns their ids. One statement, no lock: the new head proves that there is no old state. */
  readonly place: (
    tenantId: string,
    heads: HeadColumns,
    lines: LineColumns,
    now: Date
  ) => Statement<{ readonly orderId: string }>
  /** Locks the heads that exist. What it waits for it sees only in the head itself: old state is read by the next statement. */
  readonly lock: (tenantId: string, orderIds: ReadonlyArray<string>, isPlanKept: boolean) => Statement<Head>
  /** Makes and locks heads for orders of which only a refund or a shipment is known. */
  readonly stub: (tenantId: string, orderIds: ReadonlyArray<string>) => Statement<object>
  /** Replaces the state of orders whose heads are locked. */
  readonly apply: (tenantId: string, heads: HeadColumns, lines: LineColumns, now: Date) => Statement<object>
}

/** The input of {@link OrderWriter.place} and {@link OrderWriter.apply}. */
interface Given {
  readonly tenantId: string
  readonly heads: HeadColumns
  readonly lines: LineColumns
  readonly now: Date
}

const tenantIdOf = ({ tenantId }: Given) => tenantId
const nowOf = ({ now }: Given) => now

const shapeOfGiven = ({ heads, lines }: Given) => `${shapeOf(heads.orderIds)} ${shapeOf(lines.orderIds)}`

/** Lines of an order: far more than there can be. */
const linesOfOrderMax = 1_000_000
const linesOfOrderMaxOf = () => linesOfOrderMax
const adjustmentsMaxOf = () => adjustmentsMax

export const make = (sql: SqlClient.SqlClient): OrderWriter => {
  const line = sql.literal(lineColumns)
  const lineReplaced = sql.literal(replaced)
  const key = sql.literal(Measures.deltaKey)
  const names = sql.literal(Measures.names)
  const dimensions = sql.literal(dimensionColumns)
  const dimensionsOfLine = sql.literal(prefixed("x", dimensionColumns))
  const overlapOfLine = sql.literal(prefixed("x", overlapColumns))
  const ofLine = sql.literal(Measures.ofLine)
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)
  const negated = sql.literal(Measures.negated)
  const sums = sql.literal(Measures.sums)
  const anySum = sql.literal(Measures.anySum)
  const adjustment = sql.literal(adjustmentColumns)
  const adjustmentOfA = sql.literal(prefixed("a", adjustmentColumns))
  const bookedPlace = sql.literal(placeColumns)
  const placeReplaced = sql.literal(placeReplacedBy)

  const zone = (tenantId: Parameter) => sql`
    coalesce((SELECT zone
                FROM hm_order_zone
               WHERE tenant_id = ${tenantId} AND seller_id = ''), 'UTC')
  `

  const givenLines = (valueOf: KeptStatement.ValueOf<Given>, { lines }: Given) => sql`
    SELECT order_id, line_id, seller_id, product_id, category, region, channel, currency,
           nullif(customer_id, '') AS customer_id, cancelled, is_first, is_seller_first, false AS removed, ordered_at, units, gross, discount, tax, shipping, fees,
           cancelled_units, cancelled_amount
      FROM ${givenRows(valueOf, "i", lines.orderIds, [
        ["order_id", "text", ({ lines }) => lines.orderIds],
        ["line_id", "text", ({ lines }) => lines.lineIds],
        ["seller_id", "text", ({ lines }) => lines.sellerIds],
        ["product_id", "text", ({ lines }) => lines.productIds],
        ["category", "text", ({ lines }) => lines.categories],
        ["region", "text", ({ lines }) => lines.regions],
        ["channel", "text", ({ lines }) => lines.channels],
        ["currency", "text", ({ lines }) => lines.currencies],
        ["customer_id", "text", ({ lines }) => lines.customerIds],
        ["cancelled", "boolean", ({ lines }) => lines.cancelled],
        ["is_first", "boolean", ({ lines }) => lines.first],
        ["is_seller_first", "boolean", ({ lines }) => lines.sellerFirst],
        ["ordered_at", "timestamptz", ({ lines }) => lines.orderedAt],
        ["units", "bigint", ({ lines }) => lines.units],
        ["gross", "bigint", ({ lines }) => lines.gross],
        ["discount", "bigint", ({ lines }) => lines.discounts],
        ["tax", "bigint", ({ lines }) => lines.taxes],
        ["shipping", "bigint", ({ lines }) => lines.shippings],
        ["fees", "bigint", ({ lines }) => lines.fees],
        ["cancelled_units", "bigint", ({ lines }) => lines.cancelledUnits],
        ["cancelled_amount", "bigint", ({ lines }) => lines.cancelledAmounts]
      ])}
  `

  /** Lines with their days. */
  const dated = (tenantId: Parameter, lines: Fragment) => sql`
    SELECT i.*, (i.ordered_at AT TIME ZONE t.zone)::date AS tenant_day,
           (i.ordered_at AT TIME ZONE coalesce(z.zone, t.zone))::date AS seller_day,
           coalesce(z.zone, t.zone) AS seller_zone
      FROM (${lines}) i
     CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
      LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = i.seller_id
  `

  const placeOf = KeptStatement.make<{ readonly orderId: string }, Given>(
    sql,
    shapeOfGiven,
    (valueOf, given) => {
      const tenantId = valueOf(tenantIdOf)
      const now = valueOf(nowOf)
      return sql`
        WITH h AS (
          INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
          SELECT ${tenantId}, order_id, version, body_hash
            FROM ${givenRows(valueOf, "o", given.heads.orderIds, [
              ["order_id", "text", ({ heads }) => heads.orderIds],
              ["version", "bigint", ({ heads }) => heads.versions],
              ["body_hash", "text", ({ heads }) => heads.bodyHashes]
            ])}
           ORDER BY order_id COLLATE "C"
              ON CONFLICT (tenant_id, order_id) DO NOTHING
          RETURNING order_id),
        l AS MATERIALIZED (
          SELECT g.*
            FROM (${dated(tenantId, givenLines(valueOf, given))}) g
            JOIN h ON h.order_id = g.order_id),
        f AS (
          INSERT INTO hm_order_line (tenant_id, ${line})
          SELECT ${tenantId}, ${line}
            FROM l),
        d AS (
          INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
          SELECT ${tenantId}, ${now}, ${key}, ${ofLine}
            FROM l)
        SELECT order_id AS "orderId"
          FROM h
      `
    }
  )

  /** A single order by equality: of an array the planner takes each plan for its length as the better one, and plans each time. */
  const isOneOf = (orderIds: ReadonlyArray<string>) =>
    orderIds.length === 1 ? sql`order_id = ${orderIds[0]}` : sql`order_id = ANY (${orderIds}::text[])`

  // Planning the next statement again takes longer than running it for a few orders, and a planner that sees how few they
  // are plans each time. The setting ends with the transaction.
  const lock: OrderWriter["lock"] = (tenantId, orderIds, isPlanKept) => sql`
    SELECT order_id AS "orderId", version, body_hash AS "bodyHash", retired_at IS NOT NULL AS "isRetired",
           current_setting('transaction_isolation') AS isolation,
           set_config('plan_cache_mode', CASE WHEN ${isPlanKept} THEN 'force_generic_plan'
                                              ELSE current_setting('plan_cache_mode') END, true)
      FROM hm_order_head
     WHERE tenant_id = ${tenantId} AND ${isOneOf(orderIds)}
     ORDER BY order_id
       FOR UPDATE
  `

  // DO NOTHING would not wait for a head that another transaction is about to make.
  const stub: OrderWriter["stub"] = (tenantId, orderIds) => sql`
    INSERT INTO hm_order_head AS h (tenant_id, order_id, version, body_hash)
    SELECT ${tenantId}, order_id, 0, ''
      FROM unnest(${orderIds}::text[]) AS o (order_id)
     ORDER BY order_id COLLATE "C"
        ON CONFLICT (tenant_id, order_id) DO UPDATE SET version = h.version
  `

  /** The new state of orders. */
  const givenHeads = (valueOf: KeptStatement.ValueOf<Given>, { heads }: Given) =>
    givenRows(valueOf, "o", heads.orderIds, [
      ["order_id", "text", ({ heads }) => heads.orderIds],
      ["version", "bigint", ({ heads }) => heads.versions],
      ["body_hash", "text", ({ heads }) => heads.bodyHashes],
      ["deleted", "boolean", ({ heads }) => heads.deleted],
      ["cancelled", "boolean", ({ heads }) => heads.cancelled],
      ["region", "text", ({ heads }) => heads.regions],
      ["channel", "text", ({ heads }) => heads.channels],
      ["currency", "text", ({ heads }) => heads.currencies],
      ["customer_id", "text", ({ heads }) => heads.customerIds],
      ["ordered_at", "timestamptz", ({ heads }) => heads.orderedAt]
    ])

  /**
   * Everything that was adjusted on a line x. The limit keeps the planner from pulling this up into a hash join over all of the
   * tenant's adjustments, which it chooses for few while the table is new (a change: 1,900 us against 800).
   */
  const adjustmentsOf = (tenantId: Parameter, mostAdjustments: Parameter) => sql`
    SELECT a.ctid AS place, a.kind, a.booked_at, a.units AS adjusted_units, a.amount AS adjusted_amount,
           a.tax AS adjusted_tax, a.shipping AS adjusted_shipping, a.fees AS adjusted_fees,
           hm_sum(a.amount) OVER (ORDER BY a.kind, a.adjustment_id
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS refunded_before,
           a.seller_id AS booked_seller_id, a.category AS booked_category, a.region AS booked_region,
           a.channel AS booked_channel, a.currency AS booked_currency, a.tenant_day AS booked_tenant_day,
           a.seller_day AS booked_seller_day
      FROM hm_order_adjustment a
     WHERE a.tenant_id = ${tenantId} AND a.order_id = x.order_id AND a.line_id = x.line_id
     LIMIT ${mostAdjustments}
  `

  const applyOf = KeptStatement.make<object, Given>(sql, shapeOfGiven, (valueOf, given) => {
    const tenantId = valueOf(tenantIdOf)
    const now = valueOf(nowOf)
    const mostAdjustments = valueOf(adjustmentsMaxOf)
    const mostLines = valueOf(linesOfOrderMaxOf)
    return sql`
      WITH o AS MATERIALIZED (
        SELECT *
          FROM ${givenHeads(valueOf, given)}),
      given_lines AS MATERIALIZED (${givenLines(valueOf, given)}),
      old AS MATERIALIZED (
        SELECT x.*, o.deleted, o.cancelled AS new_cancelled, o.region AS new_region, o.channel AS new_channel,
               o.currency AS new_currency, nullif(o.customer_id, '') AS new_customer_id, o.ordered_at AS new_ordered_at
          FROM o
         CROSS JOIN LATERAL (
               SELECT ctid AS line_place, ${line}
                 FROM hm_order_line
                WHERE tenant_id = ${tenantId} AND order_id = o.order_id
                LIMIT ${mostLines}) x),
      -- They are there, and locked; an update would join all heads of a tenant that it takes for small.
      hd AS (
        INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
        SELECT ${tenantId}, order_id, version, body_hash
          FROM o
            ON CONFLICT (tenant_id, order_id) DO UPDATE SET version = excluded.version, body_hash = excluded.body_hash),
      -- Lines that only refunds and shipments name, which came before their order.
      named AS MATERIALIZED (
        SELECT o.*, a.line_id
          FROM o
         CROSS JOIN LATERAL (
               SELECT DISTINCT line_id
                 FROM (
                      SELECT *
                        FROM hm_order_adjustment
                       WHERE tenant_id = ${tenantId} AND order_id = o.order_id
                       LIMIT ${mostAdjustments}
                      ) a
                WHERE currency IS NULL AND (units, amount, tax, shipping, fees) <> (0, 0, 0, 0, 0)) a
         WHERE NOT o.deleted),
      -- What is given; what was there, without content; what is only named. Hashed sub-plans, which a planner that does not know
      -- the sizes does not turn into loops.
      l AS MATERIALIZED (${dated(
        tenantId,
        sql`
        SELECT *
          FROM given_lines
        UNION ALL
        SELECT order_id, line_id, seller_id, product_id, category, new_region, new_channel, new_currency, new_customer_id,
               new_cancelled, false, false, true, new_ordered_at, 0, 0, 0, 0, 0, 0, 0, 0
          FROM old
         WHERE NOT deleted
           AND (order_id, line_id) NOT IN (SELECT order_id, line_id FROM given_lines)
        UNION ALL
        SELECT order_id, line_id, '', '', '', region, channel, currency, nullif(customer_id, ''),
               cancelled, false, false, true, ordered_at, 0, 0, 0, 0, 0, 0, 0, 0
          FROM named
         WHERE (order_id, line_id) NOT IN (SELECT order_id, line_id FROM given_lines)
           AND (order_id, line_id) NOT IN (SELECT order_id, line_id FROM old)`
      )}),
      -- Where no order is deleted, nothing is looked for: of a tenant that it takes for small, the planner reads all lines.
      dl AS (
        DELETE FROM hm_order_line
         WHERE tenant_id = ${tenantId}
           AND (SELECT count(*) FROM o WHERE deleted) > 0
           AND ctid = ANY (ARRAY (SELECT line_place FROM old WHERE deleted))),
      f AS (
        INSERT INTO hm_order_line (tenant_id, ${line})
        SELECT ${tenantId}, ${line}
          FROM l
            ON CONFLICT (tenant_id, order_id, line_id) DO UPDATE SET ${lineReplaced}),
      was AS MATERIALIZED (
        SELECT ${dimensionsOfLine}, ${overlapOfLine}, x.deleted, x.tenant_day, x.seller_day, a.*
          FROM old x
         CROSS JOIN LATERAL (${adjustmentsOf(tenantId, mostAdjustments)}) a),
      becomes AS MATERIALIZED (
        SELECT ${dimensionsOfLine}, ${overlapOfLine}, x.product_id, x.tenant_day, x.seller_day, a.*,
               (a.booked_at AT TIME ZONE x.seller_zone)::date AS new_seller_day
          FROM l x
         CROSS JOIN LATERAL (${adjustmentsOf(tenantId, mostAdjustments)}) a),
      -- A booking gets its place when the order is first known, and loses it when the order is deleted. The head's lock keeps
      -- the rows in their places.
      moved AS (
        INSERT INTO hm_order_adjustment (tenant_id, ${adjustment}, ${bookedPlace})
        SELECT ${tenantId}, ${adjustmentOfA}, b.seller_id, b.product_id, b.category, b.region, b.channel, b.currency,
               a.tenant_day, b.seller_day
          FROM (
               SELECT place, seller_id, product_id, category, region, channel, currency, new_seller_day AS seller_day
                 FROM becomes
                WHERE booked_currency IS NULL
               UNION ALL
               SELECT place, NULL, NULL, NULL, NULL, NULL, NULL, NULL
                 FROM was
                WHERE deleted
               ) b
         CROSS JOIN LATERAL (
               SELECT *
                 FROM hm_order_adjustment
                WHERE tenant_id = ${tenantId} AND ctid = b.place
                LIMIT 1) a
            ON CONFLICT (tenant_id, order_id, line_id, kind, adjustment_id) DO UPDATE SET ${placeReplaced}),
      d AS (
        INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
        SELECT ${tenantId}, ${now}, ${key}, ${sums}
          FROM (
               SELECT ${key}, ${negated}
                 FROM (
                      SELECT ${key}, ${ofLine}
                        FROM old
                      UNION ALL
                      SELECT ${key}, ${ofRefund}
                        FROM was
                       WHERE kind = 'refund'
                      UNION ALL
                      SELECT order_id, booked_seller_id, booked_category, booked_region, booked_channel,
                             booked_currency, booked_tenant_day, booked_seller_day, ${ofBooking}
                        FROM was
                       WHERE deleted AND booked_currency IS NOT NULL
                      ) n
               UNION ALL
               SELECT ${key}, ${ofLine}
                 FROM l
               UNION ALL
               SELECT ${key}, ${ofRefund}
                 FROM becomes
                WHERE kind = 'refund'
               UNION ALL
               SELECT ${dimensions}, booked_tenant_day, new_seller_day, ${ofBooking}
                 FROM becomes
                WHERE booked_currency IS NULL
               ) q
         GROUP BY ${key}
        HAVING ${anySum})
      SELECT 1 AS done
    `
  })

  return {
    place: (tenantId, heads, lines, now) => placeOf({ tenantId, heads, lines, now }),
    lock,
    stub,
    apply: (tenantId, heads, lines, now) => applyOf({ tenantId, heads, lines, now }),
    ...AdjustmentWriter.make(sql)
  }
}
