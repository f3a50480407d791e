/**
 * The facts of a shop: what it tells Hypermarket, once, as CloudEvents of type `com.hypermarket.shop.<noun>.<past>.v1`.
 *
 * A fact about a thing carries the thing's whole state and its version, not a patch. A receiver keeps the highest
 * version that it has seen and ignores lower ones, so replay and disorder are harmless. Unknown fields are refused,
 * except under `attributes`. A type that has shipped only grows optional fields, and a required field may become
 * optional.
 *
 * A fact that these schemas accept can be stored by every handler: text, instants, amounts, quantities, currencies and
 * regions are bounded here, and nowhere else.
 *
 * The file is longer than 400 lines because the contract with a shop is read in one place.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { errorsOf, type InputError } from "./InputErrors.ts"
import * as order from "./internal/commerce/order.ts"
import * as parts from "./internal/commerce/parts.ts"
import * as shop from "./internal/commerce/shop.ts"

/**
 * The largest fact, in bytes of its `data`. An order of 1,000 lines needs 84 to 124 KB.
 *
 * @category limits
 * @since 0.1.0
 */
export const factBytesMax = 192 * 1024

/**
 * The most lines of an order, a shipment or a refund.
 *
 * @category limits
 * @since 0.1.0
 */
export const orderLinesMax = parts.orderLinesMax

/**
 * The most `attributes` of a fact.
 *
 * @category limits
 * @since 0.1.0
 */
export const attributesMax = parts.attributesMax

/**
 * How far ahead of the clock a fact may have happened: clocks of shops differ, and some have only a date.
 *
 * @category limits
 * @since 0.1.0
 */
export const aheadHoursMax = 24

const aheadMillisMax = aheadHoursMax * 60 * 60 * 1_000

const prefix = "com.hypermarket.shop."

/**
 * `product.changed`.
 *
 * @category facts
 * @since 0.1.0
 */
export const ProductChanged = shop.Product

/**
 * @category models
 * @since 0.1.0
 */
export type ProductChanged = typeof ProductChanged.Type

/**
 * `seller.changed`.
 *
 * @category facts
 * @since 0.1.0
 */
export const SellerChanged = shop.Seller

/**
 * `customer.changed`.
 *
 * @category facts
 * @since 0.1.0
 */
export const CustomerChanged = shop.Customer

/**
 * Amounts are minor units of the order's currency. A line's gross is `unitPrice x quantity`, at most 10^13.
 *
 * @category facts
 * @since 0.1.0
 */
export const OrderLine = order.OrderLine

/**
 * `order.placed`, `order.changed` and `order.cancelled`. `cancelledQuantity` of a line says how much of it is cancelled;
 * of an order whose `status` is `cancelled` every line is.
 *
 * @category facts
 * @since 0.1.0
 */
export const Order = order.Order

/**
 * @category models
 * @since 0.1.0
 */
export type Order = typeof Order.Type

/**
 * `order.deleted`: takes a test order and its adjustments out of every figure. A higher version of `order.changed` brings
 * it back.
 *
 * @category facts
 * @since 0.1.0
 */
export const OrderDeleted = order.OrderDeleted

/**
 * @category models
 * @since 0.1.0
 */
export type OrderDeleted = typeof OrderDeleted.Type

/**
 * `order.shipped` and `order.delivered`.
 *
 * @category facts
 * @since 0.1.0
 */
export const Shipment = order.Shipment

/**
 * @category models
 * @since 0.1.0
 */
export type Shipment = typeof Shipment.Type

/**
 * `order.refunded`: what was given back under this refund, whole. It has an `orderId`, and amounts in minor units of the
 * order's currency; or it is a credit without an order, with its own `region` and `currency`. A line may give back
 * money without goods. What belongs to no line is in the refund's own `amount`, `tax`, `shipping` and `fees`. A refund
 * that was withdrawn is a higher version without lines.
 *
 * @category facts
 * @since 0.1.0
 */
export const Refund = order.Refund

/**
 * @category models
 * @since 0.1.0
 */
export type Refund = typeof Refund.Type

/**
 * `order.refunded` of an order, and not a credit without one.
 *
 * @category facts
 * @since 0.1.0
 */
export const OrderRefund = order.OrderRefund

/**
 * @category models
 * @since 0.1.0
 */
export type OrderRefund = typeof OrderRefund.Type

/**
 * True for a refund of an order, false for a credit without one.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOrderRefund = (refund: Refund): refund is Refund & OrderRefund => refund.orderId !== undefined

/**
 * `return.requested`.
 *
 * @category facts
 * @since 0.1.0
 */
export const ReturnRequested = order.ReturnRequested

/**
 * `chargeback.received`: `amount` is minor units of the order's currency.
 *
 * @category facts
 * @since 0.1.0
 */
export const ChargebackReceived = order.Chargeback

/**
 * `claim.opened`: `amount` is minor units of the order's currency.
 *
 * @category facts
 * @since 0.1.0
 */
export const ClaimOpened = order.Claim

/**
 * `review.given`: of a product, a seller, or a seller's product; `rating` is 1 to 5.
 *
 * @category facts
 * @since 0.1.0
 */
export const ReviewGiven = shop.Review

/**
 * `session.viewed`, `session.searched`, `session.clicked` and `session.carted`: what a visitor did. `queryId` is the one
 * of the search answer it came from, `position` the hit's place in it, from 1.
 *
 * @category facts
 * @since 0.1.0
 */
export const SessionSignal = shop.SessionSignal

