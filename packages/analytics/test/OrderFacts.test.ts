import { assert, layer } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { migrations } from "@hypermarket/analytics/AnalyticsMigrations"
import { OrderFacts, parse } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import type * as Commerce from "@hypermarket/core/Commerce"
import { UnplacedFacts } from "@hypermarket/analytics/UnplacedFacts"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { hold } from "@hypermarket/testing/HeldTransaction"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = Layer.mergeAll(
  OrderFacts.layer,
  OrderSummaries.layer,
  OrderZones.layer,
  UnplacedFacts.layer
).pipe(Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, migrations)))

const as = (tenant: string) => provide(TenantId.make(tenant))

/** The tenant's cells of the daily grain, merged or not, from what is stored for readers. */
const totals = (tenant: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{
      readonly day: string
      readonly orders: number
      readonly gross: number
      readonly refunds: number
      readonly booked: number
      readonly cancelled: number
    }>`
      SELECT bucket::text AS day, hm_sum(orders)::int AS orders, hm_sum(gross)::int AS gross,
             hm_sum(refund_amount)::int AS refunds, hm_sum(booked_refund_amount)::int AS booked,
             hm_sum(cancelled_amount)::int AS cancelled
        FROM (
             SELECT bucket, orders, gross, refund_amount, booked_refund_amount, cancelled_amount
               FROM hm_order_summary
              WHERE tenant_id = ${tenant} AND grain = 6
             UNION ALL
             SELECT tenant_day, orders, gross, refund_amount, booked_refund_amount, cancelled_amount
               FROM hm_order_delta
              WHERE tenant_id = ${tenant}
             ) d
       GROUP BY 1
      HAVING (hm_sum(orders), hm_sum(gross), hm_sum(booked_refund_amount)) <> (0, 0, 0)
       ORDER BY 1
    `
  )

