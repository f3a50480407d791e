import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const gauges = Effect.gen(function* () {
  yield* AnalyticsDomain.domain.measure ?? Effect.die("the domain measures nothing")
  const text = yield* PrometheusMetrics.format()
  const valueOf = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1])
  return {
    rows: valueOf("hm_analytics_order_merge_waiting"),
    seconds: valueOf("hm_analytics_order_merge_oldest_seconds")
  }
})

layer(TestLayer, { excludeTestServices: true })("The metrics of the merge", (it) => {
  it.effect("are the rows of all tenants that wait, and the age of the oldest, and 0 after the merge", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-07-09T12:00:00Z"))
      assert.deepStrictEqual(yield* gauges, { rows: 0, seconds: 0 })
      for (const tenantId of ["kiosk", "barber"]) {
        const order = Shop.order("o1", { currency: "CHF", placedAt: "2026-07-09T11:00:00Z" })
        yield* Effect.flatMap(OrderFacts, ({ place }) => place(order)).pipe(provide(TenantId.make(tenantId)))
      }
      const [count] = yield* sql<{ readonly rows: number }>`SELECT count(*)::int AS rows FROM hm_order_delta`
      yield* time.set(new Date("2026-07-09T12:03:20Z"))
      const waiting = yield* gauges
      assert.isAtLeast(waiting.rows, 2)
      assert.strictEqual(waiting.rows, count?.rows)
      assert.closeTo(waiting.seconds, 200, 5)
      for (const tenantId of ["kiosk", "barber"]) {
        yield* Effect.flatMap(OrderSummaries, ({ drain }) => drain).pipe(provide(TenantId.make(tenantId)))
      }
      assert.deepStrictEqual(yield* gauges, { rows: 0, seconds: 0 })
    })
  )
})
