/**
 * Old facts after their retention: what is removed, what is answered afterwards, and what comes late. Longer than 400 lines, since
 * every answer is compared with that of a shop that kept all facts.
 */
import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { subjectData } from "@hypermarket/analytics/AnalyticsSubjectData"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderFigures } from "@hypermarket/analytics/OrderFigures"
import { OrderRetentions } from "@hypermarket/analytics/OrderRetentions"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import { UnplacedFacts } from "@hypermarket/analytics/UnplacedFacts"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId, tenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Layer, Ref } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (tenant: string) => provide(TenantId.make(tenant))
const overAll = Effect.provideService(AllTenants, { actor: "test" })

const always = ["1970-01-01", "2100-01-01"] as const

const setTime = (text: string) => Effect.flatMap(Now.TestNow, (time) => time.set(new Date(text)))

/** Two rounds of the job: the sweep waits until no query can read with an older plan. */
const retainDue = Effect.fnUntraced(function* (keepMonths: number) {
  const time = yield* Now.TestNow
  const retentions = yield* OrderRetentions
  yield* overAll(retentions.retainDue(keepMonths))
  yield* time.adjust("11 minutes")
  return yield* overAll(retentions.retainDue(keepMonths))
})

const closeMonths = (...months: ReadonlyArray<string>) =>
  Effect.flatMap(SalesCloses, (closes) =>
    Effect.forEach(months, (month) => closes.close("month", `${month}-01`))
  )

const spring = ["2026-02", "2026-03", "2026-04", "2026-05", "2026-06"] as const

const year = { from: "2026-01-01", until: "2027-01-01" } as const

/** Questions whose answers come from the summaries, over all of the time. */
const questions: ReadonlyArray<SalesQuery> = [
  {
    measures: ["orders", "net", "tax", "refundAmount", "bookedRefundAmount", "shippedUnits"],
    dimensions: ["currency"],
    timeDimension: { ...year, granularity: "day" }
  },
  {
    measures: ["orders", "gross", "cancelledAmount", "refundRate"],
    dimensions: ["currency", "region", "channel"],
    timeDimension: { ...year, granularity: "month" },
    limit: 1_000
  },
  {
    measures: ["sellerOrders", "units", "net"],
    dimensions: ["currency", "seller"],
    timeDimension: { ...year, granularity: "day" },
    limit: 5_000
  },
  {
    measures: ["lines", "gross"],
    dimensions: ["currency", "category"],
    timeDimension: { ...year, granularity: "quarter" },
    limit: 1_000
  }
]

const answers = Effect.flatMap(SalesQueries, (sales) =>
  Effect.forEach(questions, (question) => Effect.map(sales.run(question), ({ rows }) => rows))
)

/** Cells of two tenants that are not the same. */
const differing = (one: string, other: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const cells = (tenant: string) => sql`
      SELECT grain, seller_id, bucket, category, region, channel, currency, orders, seller_orders, lines, units, gross,
             discount, tax, shipping, fees, cancelled_orders, cancelled_units, cancelled_amount, refund_units,
             refund_amount, refund_tax, refund_shipping, refund_fees, refund_cancelled_amount, booked_refund_units,
             booked_refund_amount, booked_refund_tax, booked_refund_shipping, booked_refund_fees, shipped_units
        FROM hm_order_summary
       WHERE tenant_id = ${tenant}
         AND (orders, lines, units, gross, discount, tax, shipping, fees, refund_amount, refund_units, booked_refund_units,
              booked_refund_amount, shipped_units) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    `
    return sql`
      (${cells(one)} EXCEPT ${cells(other)})
      UNION ALL
      (${cells(other)} EXCEPT ${cells(one)})
    `
  })

const counts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* tenantId
  const [row] = yield* sql<{
    readonly lines: number
    readonly adjustments: number
    readonly retired: number
    readonly past: number
  }>`
    SELECT (SELECT count(*)::int FROM hm_order_line WHERE tenant_id = ${tenant}) AS lines,
           (SELECT count(*)::int FROM hm_order_adjustment WHERE tenant_id = ${tenant}) AS adjustments,
           (SELECT count(*)::int
              FROM hm_order_head
             WHERE tenant_id = ${tenant} AND retired_at IS NOT NULL) AS retired,
           (SELECT count(*)::int
              FROM (
                   SELECT order_id
                     FROM (
                          SELECT order_id, tenant_day, true AS is_line
                            FROM hm_order_line
                           WHERE tenant_id = ${tenant}
                          UNION ALL
                          SELECT order_id, tenant_day, false
                            FROM hm_order_adjustment
                           WHERE tenant_id = ${tenant}
                          ) f
                    GROUP BY order_id
                   HAVING bool_or(is_line) AND max(tenant_day) < '2026-05-01'
                   ) o) AS past
  `
  return row ?? { lines: 0, adjustments: 0, retired: 0, past: 0 }
})

