/** Orders, and what happens to them. */
import * as Schema from "effect/Schema"
import { AdopterId } from "../../Identifier.ts"
import { Instant } from "../../Instant.ts"
import { Amount, amountMax, Currency } from "../../Money.ts"
import { IpAddress, Region } from "../../Place.ts"
import {
  Attributes,
  haveOwnIds,
  optional,
  orderLinesMax,
  Quantity,
  QuantityLines,
  QuantityOrNone,
  Sha256,
  text,
  Version
} from "./parts.ts"

const reasonLengthMax = 500

export const OrderLine = Schema.Struct({
  lineId: AdopterId,
  productId: AdopterId,
  sellerId: AdopterId,
  category: optional(text(500)),
  quantity: Quantity,
  /** How many of the quantity are cancelled; of a cancelled order all of them are. */
  cancelledQuantity: optional(QuantityOrNone),
  unitPrice: Amount,
  /** Of the line, not of a unit. */
  discount: optional(Amount),
  tax: optional(Amount),
  shipping: optional(Amount),
  shipBy: optional(Instant)
}).check(
  Schema.makeFilter(
    (line) => {
      if (line.unitPrice * BigInt(line.quantity) > amountMax)
        return {
          path: ["unitPrice"],
          issue: `Expected at most ${amountMax} minor units for the whole quantity`
        }
      return (line.cancelledQuantity ?? 0) > line.quantity
        ? { path: ["cancelledQuantity"], issue: "Expected at most the line's quantity" }
        : undefined
    },
    { expected: "an order line", toJsonSchema: () => ({}) }
  )
)

export const Order = Schema.Struct({
  orderId: AdopterId,
  version: Version,
  status: text(64),
  /** A guest has none. */
  customerId: optional(AdopterId),
  channel: text(64),
  region: Region,
  currency: Currency,
  placedAt: Instant,
  /** True when unit prices include tax; `tax` is then a part of them. */
  taxIncluded: optional(Schema.Boolean),
  lines: Schema.Array(OrderLine).check(
    Schema.isMinLength(1, { message: "Expected at least one line" }),
    Schema.isMaxLength(orderLinesMax, { message: `Expected at most ${orderLinesMax} lines` }),
    haveOwnIds
  ),
  /** Not tied to a line, like `fees` and `discount`. */
  shipping: optional(Amount),
  fees: optional(Amount),
  discount: optional(Amount),
  cancellation: optional(
    Schema.Struct({
      by: Schema.Literals(["buyer", "seller", "platform"]),
      reason: text(reasonLengthMax)
    })
  ),
  payment: optional(
    Schema.Struct({
      method: text(64),
      cardFingerprint: optional(text(200)),
      /** True when a gift card paid for all or a part of it. */
      giftCard: optional(Schema.Boolean)
    })
  ),
  shipTo: optional(
    Schema.Struct({ country: Region, region: optional(Region), postalCode: optional(text(32)) })
  ),
  ip: optional(IpAddress),
  deviceId: optional(AdopterId),
  /** Of the normalised address; a bare hash of an address can be guessed, so it is personal data. */
  emailHash: optional(Sha256),
  /** Of the normalised address without the tag behind `+`. */
  emailBaseHash: optional(Sha256),
  couponCodes: optional(Schema.Array(text(64)).check(Schema.isMaxLength(50))),
  attributes: optional(Attributes)
})

export const OrderDeleted = Schema.Struct({
  orderId: AdopterId,
  version: Version,
  reason: text(reasonLengthMax)
})

export const Shipment = Schema.Struct({
  orderId: AdopterId,
  shipmentId: AdopterId,
  version: Version,
  at: Instant,
  promisedAt: optional(Instant),
  carrier: optional(text(64)),
  trackingNumber: optional(text(200)),
  lines: QuantityLines.check(Schema.isMinLength(1, { message: "Expected at least one line" }))
})

/** The parts that both forms of a refund have. */
const parts = {
  refundId: AdopterId,
  version: Version,
  at: Instant,
  reason: text(reasonLengthMax),
  lines: Schema.Array(
    Schema.Struct({
      lineId: AdopterId,
      quantity: QuantityOrNone,
      amount: Amount,
      tax: optional(Amount),
      shipping: optional(Amount)
    })
  ).check(Schema.isMaxLength(orderLinesMax), haveOwnIds),
  amount: optional(Amount),
  tax: optional(Amount),
  shipping: optional(Amount),
  fees: optional(Amount)
}

export const OrderRefund = Schema.Struct({ orderId: AdopterId, ...parts })

const creditFields = ["customerId", "region", "currency", "sellerId"] as const

export const Refund = Schema.Struct({
  orderId: optional(AdopterId),
  customerId: optional(AdopterId),
  region: optional(Region),
  currency: optional(Currency),
  sellerId: optional(AdopterId),
  ...parts
}).check(
  Schema.makeFilter(
    (refund) => {
      if (refund.orderId !== undefined) {
        return creditFields
          .filter((field) => refund[field] !== undefined)
          .map((field) => ({ path: [field], issue: "Expected nothing beside orderId: the order has it" }))
      }
      return (["region", "currency"] as const)
        .filter((field) => refund[field] === undefined)
        .map((field) => ({ path: [field], issue: "Expected it for a credit without an orderId" }))
    },
    { expected: "a refund of an order, or a credit without one", toJsonSchema: () => ({}) }
  )
)

export const ReturnRequested = Schema.Struct({
  orderId: AdopterId,
  returnId: AdopterId,
  version: Version,
  at: Instant,
  reason: text(reasonLengthMax),
  lines: QuantityLines
})

export const Chargeback = Schema.Struct({
  orderId: AdopterId,
  chargebackId: AdopterId,
  version: Version,
  at: Instant,
  reason: text(reasonLengthMax),
  amount: Amount,
  state: Schema.Literals(["opened", "won", "lost"])
})

export const Claim = Schema.Struct({
  orderId: AdopterId,
  claimId: AdopterId,
  version: Version,
  at: Instant,
  reason: text(reasonLengthMax),
  lines: optional(QuantityLines),
  amount: optional(Amount)
})
