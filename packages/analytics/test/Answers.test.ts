import { assert, layer } from "@effect/vitest"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { layerOf, SalesQueries } from "@hypermarket/analytics/SalesQueries"
import { Effect } from "effect"
import {
  as,
  ask,
  euros,
  inEuros,
  place,
  plain,
  randomSales,
  refusal,
  shifted,
  TestLayer,
  valuesOf
} from "./Questions.ts"
import * as Shop from "./Shop.ts"

layer(TestLayer, { excludeTestServices: true })("Answers", (it) => {
  it.effect("several currencies are in one answer, in which counts are of all of them", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      for (const [orderId, currency, region] of [
        ["o1", "EUR", "AT"],
        ["o2", "USD", "AT"],
        ["o3", "EUR", "AT"],
        ["o4", "JPY", "FR"]
      ] as const) {
        yield* facts.place(Shop.order(orderId, { currency, region }))
      }
      yield* facts.refund(Shop.refund("o2", "r1", "950"))
      const query = {
        measures: ["orders", "net", "refundRate", "unitsPerOrder"],
        dimensions: ["region"],
        timeDimension: { from: "2026-03-01", until: "2026-04-01", granularity: "month" },
        byCurrency: true
      } as const
      const { rows } = yield* ask(query)
      assert.deepStrictEqual(
        rows.map((row) => plain(row)),
        [
          {
            time: "2026-03-01",
            region: "AT",
            orders: 3,
            "net.EUR": euros("3800"),
            "net.JPY": { amount: "0", currency: "JPY" },
            "net.USD": { amount: "950", currency: "USD" },
            "refundRate.EUR": 0,
            "refundRate.JPY": null,
            "refundRate.USD": 0.5,
            unitsPerOrder: 2
          },
          {
            time: "2026-03-01",
            region: "FR",
            orders: 1,
            "net.EUR": euros("0"),
            "net.JPY": { amount: "1900", currency: "JPY" },
            "net.USD": { amount: "0", currency: "USD" },
            "refundRate.EUR": null,
            "refundRate.JPY": 0,
            "refundRate.USD": null,
            unitsPerOrder: 2
          }
        ]
      )
      const total = {
        ...query,
        dimensions: [],
        measures: ["orders", "gross"],
        timeDimension: { from: "2026-03-01", until: "2026-04-01" }
      } as const
      assert.deepStrictEqual(yield* valuesOf(total), [
        [4, euros("4000"), { amount: "2000", currency: "JPY" }, { amount: "2000", currency: "USD" }]
      ])
      const windowed = yield* ask({
        ...query,
        measures: ["orders", "gross"],
        window: { kind: "rolling", size: 2 },
        timeDimension: { ...query.timeDimension, from: "2026-04-01", until: "2026-05-01" }
      })
      assert.deepStrictEqual(
        windowed.rows.map(({ orders }) => orders),
        [3, 1]
      )
      assert.deepStrictEqual(yield* refusal({ ...query, order: [{ by: "net", direction: "desc" }] }), [
        "order",
        0,
        "by"
      ])
      assert.deepStrictEqual(yield* refusal({ ...query, dimensions: ["currency"] }), ["byCurrency"])
      assert.deepStrictEqual(yield* refusal({ ...query, measures: ["customers"] }), ["measures", 0])
      assert.deepStrictEqual(
        yield* valuesOf({ ...total, timeDimension: { from: "2020-01-01", until: "2020-02-01" } }),
        []
      )
    }).pipe(as("currencies"))
  )

  it.effect("customers are new in the row of their first order, and returning in later ones", () =>
    Effect.gen(function* () {
      const sales = randomSales(11, 200, "2026-01-01", 120)
      yield* place(sales)
      const first = new Map<string, string>()
      for (const { customerId, day } of sales.toSorted((a, b) => (a.day < b.day ? -1 : 1))) {
        if (customerId !== undefined && !first.has(customerId)) first.set(customerId, day)
      }
      const { rows } = yield* ask({
        measures: ["customers", "newCustomers", "returningCustomers"],
        timeDimension: { from: "2026-02-01", until: "2026-05-01", granularity: "month" }
      })
      assert.strictEqual(rows.length, 3)
      for (const row of rows) {
        const month = String(row["time"]).slice(0, 7)
        const customers = new Set(
          sales.flatMap(({ customerId, day }) =>
            customerId !== undefined && day.startsWith(month) ? [customerId] : []
          )
        )
        const started = Array.from(customers).filter((id) => first.get(id)?.startsWith(month) === true)
        assert.deepInclude(row, {
          customers: customers.size,
          newCustomers: started.length,
          returningCustomers: customers.size - started.length
        })
      }
    }).pipe(as("new"))
  )

  it.effect("customers of many orders are estimated within the error that the answer states", () =>
    Effect.gen(function* () {
      const sales = Array.from({ length: 2_000 }, (_, n) => ({
        orderId: `o${n}`,
        day: shifted("2024-06-01", n % 700),
        region: n % 4 === 0 ? "AT" : "DE",
        customerId: `customer-${(n * 7) % 1_300}`
      }))
      for (let n = 0; n < 2; n++) yield* place(sales.slice(n * 1_000, (n + 1) * 1_000))
      const sampled = Effect.provide(layerOf({ linesMax: 500, sampledOrdersMax: 500 }))
      const time = { from: "2024-01-01", until: "2027-01-01" } as const
      const query = { measures: ["customers"], dimensions: ["region"], timeDimension: time } as const
      const exact = yield* ask(query)
      assert.isUndefined(exact.estimate)
      const answer = yield* ask(query).pipe(sampled)
      assert.strictEqual(answer.estimate?.share, 0.25)
      for (const [index, row] of exact.rows.entries()) {
        const counted = Number(row["customers"])
        const error = Math.abs(Number(answer.rows[index]?.["customers"]) - counted) / counted
        assert.isBelow(error, 3 * (answer.estimate?.relativeError ?? 0))
      }
      assert.isBelow(answer.estimate?.relativeError ?? 1, 0.15)
      const years = yield* ask({
        measures: ["customers", "newCustomers", "returningCustomers"],
        timeDimension: { ...time, granularity: "year" }
      }).pipe(sampled)
      for (const row of years.rows) {
        const parts = Number(row["newCustomers"]) + Number(row["returningCustomers"])
        // Each is rounded by itself.
        assert.closeTo(parts, Number(row["customers"]), 1)
      }
      assert.deepStrictEqual(
        yield* refusal({
          ...query,
          measures: ["customers", "orders"],
          dimensions: [],
          timeDimension: { ...time, zone: "Asia/Tokyo" }
        }).pipe(sampled),
        ["timeDimension"]
      )
    }).pipe(as("estimated"))
  )

  it.effect("CSV has a header, quoted cells and no formulas, and is whole or refused", () =>
    Effect.gen(function* () {
      const sales = yield* SalesQueries
      const facts = yield* OrderFacts
      for (const category of ["=SUM(A1)", 'a,"b"', "-1"]) {
        yield* facts.place(Shop.order(`o${category}`, { category }))
      }
      yield* facts.refund(Shop.refund("o-1", "r1", "950"))
      const query = {
        measures: ["lines", "net", "refundRate"],
        dimensions: ["category"],
        filters: [inEuros],
        timeDimension: { from: "2026-03-01", until: "2026-04-01", granularity: "month" }
      } as const
      assert.strictEqual(
        yield* sales.csv(query),
        [
          "time,category,lines,net,refundRate,currency",
          "2026-03-01,'-1,1,950,0.5,EUR",
          "2026-03-01,'=SUM(A1),1,1900,0,EUR",
          '2026-03-01,"a,""b""",1,1900,0,EUR',
          ""
        ].join("\r\n")
      )
      const { filters: _, ...open } = query
      assert.match(
        yield* sales.csv({ ...open, byCurrency: true }),
        /^time,category,lines,net\.EUR,refundRate\.EUR\r\n/
      )
      assert.strictEqual(
        yield* sales.csv({ ...query, timeDimension: { from: "2020-01-01", until: "2020-02-01" } }),
        "category,lines,net,refundRate,currency\r\n"
      )
      assert.strictEqual((yield* sales.csv({ ...query, limit: 1 })).split("\r\n").length, 3)
      const refused = yield* Effect.flip(
        sales.csv({ ...query, compareWith: { from: "2026-02-01", until: "2026-03-01" } })
      )
      assert.strictEqual(refused._tag, "SalesQueryInvalid")
    }).pipe(as("csv"))
  )
})
