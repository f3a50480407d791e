/**
 * What can be asked about sales: measures, dimensions, and which of them may be put together.
 *
 * Every stored measure is a sum, and every ratio is made of sums when it is read. A measure is refused over a dimension
 * along which its parts do not add up: an order with lines in two categories is one order, not two.
 *
 * @since 0.1.0
 */
import type { StoredMeasure } from "./internal/measures.ts"

/**
 * What a value of a measure is: a number of things, minor units of a currency, or a quotient (absent when it would divide
 * by nothing).
 *
 * @category models
 * @since 0.1.0
 */
export type Unit = "count" | "money" | "ratio"

/**
 * The day on which a measure stands: that of the order, or that of the refund or shipment itself. What is refunded in
 * November of an order of October is October's in `refundAmount`, and November's in `bookedRefundAmount`.
 *
 * @category models
 * @since 0.1.0
 */
export type TimeBase = "order" | "booking"

/**
 * @category models
 * @since 0.1.0
 */
export interface Measure {
  readonly unit: Unit
  readonly timeBase: TimeBase
  readonly doc: string
  /** The stored sums it is made of. */
  readonly of: ReadonlyArray<StoredMeasure>
  /** The dimensions over which its parts do not add up. */
  readonly notOver: ReadonlyArray<DimensionName>
  /** A dimension without which its parts do not add up. */
  readonly only?: DimensionName
  /** Over sums, as SQL. */
  readonly expression: string
}

/**
 * @category models
 * @since 0.1.0
 */
export const dimensionNames = ["currency", "region", "channel", "seller", "category", "product"] as const

/**
 * @category models
 * @since 0.1.0
 */
export type DimensionName = (typeof dimensionNames)[number]

const ofOrders: ReadonlyArray<DimensionName> = ["seller", "category", "product"]
const ofSellerOrders: ReadonlyArray<DimensionName> = ["category", "product"]

const sum = (
  stored: StoredMeasure,
  unit: Unit,
  doc: string,
  further: Partial<Pick<Measure, "notOver" | "only" | "timeBase">> = {}
): Measure => ({
  unit,
  timeBase: "order",
  doc,
  of: [stored],
  notOver: [],
  expression: `hm_sum(${stored})`,
  ...further
})

const netOf = "hm_sum(gross) - hm_sum(discount) - hm_sum(cancelled_amount) - hm_sum(refund_amount)"
const ofNet = ["gross", "discount", "cancelled_amount", "refund_amount"] as const

/**
 * Every measure by its name.
 *
 * @category models
 * @since 0.1.0
 */
export const measures = {
  orders: sum("orders", "count", "Orders, cancelled ones too.", { notOver: ofOrders }),
  sellerOrders: sum(
    "seller_orders",
    "count",
    "Orders with lines of a seller: an order of two sellers is one for each.",
    { notOver: ofSellerOrders, only: "seller" }
  ),
  lines: sum("lines", "count", "Order lines."),
  units: sum("units", "count", "Units ordered, cancelled ones too."),
  gross: sum("gross", "money", "Unit price times quantity; a cancellation does not lower it."),
  discount: sum("discount", "money", "Discounts of the lines."),
  tax: sum("tax", "money", "Taxes of the lines."),
  shipping: sum("shipping", "money", "Shipping charged on the lines."),
  cancelledOrders: sum("cancelled_orders", "count", "Orders that are cancelled.", { notOver: ofOrders }),
  cancelledUnits: sum("cancelled_units", "count", "Units of cancelled orders."),
  cancelledAmount: sum("cancelled_amount", "money", "Gross less discount of cancelled orders."),
  refundUnits: sum("refund_units", "count", "Units given back, on the day of their order."),
  refundAmount: sum("refund_amount", "money", "Money given back, on the day of its order."),
  bookedRefundUnits: sum("booked_refund_units", "count", "Units given back, on the day of the refund.", {
    timeBase: "booking"
  }),
  bookedRefundAmount: sum("booked_refund_amount", "money", "Money given back, on the day of the refund.", {
    timeBase: "booking"
  }),
  shippedUnits: sum("shipped_units", "count", "Units sent, on the day of the shipment.", {
    timeBase: "booking"
  }),
  net: {
    unit: "money",
    timeBase: "order",
    doc: "Gross less discounts, cancellations and refunds, all on the day of the order.",
    of: ofNet,
    notOver: [],
    expression: netOf
  },
  averageOrderValue: {
    unit: "money",
    timeBase: "order",
    doc: "Net for each order, rounded half away from zero.",
    of: [...ofNet, "orders"],
    notOver: ofOrders,
    expression: `round((${netOf})::numeric / nullif(hm_sum(orders), 0))::bigint`
  },
  unitsPerOrder: {
    unit: "ratio",
    timeBase: "order",
    doc: "Units for each order.",
    of: ["units", "orders"],
    notOver: ofOrders,
    expression: "(hm_sum(units)::numeric / nullif(hm_sum(orders), 0))::float8"
  },
  refundRate: {
    unit: "ratio",
    timeBase: "order",
    doc: "Refunded of gross less discounts and cancellations.",
    of: ofNet,
    notOver: [],
    expression:
      "(hm_sum(refund_amount)::numeric / nullif(hm_sum(gross) - hm_sum(discount) - hm_sum(cancelled_amount), 0))::float8"
  },
  cancellationRate: {
    unit: "ratio",
    timeBase: "order",
    doc: "Cancelled orders of all orders.",
    of: ["cancelled_orders", "orders"],
    notOver: ofOrders,
    expression: "(hm_sum(cancelled_orders)::numeric / nullif(hm_sum(orders), 0))::float8"
  }
} as const satisfies Readonly<Record<string, Measure>>

/**
 * @category models
 * @since 0.1.0
 */
export type MeasureName = keyof typeof measures

const isMeasureName = (name: string): name is MeasureName => name in measures

/**
 * @category models
 * @since 0.1.0
 */
export const measureNames: ReadonlyArray<MeasureName> = Object.keys(measures).filter(isMeasureName)

/**
 * @category accessors
 * @since 0.1.0
 */
export const measureOf = (name: MeasureName): Measure => measures[name]
