/**
 * A synthetic marketplace, the same for every run: orders as facts for what is written one by one, and millions of lines
 * made in the database for what is read.
 */
import * as Commerce from "@hypermarket/core/Commerce"
import type * as OrderMix from "@hypermarket/testing/OrderMix"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const regions = Array.from({ length: 16 }, (_, n) => `US-${String.fromCodePoint(65 + n)}A`)
const channels = ["web", "app", "store", "partner"]
const currencies = ["EUR", "USD", "GBP"]
const categories = Array.from({ length: 40 }, (_, n) => `c${n % 8}/s${n}`)
const sellers = 400
const products = 20_000

const pick = <A>(dice: OrderMix.Random, values: ReadonlyArray<A>, otherwise: A): A =>
  values[dice.below(values.length)] ?? otherwise

const decodeOrder = Schema.decodeUnknownSync(Commerce.Order)
const decodeShipment = Schema.decodeUnknownSync(Commerce.Shipment)
const decodeRefund = Schema.decodeUnknownSync(Commerce.OrderRefund)

const dayMillis = 86_400_000
/** The last day of the dataset. */
const today = Date.UTC(2026, 5, 30)

/** One order in ten is up to 60 days late. */
const instant = (dice: OrderMix.Random): string => {
  const late = dice.next() < 0.1 ? dice.next() * 60 : 0
  return new Date(today - late * dayMillis + dice.below(dayMillis)).toISOString()
}

/** An order of two lines on average. A higher version may be cancelled, re-dated or have another price. */
export const order = (dice: OrderMix.Random, orderId: string, version: number, cancelled = false) =>
  decodeOrder({
    orderId,
    version,
    status: cancelled ? "cancelled" : "placed",
    customerId: "c1",
    channel: pick(dice, channels, "web"),
    region: pick(dice, regions, "US-AA"),
    currency: pick(dice, currencies, "EUR"),
    placedAt: instant(dice),
    attributes: {},
    lines: Array.from({ length: 1 + dice.below(3) }, (_, n) => ({
      lineId: String(n + 1),
      productId: `p${dice.below(products)}`,
      sellerId: `s${dice.below(sellers)}`,
      category: pick(dice, categories, "c0/s0"),
      quantity: 1 + dice.below(4),
      unitPrice: String(100 + dice.below(20_000)),
      discount: String(dice.below(100)),
      tax: String(dice.below(2_000)),
      shipping: String(dice.below(600))
    }))
  })

export const shipment = (dice: OrderMix.Random, orderId: string, version = 1) =>
  decodeShipment({
    orderId,
    shipmentId: `${orderId}/1`,
    version,
    at: instant(dice),
    lines: [{ lineId: "1", quantity: 1 }]
  })

export const refund = (dice: OrderMix.Random, orderId: string) =>
  decodeRefund({
    orderId,
    refundId: `${orderId}/1`,
    version: 1,
    at: instant(dice),
    reason: "returned",
    lines: [{ lineId: "1", quantity: 1, amount: String(dice.below(500)) }]
  })

/** The tenant that a dashboard is shown for: 22 % of the lines. */
export const largest = "bench"
const largestShare = 0.22
const tenants = 50

/**
 * Lines over two years, two an order, straight into the tables; then every summary is made in one go, which is what a full
 * refresh costs. Answers its seconds.
 */
