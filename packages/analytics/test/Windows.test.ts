import { assert, layer } from "@effect/vitest"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { layerOf } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import { Effect } from "effect"
import {
  as,
  ask,
  distinct,
  euros,
  inEuros,
  place,
  randomSales,
  refusal,
  shifted,
  TestLayer,
  valuesOf
} from "./Questions.ts"
import * as Shop from "./Shop.ts"

layer(TestLayer, { excludeTestServices: true })("Windows", (it) => {
  it.effect("add up what a count by hand does, rolling and cumulative, of customers too", () =>
    Effect.gen(function* () {
      const sales = randomSales(5, 300, "2026-01-05", 90)
      const summaries = yield* OrderSummaries
      yield* place(sales)
      const from = "2026-02-01"
      const until = "2026-03-15"
      const days = Array.from({ length: 42 }, (_, n) => shifted(from, n))
      for (const [begin, window] of [
        [(day: string) => shifted(day, -6), { kind: "rolling", size: 7 }],
        [() => from, { kind: "cumulative" }]
      ] as const) {
        const query = {
          measures: ["orders", "units", "averageOrderValue"],
          timeDimension: { from, until, granularity: "day" },
          filters: [inEuros],
          window
        } as const
        const within = (day: string) => sales.filter((sale) => sale.day >= begin(day) && sale.day <= day)
        const expected = days
          .map((day) => [day, within(day).length] as const)
          .filter(([, orders]) => orders > 0)
          .map(([day, orders]) => [day, orders, 2 * orders, euros("1900")])
        assert.deepStrictEqual(yield* valuesOf(query), expected)
        yield* summaries.drain
        assert.deepStrictEqual(yield* valuesOf(query), expected)
        const customers = yield* ask({
          measures: ["customers"],
          dimensions: ["region"],
          timeDimension: query.timeDimension,
          fill: true,
          window
        })
        assert.strictEqual(customers.rows.length, 3 * days.length)
        for (const row of customers.rows) {
          const sold = within(String(row["time"])).filter(({ region }) => region === row["region"])
          assert.strictEqual(row["customers"], distinct(sold.map(({ customerId }) => customerId)))
        }
      }
      const months = yield* valuesOf({
        measures: ["orders"],
        timeDimension: { from: "2026-03-01", until: "2026-04-01", granularity: "month" },
        window: { kind: "rolling", size: 2 }
      })
      assert.deepStrictEqual(months, [
        ["2026-03-01", sales.filter(({ day }) => day >= "2026-02-01" && day < "2026-04-01").length]
      ])
      assert.deepStrictEqual(
        yield* refusal({
          measures: ["orders"],
          timeDimension: { from, until },
          window: { kind: "cumulative" }
        }),
        ["window"]
      )
      assert.deepStrictEqual(
        yield* refusal({
          measures: ["orders"],
          timeDimension: { from: "2000-01-01", until: "2026-01-01", granularity: "day" },
          window: { kind: "cumulative" }
        }),
        ["window"]
      )
      const closes = yield* SalesCloses
      const { closeId } = yield* closes.close("month", "2026-03-01")
      const ofClose = {
        measures: ["orders"],
        timeDimension: { from: "2026-03-02", until: "2026-04-01", granularity: "day" },
        asOf: closeId
      } as const
      assert.deepStrictEqual(yield* refusal({ ...ofClose, window: { kind: "rolling", size: 3 } }), [
        "timeDimension"
      ])
      assert.isAbove((yield* valuesOf({ ...ofClose, window: { kind: "cumulative" } })).length, 20)
    }).pipe(as("windows"))
  )

  it.effect("of years and quarters begin in the fiscal month, and weeks of ISO 8601 have their numbers", () =>
    Effect.gen(function* () {
      const days = [
        "2024-12-29",
        "2024-12-30",
        "2025-01-05",
        "2025-03-31",
        "2025-04-01",
        "2026-02-28",
        "2026-12-31",
        "2027-01-03"
      ]
      yield* place(days.map((day) => ({ orderId: day, day, region: "AT", customerId: "c" })))
      const by = (granularity: "isoWeek" | "quarter" | "year", fiscalYearStart?: number, fill = false) =>
        valuesOf({
          measures: ["orders"],
          timeDimension: {
            from: "2024-12-01",
            until: "2027-02-01",
            granularity,
            ...(fiscalYearStart === undefined ? {} : { fiscalYearStart })
          },
          ...(fill ? { fill } : {})
        })
      assert.deepStrictEqual(yield* by("year", 4), [
        ["2024-04-01", 4],
        ["2025-04-01", 2],
        ["2026-04-01", 2]
      ])
      assert.deepStrictEqual(yield* by("quarter", 2), [
        ["2024-11-01", 3],
        ["2025-02-01", 2],
        ["2026-02-01", 1],
        ["2026-11-01", 2]
      ])
      assert.deepStrictEqual(yield* by("isoWeek"), [
        ["2024-W52", 1],
        ["2025-W01", 2],
        ["2025-W14", 2],
        ["2026-W09", 1],
        ["2026-W53", 2]
      ])
      for (const granularity of ["isoWeek", "quarter", "year"] as const) {
        for (const fiscalYearStart of [undefined, 2, 4, 12]) {
          const rows = yield* by(granularity, fiscalYearStart)
          const filled = yield* by(granularity, fiscalYearStart, true)
          assert.deepStrictEqual(
            filled.filter(([, orders]) => orders !== 0),
            rows
          )
          assert.strictEqual(new Set(filled.map(([time]) => time)).size, filled.length)
        }
      }
      assert.deepStrictEqual(
        yield* refusal({
          measures: ["orders"],
          timeDimension: {
            from: "2025-01-01",
            until: "2026-01-01",
            granularity: "isoWeek",
            weekStart: "sunday"
          }
        }),
        ["timeDimension", "weekStart"]
      )
    }).pipe(as("fiscal"))
  )

  it.effect("and filters find parts and ranges of text, taken as text", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      for (const category of ["toys/blocks", "toys/cars", "garden", "100%_[a-z]*", "Toys"]) {
        yield* facts.place(Shop.order(`o ${category}`, { category }))
      }
      const of = (
        operator: NonNullable<SalesQuery["filters"]>[number]["operator"],
        ...values: ReadonlyArray<string>
      ) =>
        Effect.map(
          ask({
            measures: ["lines"],
            dimensions: ["category"],
            timeDimension: { from: "2026-03-01", until: "2026-04-01", granularity: "month" },
            filters: [{ dimension: "category", operator, values }]
          }),
          ({ rows }) => rows.map(({ category }) => category)
        )
      assert.deepStrictEqual(yield* of("contains", "oys"), ["Toys", "toys/blocks", "toys/cars"])
      assert.deepStrictEqual(yield* of("contains", "ard", "ars"), ["garden", "toys/cars"])
      assert.deepStrictEqual(yield* of("contains", "%_["), ["100%_[a-z]*"])
      assert.deepStrictEqual(yield* of("contains", "%"), ["100%_[a-z]*"])
      assert.deepStrictEqual(yield* of("notContains", "o", "%"), ["garden"])
      assert.deepStrictEqual(yield* of("startsWith", "toys", "g"), ["garden", "toys/blocks", "toys/cars"])
      assert.deepStrictEqual(yield* of("gte", "toys/c"), ["toys/cars"])
      assert.deepStrictEqual(yield* of("lt", "Toys"), ["100%_[a-z]*"])
      assert.deepStrictEqual(yield* of("lte", "Toys"), ["100%_[a-z]*", "Toys"])
      assert.deepStrictEqual(yield* of("gt", "garden"), ["toys/blocks", "toys/cars"])
      const refused = (filter: NonNullable<SalesQuery["filters"]>[number]) =>
        refusal({
          measures: ["lines"],
          timeDimension: { from: "2026-03-01", until: "2026-04-01" },
          filters: [filter]
        })
      for (const filter of [
        { dimension: "category", operator: "lt", values: ["a", "b"] },
        { dimension: "category", operator: "contains", values: [""] },
        { dimension: "currency", operator: "equals", values: ["eur"] }
      ] as const) {
        assert.deepStrictEqual(yield* refused(filter), ["filters", 0, "values"])
      }
      assert.deepStrictEqual(
        yield* valuesOf({
          measures: ["gross"],
          timeDimension: { from: "2026-03-01", until: "2026-04-01" },
          filters: [{ ...inEuros, values: ["EUR", "EUR"] }]
        }),
        [[euros("10000")]]
      )
    }).pipe(as("filters"))
  )

  it.effect("and a row is there for sales of free things", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      yield* facts.place(Shop.order("o1", { unitPrice: "0", discount: "0", region: "AT" }))
      for (const measure of ["gross", "net"] as const) {
        assert.deepStrictEqual(
          yield* valuesOf({
            measures: [measure],
            dimensions: ["region"],
            filters: [inEuros],
            timeDimension: { from: "2026-03-01", until: "2026-04-01", zone: "europe/vienna" }
          }),
          [["AT", euros("0")]]
        )
      }
    }).pipe(as("free"))
  )

  it.effect("and top products of any period are read as long as their lines are few enough", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      for (const [index, placedAt] of [
        "2011-02-03T10:00:00Z",
        "2018-02-03T10:00:00Z",
        "2026-02-03T10:00:00Z"
      ].entries()) {
        yield* facts.place(
          Shop.order(`o${index}`, { placedAt, productId: `p${index}`, unitPrice: String(1_000 + index) })
        )
        yield* facts.refund(Shop.refund(`o${index}`, "r1", "100", "2026-03-01T10:00:00Z"))
      }
      const query = {
        measures: ["net", "bookedRefundAmount"],
        dimensions: ["product"],
        filters: [inEuros],
        timeDimension: { from: "2010-01-01", until: "2027-01-01" },
        order: [{ by: "net", direction: "desc" }],
        limit: 2
      } as const
      assert.deepStrictEqual(yield* valuesOf(query), [
        ["p2", euros("1804"), euros("100")],
        ["p1", euros("1802"), euros("100")]
      ])
      const few = Effect.provide(layerOf({ linesMax: 2, sampledOrdersMax: 10 }))
      const refused = yield* Effect.flip(ask(query)).pipe(few)
      assert.deepInclude(refused, { _tag: "SalesQueryInvalid" })
      assert.match(JSON.stringify(refused), /at most 2 lines are read; these days have 3/)
      yield* ask({ ...query, timeDimension: { from: "2011-01-01", until: "2019-01-01" } }).pipe(few)
    }).pipe(as("top"))
  )
})
