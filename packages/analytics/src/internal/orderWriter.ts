/**
 * The statements that write order facts. Each acts on a whole batch; every table reference names the tenant, so that the
 * same texts run on a table that is distributed by it.
 *
 * What is joined to what is chosen with care: joining two CTEs makes a planner that cannot know their sizes loop over one
 * for each row of the other (1,000 changes: 690 orders/s against 8,900). And a tenant that the statistics do not know is taken for
 * a row or two, so that a join to a table may read all of the tenant for each row. So a table is looked up by its key, in a
 * lateral with a limit, which no planner turns into a join; and what is gone is found with EXCEPT.
 */
import type { Statement } from "effect/sql/Statement"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Measures from "./measures.ts"
import { lineOf } from "./orderLine.ts"

/** Lines of several orders in columns; what belongs to the order is repeated on each. */
export interface LineColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly lineIds: ReadonlyArray<string>
  readonly sellerIds: ReadonlyArray<string>
  readonly productIds: ReadonlyArray<string>
  readonly categories: ReadonlyArray<string>
  readonly regions: ReadonlyArray<string>
  readonly channels: ReadonlyArray<string>
  readonly currencies: ReadonlyArray<string>
  readonly cancelled: ReadonlyArray<boolean>
  readonly first: ReadonlyArray<boolean>
  readonly sellerFirst: ReadonlyArray<boolean>
  readonly orderedAt: ReadonlyArray<Date>
  readonly units: ReadonlyArray<bigint>
  readonly gross: ReadonlyArray<bigint>
  readonly discounts: ReadonlyArray<bigint>
  readonly taxes: ReadonlyArray<bigint>
  readonly shippings: ReadonlyArray<bigint>
}

export interface HeadColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<bigint>
  readonly bodyHashes: ReadonlyArray<string>
}

/** Lines of refunds and shipments in columns. */
export interface AdjustmentColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly adjustmentIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<bigint>
  readonly bodyHashes: ReadonlyArray<string>
  readonly bookedAt: ReadonlyArray<Date>
  readonly lineIds: ReadonlyArray<string>
  readonly units: ReadonlyArray<bigint>
  readonly amounts: ReadonlyArray<bigint>
}

/** A `bigint`, as text where another driver reads the rows. */
type Version = bigint | string

export interface Head {
  readonly orderId: string
  readonly version: Version
  readonly bodyHash: string
  readonly isolation: string
}

export interface Gate {
  readonly orderId: string
  readonly kind: string
  readonly adjustmentId: string
  readonly storedVersion: Version
  readonly storedHash: string
}

