/**
 * Mail for orders of the sample, which the facts themselves trigger. The orders are of 2014 to 2017, and by default a fact older
 * than a day sends no message. The demo tenant's mapping lifts that up to the day of its newest orders. A second tenant has the
 * same mapping without it, and sends none.
 *
 * The sample has no addresses, one language and one zone. Recipients are derived from the customer's id, such as `AA-10315`. Its
 * number divided by 15, rounded down, is the place: the sample counts in steps of 15.
 * - The address is the id in lower case at `derived.example`, and the name says that it is derived.
 * - The language is Spanish for an odd place, and English for an even one.
 * - The zone is the one at the place's remainder by three: New York, Chicago, Los Angeles.
 * - Customers whose place is divisible by five have switched these messages off.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Address } from "../ApiClient.ts"
import type { Superstore } from "../superstore/Superstore.ts"
import * as Facts from "./Facts.ts"
import { outcome, post, publish } from "./NotificationCalls.ts"
import type { Installation } from "./Part.ts"

/** Orders to tell of, and those of the same day as the oldest of them. */
const ordersMax = 12
const callsAtOnce = 4

const mapping = "sample-order"
const category = "order-news"
const dayMillis = 86_400_000

const contentsOf = (subject: string, total: string) => {
  const line = "{{ line.quantity }} x {{ line.productId }}: {{ line.unitPrice | money: order.currency }}"
  return {
    subject: `${subject} {{ order.orderId }}`,
    text: `{{ recipient.name }}\n\n{% for line in order.lines %}${line}\n{% endfor %}\n${total}: {{ unsubscribeUrl }}\n`
  }
}

const contents = [
  contentsOf("Your order", "No more of these"),
  { locale: "es", ...contentsOf("Su pedido", "Cancelar") }
]

const zones = ["America/New_York", "America/Chicago", "America/Los_Angeles"]

const numberStep = 15

const placeOf = (customerId: string): number =>
  Math.floor(Number(/\d+$/.exec(customerId)?.[0] ?? 0) / numberStep)

const isSwitchedOff = (customerId: string): boolean => placeOf(customerId) % 5 === 0

const profileOf = (customerId: string) => ({
  to: { customer: customerId },
  email: `${customerId.toLowerCase()}@derived.example`,
  name: `${customerId} (derived)`,
  locale: placeOf(customerId) % 2 === 1 ? "es-US" : "en-US",
  timeZone: zones[placeOf(customerId) % zones.length] ?? "UTC"
})

/** The newest orders: whole days, so that the mapping's freshness divides them from the older ones. */
const newestOf = (shop: Superstore) => {
  const [oldest] = shop.orders.slice(-ordersMax)
  const since = oldest === undefined ? 0 : Math.floor(Date.parse(oldest.time) / dayMillis) * dayMillis
  return { since, orders: shop.orders.filter(({ time }) => Date.parse(time) >= since) }
}

const customersOf = (orders: Superstore["orders"]): ReadonlyArray<string> =>
  Array.from(new Set(orders.map(({ data }) => data.customerId)))

const setMapping = Effect.fnUntraced(function* (address: Address, freshness: { freshnessSeconds?: number }) {
  yield* post(address, "categories", { category, name: "News of orders", kind: "service" })
  yield* publish(address, mapping, contents)
  yield* post(address, "mappings", {
    mapping,
    fact: "order.placed",
    template: mapping,
    category,
    ...freshness
  })
})

/** The second tenant as a client of the API. */
const importerOf = (installation: Installation): Installation => ({
  ...installation,
  ...installation.importer
})

/** Sets mappings, recipients and preferences, before the orders are told. */
export const prepare = Effect.fn("OrderMails.prepare")(function* (
  installation: Installation,
  shop: Superstore
) {
  const { orders, since } = newestOf(shop)
  const customers = customersOf(orders)
  yield* Effect.forEach(customers, (customer) => post(installation, "profiles", profileOf(customer)), {
    concurrency: callsAtOnce,
    discard: true
  })
  const now = yield* Clock.currentTimeMillis
  yield* setMapping(installation, { freshnessSeconds: Math.ceil((now - since) / 1_000) })
  for (const customer of customers.filter(isSwitchedOff)) {
    yield* post(installation, "preferences", {
      to: { customer },
      category,
      channel: "email",
      enabled: false,
      source: "derived"
    })
  }
  const importer = importerOf(installation)
  yield* setMapping(importer, {})
  // Before the history of the demo tenant, so that its figures are merged when the quickstart counts rows.
  yield* Facts.publish(importer, orders)
})

/** Counts the messages by their outcome. */
export const outcomes = Effect.fn("OrderMails.outcomes")(function* (
  installation: Installation,
  shop: Superstore
) {
  const { orders } = newestOf(shop)
  const importer = importerOf(installation)
  const outcomesAt = (address: Address, list: Superstore["orders"]) =>
    Effect.forEach(
      list,
      ({ data }) =>
        Effect.map(
          outcome(address, `${mapping}/${data.orderId}`, data.customerId),
          ({ reason, state }) => reason ?? state
        ),
      { concurrency: callsAtOnce }
    )
  const count = (list: ReadonlyArray<string>): Record<string, number> =>
    Object.fromEntries(
      Array.from(
        Map.groupBy(list.toSorted(), (name) => name),
        ([name, all]) => [name, all.length]
      )
    )
  const demo = count(yield* outcomesAt(installation, orders))
  const older = shop.orders.slice(0, shop.orders.length - orders.length)
  const [oldest = null] = yield* outcomesAt(installation, older.slice(0, 1))
  const second = count(yield* outcomesAt(importer, orders))
  const profiles = customersOf(orders).map(profileOf)
  const shown = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, all]) => `${all} ${name}`)
      .join(", ")
  return {
    figures: {
      derived: {
        recipients: profiles.length,
        locales: Array.from(new Set(profiles.map(({ locale }) => locale))).toSorted(),
        zones: Array.from(new Set(profiles.map(({ timeZone }) => timeZone))).toSorted()
      },
      newestOrders: demo,
      oldestOrder: oldest,
      secondTenant: second
    },
    screen: `${orders.length} newest orders (derived): ${shown(demo)}; with default freshness: ${shown(second)}`,
    lines: [
      `Recipients of the ${orders.length} newest orders are derived: the customer's id at derived.example, two languages, three zones`,
      `Their mapping lifts freshness up to the day of the oldest of them: ${shown(demo)}`,
      ...(oldest === null ? [] : [`The sample's first order is older: ${oldest}`]),
      `The tenant ${installation.importer.tenantId} has the same mapping with the default of a day, and told nobody: ${shown(second)}`
    ]
  }
})
