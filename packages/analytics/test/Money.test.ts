import { assert, layer } from "@effect/vitest"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import { Effect } from "effect"
import { as, figures, isExact, order, refund, rowsOf, tell, TestLayer } from "./Till.ts"

layer(TestLayer, { excludeTestServices: true })("Money", (it) => {
  it.effect("of an order that is cancelled and refunded is subtracted once, in either order", () =>
    Effect.gen(function* () {
      const measures = ["gross", "cancelledAmount", "refundAmount", "refundCancelledAmount", "net"] as const
      const expected = {
        gross: 2_500,
        cancelledAmount: 2_500,
        refundAmount: 2_500,
        refundCancelledAmount: 2_500,
        net: 0
      }
      yield* Effect.gen(function* () {
        yield* tell(
          order("order.placed", 1, [{}]),
          order("order.cancelled", 2, [{}]),
          refund([{ amount: "2500" }])
        )
        assert.deepStrictEqual(yield* figures(...measures), expected)
        yield* isExact
      }).pipe(as("cancelled-first"))
      yield* Effect.gen(function* () {
        yield* tell(
          order("order.placed", 1, [{}]),
          refund([{ amount: "2500" }]),
          order("order.cancelled", 2, [{}])
        )
        assert.deepStrictEqual(yield* figures(...measures), expected)
        assert.deepStrictEqual(yield* figures("averageOrderValue", "refundRate"), {
          averageOrderValue: 0,
          refundRate: null
        })
        yield* isExact
      }).pipe(as("refunded-first"))
      yield* Effect.gen(function* () {
        yield* tell(refund([{ amount: "2500" }]), order("order.cancelled", 2, [{}]))
        assert.deepStrictEqual(yield* figures(...measures), expected)
        yield* isExact
      }).pipe(as("refund-before-order"))
    })
  )

  it.effect("given back as tax and shipping does not lower net", () =>
    Effect.gen(function* () {
      yield* tell(
        order("order.placed", 1, [{ unitPrice: "8400", tax: "1680", shipping: "490" }]),
        refund([{ amount: "8400", tax: "1680", shipping: "490" }])
      )
      assert.deepStrictEqual(
        yield* figures(
          "net",
          "refundRate",
          "refundAmount",
          "refundTax",
          "refundShipping",
          "averageOrderValue"
        ),
        {
          net: 0,
          refundRate: 1,
          refundAmount: 8_400,
          refundTax: 1_680,
          refundShipping: 490,
          averageOrderValue: 0
        }
      )
      assert.deepStrictEqual(yield* figures("bookedRefundTax", "bookedRefundShipping"), {
        bookedRefundTax: 1_680,
        bookedRefundShipping: 490
      })
      yield* isExact
    }).pipe(as("tax"))
  )

  it.effect("of a partial cancellation is counted by the cancelled units of a line", () =>
    Effect.gen(function* () {
      const line = { quantity: 3, unitPrice: "1500", discount: "100" }
      yield* tell(
        order("order.placed", 1, [line]),
        order("order.changed", 2, [{ ...line, cancelledQuantity: 2 }])
      )
      const measures = ["gross", "cancelledUnits", "cancelledAmount", "net"] as const
      // Two thirds of 4,400.
      assert.deepStrictEqual(yield* figures(...measures), {
        gross: 4_500,
        cancelledUnits: 2,
        cancelledAmount: 2_933,
        net: 1_467
      })
      // The money of the cancelled units is given back, and then some of the third.
      yield* tell(refund([{ amount: "2933", quantity: 2 }]))
      assert.deepInclude(yield* figures("net", "refundRate"), { net: 1_467, refundRate: 0 })
      yield* tell(refund([{ amount: "467" }], { refundId: "r2" }))
      assert.deepInclude(yield* figures("net"), { net: 1_000 })
      // A correction of the first refund moves the part that the second one was.
      yield* tell(refund([{ amount: "2000", quantity: 2 }], { version: 2 }))
      assert.deepInclude(yield* figures("net", "refundAmount", "refundCancelledAmount"), {
        net: 1_467,
        refundAmount: 2_467,
        refundCancelledAmount: 2_467
      })
      yield* isExact
    }).pipe(as("partly"))
  )

  it.effect("of the whole order has its own cell, without a seller", () =>
    Effect.gen(function* () {
      yield* tell(
        order("order.placed", 1, [{ unitPrice: "7000", sellerId: "s-1" }, { sellerId: "s-2" }], {
          discount: "500",
          shipping: "650",
          fees: "120"
        }),
        refund([], { amount: "900", tax: "80", shipping: "650", fees: "20" })
      )
      assert.deepStrictEqual(
        yield* figures("orders", "lines", "gross", "discount", "shipping", "fees", "net"),
        {
          orders: 1,
          lines: 2,
          gross: 9_500,
          discount: 500,
          shipping: 650,
          fees: 120,
          net: 8_100
        }
      )
      assert.deepStrictEqual(yield* figures("refundAmount", "refundTax", "refundShipping", "refundFees"), {
        refundAmount: 900,
        refundTax: 80,
        refundShipping: 650,
        refundFees: 20
      })
      assert.deepStrictEqual(yield* rowsOf(["net", "sellerOrders"], { dimensions: ["seller"] }), [
        { seller: "", net: -1_400, sellerOrders: 0 },
        { seller: "s-1", net: 7_000, sellerOrders: 1 },
        { seller: "s-2", net: 2_500, sellerOrders: 1 }
      ])
      // The same from the lines.
      assert.deepStrictEqual(yield* rowsOf(["net", "fees"], { dimensions: ["product"] }), [
        { product: "", net: -1_400, fees: 120 },
        { product: "p-1", net: 7_000, fees: 0 },
        { product: "p-2", net: 2_500, fees: 0 }
      ])
      yield* tell(
        order("order.cancelled", 2, [{ unitPrice: "7000", sellerId: "s-1" }, { sellerId: "s-2" }], {
          discount: "500",
          shipping: "650",
          fees: "120"
        })
      )
      assert.deepInclude(yield* figures("net", "cancelledAmount"), { net: 0, cancelledAmount: 9_000 })
      yield* isExact
    }).pipe(as("whole"))
  )

  it.effect("that is refunded for a line the order does not have counts without a seller", () =>
    Effect.gen(function* () {
      yield* tell(
        order("order.placed", 1, [{}]),
        refund([{ lineId: "shipping", amount: "300", quantity: 0 }])
      )
      assert.deepStrictEqual(yield* figures("refundAmount", "bookedRefundAmount", "net"), {
        refundAmount: 300,
        bookedRefundAmount: 300,
        net: 2_200
      })
      yield* isExact
      yield* Effect.gen(function* () {
        yield* tell(
          refund([{ lineId: "shipping", amount: "300", quantity: 0 }]),
          order("order.placed", 1, [{}])
        )
        assert.deepStrictEqual(yield* figures("refundAmount", "bookedRefundAmount", "net"), {
          refundAmount: 300,
          bookedRefundAmount: 300,
          net: 2_200
        })
        yield* isExact
      }).pipe(as("no-line-before"))
    }).pipe(as("no-line"))
  )

  it.effect("that was booked stays where it was booked when the order is edited", () =>
    Effect.gen(function* () {
      const both = [{ unitPrice: "1200" }, { unitPrice: "5600", sellerId: "s-9" }]
      yield* tell(
        order("order.placed", 1, both),
        refund([{ lineId: "2", amount: "5600" }], { at: "2026-07-03T09:00:00Z" })
      )
      const booked = rowsOf(["bookedRefundAmount"], { granularity: "month", dimensions: ["seller"] })
      const before = yield* booked
      assert.deepStrictEqual(before, [{ time: "2026-07-01", seller: "s-9", bookedRefundAmount: 5_600 }])
      // The shop removes the refunded line, as its edit does.
      yield* tell(order("order.changed", 2, both.slice(0, 1)))
      assert.deepStrictEqual(yield* booked, before)
      assert.deepInclude(yield* figures("gross", "refundAmount", "net"), {
        gross: 1_200,
        refundAmount: 5_600,
        net: 1_200
      })
      yield* isExact
      // And a refund of a removed line that comes after the edit is no other.
      yield* tell(refund([{ lineId: "2", amount: "100" }], { refundId: "r2" }))
      assert.deepInclude(yield* figures("net"), { net: 1_200 })
      yield* tell(order("order.changed", 3, both.slice(0, 1), { currency: "CHF" }))
      assert.deepStrictEqual((yield* booked).at(-1), before.at(-1))
      assert.deepInclude(yield* figures("refundAmount", "bookedRefundAmount"), {
        refundAmount: 0,
        bookedRefundAmount: 5_700
      })
      yield* isExact
    }).pipe(as("edited"))
  )

  it.effect(
    "that is given back for all goods leaves net 0 and a refund rate of at most 1, whatever is cancelled",
    () =>
      Effect.gen(function* () {
        const dice = OrderMix.random(77)
        for (let round = 0; round < 12; round++) {
          const lines = Array.from({ length: 1 + dice.below(3) }, (_, index) => ({
            lineId: `${index}`,
            sellerId: dice.pick(["a", "b"]),
            quantity: 1 + dice.below(4),
            unitPrice: String(100 + dice.below(9_000)),
            discount: String(dice.below(100)),
            tax: String(dice.below(900)),
            shipping: String(dice.below(400))
          }))
          const partly = lines.map((line) => ({ ...line, cancelledQuantity: dice.below(line.quantity + 1) }))
          const refunds = lines.flatMap((line, index) => {
            const sold = BigInt(line.quantity) * BigInt(line.unitPrice) - BigInt(line.discount)
            const first = (sold * BigInt(dice.below(101))) / 100n
            return [first, sold - first].map((amount, part) =>
              refund([{ lineId: line.lineId, amount: String(amount), tax: line.tax }], {
                refundId: `r${index}-${part}`
              })
            )
          })
          const whole = [
            order("order.placed", 1, lines),
            order("order.changed", 2, partly),
            ...(dice.next() < 0.5 ? [order("order.cancelled", 3, lines)] : []),
            ...refunds
          ]
          yield* Effect.gen(function* () {
            const shuffled = whole.map((fact) => ({ fact, at: dice.next() })).toSorted((a, b) => a.at - b.at)
            for (const { fact } of shuffled) {
              yield* tell(fact)
              const { refundRate = null } = yield* figures("net", "refundRate")
              assert.isAtMost(Number(refundRate ?? 0), 1)
            }
            assert.strictEqual((yield* figures("net"))["net"] ?? 0, 0, JSON.stringify(whole))
            yield* isExact
          }).pipe(as(`round-${round}`))
        }
      })
  )
})
