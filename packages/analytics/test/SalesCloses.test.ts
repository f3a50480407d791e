import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import { CloseId, type Restatement } from "@hypermarket/analytics/SalesClose"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const textOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "amount" in value ? String(value.amount) : String(value)

const sumOf = (changes: ReadonlyArray<Restatement["cells"][number] | Restatement["orders"][number]>) =>
  changes.reduce(
    (sum, change) => ({ gross: sum.gross + change.gross, refunds: sum.refunds + change.refundAmount }),
    { gross: 0n, refunds: 0n }
  )

layer(TestLayer, { excludeTestServices: true })("SalesCloses", (it) => {
  it.effect(
    "keep the figures as they were, and show what changed them by cell and by order, merged or not",
    () =>
      Effect.gen(function* () {
        const facts = yield* OrderFacts
        const summaries = yield* OrderSummaries
        const closes = yield* SalesCloses
        yield* facts.record(
          ["o1", "o2", "o3"].map((id) => ({ type: "order.placed" as const, data: Shop.order(id) }))
        )
        const close = yield* closes.close("month", "2026-03-01")
        assert.deepInclude(close, {
          period: "month",
          fromDay: "2026-03-01",
          untilDay: "2026-04-01",
          cells: 4
        })
        assert.deepInclude(yield* closes.restatement(close.closeId, "day"), {
          cells: [],
          orders: [],
          isComplete: true
        })
        yield* facts.refund(Shop.refund("o2", "r1", "700"))
        yield* facts.change(Shop.order("o3", { version: 2, placedAt: "2026-04-05T12:00:00Z" }))
        yield* facts.place(Shop.order("late", { placedAt: "2026-03-20T12:00:00Z" }))
        const expected = { gross: 0n, refunds: 700n }
        for (const isMerged of [false, true]) {
          if (isMerged) yield* summaries.drain
          for (const by of ["day", "region", "seller", "category"] as const) {
            const restated = yield* closes.restatement(close.closeId, by)
            assert.deepStrictEqual(sumOf(restated.cells), expected, by)
            assert.deepStrictEqual(sumOf(restated.orders), expected)
            assert.deepStrictEqual(
              restated.orders.map(({ gross, orderId }) => [orderId, gross]),
              [
                ["late", 2_000n],
                ["o2", 0n],
                ["o3", -2_000n]
              ]
            )
          }
        }
        const again = yield* Effect.flip(closes.close("month", "2026-03-01"))
        assert.strictEqual(again._tag, "CloseExists")
        // Beside the month, a day has its own close, and what came before it is not restated for it.
        const day = yield* closes.close("day", "2026-03-10")
        assert.deepInclude(yield* closes.restatement(day.closeId, "day"), { cells: [], orders: [] })
      }).pipe(as("restated"))
  )

  it.effect("name the orders that changed a seller's figures, by the seller's days", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const zones = yield* OrderZones
      const summaries = yield* OrderSummaries
      const closes = yield* SalesCloses
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-08-20T00:00:00Z"))
      yield* zones.setSellerZone("s-east", "Asia/Kathmandu")
      // Still June for the tenant, and July for the seller.
      const placed = { placedAt: "2026-06-30T20:00:00Z", sellerId: "s-east" }
      yield* facts.place(Shop.order("o1", { ...placed, unitPrice: "700" }))
      const july = yield* closes.close("month", "2026-07-01")
      const june = yield* closes.close("month", "2026-06-01")
      yield* facts.change(Shop.order("o1", { ...placed, version: 2, unitPrice: "900" }))
      for (const isMerged of [false, true]) {
        if (isMerged) yield* summaries.drain
        const bySeller = yield* closes.restatement(july.closeId, "seller")
        assert.deepStrictEqual(sumOf(bySeller.cells), { gross: 400n, refunds: 0n })
        assert.deepStrictEqual(
          bySeller.orders.map(({ gross, orderId, sellerId }) => [orderId, sellerId, gross]),
          [["o1", "s-east", 400n]]
        )
        assert.deepInclude(yield* closes.restatement(july.closeId, "day"), { cells: [], orders: [] })
        const ofJune = yield* closes.restatement(june.closeId, "seller")
        assert.deepInclude(ofJune, { cells: [], orders: [] })
        assert.deepStrictEqual(sumOf((yield* closes.restatement(june.closeId, "day")).orders), {
          gross: 400n,
          refunds: 0n
        })
      }
    }).pipe(as("by-seller"))
  )

  it.effect("wait until a day is over for every seller, and keep no categories of a day", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const zones = yield* OrderZones
      const closes = yield* SalesCloses
      const time = yield* Now.TestNow
      yield* zones.setZone("Pacific/Kiritimati")
      yield* zones.setSellerZone("s-west", "Pacific/Honolulu")
      yield* facts.place(Shop.order("o1", { placedAt: "2026-05-03T12:00:00Z", category: "a" }))
      // The 4th in Kiritimati is over; in Honolulu it has just begun.
      yield* time.set(new Date("2026-05-04T12:00:00Z"))
      assert.strictEqual((yield* Effect.flip(closes.close("day", "2026-05-04")))._tag, "PeriodInvalid")
      yield* time.set(new Date("2026-05-05T11:00:00Z"))
      const day = yield* closes.close("day", "2026-05-04")
      yield* facts.place(Shop.order("o2", { placedAt: "2026-05-20T12:00:00Z", category: "a" }))
      const refused = yield* Effect.flip(closes.restatement(day.closeId, "category"))
      assert.deepInclude(refused, { _tag: "PeriodInvalid" })
      assert.deepInclude(yield* closes.restatement(day.closeId, "region"), { cells: [], orders: [] })
    }).pipe(as("sellers-day"))
  )

  it.effect("are read with the same measures as the present, and refuse what they do not keep", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const closes = yield* SalesCloses
      const sales = yield* SalesQueries
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-08-20T00:00:00Z"))
      yield* facts.place(Shop.order("o1", { placedAt: "2026-07-04T12:00:00Z", unitPrice: "800" }))
      const close = yield* closes.close("month", "2026-07-01")
      yield* facts.refund(Shop.refund("o1", "r1", "300"))
      yield* facts.place(Shop.order("o2", { placedAt: "2026-07-09T12:00:00Z" }))
      const query = {
        measures: ["orders", "net", "averageOrderValue"],
        dimensions: ["currency", "region"],
        timeDimension: { from: "2026-07-01", until: "2026-08-01" }
      } as const
      const asOf = yield* sales.run({ ...query, asOf: close.closeId })
      const valuesOf = (rows: typeof asOf.rows) =>
        rows.map((row) => query.measures.map((name) => textOf(row[name])).join(" "))
      assert.deepStrictEqual(valuesOf(asOf.rows), ["1 1500 1500"])
      assert.deepStrictEqual(valuesOf((yield* sales.run(query)).rows), ["2 3100 1550"])
      const refusals = [
        { ...query, asOf: close.closeId, timeDimension: { from: "2026-06-01", until: "2026-08-01" } },
        {
          ...query,
          asOf: close.closeId,
          measures: ["net" as const],
          dimensions: ["currency", "product"],
          limit: 5
        },
        { ...query, asOf: CloseId.make("0199a000-0000-7000-8000-000000000009") }
      ] as const
      for (const refusal of refusals) {
        assert.strictEqual((yield* Effect.flip(sales.run(refusal)))._tag, "SalesQueryInvalid")
      }
    }).pipe(as("as-of"))
  )

  it.effect("restate units beyond 2^31", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const closes = yield* SalesCloses
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-08-20T00:00:00Z"))
      yield* facts.place(Shop.order("o0", { placedAt: "2026-07-01T12:00:00Z" }))
      const close = yield* closes.close("month", "2026-07-01")
      const many = Shop.order("many", { placedAt: "2026-07-04T12:00:00Z", unitPrice: "1" })
      for (const orderId of ["m1", "m2", "m3"]) {
        yield* facts.place({
          ...many,
          orderId,
          lines: many.lines.map((line) => ({ ...line, quantity: 1_000_000_000 }))
        })
      }
      const [cell] = (yield* closes.restatement(close.closeId, "day")).cells
      assert.strictEqual(cell?.units, 3_000_000_000)
    }).pipe(as("many-units"))
  )

  it.effect("restate what waits for a merge while a close is made, exactly once", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const closes = yield* SalesCloses
      const place = (from: number) =>
        facts.record(
          Array.from({ length: 50 }, (_, n) => ({
            type: "order.placed" as const,
            data: Shop.order(`o${from + n}`)
          }))
        )
      yield* place(0)
      const [close] = yield* Effect.all(
        [
          closes.close("day", "2026-03-10"),
          Effect.forEach([100, 200, 300, 400], place),
          Effect.forEach([1, 2, 3, 4, 5, 6], () => summaries.merge(40))
        ],
        { concurrency: "unbounded" }
      )
      const sql = yield* SqlClient.SqlClient
      const [snapshot] = yield* sql<{ readonly orders: number }>`
        SELECT sum(orders)::int AS orders
          FROM hm_sales_analytics_snapshot
         WHERE tenant_id = 'racing' AND close_id = ${close.closeId}::uuid AND grain = 6
      `
      for (const isMerged of [false, true]) {
        if (isMerged) yield* summaries.drain
        const restated = yield* closes.restatement(close.closeId, "day")
        const inCells = restated.cells.reduce((sum, { orders }) => sum + orders, 0)
        assert.strictEqual((snapshot?.orders ?? 0) + inCells, 250)
        assert.strictEqual(restated.orders.length, inCells)
      }
    }).pipe(as("racing"))
  )

  it.effect("refuse a period that is not over, and a month that begins in its middle", () =>
    Effect.gen(function* () {
      const closes = yield* SalesCloses
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-04-01T00:00:00Z"))
      for (const [period, day] of [
        ["day", "2026-04-01"],
        ["month", "2026-04-01"],
        ["month", "2026-03-02"],
        ["day", "2026-02-30"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(closes.close(period, day)))._tag, "PeriodInvalid", day)
      }
      yield* closes.close("day", "2026-03-31")
    }).pipe(as("periods"))
  )

  it.effect("are made for every tenant's last month once it is over for some days", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const closes = yield* SalesCloses
      const time = yield* Now.TestNow
      yield* facts.place(Shop.order("o1"))
      yield* summaries.drain
      const run = Effect.provideService(closes.closeDue(5), AllTenants, { actor: "test" })
      const months = Effect.map(closes.list({}), ({ items }) => items.map(({ fromDay }) => fromDay))
      yield* time.set(new Date("2026-04-04T00:00:00Z"))
      yield* run
      assert.deepStrictEqual(yield* months, ["2026-02-01"])
      yield* time.set(new Date("2026-04-06T00:00:01Z"))
      yield* run
      yield* run
      assert.deepStrictEqual(yield* months, ["2026-03-01", "2026-02-01"])
    }).pipe(as("monthly"))
  )
})

