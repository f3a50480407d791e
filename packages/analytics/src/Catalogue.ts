/**
 * Measures and dimensions of sales, and the combinations of them that are allowed.
 *
 * Every stored measure is a sum, and every ratio is made of sums when it is read. A measure is refused over a dimension
 * along which its parts do not add up: an order with lines in two categories is one order, not two.
 *
 * @since 0.1.0
 */
import type { StoredMeasure } from "./internal/measures.ts"

/**
 * The kind of a measure's value: a number of things, minor units of a currency, or a quotient (absent when it would divide
 * by 0).
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
  /** True for a count of different things, which no summary has: it is counted from the lines. */
  readonly isDistinct?: true
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
  ...further
})

const booked = (stored: StoredMeasure, unit: Unit, doc: string): Measure =>
  sum(stored, unit, doc, { timeBase: "booking" })

const distinct = (doc: string): Measure => ({
  unit: "count",
  timeBase: "order",
  doc: `${doc} Counted from the lines: exactly, or estimated with \`estimate\` in the answer where more than 1,000,000 lines would be read.`,
  of: ["orders"],
  notOver: [],
  isDistinct: true
})

const ofNet = ["gross", "discount", "cancelled_amount", "refund_amount", "refund_cancelled_amount"] as const

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
  customers: distinct("Different customers with an order line, guests left out."),
  newCustomers: distinct("Different customers with their first order of all time in the row."),
  returningCustomers: distinct("Different customers of the row whose first order is not in it."),
  lines: sum("lines", "count", "Order lines."),
  units: sum("units", "count", "Units ordered, cancelled ones too."),
  gross: sum("gross", "money", "Unit price times quantity; a cancellation does not lower it."),
  discount: sum("discount", "money", "Discounts of the lines and of whole orders."),
  tax: sum("tax", "money", "Taxes of the lines; a part of gross where the order's prices include tax."),
  shipping: sum("shipping", "money", "Shipping charged on the lines and on whole orders."),
  fees: sum("fees", "money", "Fees of whole orders."),
  cancelledOrders: sum("cancelled_orders", "count", "Orders that are cancelled as a whole.", {
    notOver: ofOrders
  }),
  cancelledUnits: sum("cancelled_units", "count", "Units that are cancelled."),
  cancelledAmount: sum("cancelled_amount", "money", "Gross less discount of the cancelled units."),
  refundUnits: sum("refund_units", "count", "Units given back, on the day of their order."),
  refundAmount: sum("refund_amount", "money", "Money given back for goods, on the day of its order."),
  refundTax: sum("refund_tax", "money", "Tax given back, on the day of its order."),
  refundShipping: sum("refund_shipping", "money", "Shipping given back, on the day of its order."),
  refundFees: sum("refund_fees", "money", "Fees given back, on the day of their order."),
  refundCancelledAmount: sum(
    "refund_cancelled_amount",
    "money",
    "The part of refundAmount that is missing from sales already: given back for what was cancelled or removed."
  ),
  bookedRefundUnits: booked("booked_refund_units", "count", "Units given back, on the day of the refund."),
  bookedRefundAmount: booked(
    "booked_refund_amount",
    "money",
    "Money given back for goods, on the day of the refund."
  ),
  bookedRefundTax: booked("booked_refund_tax", "money", "Tax given back, on the day of the refund."),
  bookedRefundShipping: booked(
    "booked_refund_shipping",
    "money",
    "Shipping given back, on the day of the refund."
  ),
  bookedRefundFees: booked("booked_refund_fees", "money", "Fees given back, on the day of the refund."),
  shippedUnits: booked("shipped_units", "count", "Units sent, on the day of the shipment."),
  net: {
    unit: "money",
    timeBase: "order",
    doc: "Gross less discounts, cancellations and refunds of goods, each amount once, all on the day of the order.",
    of: ofNet,
    notOver: []
  },
  averageOrderValue: {
    unit: "money",
    timeBase: "order",
    doc: "Net for each order, rounded half away from zero.",
    of: [...ofNet, "orders"],
    notOver: ofOrders
  },
  unitsPerOrder: {
    unit: "ratio",
    timeBase: "order",
    doc: "Units for each order.",
    of: ["units", "orders"],
    notOver: ofOrders
  },
  refundRate: {
    unit: "ratio",
    timeBase: "order",
    doc: "Refunded of gross less discounts and cancellations, without what was refunded of cancelled units.",
    of: ofNet,
    notOver: []
  },
  cancellationRate: {
    unit: "ratio",
    timeBase: "order",
    doc: "Cancelled orders of all orders.",
    of: ["cancelled_orders", "orders"],
    notOver: ofOrders
  }
} as const satisfies Readonly<Record<string, Measure>>

/**
 * @category models
 * @since 0.1.0
 */
export type MeasureName = keyof typeof measures

/**
 * @category guards
 * @since 0.1.0
 */
export const isMeasureName = (name: string): name is MeasureName => Object.hasOwn(measures, name)

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
