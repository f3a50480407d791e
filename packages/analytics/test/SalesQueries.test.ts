import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as Catalogue from "@hypermarket/analytics/Catalogue"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Money } from "@hypermarket/core/Money"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))
const spring = { from: "2026-03-01", until: "2026-05-01" } as const
const eur = (amount: string) => Schema.decodeSync(Money)({ amount, currency: "EUR" })

const ask = (query: SalesQuery) => Effect.flatMap(SalesQueries, (queries) => queries.run(query))
const refusal = (query: SalesQuery) =>
  ask(query).pipe(
    Effect.flip,
    Effect.map((error) => (error._tag === "SalesQueryInvalid" ? error.errors[0]?.path : error))
  )

/** Every combination that a summary answers, and some that only the lines do. */
const random = (dice: OrderMix.Random): SalesQuery => {
  const further = Catalogue.dimensionNames.filter((name) => name !== "currency" && dice.next() < 0.25)
  const granularity = dice.pick([undefined, "day", "week", "month", "quarter", "year"] as const)
  const isOrders = !further.some((name) => name === "seller" || name === "category" || name === "product")
  const dimensions: SalesQuery["dimensions"] = ["currency", ...further]
  return {
    measures: [
      "lines",
      "units",
      "gross",
      "net",
      "tax",
      "refundAmount",
      "bookedRefundAmount",
      "shippedUnits",
      ...(isOrders ? (["orders", "cancelledOrders", "averageOrderValue"] as const) : [])
    ],
    dimensions: dimensions.slice(0, 4),
    timeDimension: {
      from: dice.pick(["2026-03-01", "2026-03-29"]),
      until: dice.pick(["2026-06-01", "2026-05-17"]),
      ...(granularity === undefined ? {} : { granularity })
    },
    ...(dice.next() < 0.5
      ? {
          filters: [
            { dimension: "region", operator: dice.pick(["equals", "notEquals"]), values: ["DE", "IN"] }
          ]
        }
      : {}),
    limit: 10_000
  }
}

/** The same question in a form that no summary has: another name of the zone, or a filter that keeps all. */
const ofLines = (query: SalesQuery): SalesQuery =>
  (query.dimensions ?? []).includes("seller")
    ? {
        ...query,
        filters: [
          ...(query.filters ?? []),
          { dimension: "product", operator: "notEquals", values: ["no such product"] }
        ]
      }
    : { ...query, timeDimension: { ...query.timeDimension, zone: "US/Eastern" } }