layer(TestLayer, { excludeTestServices: true })("OrderSummaries", (it) => {
  it.effect("are proven by month, and a cell that was tampered with is found", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      yield* facts.place(Shop.order("o1"))
      yield* summaries.drain
      assert.deepStrictEqual(yield* summaries.prove, [])
      yield* facts.place(Shop.order("o2"))
      yield* summaries.drain
      yield* sql`
        UPDATE hm_order_summary
           SET gross = gross + 1
         WHERE tenant_id = 'proof' AND grain = 2
      `
      const found = yield* summaries.prove
      assert.deepStrictEqual(found.map(({ bucket, grain, side }) => [side, grain, bucket]).toSorted(), [
        ["extra", 2, "2026-03-10"],
        ["missing", 2, "2026-03-10"]
      ])
    }).pipe(as("proof"))
  )

  it.effect("are merged for the tenants whose rows are many or old, in turn", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-05-01T00:00:00Z"))
      const run = Effect.provideService(summaries.mergeDue, AllTenants, { actor: "test" })
      yield* run
      yield* facts.place(Shop.order("few")).pipe(as("due-few"))
      yield* facts
        .record(
          Array.from({ length: 1_000 }, (_, n) => ({
            type: "order.placed" as const,
            data: Shop.order(`m${n}`)
          }))
        )
        .pipe(as("due-many"))
      assert.strictEqual(yield* run, 1_000)
      assert.strictEqual(yield* run, 0)
      yield* time.adjust("6 seconds")
      assert.strictEqual(yield* run, 1)
    })
  )
})
