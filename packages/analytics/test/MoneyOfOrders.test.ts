import { assert, layer } from "@effect/vitest"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderFigures } from "@hypermarket/analytics/OrderFigures"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import { Effect } from "effect"
import {
  as,
  asNumber,
  credit,
  decodeFacts,
  deleted,
  figures,
  isExact,
  order,
  refund,
  rowsOf,
  tell,
  TestLayer
} from "./Till.ts"

layer(TestLayer, { excludeTestServices: true })("Money", (it) => {
  it.effect("of a deleted order leaves every figure, and comes back with a higher version", () =>
    Effect.gen(function* () {
      const measures = ["orders", "gross", "net", "refundAmount", "bookedRefundAmount"] as const
      yield* tell(
        order("order.placed", 1, [{}], { shipping: "300" }),
        refund([{ amount: "400" }], { shipping: "30" })
      )
      const before = yield* figures(...measures)
      assert.deepStrictEqual(before, {
        orders: 1,
        gross: 2_500,
        net: 2_100,
        refundAmount: 400,
        bookedRefundAmount: 400
      })
      yield* tell(deleted(2))
      assert.deepStrictEqual(yield* figures(...measures), {})
      yield* tell(refund([{ amount: "500" }], { refundId: "r2" }))
      assert.deepStrictEqual(yield* figures(...measures), {})
      yield* isExact
      yield* tell(order("order.changed", 3, [{}], { shipping: "300" }))
      assert.deepStrictEqual(yield* figures(...measures), {
        orders: 1,
        gross: 2_500,
        net: 1_600,
        refundAmount: 900,
        bookedRefundAmount: 900
      })
      yield* isExact
    }).pipe(as("deleted"))
  )

  it.effect("of a credit without an order counts on its day, by its own version", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      yield* tell(
        order("order.placed", 1, [{}]),
        credit("cn-1", "700"),
        credit("cn-2", "50", { sellerId: "s-8" })
      )
      yield* tell(credit("cn-1", "600", { version: 2, tax: "60" }), credit("cn-1", "700"))
      const conflict = yield* Effect.flip(facts.record(decodeFacts([credit("cn-2", "51")])))
      assert.deepInclude(conflict, { _tag: "OrderFactConflict", kind: "credit", id: "cn-2", version: 1 })
      assert.deepStrictEqual(
        yield* rowsOf(["orders", "gross", "net", "bookedRefundAmount", "refundTax"], {
          granularity: "month"
        }),
        [
          { time: "2026-05-01", orders: 1, gross: 2_500, net: 2_500, bookedRefundAmount: 0, refundTax: 0 },
          { time: "2026-06-01", orders: 0, gross: 0, net: -650, bookedRefundAmount: 650, refundTax: 60 }
        ]
      )
      assert.deepStrictEqual(yield* rowsOf(["net"], { dimensions: ["seller"] }), [
        { seller: "", net: -600 },
        { seller: "s-8", net: 2_450 }
      ])
      assert.deepStrictEqual(yield* rowsOf(["net"], { dimensions: ["product"] }), [
        { product: "", net: -650 },
        { product: "p-1", net: 2_500 }
      ])
      yield* isExact
    }).pipe(as("credits"))
  )

  it.effect("of one order is read with its lines, bookings and days, and equals the order's cells", () =>
    Effect.gen(function* () {
      const figuresOfOrders = yield* OrderFigures
      const of = (orderId: string) => figuresOfOrders.get(orderId)
      yield* tell(
        order(
          "order.placed",
          1,
          [
            { lineId: "a", quantity: 3, unitPrice: "1500", discount: "100", cancelledQuantity: 2 },
            { lineId: "b", quantity: 1, unitPrice: "700", tax: "70" }
          ],
          { orderId: "one", shipping: "490", placedAt: "2026-03-10T12:00:00Z", customerId: "c-1" }
        ),
        refund([{ lineId: "a", amount: "3400" }], {
          orderId: "one",
          refundId: "r-1",
          at: "2026-04-02T10:00:00Z",
          shipping: "90"
        })
      )
      const read = yield* of("one")
      assert.deepInclude(read, {
        orderId: "one",
        version: 1,
        status: "placed",
        customerId: "c-1",
        currency: "EUR",
        day: "2026-03-10",
        isComplete: true
      })
      assert.deepStrictEqual(
        read.lines.map(({ cancelledAmount, gross, lineId, shipping }) => [
          lineId,
          gross,
          cancelledAmount,
          shipping
        ]),
        [
          ["a", 4_500n, 2_933n, 0n],
          ["b", 700n, 0n, 0n],
          ["", 0n, 0n, 490n]
        ]
      )
      assert.deepStrictEqual(
        read.adjustments.map(({ amount, day, id, lineId, shipping }) => [id, lineId, day, amount, shipping]),
        [
          ["r-1", "", "2026-04-02", 0n, 90n],
          ["r-1", "a", "2026-04-02", 3_400n, 0n]
        ]
      )
      const names = ["gross", "discount", "cancelledAmount", "refundAmount", "refundShipping", "net"] as const
      const cells = yield* figures(...names)
      assert.deepStrictEqual(
        names.map((name) => Number(read.totals[name])),
        names.map((name) => cells[name])
      )
      assert.strictEqual(read.totals.net, 1_700n)
      yield* tell({ type: "order.deleted", data: { orderId: "one", version: 2, reason: "test" } })
      const deleted = yield* of("one")
      assert.deepInclude(deleted, { status: "deleted", version: 2, currency: null, day: null, lines: [] })
      assert.strictEqual(deleted.totals.net, 0n)
      yield* tell(refund([{ lineId: "a", amount: "1" }], { orderId: "unheard", refundId: "r-2" }))
      for (const unknown of ["unheard", "never"]) {
        assert.deepInclude(yield* Effect.flip(of(unknown)), { _tag: "OrderNotFound", orderId: unknown })
      }
    }).pipe(as("one-order"))
  )

  it.effect(
    "of 13 months with guests and credit notes without an original is what the invoices add up to",
    () =>
      Effect.gen(function* () {
        const dice = OrderMix.random(20_101)
        const months = Array.from({ length: 13 }, (_, n) =>
          new Date(Date.UTC(2025, n, 1)).toISOString().slice(0, 7)
        )
        const expected = new Map<string, number>()
        const add = (month: string, amount: number) =>
          expected.set(month, (expected.get(month) ?? 0) + amount)
        const dayOf = (month: string) => `${month}-${String(1 + dice.below(28)).padStart(2, "0")}T11:00:00Z`
        const [first = "", ...others] = months
        const orders = Array.from({ length: 400 }, (_, n) => {
          const month = dice.pick([first, ...others])
          const unitPrice = dice.below(5_000)
          const quantity = 1 + dice.below(9)
          add(month, unitPrice * quantity)
          return order("order.placed", 1, [{ quantity, unitPrice: String(unitPrice) }], {
            orderId: `i-${n}`,
            placedAt: dayOf(month),
            ...(n % 4 === 0 ? {} : { customerId: `c-${n % 60}` })
          })
        })
        const credits = Array.from({ length: 50 }, (_, n) => {
          const month = dice.pick([first, ...others])
          const amount = 1 + dice.below(20_000)
          add(month, -amount)
          return credit(`C-${n}`, String(amount), { at: dayOf(month) })
        })
        const facts = yield* OrderFacts
        const outcomes = yield* facts.record(decodeFacts([...credits, ...orders]))
        assert.isTrue(outcomes.every((outcome) => outcome === "applied"))
        const sales = yield* SalesQueries
        const { rows } = yield* sales.run({
          measures: ["net"],
          timeDimension: { from: "2025-01-01", until: "2026-02-01", granularity: "month" },
          filters: [{ dimension: "currency", operator: "equals", values: ["EUR"] }]
        })
        assert.deepStrictEqual(
          rows.map(({ net, time }) => [String(time).slice(0, 7), asNumber(net)]),
          months.map((month) => [month, expected.get(month) ?? 0])
        )
        yield* isExact
      }).pipe(as("invoices"))
  )
})
