/**
 * The facts of a shop: what it tells Hypermarket, once, as CloudEvents of type `com.hypermarket.shop.<noun>.<past>.v1`.
 *
 * A fact about a thing carries the thing's whole state and its version, not a patch: a receiver keeps the highest
 * version it has seen and ignores lower ones, so that replay and disorder are harmless. Unknown fields are refused,
 * except under `attributes`. A type that has shipped only grows optional fields.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AdopterId } from "./Identifier.ts"
import { Currency, MinorUnits, Money } from "./Money.ts"

/**
 * @category limits
 * @since 0.1.0
 */
export const factBytesMax = 64 * 1024

/**
 * @category limits
 * @since 0.1.0
 */
export const orderLinesMax = 1_000

/**
 * @category limits
 * @since 0.1.0
 */
export const attributesMax = 200

const prefix = "com.hypermarket.shop."

const Text = (lengthMax: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(lengthMax))
const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
const Instant = Schema.DateTimeUtcFromString
const Region = Schema.String.check(
  Schema.isPattern(/^[A-Z]{2}(-[A-Z0-9]{1,3})?$/, {
    message: "Expected an ISO 3166 code such as DE or US-CA"
  })
)
const Attributes = Schema.Record(Schema.String, Schema.Json).check(
  Schema.makeFilter((attributes) =>
    Object.keys(attributes).length > attributesMax
      ? `Expected at most ${attributesMax} attributes`
      : undefined
  )
)
const Quantity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))
const optional = Schema.optionalKey

/**
 * @category facts
 * @since 0.1.0
 */
export const ProductChanged = Schema.Struct({
  productId: AdopterId,
  version: Version,
  status: Schema.Literals(["active", "hidden", "deleted"]),
  title: Text(1_000),
  description: optional(Schema.String.check(Schema.isMaxLength(20_000))),
  brand: optional(Text(200)),
  sellerId: AdopterId,
  /** Paths, most specific first. */
  categories: Schema.Array(Text(500)).check(Schema.isMaxLength(50)),
  price: Money,
  listPrice: optional(Money),
  stock: optional(Schema.Int),
  gtin: optional(Text(14)),
  images: optional(Schema.Array(Text(2_000)).check(Schema.isMaxLength(50))),
  locale: optional(Text(35)),
  attributes: Attributes
})

/**
 * @category models
 * @since 0.1.0
 */
export type ProductChanged = typeof ProductChanged.Type

/**
 * @category facts
 * @since 0.1.0
 */
export const SellerChanged = Schema.Struct({
  sellerId: AdopterId,
  version: Version,
  status: Text(64),
  name: Text(200),
  region: Region,
  joinedAt: Instant,
  contact: optional(Text(500)),
  attributes: Attributes
})

/**
 * @category facts
 * @since 0.1.0
 */
export const CustomerChanged = Schema.Struct({
  customerId: AdopterId,
  version: Version,
  status: Text(64),
  email: optional(Text(320)),
  phone: optional(Text(50)),
  locale: Text(35),
  /** IANA. */
  timeZone: Text(64),
  region: optional(Region),
  segments: Schema.Array(Text(200)).check(Schema.isMaxLength(200)),
  attributes: Attributes
})

/**
 * Amounts are minor units of the order's currency. A line's net is `unitPrice x quantity - discount`.
 *
 * @category facts
 * @since 0.1.0
 */
export const OrderLine = Schema.Struct({
  lineId: AdopterId,
  productId: AdopterId,
  sellerId: AdopterId,
  category: optional(Text(500)),
  quantity: Quantity,
  unitPrice: MinorUnits,
  discount: MinorUnits,
  tax: MinorUnits,
  shipping: MinorUnits
})

/**
 * `order.placed`, `order.changed` and `order.cancelled`.
 *
 * @category facts
 * @since 0.1.0
 */