const doctor = Effect.fnUntraced(function* (name: string, tenant: string) {
  const check = AnalyticsDomain.domain.checks.find((one) => one.name === name)
  const findings = check === undefined ? [] : yield* check.run
  return findings.filter(({ message }) => message.includes(tenant)).map(({ status }) => status)
})

const optionsOf = (seed: number): OrderMix.Options => ({
  seed,
  orders: 90,
  versions: 8,
  sellers: ["s4", "s9"]
})

const batchesOf = (seed: number, batches: number, size: number, writer = 0) => {
  const dice = OrderMix.random(seed * 100 + writer)
  return Array.from({ length: batches }, () =>
    Array.from({ length: size }, () => OrderMix.next(optionsOf(seed), dice))
  )
}

layer(TestLayer, { excludeTestServices: true })("Retention", (it) => {
  it.effect("removes facts of closed months, and leaves every figure and every later proof as it was", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const sales = yield* SalesQueries
      yield* setTime("2027-01-10T04:00:00Z")
      yield* Effect.forEach(batchesOf(31, 6, 120), (batch) => facts.record(batch))
      const [february] = yield* closeMonths(...spring)
      const before = yield* answers
      const rows = yield* counts
      assert.isAbove(rows.past, 5)
      // Nothing is removed unless it is asked for.
      yield* retainDue(0)
      assert.deepStrictEqual(yield* counts, rows)
      // The present month and eight whole ones before it are kept: from May on.
      assert.strictEqual(yield* retainDue(8), rows.past)
      const left = yield* counts
      assert.strictEqual(left.past, 0)
      assert.strictEqual(left.retired, rows.past)
      assert.isBelow(left.lines, rows.lines)
      assert.isBelow(left.adjustments, rows.adjustments)
      assert.deepStrictEqual(yield* answers, before)
      assert.deepStrictEqual(yield* summaries.differences(...always), [])
      assert.deepStrictEqual(yield* summaries.prove, [])
      assert.deepInclude(yield* sales.freshness, { factsFrom: "2026-05-01", status: "proven" })
      const closed = yield* sales.run({
        measures: ["orders"],
        timeDimension: { from: "2026-02-01", until: "2026-03-01" },
        ...(february === undefined ? {} : { asOf: february.closeId })
      })
      assert.isAbove(Number(closed.rows[0]?.["orders"]), 0)
      assert.strictEqual(yield* retainDue(8), 0)
    }).pipe(as("aged"))
  )

  for (const seed of [5, 6]) {
    it.effect(`and late facts leave sums as exact as if no fact were removed (seed ${seed})`, () =>
      Effect.gen(function* () {
        const facts = yield* OrderFacts
        const summaries = yield* OrderSummaries
        const time = yield* Now.TestNow
        const tenant = yield* tenantId
        yield* setTime("2027-01-10T04:00:00Z")
        const counted: Array<ReadonlyArray<OrderMix.Fact>> = []
        let late = 0
        const record = Effect.fnUntraced(function* (batch: ReadonlyArray<OrderMix.Fact>) {
          const outcomes = yield* facts.record(batch)
          // A late version takes the lower ones of its batch along.
          const refused = new Set(
            batch.filter((_, index) => outcomes[index] === "late").map((fact) => OrderMix.idOf(fact))
          )
          late += refused.size
          counted.push(batch.filter((fact) => !refused.has(OrderMix.idOf(fact))))
        })
        yield* Effect.forEach(batchesOf(seed, 3, 100), record)
        yield* closeMonths(...spring)
        const isOver = yield* Ref.make(false)
        const retentions = yield* OrderRetentions
        const retaining = yield* Effect.forkChild(
          Effect.gen(function* () {
            for (let months = 0; !(yield* Ref.get(isOver)); months++) {
              const before = `2026-0${Math.min(6, 3 + Math.floor(months / 4))}-01`
              while ((yield* retentions.retain(before)).hasMore);
              yield* time.adjust("11 minutes")
            }
          })
        )
        const merging = yield* Effect.forkChild(
          Effect.repeat(summaries.merge(150), { until: () => Ref.get(isOver) })
        )
        const writers = [1, 2, 3].map((writer) => batchesOf(seed, 14, 25, writer))
        yield* Effect.forEach(writers, (batches) => Effect.forEach(batches, record), { concurrency: 3 })
        yield* Ref.set(isOver, true)
        yield* Fiber.join(retaining)
        yield* Fiber.join(merging)
        yield* summaries.drain
        assert.isAbove(late, 0)
        assert.isAbove((yield* counts).retired, 0)
        assert.deepStrictEqual(yield* summaries.differences(...always), [])
        const twin = `${tenant}-kept`
        yield* Effect.forEach(counted, (batch) => facts.record(batch)).pipe(
          Effect.andThen(summaries.drain),
          as(twin)
        )
        assert.deepStrictEqual(yield* differing(tenant, twin), [])
      }).pipe(as(`shop-${seed}`))
    )
  }

  it.effect("refuses what needs removed facts, and names the first day that has some", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const sales = yield* SalesQueries
      const summaries = yield* OrderSummaries
      const zones = yield* OrderZones
      yield* setTime("2027-01-10T04:00:00Z")
      yield* facts.place(Shop.order("old", { placedAt: "2026-02-07T09:00:00Z", sellerId: "s-old" }))
      yield* facts.place(Shop.order("paid-back", { placedAt: "2026-02-08T09:00:00Z" }))
      yield* facts.refund(Shop.refund("paid-back", "r1", "300", "2026-06-02T09:00:00Z"))
      yield* facts.place(Shop.order("new", { placedAt: "2026-05-03T09:00:00Z", productId: "p7" }))
      yield* closeMonths("2026-02")
      yield* retainDue(8)
      const top = (from: string, further: Partial<SalesQuery> = {}, zone?: string): SalesQuery => ({
        measures: ["units"],
        dimensions: ["product"],
        timeDimension: { from, until: "2026-06-01", ...(zone === undefined ? {} : { zone }) },
        limit: 9,
        ...further
      })
      const refusal = (query: SalesQuery) => Effect.map(Effect.flip(sales.run(query)), (error) => error)
      // February was given up; the months from March on have their facts.
      assert.deepStrictEqual((yield* sales.run(top("2026-03-01"))).rows, [{ product: "p7", units: 2 }])
      for (const query of [top("2026-02-28"), top("2026-03-02", {}, "Asia/Kathmandu")]) {
        assert.deepInclude(yield* refusal(query), { _tag: "SalesQueryInvalid" })
      }
      assert.lengthOf((yield* sales.run(top("2026-03-03", {}, "Asia/Kathmandu"))).rows, 1)
      const ofCustomers = (from: string, measure: "customers" | "newCustomers"): SalesQuery => ({
        measures: [measure],
        timeDimension: { from, until: "2026-06-01" }
      })
      assert.deepStrictEqual((yield* sales.run(ofCustomers("2026-03-01", "customers"))).rows, [
        { customers: 1 }
      ])
      const refused = [ofCustomers("2026-02-01", "customers"), ofCustomers("2026-03-01", "newCustomers")]
      for (const query of refused) assert.strictEqual((yield* refusal(query))._tag, "SalesQueryInvalid")
      const figures = yield* OrderFigures
      assert.strictEqual((yield* Effect.flip(figures.get("old")))._tag, "OrderRetired")
      // Its refund is in a month that is kept, so all of the order is.
      assert.strictEqual((yield* figures.get("paid-back")).totals.refundAmount, 300n)
      assert.deepInclude(yield* Effect.flip(summaries.rebuild("2026-02-01")), { before: "2026-03-01" })
      assert.strictEqual(yield* summaries.rebuild("2026-03-01"), 0)
      const closes = yield* SalesCloses
      assert.strictEqual((yield* Effect.flip(closes.close("day", "2026-02-07")))._tag, "PeriodInvalid")
      assert.strictEqual((yield* Effect.flip(closes.close("month", "2026-02-01")))._tag, "CloseExists")
      assert.strictEqual((yield* Effect.flip(zones.correctZone("Asia/Tokyo")))._tag, "FactsRemoved")
      assert.strictEqual((yield* Effect.flip(zones.setZone("Asia/Tokyo")))._tag, "ZoneFixed")
      assert.strictEqual((yield* Effect.flip(zones.setSellerZone("s-old", "Asia/Tokyo")))._tag, "ZoneFixed")
      yield* zones.setSellerZone("s-next", "Asia/Tokyo")
      assert.deepStrictEqual(yield* summaries.differences(...always), [])
    }).pipe(as("asked"))
  )

  it.effect("lists facts of removed orders, counts none of them, and warns for a week", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const unplaced = yield* UnplacedFacts
      yield* setTime("2027-01-10T04:00:00Z")
      const old = { placedAt: "2026-02-11T09:00:00Z", unitPrice: "4300" }
      yield* facts.place(Shop.order("old", old))
      yield* facts.place(Shop.order("new", { placedAt: "2026-05-03T09:00:00Z" }))
      const [close] = yield* closeMonths("2026-02")
      if (close === undefined) return assert.fail("the month is closed")
      yield* retainDue(8)
      const before = yield* answers
      assert.deepStrictEqual(
        yield* facts.record([
          { type: "order.placed", data: Shop.order("old", old) },
          { type: "order.changed", data: Shop.order("old", { ...old, version: 3, unitPrice: "700" }) },
          { type: "order.refunded", data: Shop.refund("old", "r8", "650", "2027-01-09T10:00:00Z") },
          { type: "order.shipped", data: Shop.shipment("old", "s8") },
          { type: "order.deleted", data: { orderId: "old", version: 2, reason: "test" } }
        ]),
        ["superseded", "late", "late", "late", "superseded"]
      )
      assert.strictEqual(yield* facts.place(Shop.order("old", old)), "duplicate")
      assert.deepStrictEqual(yield* answers, before)
      const { items } = yield* unplaced.list({})
      assert.deepStrictEqual(
        items.map(({ amount, id, kind, reason, version }) => [reason, kind, id, version, amount]),
        [
          ["removed", "order", "old", 3, 1_300n],
          ["removed", "refund", "r8", 1, 650n],
          ["removed", "shipment", "s8", 1, 0n]
        ]
      )
      const name = "order facts that came late"
      assert.deepStrictEqual(yield* doctor(name, "behind"), ["warn"])
      // A new order of a month whose facts were removed counts, and the close names it.
      yield* facts.place(Shop.order("found", { placedAt: "2026-02-20T09:00:00Z", unitPrice: "850" }))
      const closes = yield* SalesCloses
      const restated = yield* closes.restatement(close.closeId, "day")
      assert.deepStrictEqual(
        restated.orders.map(({ gross, orderId }) => [orderId, gross]),
        [["found", 1_700n]]
      )
      yield* setTime("2027-01-19T04:00:00Z")
      assert.deepStrictEqual(yield* doctor(name, "behind"), [])
    }).pipe(as("behind"))
  )

  it.effect("keeps facts of a month that is not closed or not proven, beside tenants whose are removed", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const sql = yield* SqlClient.SqlClient
      yield* setTime("2027-01-10T04:00:00Z")
      const tenants = ["open-books", "wrong-books", "good-books"]
      const placed = Effect.gen(function* () {
        yield* facts.place(Shop.order("o1", { placedAt: "2026-02-07T09:00:00Z" }))
        yield* summaries.drain
      })
      for (const tenant of tenants) yield* as(tenant)(placed)
      for (const tenant of tenants.slice(1)) yield* closeMonths("2026-02").pipe(as(tenant))
      yield* sql`
        UPDATE hm_order_summary
           SET units = units + 4
         WHERE tenant_id = 'wrong-books' AND grain = 2
      `
      yield* retainDue(8)
      const retired = yield* Effect.forEach(tenants, (tenant) => as(tenant)(counts))
      assert.deepStrictEqual(
        retired.map((one) => one.retired),
        [0, 0, 1]
      )
      assert.deepStrictEqual(yield* doctor("order retention", "open-books"), ["warn"])
      assert.deepStrictEqual(yield* doctor("order proof", "wrong-books in 2026-02"), ["fail"])
      yield* closeMonths("2026-02").pipe(as("open-books"))
      yield* summaries.rebuild("2026-02-01").pipe(as("wrong-books"))
      yield* retainDue(8)
      for (const tenant of tenants) assert.strictEqual((yield* as(tenant)(counts)).retired, 1)
      assert.deepStrictEqual(yield* doctor("order retention", "open-books"), [])
    })
  )

  it.effect("leaves a person's erasure as it is", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const sql = yield* SqlClient.SqlClient
      yield* setTime("2027-01-10T04:00:00Z")
      yield* facts.place(Shop.order("old", { placedAt: "2026-02-07T09:00:00Z" }))
      yield* facts.place(Shop.order("new", { placedAt: "2026-05-07T09:00:00Z" }))
      yield* closeMonths("2026-02")
      yield* retainDue(8)
      const before = yield* answers
      const person = { kind: "customer", id: "c1", identifiers: [] } as const
      assert.strictEqual((yield* subjectData.erase(person)).rows, 1)
      const named = yield* sql`
        SELECT
          FROM hm_order_line
         WHERE tenant_id = 'forgotten' AND customer_id IS NOT NULL
      `
      assert.lengthOf(named, 0)
      assert.deepStrictEqual(yield* answers, before)
    }).pipe(as("forgotten"))
  )
})
