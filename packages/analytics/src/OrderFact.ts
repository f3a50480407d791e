/**
 * Facts of orders as the shop posts them, and what becomes of them. Without the writing itself, so that a browser can import
 * it.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The most facts of one call: a statement of a few milliseconds each way.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

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
  Schema.Struct({ type: Schema.Literal("order.shipped"), data: Commerce.Shipment }),
  Schema.Struct({ type: Schema.Literal("order.refunded"), data: Commerce.Refund })
])

/**
 * @category models
 * @since 0.1.0
 */
export type OrderFact = typeof OrderFact.Type

/**
 * What became of a fact: `applied`; `duplicate` of the version that is known; `superseded` by a higher version that came
 * before.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Literals(["applied", "duplicate", "superseded"])

/**
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * What carries a version of its own.
 *
 * @category models
 * @since 0.1.0
 */
export const Kind = Schema.Literals(["order", "refund", "shipment"])

/**
 * @category models
 * @since 0.1.0
 */
export type Kind = typeof Kind.Type

/**
 * A fact that the figures cannot take; nothing of its batch was written. A path begins with the fact's index.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderFactInvalid extends HttpApiError.Problem<OrderFactInvalid>()(
  "OrderFactInvalid",
  {
    type: "urn:hypermarket:problem:analytics:order-fact-invalid",
    status: 400,
    title: "A fact is not valid; nothing was written"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * Two different documents under one version; nothing of the batch was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderFactConflict extends HttpApiError.Problem<OrderFactConflict>()(
  "OrderFactConflict",
  {
    type: "urn:hypermarket:problem:analytics:order-fact-conflict",
    status: 409,
    title: "This version is known with another content; nothing was written"
  },
  { index: Schema.Int, kind: Kind, id: Schema.String, version: Schema.Int }
) {}