export interface OrderWriter {
  /** Writes orders that nobody has heard of; answers their ids. One statement, no lock: the new head proves that there is no old state. */
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
  /**
   * Writes refunds and shipments, of orders whose heads are locked, that nobody has heard of, as nearly all are; answers
   * what is stored of the others, and leaves them.
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

const lineColumns =
  "order_id, line_id, seller_id, product_id, category, region, channel, currency, cancelled, is_first, is_seller_first, ordered_at, tenant_day, seller_day, units, gross, discount, tax, shipping"

const replaced = lineColumns
  .split(", ")
  .filter((column) => column !== "order_id" && column !== "line_id")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ")

/** Lines of an order, refunds and shipments of a line: far more than there can be. */
const linesOfOrderMax = 1_000_000
const adjustmentsOfLineMax = 1_000_000

const dimensionColumns = "order_id, seller_id, category, region, channel, currency"

export const make = (sql: SqlClient.SqlClient): OrderWriter => {
  const line = sql.literal(lineColumns)
  const lineReplaced = sql.literal(replaced)
  const key = sql.literal(Measures.deltaKey)
  const names = sql.literal(Measures.names)
  const dimensions = sql.literal(dimensionColumns)
  const dimensionsOfLine = sql.literal(dimensionColumns.replaceAll(/(\w+)/g, "x.$1"))
  const ofLine = sql.literal(Measures.ofLine)
  const ofRefund = sql.literal(Measures.ofRefund)
  const ofBooking = sql.literal(Measures.ofBooking)
  const negated = sql.literal(Measures.negated)
  const sums = sql.literal(Measures.sums)
  const anySum = sql.literal(Measures.anySum)

  const zone = (tenantId: string) => sql`
    coalesce((SELECT zone FROM hm_order_zone WHERE tenant_id = ${tenantId} AND seller_id = ''), 'UTC')
  `

  /** The given lines, with their days. */
  const given = (tenantId: string, lines: LineColumns) => sql`
    SELECT i.order_id, i.line_id, i.seller_id, i.product_id, i.category, i.region, i.channel, i.currency, i.cancelled,
           i.is_first, i.is_seller_first, i.ordered_at, (i.ordered_at AT TIME ZONE t.zone)::date AS tenant_day,
           (i.ordered_at AT TIME ZONE coalesce(z.zone, t.zone))::date AS seller_day, i.units, i.gross, i.discount, i.tax,
           i.shipping, coalesce(z.zone, t.zone) AS seller_zone
      FROM unnest(${lines.orderIds}::text[], ${lines.lineIds}::text[], ${lines.sellerIds}::text[],
                  ${lines.productIds}::text[], ${lines.categories}::text[], ${lines.regions}::text[],
                  ${lines.channels}::text[], ${lines.currencies}::text[], ${lines.cancelled}::boolean[],
                  ${lines.first}::boolean[], ${lines.sellerFirst}::boolean[], ${lines.orderedAt}::timestamptz[],
                  ${lines.units}::bigint[], ${lines.gross}::bigint[], ${lines.discounts}::bigint[],
                  ${lines.taxes}::bigint[], ${lines.shippings}::bigint[])
           AS i (order_id, line_id, seller_id, product_id, category, region, channel, currency, cancelled, is_first,
                 is_seller_first, ordered_at, units, gross, discount, tax, shipping)
      CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
      LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = i.seller_id
  `

  const place: OrderWriter["place"] = (tenantId, heads, lines, now) => sql`
    WITH h AS (
      INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
      SELECT ${tenantId}, order_id, version, body_hash
        FROM unnest(${heads.orderIds}::text[], ${heads.versions}::bigint[], ${heads.bodyHashes}::text[])
             AS o (order_id, version, body_hash)
       ORDER BY order_id COLLATE "C"
          ON CONFLICT (tenant_id, order_id) DO NOTHING
      RETURNING order_id),
    l AS MATERIALIZED (
      SELECT g.* FROM (${given(tenantId, lines)}) g JOIN h ON h.order_id = g.order_id),
    f AS (
      INSERT INTO hm_order_line (tenant_id, ${line}) SELECT ${tenantId}, ${line} FROM l),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, ${key}, ${ofLine} FROM l)
    SELECT order_id AS "orderId" FROM h
  `

  // Planning the next statement anew takes longer than running it for a few orders, and a planner that sees how few they
  // are plans anew each time. The setting ends with the transaction.
  const lock: OrderWriter["lock"] = (tenantId, orderIds, isPlanKept) => sql`
    SELECT order_id AS "orderId", version, body_hash AS "bodyHash",
           current_setting('transaction_isolation') AS isolation,
           set_config('plan_cache_mode', CASE WHEN ${isPlanKept} THEN 'force_generic_plan'
                                              ELSE current_setting('plan_cache_mode') END, true)
      FROM hm_order_head
     WHERE tenant_id = ${tenantId} AND order_id = ANY (${orderIds}::text[])
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

  /**
   * What was adjusted on a line x. The limit keeps the planner from pulling this up into a hash join over all of the
   * tenant's adjustments, which it takes for few while the table is new (a change: 1,900 us against 800).
   */
  const adjustmentsOf = (tenantId: string) => sql`
    SELECT a.ctid AS place, a.kind, a.booked_at, a.units, a.amount, a.tenant_day, a.seller_day
      FROM hm_order_adjustment a
     WHERE a.tenant_id = ${tenantId} AND a.order_id = x.order_id AND a.line_id = x.line_id
     LIMIT ${adjustmentsOfLineMax}
  `

  const apply: OrderWriter["apply"] = (tenantId, heads, lines, now) => sql`
    WITH l AS MATERIALIZED (${given(tenantId, lines)}),
    old AS MATERIALIZED (
      SELECT x.*
        FROM unnest(${heads.orderIds}::text[]) AS o (id)
        CROSS JOIN LATERAL (
             SELECT ${line} FROM hm_order_line
              WHERE tenant_id = ${tenantId} AND order_id = o.id
              LIMIT ${linesOfOrderMax}) x),
    -- They are there, and locked; an update would join all heads of a tenant that it takes for small.
    hd AS (
      INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
      SELECT ${tenantId}, order_id, version, body_hash
        FROM unnest(${heads.orderIds}::text[], ${heads.versions}::bigint[], ${heads.bodyHashes}::text[])
             AS o (order_id, version, body_hash)
          ON CONFLICT (tenant_id, order_id) DO UPDATE SET version = excluded.version, body_hash = excluded.body_hash),
    gone AS (
      SELECT order_id, line_id FROM old EXCEPT SELECT order_id, line_id FROM l),
    -- Where no line is gone, nothing is looked for.
    dl AS (
      DELETE FROM hm_order_line
       WHERE tenant_id = ${tenantId} AND (SELECT count(*) FROM gone) > 0
         AND ctid = ANY (ARRAY (SELECT o.place
                                  FROM gone
                                  CROSS JOIN LATERAL (
                                       SELECT ctid AS place FROM hm_order_line
                                        WHERE tenant_id = ${tenantId} AND order_id = gone.order_id
                                          AND line_id = gone.line_id
                                        LIMIT 1) o))),
    f AS (
      INSERT INTO hm_order_line (tenant_id, ${line}) SELECT ${tenantId}, ${line} FROM l
          ON CONFLICT (tenant_id, order_id, line_id) DO UPDATE SET ${lineReplaced}),
    was AS (
      SELECT ${dimensionsOfLine}, x.tenant_day, x.seller_day, a.kind, a.units AS adjusted_units,
             a.amount AS adjusted_amount, a.tenant_day AS booked_tenant_day, a.seller_day AS booked_seller_day
        FROM old x
        CROSS JOIN LATERAL (${adjustmentsOf(tenantId)}) a),
    becomes AS MATERIALIZED (
      SELECT ${dimensionsOfLine}, x.tenant_day, x.seller_day, a.kind, a.units AS adjusted_units,
             a.amount AS adjusted_amount, a.tenant_day AS booked_tenant_day, a.place, a.seller_day AS was_seller_day,
             (a.booked_at AT TIME ZONE x.seller_zone)::date AS booked_seller_day
        FROM l x
        CROSS JOIN LATERAL (${adjustmentsOf(tenantId)}) a),
    -- The line is known now, or the seller's zone is another one. The head's lock keeps the rows in their places.
    moved AS (
      INSERT INTO hm_order_adjustment (tenant_id, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at,
                                       tenant_day, seller_day, units, amount)
      SELECT ${tenantId}, a.order_id, a.line_id, a.kind, a.adjustment_id, a.version, a.body_hash, a.booked_at,
             a.tenant_day, b.booked_seller_day, a.units, a.amount
        FROM becomes b
        CROSS JOIN LATERAL (
             SELECT * FROM hm_order_adjustment WHERE tenant_id = ${tenantId} AND ctid = b.place LIMIT 1) a
       WHERE b.was_seller_day IS DISTINCT FROM b.booked_seller_day
          ON CONFLICT (tenant_id, order_id, line_id, kind, adjustment_id) DO UPDATE SET seller_day = excluded.seller_day),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, ${key}, ${sums}
        FROM (SELECT ${key}, ${negated}
                FROM (SELECT ${key}, ${ofLine} FROM old
                      UNION ALL SELECT ${key}, ${ofRefund} FROM was WHERE kind = 'refund'
                      UNION ALL SELECT ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking} FROM was) n
              UNION ALL SELECT ${key}, ${ofLine} FROM l
              UNION ALL SELECT ${key}, ${ofRefund} FROM becomes WHERE kind = 'refund'
              UNION ALL SELECT ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking} FROM becomes) q
       GROUP BY ${key}
      HAVING ${anySum})
    SELECT 1 AS done
  `

  /** The given lines of refunds and shipments. */
  const givenAdjustments = (adjustments: AdjustmentColumns) => sql`
    unnest(${adjustments.orderIds}::text[], ${adjustments.kinds}::text[], ${adjustments.adjustmentIds}::text[],
           ${adjustments.versions}::bigint[], ${adjustments.bodyHashes}::text[], ${adjustments.bookedAt}::timestamptz[],
           ${adjustments.lineIds}::text[], ${adjustments.units}::bigint[], ${adjustments.amounts}::bigint[])
      AS i (order_id, kind, adjustment_id, version, body_hash, booked_at, line_id, units, amount)
  `

  const book: OrderWriter["book"] = (tenantId, adjustments, now) => sql`
    WITH i AS MATERIALIZED (
      SELECT i.*, s.version AS stored_version, s.body_hash AS stored_hash
        FROM ${givenAdjustments(adjustments)}
        LEFT JOIN LATERAL (
             SELECT a.version, a.body_hash
               FROM hm_order_adjustment a
              WHERE a.tenant_id = ${tenantId} AND a.order_id = i.order_id AND a.kind = i.kind
                AND a.adjustment_id = i.adjustment_id
              LIMIT 1) s ON true),
    -- With its line, where that is known; what came before its order is counted when the order comes.
    x AS MATERIALIZED (
      SELECT i.order_id, i.line_id, i.kind, i.adjustment_id, i.version, i.body_hash, i.booked_at,
             i.units AS adjusted_units, i.amount AS adjusted_amount, x.seller_id, x.category, x.region, x.channel,
             x.currency, x.tenant_day, x.seller_day, (i.booked_at AT TIME ZONE t.zone)::date AS booked_tenant_day,
             CASE WHEN x.seller_id IS NOT NULL
                  THEN (i.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date END AS booked_seller_day
        FROM i
        CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
        LEFT JOIN LATERAL (${lineOf(sql, tenantId, "i")}) x ON true
        LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id
       WHERE i.stored_version IS NULL),
    a AS (
      INSERT INTO hm_order_adjustment (tenant_id, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at,
                                       tenant_day, seller_day, units, amount)
      SELECT ${tenantId}, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at, booked_tenant_day,
             booked_seller_day, adjusted_units, adjusted_amount
        FROM x),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, ${key}, ${ofRefund}
        FROM x
       WHERE seller_id IS NOT NULL AND kind = 'refund' AND (adjusted_units, adjusted_amount) <> (0, 0)
      UNION ALL
      SELECT ${tenantId}, ${now}, ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking}
        FROM x
       WHERE seller_id IS NOT NULL AND (adjusted_units, adjusted_amount) <> (0, 0))
    SELECT order_id AS "orderId", kind, adjustment_id AS "adjustmentId", stored_version AS "storedVersion",
           stored_hash AS "storedHash"
      FROM i
     WHERE stored_version IS NOT NULL
  `

  const adjust: OrderWriter["adjust"] = (tenantId, orderIds, adjustments, now) => sql`
    WITH i AS (
      SELECT * FROM ${givenAdjustments(adjustments)}),
    -- Given and stored lines under one another; window functions compare where a join of two CTEs would be quadratic.
    u AS (
      SELECT order_id, kind, adjustment_id, version, body_hash, booked_at, line_id, units, amount,
             NULL::date AS tenant_day, NULL::date AS seller_day, true AS is_given
        FROM i
      UNION ALL
      SELECT order_id, kind, adjustment_id, version, body_hash, booked_at, line_id, units, amount, tenant_day,
             seller_day, false
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
             hm_sum(amount) FILTER (WHERE is_given) AS amount,
             (max(new_at) AT TIME ZONE max(t.zone))::date AS tenant_day,
             hm_sum(units) FILTER (WHERE NOT is_given) AS old_units,
             hm_sum(amount) FILTER (WHERE NOT is_given) AS old_amount,
             max(tenant_day) AS old_tenant_day, max(seller_day) AS old_seller_day, max(t.zone) AS tenant_zone
        FROM g
        CROSS JOIN (SELECT ${zone(tenantId)} AS zone) t
       WHERE new_version IS NOT NULL
       GROUP BY order_id, kind, adjustment_id, line_id),
    -- With its line, where that is known; what came before its order is counted when the order comes.
    x AS MATERIALIZED (
      SELECT m.order_id, m.line_id, m.kind, m.adjustment_id, m.version, m.body_hash, m.booked_at, m.units, m.amount,
             m.old_units, m.old_amount, x.seller_id, x.category, x.region, x.channel, x.currency, x.tenant_day,
             x.seller_day, m.tenant_day AS booked_tenant_day,
             CASE WHEN x.seller_id IS NOT NULL
                  THEN (m.booked_at AT TIME ZONE coalesce(z.zone, m.tenant_zone))::date END AS booked_seller_day,
             m.old_tenant_day, m.old_seller_day
        FROM m
        LEFT JOIN LATERAL (${lineOf(sql, tenantId, "m")}) x ON true
        LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id),
    a AS (
      INSERT INTO hm_order_adjustment (tenant_id, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at,
                                       tenant_day, seller_day, units, amount)
      SELECT ${tenantId}, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at, booked_tenant_day,
             booked_seller_day, units, amount
        FROM x
          ON CONFLICT (tenant_id, order_id, line_id, kind, adjustment_id)
          DO UPDATE SET version = excluded.version, body_hash = excluded.body_hash, booked_at = excluded.booked_at,
                        tenant_day = excluded.tenant_day, seller_day = excluded.seller_day, units = excluded.units,
                        amount = excluded.amount),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, ${key}, ${sums}
        FROM (SELECT ${key}, ${ofRefund}
                FROM (SELECT x.*, units - old_units AS adjusted_units, amount - old_amount AS adjusted_amount FROM x) r
               WHERE kind = 'refund' AND seller_id IS NOT NULL
              UNION ALL
              SELECT ${dimensions}, booked_tenant_day, booked_seller_day, ${ofBooking}
                FROM (SELECT x.*, units AS adjusted_units, amount AS adjusted_amount FROM x) b
               WHERE seller_id IS NOT NULL
              UNION ALL
              SELECT ${dimensions}, old_tenant_day, old_seller_day, ${ofBooking}
                FROM (SELECT x.*, -old_units AS adjusted_units, -old_amount AS adjusted_amount FROM x) o
               WHERE old_tenant_day IS NOT NULL AND seller_id IS NOT NULL) q
       GROUP BY ${key}
      HAVING ${anySum})
    SELECT 1 AS done
  `

  return { place, lock, stub, apply, book, adjust }
}