export const Order = Schema.Struct({
  orderId: AdopterId,
  version: Version,
  status: Text(64),
  customerId: AdopterId,
  channel: Text(64),
  region: Region,
  currency: Currency,
  placedAt: Instant,
  lines: Schema.Array(OrderLine).check(Schema.isMinLength(1), Schema.isMaxLength(orderLinesMax)),
  payment: optional(Schema.Struct({ method: Text(64), cardFingerprint: optional(Text(200)) })),
  shipTo: optional(
    Schema.Struct({ country: Region, region: optional(Region), postalCode: optional(Text(32)) })
  ),
  ip: optional(Text(45)),
  deviceId: optional(AdopterId),
  emailHash: optional(Text(128)),
  couponCodes: optional(Schema.Array(Text(64)).check(Schema.isMaxLength(50))),
  attributes: Attributes
})

/**
 * @category models
 * @since 0.1.0
 */
export type Order = typeof Order.Type

/**
 * `order.shipped` and `order.delivered`.
 *
 * @category facts
 * @since 0.1.0
 */
export const Shipment = Schema.Struct({
  orderId: AdopterId,
  shipmentId: AdopterId,
  version: Version,
  at: Instant,
  promisedAt: optional(Instant),
  carrier: optional(Text(64)),
  trackingNumber: optional(Text(200)),
  lines: Schema.Array(Schema.Struct({ lineId: AdopterId, quantity: Quantity })).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(orderLinesMax)
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type Shipment = typeof Shipment.Type

/** A page is at most a thousand hits: a position past it was not shown. */
const positionMax = 1_000

/**
 * `session.viewed`, `session.searched`, `session.clicked` and `session.carted`: what a visitor did. `queryId` is the one
 * of the search answer it came from, `position` the hit's place in it, from 1.
 *
 * @category facts
 * @since 0.1.0
 */
export const SessionSignal = Schema.Struct({
  sessionId: AdopterId,
  customerId: optional(AdopterId),
  deviceId: optional(AdopterId),
  productId: optional(AdopterId),
  query: optional(Schema.String.check(Schema.isMaxLength(1_500))),
  queryId: optional(AdopterId),
  position: optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: positionMax }))),
  referrer: optional(Text(2_000)),
  at: Instant
})

/**
 * @category models
 * @since 0.1.0
 */
export type SessionSignal = typeof SessionSignal.Type

/**
 * `order.refunded`: what was given back under this refund, whole. A line may give back money without goods. A refund
 * that was withdrawn is a higher version without lines. Amounts are minor units of the order's currency.
 *
 * @category facts
 * @since 0.1.0
 */
export const Refund = Schema.Struct({
  orderId: AdopterId,
  refundId: AdopterId,
  version: Version,
  at: Instant,
  reason: Text(500),
  lines: Schema.Array(
    Schema.Struct({
      lineId: AdopterId,
      quantity: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })),
      amount: MinorUnits
    })
  ).check(Schema.isMaxLength(orderLinesMax))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Refund = typeof Refund.Type

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
  "order.shipped": Shipment,
  "order.delivered": Shipment,
  "order.refunded": Refund,
  "session.viewed": SessionSignal,
  "session.searched": SessionSignal,
  "session.clicked": SessionSignal,
  "session.carted": SessionSignal
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
 * True for the types that are reserved for facts, known or not.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReserved = (type: string): boolean => type.startsWith(prefix)

const decoders = new Map(
  Array.from(byType, ([type, schema]) => [
    type,
    Schema.decodeUnknownEffect(schema as Schema.Codec<unknown, unknown>, {
      onExcessProperty: "error",
      errors: "all"
    })
  ])
)

/**
 * Checks a fact's data against its schema; data of other types passes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const check = (type: string, data: unknown): Effect.Effect<void, Schema.SchemaError> => {
  const decode = decoders.get(type)
  return decode === undefined ? Effect.void : Effect.asVoid(decode(data))
}

/**
 * Reads the data of a fact that was checked when it arrived.
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
