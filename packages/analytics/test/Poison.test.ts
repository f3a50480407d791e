import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderRetentions } from "@hypermarket/analytics/OrderRetentions"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (tenantId: string) => provide(TenantId.make(tenantId))
const overAll = Effect.provideService(AllTenants, { actor: "test" })

const place = (tenantId: string, orderId: string) =>
  Effect.flatMap(OrderFacts, (facts) =>
    facts.place(Shop.order(orderId, { currency: "KWD", placedAt: "2026-02-07T09:30:00Z" }))
  ).pipe(as(tenantId))

const drain = (tenantId: string) => Effect.flatMap(OrderSummaries, ({ drain: all }) => all).pipe(as(tenantId))

/** A cell that the next order of its currency makes too large for a bigint. */
const fillCells = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      UPDATE hm_order_summary
         SET gross = 9223372036854775800
       WHERE tenant_id = ${tenantId}
    `
  )

/** The delta is older than a merge waits for more. */
const ageDelta = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    UPDATE hm_order_delta
       SET recorded_at = recorded_at - interval '1 hour'
  `
)

const countOf = (table: string, tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM ${sql(table)}
       WHERE tenant_id = ${tenantId}
    `
  ).pipe(Effect.map(([row]) => row?.count ?? 0))

const afterFebruary = Effect.flatMap(Now.TestNow, (time) => time.set(new Date("2026-03-20T00:00:00Z")))

const overflow = /bigint out of range.*SQLSTATE 22003/

layer(TestLayer, { excludeTestServices: true })("Loops of analytics", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "the merge beside a cell that overflows",
      work: (tenantId) =>
        Effect.gen(function* () {
          yield* place(tenantId, "o1")
          yield* drain(tenantId)
          yield* place(tenantId, "o2")
          yield* ageDelta
        }),
      plant: fillCells,
      round: Effect.flatMap(OrderSummaries, ({ mergeDue }) => mergeDue).pipe(overAll),
      isDone: (tenantId) => Effect.map(countOf("hm_order_delta", tenantId), (count) => count === 0),
      recorded: PoisonSuite.loopFailure("analytics.order.merge"),
      expected: overflow
    },
    {
      name: "the proof beside a cell that overflows",
      work: (tenantId) => Effect.andThen(place(tenantId, "o1"), drain(tenantId)),
      // What waits is added to the cells when they are compared with their facts.
      plant: (tenantId) => Effect.andThen(fillCells(tenantId), place(tenantId, "o2")),
      round: Effect.flatMap(OrderSummaries, ({ proveAll }) => proveAll).pipe(overAll),
      isDone: (tenantId) => Effect.map(countOf("hm_order_proof", tenantId), (count) => count === 1),
      recorded: PoisonSuite.loopFailure("analytics.order.prove"),
      expected: overflow
    },
    {
      name: "the monthly close beside a cell that overflows",
      work: (tenantId) =>
        Effect.gen(function* () {
          yield* afterFebruary
          yield* place(tenantId, "o1")
          yield* drain(tenantId)
          yield* place(tenantId, "o2")
        }),
      plant: fillCells,
      round: Effect.flatMap(SalesCloses, ({ closeDue }) => closeDue(5)).pipe(overAll),
      isDone: (tenantId) => Effect.map(countOf("hm_order_close", tenantId), (count) => count === 1),
      recorded: PoisonSuite.loopFailure("analytics.sales.close"),
      expected: overflow
    },
    {
      name: "the retention of facts beside a cell that overflows",
      work: (tenantId) =>
        Effect.gen(function* () {
          const time = yield* Now.TestNow
          yield* time.set(new Date("2026-05-20T00:00:00Z"))
          yield* place(tenantId, "o1")
          yield* Effect.flatMap(SalesCloses, ({ close }) => close("month", "2026-02-01")).pipe(as(tenantId))
        }),
      plant: (tenantId) => Effect.andThen(fillCells(tenantId), place(tenantId, "o2")),
      round: Effect.flatMap(OrderRetentions, ({ retainDue }) => retainDue(1)).pipe(overAll),
      isDone: (tenantId) => Effect.map(countOf("hm_order_retention", tenantId), (count) => count === 1),
      recorded: PoisonSuite.loopFailure("analytics.order.retain"),
      expected: overflow
    }
  ])

  it.effect("a tenant whose cell is repaired is merged by the next round that tries it", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const sql = yield* SqlClient.SqlClient
      const { mergeDue } = yield* OrderSummaries
      yield* place("mended", "o1")
      yield* drain("mended")
      yield* fillCells("mended")
      yield* place("mended", "o2")
      yield* ageDelta
      yield* overAll(mergeDue)
      assert.isDefined(yield* PoisonSuite.loopFailure("analytics.order.merge")("mended"))
      yield* sql`
        UPDATE hm_order_summary
           SET gross = 4000
         WHERE tenant_id = 'mended'
      `
      yield* time.adjust("2 seconds")
      yield* overAll(mergeDue)
      assert.strictEqual(yield* countOf("hm_order_delta", "mended"), 0)
      assert.isUndefined(yield* PoisonSuite.loopFailure("analytics.order.merge")("mended"))
    })
  )
})
