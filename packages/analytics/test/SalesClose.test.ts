import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { type Restatement, SalesCloses } from "@hypermarket/analytics/SalesClose"
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
        // Beside the month, a day has a close of its own, and what came before it is not restated for it.
        const day = yield* closes.close("day", "2026-03-10")
        assert.deepInclude(yield* closes.restatement(day.closeId, "day"), { cells: [], orders: [] })
      }).pipe(as("restated"))
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
        SELECT sum(orders)::int AS orders FROM hm_sales_analytics_snapshot
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
      yield* sql`UPDATE hm_order_summary SET gross = gross + 1 WHERE tenant_id = 'proof' AND grain = 2`
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
