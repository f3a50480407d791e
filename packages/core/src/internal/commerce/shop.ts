/** The facts of a shop's products, people and visitors. */
import * as Schema from "effect/Schema"
import * as BoundedInt from "../../BoundedInt.ts"
import { AdopterId } from "../../Identifier.ts"
import { Instant } from "../../Instant.ts"
import { Locale, Region, TimeZone } from "../../Place.ts"
import { make as makeText } from "../../Text.ts"
import { Attributes, Money, optional, quantityMax, text, Version } from "./parts.ts"

const contactLengthMax = 500

export const Product = Schema.Struct({
  productId: AdopterId,
  version: Version,
  status: Schema.Literals(["active", "hidden", "deleted"]),
  title: text(1_000),
  description: optional(makeText({ min: 0, max: 20_000 })),
  brand: optional(text(200)),
  sellerId: AdopterId,
  /** Paths, most specific first. */
  categories: Schema.Array(text(500)).check(Schema.isMaxLength(50)),
  price: Money,
  listPrice: optional(Money),
  /** Negative when more is promised than there is. */
  stock: optional(BoundedInt.make({ minimum: -quantityMax, maximum: quantityMax })),
  gtin: optional(text(14)),
  images: optional(Schema.Array(text(2_000)).check(Schema.isMaxLength(50))),
  locale: optional(Locale),
  attributes: optional(Attributes)
})

export const Seller = Schema.Struct({
  sellerId: AdopterId,
  version: Version,
  status: text(64),
  name: text(200),
  region: Region,
  joinedAt: Instant,
  contact: optional(text(contactLengthMax)),
  attributes: optional(Attributes)
})

export const Customer = Schema.Struct({
  customerId: AdopterId,
  version: Version,
  status: text(64),
  email: optional(text(320)),
  phone: optional(text(50)),
  locale: optional(Locale),
  timeZone: optional(TimeZone),
  region: optional(Region),
  segments: optional(Schema.Array(text(200)).check(Schema.isMaxLength(200))),
  attributes: optional(Attributes)
})

/** A page has at most a thousand hits: a position past it was not shown. */
const positionMax = 1_000

export const SessionSignal = Schema.Struct({
  sessionId: AdopterId,
  customerId: optional(AdopterId),
  deviceId: optional(AdopterId),
  productId: optional(AdopterId),
  query: optional(makeText({ min: 0, max: 1_500 })),
  queryId: optional(AdopterId),
  position: optional(BoundedInt.make({ minimum: 1, maximum: positionMax })),
  referrer: optional(text(2_000)),
  at: Instant
})

const ratingMax = 5

export const Review = Schema.Struct({
  orderId: optional(AdopterId),
  reviewId: AdopterId,
  version: Version,
  at: Instant,
  productId: optional(AdopterId),
  sellerId: optional(AdopterId),
  rating: BoundedInt.make({ minimum: 1, maximum: ratingMax }),
  text: optional(text(20_000))
}).check(
  Schema.makeFilter(
    (review) =>
      review.productId === undefined && review.sellerId === undefined
        ? { path: ["productId"], issue: "Expected a productId or a sellerId" }
        : undefined,
    { expected: "a review of a product or a seller", toJsonSchema: () => ({}) }
  )
)

export const StockMovement = Schema.Struct({
  movementId: AdopterId,
  productId: AdopterId,
  sellerId: AdopterId,
  locationId: AdopterId,
  kind: Schema.Literals(["receive", "sell", "return", "adjust", "transfer", "damage", "reserve", "release"]),
  /** Negative when the location has fewer afterwards. */
  quantity: BoundedInt.make({ minimum: -quantityMax, maximum: quantityMax }),
  unitCost: optional(Money),
  at: Instant
})

export const AdSignal = Schema.Struct({
  adEventId: AdopterId,
  campaignId: AdopterId,
  adGroupId: AdopterId,
  adId: AdopterId,
  productId: AdopterId,
  placement: text(200),
  sessionId: optional(AdopterId),
  customerId: optional(AdopterId),
  cost: optional(Money),
  at: Instant
})

export const Payout = Schema.Struct({
  payoutId: AdopterId,
  version: Version,
  sellerId: AdopterId,
  amount: Money,
  at: Instant
})

/** Bytes and tokens are counted too; nine million facts of it add up to less than 2^63. */
const usageMax = 1_000_000_000_000

export const Usage = Schema.Struct({
  usageId: AdopterId,
  feature: text(200),
  quantity: BoundedInt.make({ minimum: 1, maximum: usageMax }),
  /** The customer or seller who used it; the tenant itself without one. */
  subject: optional(AdopterId),
  at: Instant,
  attributes: optional(Attributes)
})
