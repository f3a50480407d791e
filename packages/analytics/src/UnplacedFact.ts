/**
 * Refunds and shipments whose order is unknown. They are in no figure until the order arrives. The service is
 * `UnplacedFacts`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const MinorUnits = Schema.BigIntFromString

/**
 * A refund or shipment that waits for its order. Its amounts have no currency: the order has it.
 *
 * @category models
 * @since 0.1.0
 */
export class UnplacedFact extends Schema.Class<UnplacedFact>("@hypermarket/analytics/UnplacedFact")({
  kind: Schema.Literals(["refund", "shipment"]),
  orderId: Schema.String,
  /** The `refundId` or `shipmentId`. */
  id: Schema.String,
  version: Schema.Int,
  at: Schema.DateTimeUtcFromString,
  units: Schema.Int,
  amount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits,
  fees: MinorUnits
}) {}
