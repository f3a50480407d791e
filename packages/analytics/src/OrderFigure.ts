/**
 * The figures of one order. Schemas and errors; the service is `OrderFigures`.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

const MinorUnits = Schema.BigIntFromString

/**
 * A line of an order as the figures count it. The line '' has the amounts of the whole order. A removed line is one that
 * a later version of the order left out, or one that only a refund or shipment names.
 *
 * @category models
 * @since 0.1.0
 */
export const OrderFigureLine = Schema.Struct({
  lineId: Schema.String,
  productId: Schema.String,
  sellerId: Schema.String,
  category: Schema.String,
  isRemoved: Schema.Boolean,
  /** The day of the order in the seller's zone. */
  sellerDay: Schema.String,
  units: Schema.Int,
  gross: MinorUnits,
  discount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits,
  fees: MinorUnits,
  cancelledUnits: Schema.Int,
  cancelledAmount: MinorUnits
})

/**
 * A line of a refund or shipment, and where it is booked.
 *
 * @category models
 * @since 0.1.0
 */
export const OrderFigureAdjustment = Schema.Struct({
  kind: Schema.Literals(["refund", "shipment"]),
  /** The `refundId` or `shipmentId`. */
  id: Schema.String,
  version: Schema.Int,
  at: Schema.DateTimeUtcFromString,
  /** The day of the booking in the tenant's zone. */
  day: Schema.String,
  /** The day of the booking in the seller's zone. Null for a deleted order. */
  sellerDay: Schema.NullOr(Schema.String),
  lineId: Schema.String,
  units: Schema.Int,
  amount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits,
  fees: MinorUnits
})

/**
 * The additive measures of an order and its net, as `docs/money.md` defines them.
 *
 * @category models
 * @since 0.1.0
 */
export const OrderTotals = Schema.Struct({
  units: MinorUnits,
  gross: MinorUnits,
  discount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits,
  fees: MinorUnits,
  cancelledUnits: MinorUnits,
  cancelledAmount: MinorUnits,
  refundUnits: MinorUnits,
  refundAmount: MinorUnits,
  refundTax: MinorUnits,
  refundShipping: MinorUnits,
  refundFees: MinorUnits,
  refundCancelledAmount: MinorUnits,
  net: MinorUnits
})

/**
 * An order as the figures count it, in minor units of its currency. A deleted order has no lines, and null for what its
 * lines had.
 *
 * @category models
 * @since 0.1.0
 */
export class OrderFigure extends Schema.Class<OrderFigure>("@hypermarket/analytics/OrderFigure")({
  orderId: Schema.String,
  version: Schema.Int,
  status: Schema.Literals(["placed", "cancelled", "deleted"]),
  /** Null for a guest. */
  customerId: Schema.NullOr(Schema.String),
  region: Schema.NullOr(Schema.String),
  channel: Schema.NullOr(Schema.String),
  currency: Schema.NullOr(Schema.String),
  placedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The day of the order in the tenant's zone. */
  day: Schema.NullOr(Schema.String),
  totals: OrderTotals,
  lines: Schema.Array(OrderFigureLine),
  /** Lines of refunds and shipments by the time of their booking. */
  adjustments: Schema.Array(OrderFigureAdjustment),
  /** False when there are more than 1,000 adjustments. The totals contain all of them. */
  isComplete: Schema.Boolean
}) {}

/**
 * The tenant has no order with this id. An order of which only a refund or shipment is known is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderNotFound extends HttpApiError.Problem<OrderNotFound>()(
  "OrderNotFound",
  { type: "urn:hypermarket:problem:analytics:order-not-found", status: 404, title: "No such order" },
  { orderId: Schema.String }
) {}
