/**
 * Replays the sample shop through the public API: first what it sells and to whom, then what happened, in the order of
 * time.
 */
import * as Effect from "effect/Effect"
import * as Superstore from "../superstore/Superstore.ts"
import * as Facts from "./Facts.ts"
import type { Installation } from "./Part.ts"

/** How many facts of each kind the shop has told; told again they change nothing. */
export interface Replayed {
  readonly sellers: number
  readonly products: number
  readonly customers: number
  readonly orders: number
  readonly shipments: number
}

/** Sellers, products and customers; done when every handler has them. */
export const catalogue = Effect.fn("Replay.catalogue")(function* (
  installation: Installation,
  shop: Superstore.Superstore
) {
  yield* Facts.post(installation, "Products and customers", [
    ...shop.sellers,
    ...shop.products,
    ...shop.customers
  ])
  yield* Facts.settle(installation, "Handling products and customers")
})

/** Orders and shipments; done when every handler has them. */
export const history = Effect.fn("Replay.history")(function* (
  installation: Installation,
  shop: Superstore.Superstore
) {
  yield* Facts.post(
    installation,
    "Orders and shipments",
    [...shop.orders, ...shop.shipments].toSorted(Superstore.byTime)
  )
  yield* Facts.settle(installation, "Handling orders and shipments")
})

export const countsOf = (shop: Superstore.Superstore): Replayed => ({
  sellers: shop.sellers.length,
  products: shop.products.length,
  customers: shop.customers.length,
  orders: shop.orders.length,
  shipments: shop.shipments.length
})