export const load = Effect.fnUntraced(function* (lines: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SET statement_timeout = 0`
  yield* sql`
    INSERT INTO hm_order_line (tenant_id, order_id, line_id, seller_id, product_id, category, region, channel, currency,
                               cancelled, is_first, is_seller_first, ordered_at, tenant_day, seller_day, units, gross,
                               discount, tax, shipping)
    SELECT CASE WHEN r0 < ${largestShare} THEN ${largest} ELSE 't' || (o % ${tenants}) END, 'l' || o, l::text,
           's' || floor(hashtext('s' || o || l)::bigint + 2147483648)::bigint % ${sellers},
           'p' || (hashtext('p' || o || l)::bigint + 2147483648) % ${products},
           (${categories}::text[])[1 + (hashtext('c' || o || l)::bigint + 2147483648) % ${categories.length}],
           (${regions}::text[])[1 + (hashtext('r' || o)::bigint + 2147483648) % ${regions.length}],
           (${channels}::text[])[1 + (hashtext('h' || o)::bigint + 2147483648) % ${channels.length}],
           (${currencies}::text[])[1 + (hashtext('y' || o)::bigint + 2147483648) % ${currencies.length}],
           false, l = 1, true, at, at::date, at::date, 1 + o % 4, 500 + (o::bigint * 7919 + l) % 20000, o % 90, o % 700, o % 500
      FROM (
            SELECT o, (hashtext('t' || o)::bigint + 2147483648) / 4294967296.0 AS r0,
                   ${new Date(today)}::timestamptz - (o::float8 / ${lines / 2}::float8) * interval '730 days' AS at
              FROM generate_series(1, ${lines / 2}::int) o) o
      CROSS JOIN generate_series(1, 2) l
  `
  yield* sql`
    INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
    SELECT tenant_id, order_id, 1, ''
      FROM hm_order_line
     WHERE line_id = '1'
  `
  // A plan that is made while the table of adjustments is empty would read all of it for each of them.
  yield* sql`
    INSERT INTO hm_order_adjustment (tenant_id, order_id, line_id, kind, adjustment_id, version, body_hash, booked_at,
                                     tenant_day, seller_day, units, amount, seller_id, product_id, category, region,
                                     channel, currency)
    SELECT tenant_id, order_id, line_id, 'shipment', order_id || '/1', 1, '', ordered_at, tenant_day, seller_day, 1, 0,
           seller_id, product_id, category, region, channel, currency
      FROM hm_order_line
     WHERE line_id = '1' AND hashtext(order_id) % 4 = 0
  `
  yield* sql`ANALYZE hm_order_line, hm_order_head, hm_order_adjustment`
  const startedAt = performance.now()
  yield* sql.unsafe(refresh)
  const refreshSeconds = (performance.now() - startedAt) / 1000
  // What autovacuum would do in the midst of a measurement.
  yield* sql`VACUUM (ANALYZE) hm_order_head, hm_order_line, hm_order_adjustment, hm_order_summary`
  yield* sql`CHECKPOINT`
  return refreshSeconds
})

/** One order in four is shipped, its first line, on its day. */
const isShipped = "line_id = '1' AND hashtext(order_id) % 4 = 0"
const others = `0, 0, 0, 0, 0, 0, 0, count(*) FILTER (WHERE ${isShipped})`
const ofLine = (orders: string, sellerOrders: string) =>
  `${orders}, ${sellerOrders}, count(*), sum(units), sum(gross), sum(discount), sum(tax), sum(shipping), ${others}, now()`
const counts = ofLine("count(*) FILTER (WHERE is_first)", "count(*) FILTER (WHERE is_seller_first)")

/** The work of a materialised view at each refresh. */
const refresh = `
  INSERT INTO hm_order_summary
  SELECT tenant_id, 6, '', tenant_day, '', '', '', currency, ${counts} FROM hm_order_line GROUP BY 1, 4, 8
  UNION ALL
  SELECT tenant_id, 1, '', tenant_day, '', region, channel, currency, ${counts} FROM hm_order_line GROUP BY 1, 4, 6, 7, 8
  UNION ALL
  SELECT tenant_id, 2, seller_id, seller_day, '', '', '', currency, ${counts} FROM hm_order_line GROUP BY 1, 3, 4, 8
  UNION ALL
  SELECT tenant_id, 5, '', date_trunc('month', tenant_day)::date, category, region, '', currency, ${counts}
    FROM hm_order_line GROUP BY 1, 4, 5, 6, 8`