layer(TestLayer, { excludeTestServices: true })("OrderFacts", (it) => {
  it.effect("commits and rolls back with the caller's transaction", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      yield* sql
        .withTransaction(Effect.andThen(facts.place(Shop.order("o1")), Effect.fail("roll back")))
        .pipe(Effect.ignore)
      assert.deepStrictEqual(yield* totals("joins"), [])
      yield* sql.withTransaction(
        Effect.andThen(facts.place(Shop.order("o1")), facts.cancel(Shop.order("o1", { version: 2 })))
      )
      assert.deepStrictEqual(yield* totals("joins"), [
        { day: "2026-03-10", orders: 1, gross: 2_000, refunds: 0, booked: 0, cancelled: 1_900 }
      ])
    }).pipe(as("joins"))
  )

  it.effect("tells a repetition, an older version and a contradiction apart", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      assert.strictEqual(yield* facts.place(Shop.order("o1")), "applied")
      assert.strictEqual(yield* facts.place(Shop.order("o1")), "duplicate")
      const other = yield* Effect.flip(facts.place(Shop.order("o1", { region: "FR" })))
      assert.deepInclude(other, { _tag: "OrderFactConflict", index: 0, kind: "order", id: "o1", version: 1 })
      assert.strictEqual(yield* facts.change(Shop.order("o1", { version: 3 })), "applied")
      assert.strictEqual(yield* facts.change(Shop.order("o1", { version: 2 })), "superseded")
      const refund = Shop.refund("o1", "r1", "500")
      assert.strictEqual(yield* facts.refund(refund), "applied")
      assert.strictEqual(yield* facts.refund(refund), "duplicate")
      const more = yield* Effect.flip(facts.refund(Shop.refund("o1", "r1", "501")))
      assert.deepInclude(more, { _tag: "OrderFactConflict", kind: "refund", id: "r1" })
      assert.deepStrictEqual(
        yield* facts.record([{ type: "order.refunded", data: Shop.refund("o1", "r1", "501") }], {
          conflicts: "keep"
        }),
        ["superseded"]
      )
      assert.deepStrictEqual(yield* totals("gate"), [
        { day: "2026-03-10", orders: 1, gross: 2_000, refunds: 500, booked: 0, cancelled: 0 },
        { day: "2026-04-01", orders: 0, gross: 0, refunds: 0, booked: 500, cancelled: 0 }
      ])
    }).pipe(as("gate"))
  )

  it.effect("reads facts of 20,000 lines in a call, and names the first fact with which there are more", () =>
    Effect.gen(function* () {
      const placed = (orderId: string) => {
        const data = Shop.orderData(orderId)
        const lines = Array.from({ length: 1_000 }, (_, n) => ({ ...data.lines[0], lineId: String(n) }))
        return { type: "order.placed", data: { ...data, lines } }
      }
      const facts = Array.from({ length: 20 }, (_, n) => placed(`o${n}`))
      assert.lengthOf(yield* parse(JSON.stringify({ facts })), 20)
      const more = [...facts, { type: "order.placed", data: Shop.orderData("one-line") }, placed("o21")]
      const refused = yield* Effect.flip(parse(JSON.stringify({ facts: more })))
      assert.deepStrictEqual(
        refused.errors.map(({ path }) => path),
        [[20, "data", "lines"]]
      )
    })
  )

  it.effect("writes nothing of a batch with one bad fact, and names its index and field", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      yield* facts.place(Shop.order("known"))
      const good = Shop.order("o2")
      const withLine = (change: Partial<Commerce.Order["lines"][number]>): Commerce.Order => ({
        ...good,
        lines: good.lines.map((line) => ({ ...line, ...change }))
      })
      const bad = [
        [[1, "data", "placedAt"], { ...good, placedAt: DateTime.makeUnsafe("1026-03-10T00:00:00Z") }],
        [[1, "data", "channel"], { ...good, channel: "a\u0000" }],
        [[1, "data", "lines", 0, "category"], withLine({ category: "\ud800" })],
        [[1, "data", "lines", 0, "unitPrice"], withLine({ unitPrice: -1n })],
        [[1, "data", "lines", 0, "unitPrice"], withLine({ unitPrice: 5_000_000_000_001n })],
        [[1, "data", "lines", 0, "discount"], withLine({ discount: 99_999_999_999_999n })],
        [[1, "data", "lines", 1, "lineId"], { ...good, lines: [...good.lines, ...good.lines] }]
      ] as const
      for (const [path, data] of bad) {
        const error = yield* Effect.flip(
          facts.record([
            { type: "order.placed", data: Shop.order("o1") },
            { type: "order.placed", data }
          ])
        )
        assert.strictEqual(error._tag, "OrderFactInvalid")
        assert.deepStrictEqual(error._tag === "OrderFactInvalid" && error.errors[0]?.path, path)
      }
      const conflict = yield* Effect.flip(
        facts.record([
          { type: "order.placed", data: Shop.order("o1") },
          { type: "order.changed", data: Shop.order("known", { region: "FR" }) }
        ])
      )
      assert.deepInclude(conflict, { _tag: "OrderFactConflict", index: 1, id: "known" })
      const many = Array.from({ length: 1_001 }, () => ({
        type: "order.placed" as const,
        data: Shop.order("o1")
      }))
      assert.strictEqual((yield* Effect.flip(facts.record(many)))._tag, "OrderFactInvalid")
      assert.strictEqual((yield* totals("batch")).length, 1)
      assert.strictEqual((yield* totals("batch"))[0]?.orders, 1)
    }).pipe(as("batch"))
  )

  it.effect("answers each fact of a batch in its place, of several versions of a thing too", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      assert.deepStrictEqual(
        yield* facts.record([
          { type: "order.refunded", data: Shop.refund("o1", "r1", "500") },
          { type: "order.placed", data: Shop.order("o1") },
          { type: "order.changed", data: Shop.order("o1", { version: 2, region: "FR" }) },
          { type: "order.changed", data: Shop.order("o1", { version: 2, region: "FR" }) },
          { type: "order.shipped", data: Shop.shipment("o2", "s1") }
        ]),
        ["applied", "superseded", "applied", "duplicate", "waiting"]
      )
      const summaries = yield* OrderSummaries
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
    }).pipe(as("places"))
  )

  it.effect("lists refunds and shipments of unknown orders by page, until their order arrives", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const unplaced = yield* UnplacedFacts
      assert.strictEqual(yield* facts.refund(Shop.refund("late-1", "r1", "700")), "waiting")
      assert.strictEqual(yield* facts.refund(Shop.refund("late-2", "r2", "80")), "waiting")
      assert.strictEqual(yield* facts.ship(Shop.shipment("late-2", "s1")), "waiting")
      yield* facts.place(Shop.order("here"))
      assert.strictEqual(yield* facts.refund(Shop.refund("here", "r3", "10")), "applied")
      const idsOf = (items: ReadonlyArray<{ readonly id: string }>) => items.map(({ id }) => id)
      const first = yield* unplaced.list({ limit: 2 })
      assert.deepStrictEqual(idsOf(first.items), ["r1", "r2"])
      assert.deepInclude(first.items[0], { kind: "refund", orderId: "late-1", units: 1, amount: 700n })
      const next = yield* unplaced.list({
        limit: 2,
        ...(first.nextCursor === null ? {} : { cursor: first.nextCursor })
      })
      assert.deepStrictEqual(idsOf(next.items), ["s1"])
      yield* facts.place(Shop.order("late-2"))
      assert.deepStrictEqual(idsOf((yield* unplaced.list({})).items), ["r1"])
      // Of a deleted order nothing waits.
      yield* facts.remove({ orderId: "late-1", version: 1, reason: "test" })
      assert.deepStrictEqual((yield* unplaced.list({})).items, [])
      assert.deepStrictEqual(yield* totals("listed"), [
        { day: "2026-03-10", orders: 2, gross: 4_000, refunds: 90, booked: 0, cancelled: 0 },
        { day: "2026-04-01", orders: 0, gross: 0, refunds: 0, booked: 90, cancelled: 0 }
      ])
    }).pipe(as("listed"))
  )

  it.effect("refuses to change an order in a transaction whose snapshot is older than the lock", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      yield* facts.place(Shop.order("o1"))
      const error = yield* sql
        .withTransaction(
          Effect.andThen(
            sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`,
            facts.change(Shop.order("o1", { version: 2 }))
          )
        )
        .pipe(Effect.flip)
      assert.deepInclude(error, { _tag: "IsolationRefused", isolation: "repeatable read" })
    }).pipe(as("isolation"))
  )

  it.effect("fixes a zone with the first order, and refuses one that the database does not know", () =>
    Effect.gen(function* () {
      const facts = yield* OrderFacts
      const zones = yield* OrderZones
      for (const unknown of ["Mars/Olympus", "Factory", "right/Europe/Berlin"]) {
        assert.strictEqual((yield* Effect.flip(zones.setZone(unknown)))._tag, "ZoneUnknown")
      }
      yield* zones.setZone("utc")
      yield* zones.setSellerZone("first", "europe/BERLIN")
      assert.strictEqual(yield* zones.sellerZone("first"), "Europe/Berlin")
      yield* zones.setZone("Asia/Kathmandu")
      // 20:00 UTC is the next day at +05:45.
      yield* facts.place(Shop.order("o1", { placedAt: "2026-03-10T20:00:00Z" }))
      assert.strictEqual((yield* totals("zones"))[0]?.day, "2026-03-11")
      assert.strictEqual((yield* Effect.flip(zones.setZone("UTC")))._tag, "ZoneFixed")
      yield* zones.setZone("Asia/Kathmandu")
      yield* zones.setSellerZone("later", "Europe/Berlin")
      assert.strictEqual(yield* zones.sellerZone("later"), "Europe/Berlin")
      assert.strictEqual(yield* zones.sellerZone("other"), "Asia/Kathmandu")
    }).pipe(as("zones"))
  )

  it.effect(
    "never hides the row of a writer that began after the last one that has ended, and committed late",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient.PgClient
        const facts = yield* OrderFacts
        const summaries = yield* OrderSummaries
        const { drain } = summaries
        yield* facts.place(Shop.order("first"))
        yield* drain
        // The early writer has its transaction id before the late one, and draws its number after it.
        const early = yield* hold(sql`SELECT pg_current_xact_id()::text`, facts.place(Shop.order("early")))
        const late = yield* hold(facts.place(Shop.order("late")), Effect.void)
        yield* early
        for (let merges = 0; merges < 3; merges++) yield* drain
        yield* late
        const [hidden] = yield* sql<{ readonly rows: number }>`
          SELECT count(*)::int AS rows
            FROM hm_order_delta d
           WHERE tenant_id = 'hint' AND seq < (SELECT hint FROM hm_order_merge m WHERE m.tenant_id = 'hint')
        `
        assert.strictEqual(hidden?.rows, 0)
        assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
        assert.strictEqual(yield* drain, 1)
        // And it does move when no writer is left: with the merges that follow, once the transactions have ended that ran in the
        // server meanwhile, in whatever database.
        let next = 0
        yield* Effect.suspend(() => facts.place(Shop.order(`next-${next++}`))).pipe(
          Effect.andThen(drain),
          Effect.andThen(sql`
            SELECT
              FROM hm_order_merge
             WHERE tenant_id = 'hint' AND hint > 0
          `),
          Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("20 millis") })
        )
      }).pipe(as("hint"))
  )

  it.effect("goes on with tables that were copied from a server of higher transaction ids", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const facts = yield* OrderFacts
      const { drain } = yield* OrderSummaries
      yield* facts.place(Shop.order("before"))
      yield* drain
      yield* sql`
        UPDATE hm_order_merge
           SET next_xid = '9000000000000000000'
         WHERE tenant_id = 'copied' AND next_hint IS NOT NULL
      `
      yield* facts.place(Shop.order("after"))
      yield* drain
      const [merge] = yield* sql`
        SELECT hint > 0 AS moved
          FROM hm_order_merge
         WHERE tenant_id = 'copied'
      `
      assert.deepStrictEqual(merge, { moved: true })
    }).pipe(as("copied"))
  )

  it.effect("looks lines up by their key for a tenant that the planner's statistics do not know", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      const many = 1_000
      const ids = Array.from({ length: many }, (_, n) => `o${n}`)
      const placed = ids.map((id) => ({ type: "order.placed", data: Shop.order(id) }) as const)
      for (const tenant of ["known-1", "known-2"]) {
        yield* facts.record(placed).pipe(as(tenant))
      }
      yield* sql`ANALYZE hm_order_line, hm_order_adjustment`
      /** Rows that were read, by whatever plan, for each order. */
      const read = <A, E, R>(self: Effect.Effect<A, E, R>) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* self
            const [rows] = yield* sql<{ readonly read: number }>`
              SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::float8 AS read
                FROM pg_stat_xact_user_tables
               WHERE relname IN ('hm_order_head', 'hm_order_line', 'hm_order_adjustment')
            `
            return (rows?.read ?? Number.NaN) / many
          })
        )
      yield* facts.record(placed)
      const refunded = ids.map(
        (id) => ({ type: "order.refunded", data: Shop.refund(id, `r-${id}`, "500") }) as const
      )
      assert.isAtMost(yield* read(facts.record(refunded)), 50, "refunds")
      // Refunds that came before their order, and lines that go, take ways of their own.
      const early = ids.map(
        (id) => ({ type: "order.refunded", data: Shop.refund(`early-${id}`, `e-${id}`, "500") }) as const
      )
      yield* facts.record(early)
      const changed = ids.map(
        (id) =>
          ({
            type: "order.changed",
            data: Shop.withLine(Shop.order(id, { version: 2, region: "FR" }), "l2")
          }) as const
      )
      assert.isAtMost(yield* read(facts.record(changed)), 50, "changes")
      const late = ids.map((id) => ({ type: "order.placed", data: Shop.order(`early-${id}`) }) as const)
      assert.isAtMost(yield* read(facts.record(late)), 50, "orders after their refunds")
      assert.isAtMost(yield* read(summaries.differences("1970-01-01", "2100-01-01")), 50, "the proof")
    }).pipe(as("unknown"))
  )

  it.effect("plans the lock of one order a few times, and not for each fact", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      const ids = Array.from({ length: 14 }, (_, n) => `planned-${n}`)
      yield* facts.record(ids.map((id) => ({ type: "order.placed", data: Shop.order(id) }) as const))
      // In a table of some size a look-up costs more for the ten ids that a kept plan expects than for the one that is given.
      yield* sql`
        INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
        SELECT 'planned', 'former-' || n, 1, ''
          FROM generate_series(1, 20000) n
      `
      yield* sql`ANALYZE hm_order_head`
      // One transaction has one connection, and so one set of prepared statements.
      const plans = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* Effect.forEach(ids, (id) => facts.refund(Shop.refund(id, `r-${id}`, "300")))
          return yield* sql<{ readonly kept: number; readonly made: number }>`
            SELECT generic_plans::int AS kept, custom_plans::int AS made
              FROM pg_prepared_statements
             WHERE statement LIKE '%hm_order_head%FOR UPDATE%'
          `
        })
      )
      const kept = plans.reduce((sum, plan) => sum + plan.kept, 0)
      assert.isAtLeast(kept, ids.length - 5, JSON.stringify(plans))
    }).pipe(as("planned"))
  )

  it.effect("prepares five texts for orders of any number of lines, and plans each a few times", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const facts = yield* OrderFacts
      const linesOf = (lines: Commerce.Order["lines"], count: number) =>
        Array.from({ length: count }, (_, n) => lines.map((line) => ({ ...line, lineId: String(n) }))).flat()
      const ordersOf = (count: number) =>
        Array.from({ length: 12 }, (_, n) => {
          const order = Shop.order(`texts-${count}-${n}`)
          return { ...order, lines: linesOf(order.lines, count) }
        })
      const plans = sql<{ readonly name: string; readonly kept: number; readonly made: number }>`
        SELECT name, generic_plans::int AS kept, custom_plans::int AS made
          FROM pg_prepared_statements
         WHERE statement ~ '^\\s*WITH h AS \\(\\s*INSERT INTO hm_order_head'
      `
      const [before, after] = yield* sql.withTransaction(
        Effect.gen(function* () {
          const before = yield* plans
          yield* Effect.forEach([1, 2, 3, 4, 5, 6, 40, 200].flatMap(ordersOf), facts.place)
          return [before, yield* plans] as const
        })
      )
      // Another test may have used the connection.
      const texts = after.flatMap(({ kept, made, name }) => {
        const earlier = before.find((text) => text.name === name) ?? { kept: 0, made: 0 }
        const used = { kept: kept - earlier.kept, made: made - earlier.made }
        return used.kept + used.made === 0 ? [] : [used]
      })
      assert.lengthOf(texts, 5)
      for (const { kept, made } of texts) assert.isBelow(made, kept, JSON.stringify(texts))
    }).pipe(as("texts"))
  )
})
