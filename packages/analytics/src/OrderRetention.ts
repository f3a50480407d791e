/**
 * Errors of what needs facts that retention has removed. The service is `OrderRetentions`.
 *
 * @since 0.1.0
 */
import { Day } from "@hypermarket/core/Instant"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The facts of the days before `before` were removed: their figures cannot be computed again.
 *
 * @category errors
 * @since 0.1.0
 */
export class FactsRemoved extends Schema.TaggedError<FactsRemoved>()("FactsRemoved", { before: Day }) {}

/**
 * The facts of the order were removed. Its figures are in the sums.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderRetired extends HttpApiError.Problem<OrderRetired>()(
  "OrderRetired",
  {
    type: "urn:hypermarket:problem:analytics:order-retired",
    status: 410,
    title: "The facts of the order were removed"
  },
  { orderId: Schema.String }
) {}
