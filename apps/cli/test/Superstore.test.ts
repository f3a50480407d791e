import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import { Effect, Schema } from "effect"
import * as Superstore from "#superstore"

const OrderData = Schema.Struct({
  orderId: Schema.String,
  placedAt: Schema.String,
  region: Schema.String,
  lines: Schema.Array(
    Schema.Struct({
      lineId: Schema.String,
      productId: Schema.String,
      quantity: Schema.Int,
      unitPrice: Schema.String,
      discount: Schema.String
    })
  )
})
const decodeOrder = Schema.decodeUnknownEffect(OrderData)

/** Half up, over the text's digits: what the sum is compared with must not use the arithmetic under test. */
const centsOf = (sales: string): bigint => {
  const [whole = "0", decimals = ""] = sales.split(".")
  const padded = decimals.padEnd(3, "0")
  return BigInt(whole) * 100n + BigInt(padded.slice(0, 2)) + (padded.charAt(2) >= "5" ? 1n : 0n)
}

describe("the sample shop", () => {
  layer(NodeServices.layer)((it) => {
    it.effect("becomes as many facts as it has things, each valid by the schema of its type", () =>
      Effect.gen(function* () {
        const shop = yield* Superstore.read
        assert.lengthOf(shop.sellers, 1)
        assert.lengthOf(shop.products, 1_894)
        assert.lengthOf(shop.customers, 793)
        assert.lengthOf(shop.orders, 5_009)
        assert.lengthOf(shop.shipments, 5_009)
        const facts = [
          ...shop.sellers,
          ...shop.products,
          ...shop.customers,
          ...shop.orders,
          ...shop.shipments
        ]
        assert.lengthOf(new Set(facts.map(({ id }) => id)), facts.length)
        yield* Effect.forEach(facts, (fact) =>
          Commerce.check(fact.type, fact.data, new Date("2026-11-28T00:00:00Z"))
        )
      })
    )

    it.effect("keeps every line, its net to the cent, whole unit prices and no negative discount", () =>
      Effect.gen(function* () {
        const lines = new Map((yield* Superstore.readLines).map((line) => [line["Row ID"], line]))
        assert.lengthOf(lines, 9_994)
        const shop = yield* Superstore.read
        let seen = 0
        for (const fact of shop.orders) {
          const order = yield* decodeOrder(fact.data)
          for (const line of order.lines) {
            const row = lines.get(line.lineId)
            assert.isDefined(row)
            seen++
            const gross = BigInt(line.unitPrice) * BigInt(line.quantity)
            assert.strictEqual(gross - BigInt(line.discount), centsOf(row.Sales), line.lineId)
            assert.isAtLeast(Number(line.discount), 0)
            // The unit price is exact: without the discount it gives the sample's amount back.
            const exact = (Number(line.unitPrice) / 100) * line.quantity * (1 - Number(row.Discount))
            assert.closeTo(exact, Number(row.Sales), 1e-6, line.lineId)
          }
        }
        assert.strictEqual(seen, 9_994)
      })
    )

    it.effect("gives a product one name: a second name of an id gets an id of its own", () =>
      Effect.gen(function* () {
        const lines = yield* Superstore.readLines
        const names = new Map<string, string>()
        for (const [index, productId] of Superstore.productIdsOf(lines).entries()) {
          const name = lines[index]?.["Product Name"] ?? ""
          assert.strictEqual(names.get(productId) ?? name, name, productId)
          names.set(productId, name)
        }
        assert.strictEqual(
          names.size,
          new Set(lines.map((line) => line["Product ID"] + line["Product Name"])).size
        )
      })
    )

    it.effect("tells orders and shipments in the order of time, each order in its region", () =>
      Effect.gen(function* () {
        const shop = yield* Superstore.read
        for (const facts of [shop.orders, shop.shipments]) {
          const times = facts.map(({ time }) => time)
          assert.deepStrictEqual(times, times.toSorted())
        }
        for (const fact of shop.orders) {
          const order = yield* decodeOrder(fact.data)
          assert.match(order.region, /^US-[A-Z]{2}$/)
          assert.match(order.placedAt, /T12:00:00\.000Z$/)
        }
      })
    )
  })
})
