import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const place = (orderId: string, day: string, options: Parameters<typeof Shop.order>[1] = {}) =>
  Effect.flatMap(OrderFacts, (facts) =>
    facts.place(Shop.order(orderId, { ...options, placedAt: `${day}T12:00:00Z` }))
  )

const ask = (query: SalesQuery) => Effect.flatMap(SalesQueries, (sales) => sales.run(query))

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The rows as a client reads them: plain JSON. */
const rowsOf = (query: SalesQuery) =>
  Effect.map(ask(query), ({ rows }) => rows.map((row) => Object.values(row).map((value) => plain(value))))

const euros = (amount: string) => ({ amount, currency: "EUR" })
const inEuros = [{ dimension: "currency", operator: "equals", values: ["EUR"] }] as const

layer(TestLayer, { excludeTestServices: true })("A question", (it) => {
  it.effect("with fill has a row of 0 for every time without figures, of each group", () =>
    Effect.gen(function* () {
      yield* place("o1", "2026-05-02", { region: "AT" })
      yield* place("o2", "2026-05-04", { region: "DE" })
      const days = { from: "2026-05-01", until: "2026-05-05", granularity: "day" } as const
      assert.deepStrictEqual(
        yield* rowsOf({
          measures: ["orders", "net", "averageOrderValue"],
          timeDimension: days,
          filters: inEuros,
          fill: true
        }),
        [
          ["2026-05-01", 0, euros("0"), null],
          ["2026-05-02", 1, euros("1900"), euros("1900")],
          ["2026-05-03", 0, euros("0"), null],
          ["2026-05-04", 1, euros("1900"), euros("1900")]
        ]
      )
      assert.deepStrictEqual(
        yield* rowsOf({
          measures: ["units"],
          dimensions: ["region"],
          timeDimension: { from: "2026-04-01", until: "2026-06-01", granularity: "month" },
          fill: true
        }),
        [
          ["2026-04-01", "AT", 0],
          ["2026-04-01", "DE", 0],
          ["2026-05-01", "AT", 2],
          ["2026-05-01", "DE", 2]
        ]
      )
      // A tile shows 0, and not nothing.
      assert.deepStrictEqual(
        yield* rowsOf({
          measures: ["orders", "net", "refundRate"],
          timeDimension: { from: "2020-01-01", until: "2021-01-01" },
          filters: inEuros,
          fill: true
        }),
        [[0, euros("0"), null]]
      )
      const quarters = yield* rowsOf({
        measures: ["orders"],
        timeDimension: { from: "2026-02-10", until: "2026-11-02", granularity: "quarter" },
        fill: true
      })
      assert.deepStrictEqual(
        quarters.map(([time]) => time),
        ["2026-01-01", "2026-04-01", "2026-07-01", "2026-10-01"]
      )
      for (const contradiction of [
        { order: [{ by: "orders", direction: "desc" }] },
        { having: [{ measure: "orders", operator: "gt", value: "0" }] },
        { offset: 1 },
        { timeDimension: { ...days, granularity: "hour" } }
      ] as const) {
        const refused = yield* Effect.flip(
          ask({ measures: ["orders"], timeDimension: days, fill: true, ...contradiction })
        )
        assert.strictEqual(refused._tag, "SalesQueryInvalid")
      }
    }).pipe(as("filled"))
  )

  it.effect("cuts weeks at the day that is asked for, filled ones too", () =>
    Effect.gen(function* () {
      // A Friday, a Saturday, a Sunday and a Monday.
      for (const day of ["2026-05-08", "2026-05-09", "2026-05-10", "2026-05-11"]) yield* place(day, day)
      const weeks = (weekStart: "monday" | "saturday" | "sunday") =>
        rowsOf({
          measures: ["orders"],
          timeDimension: { from: "2026-05-06", until: "2026-05-20", granularity: "week", weekStart },
          fill: true
        })
      assert.deepStrictEqual(yield* weeks("monday"), [
        ["2026-05-04", 3],
        ["2026-05-11", 1],
        ["2026-05-18", 0]
      ])
      assert.deepStrictEqual(yield* weeks("saturday"), [
        ["2026-05-02", 1],
        ["2026-05-09", 3],
        ["2026-05-16", 0]
      ])
      assert.deepStrictEqual(yield* weeks("sunday"), [
        ["2026-05-03", 2],
        ["2026-05-10", 2],
        ["2026-05-17", 0]
      ])
    }).pipe(as("weeks"))
  )

  it.effect("leaves out rows beyond the bounds of its measures, and returns pages", () =>
    Effect.gen(function* () {
      for (const [region, unitPrice] of [
        ["AT", "500"],
        ["BE", "900"],
        ["CH", "2600"],
        ["DE", "7000"]
      ] as const) {
        yield* place(region, "2026-05-02", { region, unitPrice, discount: "0" })
      }
      const query = {
        measures: ["net"],
        dimensions: ["region"],
        filters: inEuros,
        timeDimension: { from: "2026-05-01", until: "2026-06-01" }
      } as const
      assert.deepStrictEqual(
        yield* rowsOf({
          ...query,
          having: [
            { measure: "net", operator: "gte", value: "1800" },
            { measure: "net", operator: "lt", value: "14000" }
          ]
        }),
        [
          ["BE", euros("1800")],
          ["CH", euros("5200")]
        ]
      )
      const page = yield* ask({ ...query, limit: 2, offset: 1 })
      assert.deepStrictEqual(
        page.rows.map(({ region }) => region),
        ["BE", "CH"]
      )
      assert.isFalse(page.isComplete)
      assert.isTrue((yield* ask({ ...query, limit: 2, offset: 2 })).isComplete)
      const refused = yield* Effect.flip(
        ask({ ...query, having: [{ measure: "gross", operator: "gt", value: "1" }] })
      )
      assert.strictEqual(refused._tag, "SalesQueryInvalid")
    }).pipe(as("bounds"))
  )

  it.effect("returns another period beside its own, each with its own times", () =>
    Effect.gen(function* () {
      yield* place("o1", "2026-01-30")
      yield* place("o2", "2026-02-03")
      yield* place("o3", "2026-02-27")
      const answer = yield* ask({
        measures: ["orders"],
        timeDimension: { from: "2026-02-01", until: "2026-03-01", granularity: "day" },
        compareWith: { from: "2026-01-01", until: "2026-02-01" },
        fill: true
      })
      assert.strictEqual(answer.rows.length, 28)
      assert.strictEqual(answer.comparison?.rows.length, 31)
      assert.deepInclude(answer.comparison?.rows[29], { time: "2026-01-30", orders: 1 })
      const refused = yield* Effect.flip(
        ask({
          measures: ["orders"],
          timeDimension: { from: "2026-02-01", until: "2026-03-01" },
          compareWith: { from: "2026-02-01", until: "2026-01-01" }
        })
      )
      assert.deepInclude(refused, { _tag: "SalesQueryInvalid" })
    }).pipe(as("compared"))
  )

  it.effect("counts each customer once in every row, and no guests", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const orders = [
        ["o1", "2026-05-01", "ann", "a"],
        ["o2", "2026-05-01", "ann", "b"],
        ["o3", "2026-05-01", "bob", "a"],
        ["o4", "2026-05-02", "ann", "a"],
        ["o5", "2026-05-02", undefined, "b"]
      ] as const
      for (const [orderId, day, customerId, category] of orders) {
        const { customerId: _, ...guest } = Shop.order(orderId, { placedAt: `${day}T12:00:00Z`, category })
        yield* facts.place(customerId === undefined ? guest : { ...guest, customerId })
      }
      yield* facts.refund(Shop.refund("o3", "r1", "10"))
      const may = { from: "2026-05-01", until: "2026-06-01" } as const
      assert.deepStrictEqual(yield* rowsOf({ measures: ["customers"], timeDimension: may }), [[2]])
      assert.deepStrictEqual(
        yield* rowsOf({
          measures: ["customers", "refundUnits"],
          timeDimension: { ...may, granularity: "day" },
          dimensions: ["category"]
        }),
        [
          ["2026-05-01", "a", 2, 1],
          ["2026-05-01", "b", 1, 0],
          ["2026-05-02", "a", 1, 0],
          ["2026-05-02", "b", 0, 0]
        ]
      )
    }).pipe(as("customers"))
  )

  it.effect("reads both of its periods in one snapshot", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const month = (from: string, until: string) => ({ from, until })
      // Each order is moved from one period to the other and back: in every snapshot it is in one of them.
      const at = (version: number) =>
        Shop.order("o1", {
          version,
          placedAt: version % 2 === 0 ? "2026-05-02T12:00:00Z" : "2026-04-02T12:00:00Z"
        })
      yield* facts.place(at(1))
      const moving = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n + 2),
          (version) => facts.change(at(version)),
          {
            discard: true
          }
        )
      )
      for (let look = 0; look < 40; look++) {
        const { comparison, rows } = yield* ask({
          measures: ["orders"],
          timeDimension: month("2026-05-01", "2026-06-01"),
          compareWith: month("2026-04-01", "2026-05-01"),
          fill: true
        })
        assert.strictEqual(Number(rows[0]?.["orders"]) + Number(comparison?.rows[0]?.["orders"]), 1)
      }
      yield* Fiber.join(moving)
    }).pipe(as("moving"))
  )

  it.effect("is refused when a sum does not fit, and what does fit is answered", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { drain } = yield* OrderSummaries
      const may = { from: "2026-05-01", until: "2026-06-01" } as const
      yield* place("o1", "2026-05-02")
      yield* drain
      yield* sql`
        UPDATE hm_order_summary
           SET gross = 9223372036854775000, units = 9007199254740992
         WHERE tenant_id = 'huge'
      `
      yield* place("o2", "2026-05-02")
      for (const measure of ["gross", "net", "units"] as const) {
        const refused = yield* Effect.flip(
          ask({ measures: [measure], timeDimension: may, filters: inEuros, compareWith: may })
        )
        assert.deepInclude(refused, { _tag: "SalesQueryInvalid" })
      }
      assert.deepStrictEqual(
        yield* rowsOf({ measures: ["orders", "tax"], timeDimension: may, filters: inEuros }),
        [[2, euros("722")]]
      )
      const closes = yield* SalesCloses
      assert.deepInclude(yield* Effect.flip(closes.close("month", "2026-05-01")), { _tag: "SumTooLarge" })
    }).pipe(as("huge"))
  )

  it.effect("is as fresh as its backlog and its last proof say", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const sales = yield* SalesQueries
      const summaries = yield* OrderSummaries
      assert.deepInclude(plain(yield* sales.freshness), {
        status: "unproven",
        changedAt: null,
        backlog: { rows: 0, oldestAt: null },
        proof: null,
        differingMonths: []
      })
      yield* place("o1", "2026-05-02")
      const waiting = yield* sales.freshness
      assert.strictEqual(waiting.backlog.rows, 1)
      assert.deepStrictEqual(waiting.backlog.oldestAt, waiting.changedAt)
      yield* summaries.drain
      yield* summaries.prove
      const proven = yield* sales.freshness
      assert.deepInclude(plain(proven), {
        status: "proven",
        backlog: { rows: 0, oldestAt: null },
        differingMonths: []
      })
      assert.deepInclude(proven.proof, { months: 1, differences: 0 })
      yield* sql`
        UPDATE hm_order_summary
           SET gross = gross + 9
         WHERE tenant_id = 'fresh' AND grain = 6
      `
      yield* summaries.prove
      const differing = yield* sales.freshness
      assert.deepInclude(differing, { status: "differing" })
      assert.deepStrictEqual(differing.differingMonths, [{ month: "2026-05", differences: 2 }])
      yield* summaries.rebuild("2026-05-01")
      assert.strictEqual((yield* sales.freshness).status, "proven")
      yield* sql`
        UPDATE hm_order_proof
           SET proved_at = proved_at - interval '49 hours'
         WHERE tenant_id = 'fresh'
      `
      assert.strictEqual((yield* sales.freshness).status, "unproven")
    }).pipe(as("fresh"))
  )

  it.effect("finds its summaries merged by run, without the worker", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { run } = yield* OrderSummaries
      yield* place("o1", "2026-05-02")
      yield* sql`
        UPDATE hm_order_delta
           SET recorded_at = recorded_at - interval '1 hour'
         WHERE tenant_id = 'run'
      `
      const merging = yield* Effect.forkChild(run.pipe(Effect.provideService(AllTenants, { actor: "test" })))
      yield* sql`
        SELECT
          FROM hm_order_delta
         WHERE tenant_id = 'run'
      `.pipe(Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("20 millis") }))
      yield* Fiber.interrupt(merging)
    }).pipe(as("run"))
  )
})
