import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import type * as Catalogue from "@hypermarket/analytics/Catalogue"
import { OrderFact } from "@hypermarket/analytics/OrderFact"
import { OrderFigures } from "@hypermarket/analytics/OrderFigures"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const decodeFacts = Schema.decodeUnknownSync(Schema.Array(OrderFact))

/** Records facts in the order in which they arrive. Versions of one fact go in separate calls. */
const tell = (...facts: ReadonlyArray<unknown>) =>
  Effect.flatMap(OrderFacts, (service) =>
    Effect.forEach(decodeFacts(facts), (fact) => service.record([fact]), { discard: true })
  )

interface Line {
  readonly lineId?: string
  readonly sellerId?: string
  readonly quantity?: number
  readonly cancelledQuantity?: number
  readonly unitPrice?: string
  readonly discount?: string
  readonly tax?: string
  readonly shipping?: string
}

const order = (
  type: "order.placed" | "order.changed" | "order.cancelled",
  version: number,
  lines: ReadonlyArray<Line>,
  further: object = {}
) => ({
  type,
  data: {
    orderId: "o1",
    version,
    status: "told",
    channel: "app",
    region: "AT",
    currency: "EUR",
    placedAt: "2026-05-06T09:00:00Z",
    lines: lines.map((line, index) => ({
      lineId: `${index + 1}`,
      productId: `p-${index + 1}`,
      sellerId: "s-8",
      category: "books",
      quantity: 1,
      unitPrice: "2500",
      ...line
    })),
    ...further
  }
})

const refund = (lines: ReadonlyArray<object>, further: object = {}) => ({
  type: "order.refunded",
  data: {
    orderId: "o1",
    refundId: "r1",
    version: 1,
    at: "2026-06-09T09:00:00Z",
    reason: "returned",
    lines: lines.map((line) => ({ lineId: "1", quantity: 1, ...line })),
    ...further
  }
})

const deleted = (version: number) => ({
  type: "order.deleted",
  data: { orderId: "o1", version, reason: "test order" }
})

const credit = (creditId: string, amount: string, further: object = {}) => ({
  type: "order.refunded",
  data: {
    refundId: creditId,
    version: 1,
    at: "2026-06-20T09:00:00Z",
    reason: "goodwill",
    region: "AT",
    currency: "EUR",
    lines: [{ lineId: "1", quantity: 1, amount }],
    ...further
  }
})

const year = { from: "2026-01-01", until: "2027-01-01" } as const

type Figures = Readonly<Record<string, number | string | null>>

const asNumber = (value: unknown): number | string | null =>
  typeof value === "object" && value !== null && "amount" in value
    ? Number(value.amount)
    : typeof value === "number" || typeof value === "string"
      ? value
      : null

const rowsOf = Effect.fnUntraced(function* (
  measures: ReadonlyArray<Catalogue.MeasureName>,
  options: {
    readonly granularity?: "month"
    readonly dimensions?: ReadonlyArray<Catalogue.DimensionName>
    readonly currency?: string
  } = {}
) {
  const sales = yield* SalesQueries
  const { currency = "EUR", dimensions = [], granularity } = options
  const { rows } = yield* sales.run({
    measures,
    dimensions,
    timeDimension: { ...year, ...(granularity === undefined ? {} : { granularity }) },
    filters: [{ dimension: "currency", operator: "equals", values: [currency] }],
    limit: 100
  })
  return rows.map((row): Figures =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asNumber(value)]))
  )
})

const figures = Effect.fnUntraced(function* (...measures: ReadonlyArray<Catalogue.MeasureName>) {
  const [row] = yield* rowsOf(measures)
  return row ?? {}
})

const isExact = Effect.gen(function* () {
  const summaries = yield* OrderSummaries
  assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
})

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
