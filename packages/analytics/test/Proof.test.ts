import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (tenant: string) => provide(TenantId.make(tenant))

/** The findings of doctor about a tenant. */
const doctor = Effect.fnUntraced(function* (tenant: string) {
  const check = AnalyticsDomain.domain.checks.find(({ name }) => name === "order proof")
  const findings = check === undefined ? [] : yield* check.run
  return findings.filter(({ message }) => message.includes(tenant)).map(({ status }) => status)
})

const corrupt = (tenant: string, day: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      UPDATE hm_order_summary
         SET gross = gross + 313
       WHERE tenant_id = ${tenant} AND grain = 6 AND bucket = ${day}::date
    `
  )

const night = Effect.flatMap(Now.TestNow, (time) => time.adjust("1 day"))

layer(TestLayer, { excludeTestServices: true })("The proof", (it) => {
  it.effect("finds a wrong cell of a month that nothing touches, and fails until the month is rebuilt", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-07-01T03:00:00Z"))
      for (const month of ["02", "03", "04", "05"]) {
        yield* facts.place(Shop.order(`o-${month}`, { placedAt: `2026-${month}-11T10:00:00Z` }))
      }
      yield* summaries.drain
      assert.deepStrictEqual(yield* doctor("drill"), ["warn"])
      assert.deepStrictEqual(yield* summaries.prove, [])
      assert.deepStrictEqual(yield* doctor("drill"), [])
      // A proof at the time of the merge may have missed it, and all months are due once more. After it none is.
      yield* night
      assert.deepStrictEqual(yield* summaries.prove, [])
      yield* corrupt("drill", "2026-04-11")
      const found: Array<boolean> = []
      for (let nights = 0; nights < 4; nights++) {
        yield* night
        found.push((yield* summaries.prove).length > 0)
      }
      // February, March and April are in turn, one per night.
      assert.deepStrictEqual(found, [false, false, true, true])
      // The alarm does not go out by itself.
      yield* night
      assert.isAbove((yield* summaries.prove).length, 0)
      assert.deepStrictEqual(yield* doctor("drill"), ["fail"])
      assert.strictEqual(yield* summaries.rebuild("2026-04-01"), 1)
      assert.deepStrictEqual(yield* doctor("drill"), [])
      assert.deepStrictEqual(yield* summaries.differences("2026-01-01", "2027-01-01"), [])
      assert.strictEqual(yield* summaries.rebuild("2026-04-01"), 0)
      yield* time.adjust("3 days")
      assert.deepStrictEqual(yield* doctor("drill"), ["warn"])
    }).pipe(as("drill"))
  )

  it.effect("repairs exactly while orders are written and merged, and restates what it corrects", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const closes = yield* SalesCloses
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-12-01T03:00:00Z"))
      yield* facts.place(Shop.order("first", { placedAt: "2026-03-02T10:00:00Z" }))
      const close = yield* closes.close("month", "2026-03-01")
      const options = { seed: 9, orders: 30, versions: 40, sellers: ["s0", "s1"] }
      const dice = OrderMix.random(9)
      const writer = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 30 }, () => Array.from({ length: 12 }, () => OrderMix.next(options, dice))),
          (batch) => Effect.andThen(facts.record(batch), summaries.merge(40)),
          { discard: true }
        )
      )
      for (let round = 0; round < 8; round++) {
        yield* sql`
          UPDATE hm_order_summary
             SET gross = gross + 5, bucket = bucket
           WHERE tenant_id = 'load' AND bucket >= '2026-03-01' AND bucket < '2026-04-01'
        `
        yield* summaries.rebuild("2026-03-01")
        assert.deepStrictEqual(yield* summaries.differences("2026-03-01", "2026-04-01"), [])
      }
      yield* Fiber.join(writer)
      yield* summaries.drain
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
      yield* corrupt("load", "2026-03-02")
      yield* summaries.rebuild("2026-03-01")
      const { cells, orders } = yield* closes.restatement(close.closeId, "day")
      assert.isTrue(orders.some(({ orderId }) => orderId === "rebuild"))
      assert.isAbove(cells.length, 0)
    }).pipe(as("load"))
  )

  it.effect("refuses to close a month with a wrong cell", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const closes = yield* SalesCloses
      yield* facts.place(Shop.order("o1"))
      yield* summaries.drain
      yield* corrupt("wrong", "2026-03-10")
      const refused = yield* Effect.flip(closes.close("month", "2026-03-01"))
      assert.deepInclude(refused, { _tag: "SummariesDiffer", month: "2026-03-01", cells: 2 })
      yield* summaries.rebuild("2026-03-01")
      assert.strictEqual((yield* closes.close("month", "2026-03-01")).fromDay, "2026-03-01")
    }).pipe(as("wrong"))
  )

  it.effect("of one tenant is not stopped by another tenant whose sums overflow", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const sql = yield* SqlClient.SqlClient
      for (const tenant of ["a-poison", "b-well"]) {
        yield* Effect.andThen(facts.place(Shop.order("o1")), summaries.drain).pipe(as(tenant))
      }
      yield* sql`
        UPDATE hm_order_summary
           SET gross = 9223372036854775000
         WHERE tenant_id = 'a-poison'
      `
      yield* facts.place(Shop.order("o2")).pipe(as("a-poison"))
      yield* summaries.proveAll.pipe(Effect.provideService(AllTenants, { actor: "test" }))
      const [proven] = yield* sql`
        SELECT count(*)::int AS months
          FROM hm_order_month
         WHERE tenant_id = 'b-well'
      `
      assert.deepStrictEqual(proven, { months: 1 })
      // And the cell that stops merging is repaired.
      assert.isAbove(yield* summaries.rebuild("2026-03-01").pipe(as("a-poison")), 0)
      assert.strictEqual(yield* summaries.drain.pipe(as("a-poison")), 1)
    })
  )
})
