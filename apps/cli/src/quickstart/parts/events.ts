/** The shop's facts, published once each, and what a handler of the shop's own has made of them. */
import * as Effect from "effect/Effect"
import * as CustomerOrders from "../CustomerOrders.ts"
import type { Part } from "../Part.ts"
import { thousands } from "../Screen.ts"
import * as Subscriptions from "../Subscriptions.ts"

/** The sample has no event of its type. */
const subscription = {
  name: "Returns for the warehouse",
  queue: "warehouse",
  filters: [{ exact: { type: "com.example.order.returned" } }]
}

export const events: Part = {
  domain: "events",
  title: "Events and handlers",
  run: Effect.fnUntraced(function* (installation, { facts: told }) {
    yield* Subscriptions.ensure(installation, subscription)
    const { customers, orders, top } = yield* CustomerOrders.read(installation.tenantId)
    const facts = Object.values(told).reduce((sum, count) => sum + count, 0)
    const [first] = top
    return {
      figures: {
        facts: { ...told },
        ordersHandled: orders,
        customersWithOrders: customers,
        topCustomers: top.map(({ customerId, orders }) => ({ customerId, orders }))
      },
      screen: [
        `${thousands(facts)} facts posted; a handler folded ${thousands(orders)} orders of ${thousands(customers)} customers, each once`
      ],
      lines: [
        `${facts} facts posted to /v1/events, each once: ${Object.entries(told)
          .map(([kind, count]) => `${count} ${count === 1 ? kind.slice(0, -1) : kind}`)
          .join(", ")}`,
        `A handler folded ${orders} orders to ${customers} customers, each order exactly once` +
          (first === undefined ? "" : `; most orders: ${first.customerId} with ${first.orders}`)
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/events/subscriptions`,
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/events/schemas/com.hypermarket.shop.order.placed.v1`
      ]
    }
  })
}
