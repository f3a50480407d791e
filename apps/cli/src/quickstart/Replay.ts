/**
 * Replays the sample shop through the public API: first what it sells and to whom, then what happened, in the order of
 * time: visits with their searches, orders, shipments.
 */
import * as Effect from "effect/Effect"
import * as Sessions from "../superstore/Sessions.ts"
import type * as Superstore from "../superstore/Superstore.ts"
import * as Facts from "./Facts.ts"
import type { Journal } from "./Journal.ts"
import type { Installation } from "./Part.ts"
import { Progress } from "./Progress.ts"
import * as Visits from "./Visits.ts"

/** The replayed facts and their counts. A second replay returns the same. */
export interface Replayed {
  readonly shop: Superstore.Superstore
  /** How many facts of each kind the shop has told. */
  readonly facts: {
    readonly sellers: number
    readonly products: number
    readonly customers: number
    readonly visits: number
    readonly orders: number
    readonly shipments: number
  }
  readonly searched: Visits.Searched
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

/** Orders, shipments and visits that are told together, by the time they begin. */
const windowSize = 200
/** Windows in work together: while one searches another is posted. */
const windowsInFlight = 2

interface Happening {
  readonly time: string
  readonly visit: Sessions.Visit | undefined
  readonly facts: ReadonlyArray<Superstore.Fact>
}

const happeningsOf = (
  shop: Superstore.Superstore,
  visits: ReadonlyArray<Sessions.Visit>
): ReadonlyArray<Happening> =>
  [
    ...visits.map((visit) => ({ time: new Date(visit.startMillis).toISOString(), visit, facts: [] })),
    ...[...shop.orders, ...shop.shipments].map((fact) => ({
      time: fact.time,
      visit: undefined,
      facts: [fact]
    }))
  ].toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))

/** Visits, orders and shipments; done when every handler has them. */
export const history = Effect.fn("Replay.history")(function* (
  installation: Installation,
  shop: Superstore.Superstore,
  journal: Journal
) {
  const progress = yield* Progress
  const visits = Sessions.visitsOf(shop)
  const happenings = happeningsOf(shop, visits)
  let told = 0
  let visitFacts = 0
  const tell = Effect.fnUntraced(function* (window: ReadonlyArray<Happening>) {
    yield* Visits.search(
      installation,
      journal,
      window.flatMap(({ visit }) => visit ?? [])
    )
    const facts = window.flatMap((happening) => {
      if (happening.visit === undefined) return happening.facts
      const entry = journal.entries.get(happening.visit.orderId)
      return entry === undefined ? [] : Sessions.factsOf(happening.visit, entry)
    })
    visitFacts += facts.length - window.filter(({ visit }) => visit === undefined).length
    yield* Facts.publish(installation, facts)
    told += window.length
    yield* progress.bar("Visits, orders and shipments", told, happenings.length)
  })
  yield* Effect.forEach(Facts.chunksOf(happenings, windowSize), tell, {
    concurrency: windowsInFlight,
    discard: true
  })
  yield* Facts.settle(installation, "Handling visits, orders and shipments")
  const replayed: Replayed = {
    shop,
    facts: {
      sellers: shop.sellers.length,
      products: shop.products.length,
      customers: shop.customers.length,
      visits: visitFacts,
      orders: shop.orders.length,
      shipments: shop.shipments.length
    },
    searched: Visits.summaryOf(journal, visits)
  }
  return replayed
})