layer(TestLayer, { excludeTestServices: true })("SalesQueries", (it) => {
  it.effect("answers the same from a summary as from the lines, merged or not", () =>
    Effect.gen(function* () {
      const zones = yield* OrderZones
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      yield* zones.setZone("America/New_York")
      yield* zones.setSellerZone("s1", "Asia/Kathmandu")
      const dice = OrderMix.random(7)
      const mixed = { seed: 7, orders: 300, versions: 4, sellers: ["s0", "s1", "s2"] }
      for (let batch = 0; batch < 10; batch++) {
        yield* facts.record(Array.from({ length: 100 }, () => OrderMix.next(mixed, dice)))
        if (batch === 5) yield* summaries.drain
      }
      let fromSummaries = 0
      for (let round = 0; round < 40; round++) {
        if (round === 20) yield* summaries.drain
        const query = random(dice)
        const answered = yield* ask(query)
        const counted = yield* ask(ofLines(query))
        assert.deepStrictEqual(answered.rows, counted.rows, JSON.stringify(query))
        assert.isAbove(answered.rows.length, 0)
        assert.strictEqual(counted.source, "lines")
        if (answered.source !== "lines") fromSummaries++
      }
      assert.isAbove(fromSummaries, 15)
    }).pipe(as("same"))
  )

  it.effect("shows a refund in the order's month and, booked, in its own", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      yield* facts.place(Shop.order("o1"))
      yield* facts.refund(Shop.refund("o1", "r1", "500"))
      yield* facts.place(Shop.order("o2", { placedAt: "2026-04-02T00:00:00Z" }))
      yield* facts.cancel(Shop.order("o2", { version: 2, placedAt: "2026-04-02T00:00:00Z" }))
      const answer = yield* ask({
        measures: [
          "orders",
          "gross",
          "refundAmount",
          "bookedRefundAmount",
          "cancelledAmount",
          "net",
          "refundRate"
        ],
        dimensions: ["currency"],
        timeDimension: { ...spring, granularity: "month" }
      })
      assert.deepStrictEqual(
        answer.rows.map((row) =>
          Object.fromEntries(Object.entries(row).filter(([name]) => name !== "refundRate"))
        ),
        [
          {
            time: "2026-03-01",
            currency: "EUR",
            orders: 1,
            gross: eur("2000"),
            refundAmount: eur("500"),
            bookedRefundAmount: eur("0"),
            cancelledAmount: eur("0"),
            net: eur("1400")
          },
          {
            time: "2026-04-01",
            currency: "EUR",
            orders: 1,
            gross: eur("2000"),
            refundAmount: eur("0"),
            bookedRefundAmount: eur("500"),
            cancelledAmount: eur("1900"),
            net: eur("0")
          }
        ]
      )
      assert.closeTo(Number(answer.rows[0]?.["refundRate"]), 500 / 1_900, 1e-9)
      assert.isNull(answer.rows[1]?.["refundRate"])
      assert.deepInclude(answer, { isComplete: true, source: "tenant day", zone: "UTC" })
    }).pipe(as("bases"))
  )

  it.effect("buckets an instant by the seller's zone, the tenant's, or the one asked for", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const zones = yield* OrderZones
      yield* zones.setZone("America/New_York")
      yield* zones.setSellerZone("s1", "Asia/Kathmandu")
      // 2026-03-08 is the day on which New York skips an hour.
      yield* facts.place(Shop.order("o1", { placedAt: "2026-03-08T18:30:00Z" }))
      const days = Effect.fnUntraced(function* (
        query: Pick<SalesQuery, "dimensions" | "filters">,
        zone?: string
      ) {
        const answer = yield* ask({
          measures: ["units"],
          ...query,
          timeDimension: { ...spring, granularity: "day", ...(zone === undefined ? {} : { zone }) }
        })
        return [answer.rows[0]?.["time"], answer.source, answer.zone]
      })
      const ofSeller: SalesQuery["filters"] = [{ dimension: "seller", operator: "equals", values: ["s1"] }]
      assert.deepStrictEqual(yield* days({}), ["2026-03-08", "tenant day", "America/New_York"])
      assert.deepStrictEqual(yield* days({ filters: ofSeller }), ["2026-03-09", "seller day", null])
      assert.deepStrictEqual(yield* days({}, "Pacific/Kiritimati"), [
        "2026-03-09",
        "lines",
        "Pacific/Kiritimati"
      ])
      const hours = yield* ask({
        measures: ["units"],
        timeDimension: { ...spring, granularity: "hour" }
      })
      assert.strictEqual(hours.rows[0]?.["time"], "2026-03-08T14:00")
    }).pipe(as("zoned"))
  )

  it.effect("refuses what does not add up, naming the measure", () =>
    Effect.gen(function* () {
      const base = { timeDimension: spring, limit: 10 }
      assert.deepStrictEqual(
        yield* refusal({ ...base, measures: ["units", "orders"], dimensions: ["category"] }),
        ["measures", 1]
      )
      assert.deepStrictEqual(
        yield* refusal({
          ...base,
          measures: ["orders"],
          filters: [{ dimension: "product", operator: "equals", values: ["p1"] }]
        }),
        ["measures", 0]
      )
      assert.deepStrictEqual(yield* refusal({ ...base, measures: ["sellerOrders"] }), ["measures", 0])
      assert.deepStrictEqual(yield* refusal({ ...base, measures: ["net"] }), ["measures", 0])
      assert.deepStrictEqual(yield* refusal({ ...base, measures: ["refundRate"] }), ["measures", 0])
      yield* ask({ ...base, measures: ["units", "sellerOrders"], dimensions: ["seller"] })
      yield* ask({
        ...base,
        measures: ["net"],
        filters: [{ dimension: "currency", operator: "equals", values: ["EUR"] }]
      })
    }).pipe(as("refused"))
  )

  it.effect("refuses what has no bound, and says where an answer was cut", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      assert.deepStrictEqual(
        yield* refusal({ measures: ["units"], dimensions: ["seller"], timeDimension: spring }),
        ["dimensions", 0]
      )
      assert.deepStrictEqual(
        yield* refusal({
          measures: ["units"],
          timeDimension: { from: "1990-01-01", until: "2026-01-01", granularity: "day" }
        }),
        ["timeDimension", "granularity"]
      )
      assert.deepStrictEqual(
        yield* refusal({ measures: ["units"], timeDimension: { from: "2026-03-01", until: "2026-03-01" } }),
        ["timeDimension", "until"]
      )
      assert.deepStrictEqual(
        yield* refusal({ measures: ["units"], timeDimension: { ...spring, zone: "Mars/Olympus" } }),
        ["timeDimension", "zone"]
      )
      assert.deepStrictEqual(
        yield* refusal({
          measures: ["units"],
          timeDimension: spring,
          order: [{ by: "gross", direction: "desc" }]
        }),
        ["order", 0, "by"]
      )
      yield* facts.record(
        ["p1", "p2", "p3"].map((productId, index) => ({
          type: "order.placed" as const,
          data: Shop.order(`o${index}`, { productId, unitPrice: String(1_000 * (index + 1)) })
        }))
      )
      const top = yield* ask({
        measures: ["gross"],
        dimensions: ["currency", "product"],
        timeDimension: spring,
        order: [{ by: "gross", direction: "desc" }],
        limit: 2
      })
      assert.isFalse(top.isComplete)
      assert.deepStrictEqual(
        top.rows.map((row) => row["product"]),
        ["p3", "p2"]
      )
    }).pipe(as("bounded"))
  )
})