/**
 * @category models
 * @since 0.1.0
 */
export type SessionSignal = typeof SessionSignal.Type

/**
 * `stock.moved`.
 *
 * @category facts
 * @since 0.1.0
 */
export const StockMoved = shop.StockMovement

/**
 * `ad.shown` and `ad.clicked`.
 *
 * @category facts
 * @since 0.1.0
 */
export const AdSignal = shop.AdSignal

/**
 * `payout.requested`.
 *
 * @category facts
 * @since 0.1.0
 */
export const PayoutRequested = shop.Payout

/**
 * `usage.recorded`: use of a metered feature.
 *
 * @category facts
 * @since 0.1.0
 */
export const UsageRecorded = shop.Usage

/**
 * The schema of `data` by the fact's short name.
 *
 * @category facts
 * @since 0.1.0
 */
export const facts = {
  "product.changed": ProductChanged,
  "seller.changed": SellerChanged,
  "customer.changed": CustomerChanged,
  "order.placed": Order,
  "order.changed": Order,
  "order.cancelled": Order,
  "order.deleted": OrderDeleted,
  "order.shipped": Shipment,
  "order.delivered": Shipment,
  "order.refunded": Refund,
  "return.requested": ReturnRequested,
  "chargeback.received": ChargebackReceived,
  "claim.opened": ClaimOpened,
  "review.given": ReviewGiven,
  "session.viewed": SessionSignal,
  "session.searched": SessionSignal,
  "session.clicked": SessionSignal,
  "session.carted": SessionSignal,
  "stock.moved": StockMoved,
  "ad.shown": AdSignal,
  "ad.clicked": AdSignal,
  "payout.requested": PayoutRequested,
  "usage.recorded": UsageRecorded
} as const

/**
 * @category models
 * @since 0.1.0
 */
export type FactName = keyof typeof facts

/**
 * The CloudEvents type of a fact.
 *
 * @category accessors
 * @since 0.1.0
 */
export const typeOf = (name: FactName): string => `${prefix}${name}.v1`

const byType: ReadonlyMap<string, (typeof facts)[FactName]> = new Map(
  Object.entries(facts).map(([name, schema]) => [`${prefix}${name}.v1`, schema])
)

/**
 * Every type of fact.
 *
 * @category accessors
 * @since 0.1.0
 */
export const types: ReadonlyArray<string> = Array.from(byType.keys())

/**
 * The schema of a type's data; undefined for a type that is no fact of ours.
 *
 * @category accessors
 * @since 0.1.0
 */
export const schemaOf = (type: string) => byType.get(type)

/**
 * A fact's data is not what its type promises. Paths begin with a field of `data`.
 *
 * @category errors
 * @since 0.1.0
 */
export class FactInvalid extends Schema.TaggedError<FactInvalid>()("FactInvalid", {
  errors: Schema.Array(
    Schema.Struct({
      path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
      message: Schema.String
    })
  )
}) {}

const decoders = new Map(
  Array.from(byType, ([type, schema]) => [
    type,
    Schema.decodeUnknownEffect(schema, {
      onExcessProperty: "error",
      errors: "all"
    })
  ])
)

/** When a fact happened. Other instants (`placedAt`, `promisedAt`, `shipBy`) may be in the future. */
const happenedFields = ["at", "joinedAt"] as const

/**
 * Returns what is wrong with an instant that is further ahead of the clock than {@link aheadHoursMax}; undefined for any
 * other.
 *
 * @category decoding
 * @since 0.1.0
 */
export const aheadMessage = (at: DateTime.DateTime, now: Date): string | undefined =>
  at.epochMilliseconds > now.getTime() + aheadMillisMax
    ? `Expected an instant at most ${aheadHoursMax} hours ahead of the clock`
    : undefined

const aheadErrors = (data: unknown, now: Date): ReadonlyArray<InputError> => {
  if (typeof data !== "object" || data === null) return []
  const values = new Map<string, unknown>(Object.entries(data))
  return happenedFields.flatMap((field) => {
    const value = values.get(field)
    const message = DateTime.isDateTime(value) ? aheadMessage(value, now) : undefined
    return message === undefined ? [] : [{ path: [field], message }]
  })
}

/**
 * Checks a fact's data against its schema, and that it has not happened later than a day from `now`. Data of other types
 * passes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const check = (type: string, data: unknown, now: Date): Effect.Effect<void, FactInvalid> => {
  const decode = decoders.get(type)
  if (decode === undefined) return Effect.void
  return decode(data).pipe(
    Effect.mapError((error) => new FactInvalid({ errors: errorsOf(error) })),
    Effect.flatMap((decoded) => {
      const errors = aheadErrors(decoded, now)
      return errors.length === 0 ? Effect.void : Effect.fail(new FactInvalid({ errors }))
    })
  )
}

/**
 * Reads the data of a fact that was checked when it arrived. Fields that this release does not know are left out.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeOrder: (data: unknown) => Effect.Effect<Order, Schema.SchemaError> =
  Schema.decodeUnknownEffect(Order)

/**
 * {@link decodeOrder} for `product.changed`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeProduct: (data: unknown) => Effect.Effect<ProductChanged, Schema.SchemaError> =
  Schema.decodeUnknownEffect(ProductChanged)

/**
 * {@link decodeOrder} for the `session.*` facts.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeSession: (data: unknown) => Effect.Effect<SessionSignal, Schema.SchemaError> =
  Schema.decodeUnknownEffect(SessionSignal)
