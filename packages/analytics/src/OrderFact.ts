/**
 * Facts of orders as the shop posts them.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Schema from "effect/Schema"

/**
 * The most facts of one call: a statement of a few milliseconds each way.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * The most lines of the orders, refunds and shipments of one call over HTTP: some seconds on a busy database, and half of the
 * call's deadline. A call with more is refused, and can be sent in parts.
 *
 * @category limits
 * @since 0.1.0
 */
export const linesMax = 20_000

/**
 * A fact as the shop posts it. Placing, changing and cancelling carry the same document; a cancelled order keeps its
 * lines.
 *
 * @category models
 * @since 0.1.0
 */
export const OrderFact = Schema.Union([
  Schema.Struct({
    type: Schema.Literals(["order.placed", "order.changed", "order.cancelled"]),
    data: Commerce.Order
  }),
  Schema.Struct({ type: Schema.Literal("order.deleted"), data: Commerce.OrderDeleted }),
  Schema.Struct({ type: Schema.Literal("order.shipped"), data: Commerce.Shipment }),
  Schema.Struct({ type: Schema.Literal("order.refunded"), data: Commerce.Refund })
])

/**
 * @category models
 * @since 0.1.0
 */
export type OrderFact = typeof OrderFact.Type

/**
 * Returns the number of lines of a fact.
 *
 * @category accessors
 * @since 0.1.0
 */
export const linesOf = (fact: OrderFact): number =>
  fact.type === "order.deleted" ? 0 : fact.data.lines.length

export { IsolationRefused, Kind, OrderFactConflict, OrderFactInvalid, Outcome } from "./OrderFactOutcome.ts"
