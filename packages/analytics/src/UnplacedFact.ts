/**
 * Facts that are in no figure: refunds and shipments whose order is unknown, until it arrives, and facts of orders that
 * retention has removed. The service is `UnplacedFacts`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const MinorUnits = Schema.BigIntFromString

/**
 * A refund or shipment that waits for its order, or a fact of an order whose facts were removed. An amount has the order's
 * currency.
 *
 * @category models
 * @since 0.1.0
 */
export class UnplacedFact extends Schema.Class<UnplacedFact>("@hypermarket/analytics/UnplacedFact")({
  /** `removed` when retention has removed the facts of the order: what this one changes is not known any more. */
  reason: Schema.Literals(["unknown", "removed"]),
  kind: Schema.Literals(["order", "refund", "shipment"]),
  orderId: Schema.String,
  /** The `orderId`, `refundId` or `shipmentId`. */
  id: Schema.String,
  version: Schema.Int,
  at: Schema.DateTimeUtcFromString,
  units: Schema.Int,
  /** Of an order its price after discounts. */
  amount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits,
  fees: MinorUnits
}) {}
