import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { layerOf, SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const ask = (query: SalesQuery) => Effect.flatMap(SalesQueries, (sales) => sales.run(query))
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const valuesOf = (query: SalesQuery) =>
  Effect.map(ask(query), ({ rows }) => rows.map((row) => Object.values(row).map((value) => plain(value))))
const refusal = (query: SalesQuery) =>
  ask(query).pipe(
    Effect.flip,
    Effect.map((error) => (error._tag === "SalesQueryInvalid" ? error.errors[0]?.path : error))
  )

const inEuros = { dimension: "currency", operator: "equals", values: ["EUR"] } as const
const euros = (amount: string) => ({ amount, currency: "EUR" })

interface Sale {
  readonly orderId: string
  readonly day: string
  readonly region: string
  readonly customerId: string | undefined
}

const dayMillis = 24 * 60 * 60 * 1000
const shifted = (day: string, days: number): string =>
  new Date(Date.parse(day) + days * dayMillis).toISOString().slice(0, 10)

const factOf = ({ customerId, day, orderId, region }: Sale) => {
  const { customerId: _, ...guest } = Shop.order(orderId, { region, placedAt: `${day}T12:00:00Z` })
  return {
    type: "order.placed" as const,
    data: customerId === undefined ? guest : { ...guest, customerId }
  }
}

const place = (sales: ReadonlyArray<Sale>) =>
  Effect.flatMap(OrderFacts, (facts) => facts.record(sales.map(factOf)))

const randomSales = (seed: number, count: number, from: string, days: number): ReadonlyArray<Sale> => {
  const dice = OrderMix.random(seed)
  return Array.from({ length: count }, (_, n) => ({
    orderId: `o${n}`,
    day: shifted(from, dice.below(days)),
    region: dice.pick(["AT", "DE", "FR"]),
    customerId: dice.next() < 0.2 ? undefined : `c${dice.below(40)}`
  }))
}

const distinct = (values: ReadonlyArray<string | undefined>): number =>
  new Set(values.filter((value) => value !== undefined)).size

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

  it.effect("and several currencies are in one answer, in which counts are of all of them", () =>
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

  it.effect("and customers are new in the row of their first order, and returning in later ones", () =>
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

  it.effect("and customers of many orders are estimated within the error that the answer states", () =>
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

  it.effect("and CSV has a header, quoted cells and no formulas, and is whole or refused", () =>
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
