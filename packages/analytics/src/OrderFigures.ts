/**
 * The service of the figures of one order: its lines, its refunds and shipments with their days, and its measures.
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MeasureName } from "./Catalogue.ts"
import { expressions } from "./internal/measureExpressions.ts"
import * as Measures from "./internal/measures.ts"
import { OrderFigure, OrderNotFound, OrderTotals } from "./OrderFigure.ts"
import { OrderRetired } from "./OrderRetention.ts"

/** Maximum adjustments of an answer; `isComplete` is false above it. */
const adjustmentsMax = 1_000

const decode = Schema.decodeUnknownEffect(OrderFigure)

const isTotal = (name: string): name is keyof typeof OrderTotals.fields & MeasureName =>
  Object.hasOwn(OrderTotals.fields, name) && Object.hasOwn(expressions, name)

/** `'net', (gross - ...)::text, ...` */
const totals = Object.keys(OrderTotals.fields)
  .filter(isTotal)
  .map((name) => `'${name}', (${expressions[name]})::text`)
  .join(", ")

const lineColumns = `
  json_build_object('lineId', line_id, 'productId', product_id, 'sellerId', seller_id, 'category', category,
                    'isRemoved', removed, 'sellerDay', seller_day::text, 'units', units, 'gross', gross::text,
                    'discount', discount::text, 'tax', tax::text, 'shipping', shipping::text, 'fees', fees::text,
                    'cancelledUnits', ${Measures.cancelledUnits}, 'cancelledAmount', (${Measures.cancelledAmount})::text)`

const adjustmentColumns = `
  json_build_object('kind', kind, 'id', adjustment_id, 'version', version, 'at', to_json(booked_at),
                    'day', tenant_day::text, 'sellerDay', seller_day::text, 'lineId', line_id, 'units', units,
                    'amount', amount::text, 'tax', tax::text, 'shipping', shipping::text, 'fees', fees::text)`

/**
 * Reads the figures of one order.
 *
 * @category services
 * @since 0.1.0
 */
export class OrderFigures extends Context.Service<
  OrderFigures,
  {
    /** Reads an order in one snapshot, exact to the last commit. Fails with `OrderRetired` when its facts were removed. */
    readonly get: (
      orderId: string
    ) => Effect.Effect<OrderFigure, OrderNotFound | OrderRetired | SqlError, Tenant>
  }
>()("@hypermarket/analytics/OrderFigures") {
  static readonly layer: Layer.Layer<OrderFigures, never, SqlClient.SqlClient> = Layer.effect(
    OrderFigures,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ofLine = sql.literal(Measures.ofLine)
      const ofRefund = sql.literal(Measures.ofRefund)
      const total = sql.literal(totals)
      const line = sql.literal(lineColumns)
      const adjustment = sql.literal(adjustmentColumns)

      const get = Effect.fn("OrderFigures.get")(function* (orderId: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          WITH lines AS MATERIALIZED (
            SELECT *
              FROM hm_order_line
             WHERE tenant_id = ${tenant.id} AND order_id = ${orderId}),
          adjustments AS MATERIALIZED (
            SELECT *
              FROM hm_order_adjustment
             WHERE tenant_id = ${tenant.id} AND order_id = ${orderId}
               AND (units, amount, tax, shipping, fees) <> (0, 0, 0, 0, 0)),
          -- What the order contributes to the cells of its day.
          contributions AS (
            SELECT ${ofLine}
              FROM lines
            UNION ALL
            SELECT ${ofRefund}
              FROM (
                   SELECT l.*, a.*, 0 AS refunded_before
                     FROM lines l
                    CROSS JOIN LATERAL (
                          SELECT hm_sum(units) AS adjusted_units, hm_sum(amount) AS adjusted_amount,
                                 hm_sum(tax) AS adjusted_tax, hm_sum(shipping) AS adjusted_shipping,
                                 hm_sum(fees) AS adjusted_fees
                            FROM adjustments
                           WHERE line_id = l.line_id AND kind = 'refund') a) r)
          SELECT h.retired_at IS NOT NULL AS "isRetired", h.order_id AS "orderId", h.version::float8 AS version,
                 CASE WHEN l.currency IS NULL THEN 'deleted' WHEN l.cancelled THEN 'cancelled' ELSE 'placed' END AS status,
                 l.customer_id AS "customerId", l.region, l.channel, l.currency,
                 to_json(l.ordered_at) AS "placedAt", l.tenant_day::text AS day,
                 (SELECT json_build_object(${total})
                    FROM contributions) AS totals,
                 (SELECT coalesce(json_agg(${line} ORDER BY line_id = '', line_id), '[]')
                    FROM lines) AS lines,
                 (SELECT coalesce(json_agg(${adjustment} ORDER BY booked_at, kind, adjustment_id, line_id), '[]')
                    FROM (
                         SELECT *
                           FROM adjustments
                          ORDER BY booked_at, kind, adjustment_id, line_id
                          LIMIT ${adjustmentsMax}) a) AS adjustments,
                 (SELECT count(*) <= ${adjustmentsMax}
                    FROM adjustments) AS "isComplete"
            FROM hm_order_head h
            LEFT JOIN LATERAL (
                 SELECT *
                   FROM lines
                  LIMIT 1) l ON true
           WHERE h.tenant_id = ${tenant.id} AND h.order_id = ${orderId} AND h.version > 0
        `
        if (row === undefined) return yield* new OrderNotFound({ orderId })
        if (row["isRetired"] === true) return yield* new OrderRetired({ orderId })
        return yield* Effect.orDie(decode(row))
      })

      return OrderFigures.of({ get })
    })
  )
}
