/**
 * What services do inside another driver's transaction, one suite for every driver.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import * as SalesQuery from "@hypermarket/analytics/SalesQuery"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Column from "@hypermarket/core/Column"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Storage from "@hypermarket/core/Storage"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as EventQueue from "@hypermarket/events/EventQueue"
import * as Events from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventSubscription from "@hypermarket/events/EventSubscription"
import * as JobScheduler from "@hypermarket/events/JobScheduler"
import * as ApiKey from "@hypermarket/platform/ApiKey"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TenantAccount from "@hypermarket/platform/TenantAccount"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { BigDecimal, DateTime, Deferred, Effect, Fiber, Layer, Queue, Result, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  asOperator,
  asTenant,
  committed,
  type Connect,
  Driven,
  failed,
  inTransaction,
  tenantId
} from "./driven.ts"
import {
  decodeEnvelope,
  eventOf,
  moment,
  placeOnce,
  placeOrder,
  prepare,
  rowCounts,
  trickyJson,
  trickyTexts
} from "./shop.ts"

const Columns = Schema.Struct({ at: Column.Timestamp, big: Column.BigInt, exact: Column.Numeric })

export const suite = (name: string, connect: Connect): void => {
  const layerDriver = Layer.effect(
    Driven,
    Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => Effect.orDie(connect(url)))
  )
  const database = layerDriver.pipe(
    Layer.provideMerge(Layer.effectDiscard(Effect.orDie(prepare))),
    Layer.provideMerge(
      TestDatabase.layer(
        AnalyticsDomain.domain.migrations,
        CoreDomain.migrations,
        EventsDomain.domain.migrations,
        PlatformDomain.domain.migrations
      )
    )
  )

  layer(database, { excludeTestServices: true })(`services inside a transaction of ${name}`, (it) => {
    it.effect("leave everything when it commits and nothing when it rolls back", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* committed(
          Effect.flatMap(EventSubscription.EventSubscriptions, (subscriptions) =>
            subscriptions.create({
              name: "orders",
              queue: "orders",
              filters: [{ exact: { type: "com.example.order.placed.v1" } }, { prefix: { source: "/sh" } }],
              ordered: true
            })
          ).pipe(asTenant)
        )
        const before = yield* rowCounts
        assert.strictEqual(
          yield* failed(Effect.andThen(placeOrder("o-1"), Effect.fail("changed my mind"))),
          "changed my mind"
        )
        assert.deepStrictEqual(yield* rowCounts, before)

        const placed = yield* committed(placeOrder("o-1"))
        assert.deepStrictEqual(placed.answer, { orderId: "o-1" })
        assert.deepStrictEqual(
          placed.receipts.map(({ state }) => state),
          ["accepted", "accepted"]
        )
        assert.lengthOf(new Set(placed.jobIds), placed.placed.length)
        const stored = yield* sql<{ readonly queue: string; readonly payload: unknown }>`
          SELECT q.queue, coalesce(q.payload, b.payload) AS payload, q.seq
            FROM hm_event_queue q LEFT JOIN hm_event_body b USING (tenant_id, body_seq)
           WHERE q.ordering_key IS NULL
          UNION ALL
          SELECT k.queue, coalesce(k.payload, b.payload), k.seq
            FROM hm_event_keyed k LEFT JOIN hm_event_body b USING (tenant_id, body_seq)
          UNION ALL
          SELECT queue, payload, seq FROM hm_event_delayed
           ORDER BY seq
        `.pipe(sql.withTransaction)
        const payloads = (queue: string) =>
          stored.filter((row) => row.queue === queue).map((row) => row.payload)
        for (const queue of ["plain", "later", "keyed", "large"]) {
          assert.deepStrictEqual(
            payloads(queue),
            placed.placed.filter((job) => job.queue === queue).map((job) => job.payload),
            queue
          )
        }
        assert.deepStrictEqual(
          new Set(payloads("orders").map((payload) => JSON.stringify(decodeEnvelope(payload).data))),
          new Set([trickyJson, "y".repeat(30_000)].map((data) => JSON.stringify(data)))
        )
      })
    )

    it.effect("answer a repeated request with the first answer, in a transaction of its own", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* committed(placeOnce("o-2")), { orderId: "o-2" })
        assert.deepStrictEqual(yield* committed(placeOnce("o-2")), { orderId: "o-2" })
        assert.lengthOf(yield* sql`SELECT 1 FROM shop_order WHERE order_id = 'o-2'`, 1)
        const receipts = yield* committed(
          Effect.flatMap(Events.Events, (events) =>
            events.publish([eventOf("o-2", "a"), eventOf("o-2", "a")])
          ).pipe(asTenant)
        )
        assert.deepStrictEqual(
          receipts.map(({ state }) => state),
          ["accepted", "duplicate"]
        )
        const conflict = yield* failed(
          Effect.flatMap(Events.Events, (events) => events.publish([eventOf("o-2", "b")])).pipe(asTenant)
        )
        assert.instanceOf(conflict, Events.EventConflict)
      })
    )

    it.effect("read the rows of every service as their types say", () =>
      Effect.gen(function* () {
        const expiresAt = DateTime.makeUnsafe("2999-12-31T23:59:59.999Z")
        const read = yield* committed(
          Effect.gen(function* () {
            const accounts = yield* TenantAccount.TenantAccounts
            const keys = yield* ApiKey.ApiKeys
            const schedules = yield* JobScheduler.JobSchedules
            const subscriptions = yield* EventSubscription.EventSubscriptions
            const queues = yield* EventQueue.EventQueues
            const account = yield* asOperator(
              accounts.create({ tenantId, name: `Acme "&" Söhne`, region: "DE-BY" })
            )
            const changed = yield* asOperator(
              accounts.change(tenantId, account.version, { status: "suspended", statusReason: "unpaid" })
            )
            yield* keys.create(
              { name: "first", scopes: ["events:read", "events:write"], expiresAt },
              "operator"
            )
            const second = yield* keys.create({ name: "second", scopes: ["events:read"] }, "operator")
            const rotated = yield* keys.rotate(second.apiKey.apiKeyId, 1, { overlapSeconds: 60 }, "operator")
            const schedule = yield* schedules.create({
              name: "nightly",
              queue: "night",
              type: "report",
              payload: trickyJson,
              cron: "0 3 * * *",
              timeZone: "Europe/Berlin"
            })
            yield* schedules.runNow(schedule.scheduleId)
            const subscription = yield* subscriptions.create({
              name: "all",
              queue: "all",
              filters: [{ prefix: { type: "x" } }]
            })
            const renamed = yield* subscriptions.change(subscription.subscriptionId, 1, {
              name: "everything",
              ordered: true
            })
            yield* queues.setPaused("night", true)
            return {
              account: changed,
              keys: (yield* keys.list({})).items,
              rotated,
              schedule: yield* schedules.get(schedule.scheduleId),
              renamed,
              queues: yield* queues.list
            }
          }).pipe(asTenant)
        )
        assert.strictEqual(read.account.name, `Acme "&" Söhne`)
        assert.strictEqual(read.account.status, "suspended")
        assert.strictEqual(read.account.version, 2)
        assert.isTrue(DateTime.isDateTime(read.account.recordedAt))
        assert.deepStrictEqual(
          read.keys.map((key) => key.name),
          ["second", "second", "first"]
        )
        const [newest, replaced, first] = read.keys
        assert.strictEqual(replaced?.replacedBy, newest?.apiKeyId)
        assert.strictEqual(newest?.apiKeyId, read.rotated.apiKey.apiKeyId)
        assert.deepStrictEqual(first?.scopes, ["events:read", "events:write"])
        assert.deepStrictEqual(first?.expiresAt, expiresAt)
        assert.isNull(newest?.expiresAt)
        assert.deepStrictEqual(read.schedule.payload, trickyJson)
        assert.isTrue(DateTime.isDateTime(read.schedule.nextAt))
        assert.strictEqual(read.renamed.name, "everything")
        assert.isTrue(read.renamed.ordered)
        assert.deepStrictEqual(read.renamed.filters, [{ prefix: { type: "x" } }])
        assert.deepInclude(
          read.queues.find(({ queue }) => queue === "night"),
          { ready: 1, paused: true }
        )
      })
    )

    it.effect("take the facts of orders and answer with their figures", () =>
      Effect.gen(function* () {
        const order = yield* Schema.decodeEffect(Commerce.Order)({
          orderId: "o-7",
          version: 2,
          status: "placed",
          customerId: "c-7",
          channel: "web",
          region: "DE",
          currency: "EUR",
          placedAt: "2026-03-10T12:00:00Z",
          attributes: {},
          lines: [
            {
              lineId: "1",
              productId: `p "3"`,
              sellerId: "s-1",
              category: "toys/blocks",
              quantity: 2,
              unitPrice: "2000000000001",
              discount: "100",
              tax: "0",
              shipping: "0"
            }
          ]
        })
        const older = { ...order, version: 1 }
        const record = (...orders: ReadonlyArray<Commerce.Order>) =>
          Effect.flatMap(OrderFacts.OrderFacts, (facts) =>
            Effect.forEach(orders, (data) => facts.record([{ type: "order.changed", data }]))
          ).pipe(asTenant)
        assert.deepStrictEqual(yield* committed(record(order, older)), [["applied"], ["superseded"]])
        assert.deepStrictEqual(yield* committed(record(order)), [["duplicate"]])
        const conflict = yield* failed(record({ ...order, channel: "app" }))
        assert.instanceOf(conflict, OrderFacts.OrderFactConflict)
        const figures = yield* committed(
          Effect.flatMap(SalesQuery.SalesQueries, (sales) =>
            sales.run({
              measures: ["orders", "units", "gross", "net"],
              dimensions: ["currency"],
              timeDimension: { from: "2026-01-01", until: "2027-01-01", granularity: "month" }
            })
          ).pipe(asTenant)
        )
        assert.lengthOf(figures.rows, 1)
        const text = JSON.stringify(figures.rows, (_, value) =>
          typeof value === "bigint" ? String(value) : value
        )
        assert.include(text, "4000000000002")
        assert.include(text, "3999999999902")
      })
    )

    it.effect("send values of every kind unchanged, with a cast and without", () =>
      Effect.gen(function* () {
        const bigint = 9_223_372_036_854_775_807n
        const numeric = "12345678901234567890.123456789"
        const bytes = new Uint8Array([0, 255, 34, 92])
        const json = JSON.stringify(trickyJson)
        const [row] = yield* committed(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* sql`
              INSERT INTO uncast (label, is_on, is_off, at, big, small, bytes, exact, missing)
              VALUES (${trickyTexts[6]}, ${true}, ${false}, ${moment}, ${bigint}, ${-7}, ${bytes}, ${numeric}, ${null})
            `
            return yield* sql<{ readonly sent: string }>`
              SELECT json_build_object(
                       'texts', ${trickyTexts}::text[], 'empty', ${[]}::text[], 'nulls', ${[null, null]}::text[],
                       'nullTimes', ${[null, null]}::timestamptz[], 'nested', ${[
                         [1, 2],
                         [3, 4]
                       ]}::int[],
                       'times', ARRAY (SELECT extract(epoch FROM t) * 1000 FROM unnest(${[moment, null]}::timestamptz[]) t),
                       'json', ${json}::json, 'jsonb', ${json}::jsonb, 'jsonThroughText', ${json}::text::jsonb,
                       'jsons', ${[json, null, "1"]}::text[]::json[], 'jsonbs', ${[json, null, "1"]}::jsonb[],
                       'bigint', ${bigint}::bigint::text, 'bigints', ${[bigint, null, -bigint]}::bigint[]::text[],
                       'numeric', ${numeric}::numeric::text, 'number', ${-1.5}::float8, 'int', ${42}::int,
                       'flags', ${[true, false, null]}::boolean[], 'on', ${true}::boolean, 'off', ${false}::boolean,
                       'bytes', encode(${bytes}::bytea, 'hex'), 'manyBytes', encode((${[bytes]}::bytea[])[1], 'hex'),
                       'time', extract(epoch FROM ${moment}::timestamptz) * 1000,
                       'micros', extract(microseconds FROM ${"2026-11-24T13:59:25.123456Z"}::timestamptz),
                       'null', ${null}::text, 'undefined', ${undefined}::jsonb)::text AS sent
                FROM generate_series(1, 3) LIMIT ${1}
            `
          })
        )
        assert.deepStrictEqual(JSON.parse(row?.sent ?? ""), {
          texts: trickyTexts,
          empty: [],
          nulls: [null, null],
          nullTimes: [null, null],
          nested: [
            [1, 2],
            [3, 4]
          ],
          times: [moment.getTime(), null],
          json: trickyJson,
          jsonb: trickyJson,
          jsonThroughText: trickyJson,
          jsons: [trickyJson, null, 1],
          jsonbs: [trickyJson, null, 1],
          bigint: String(bigint),
          bigints: [String(bigint), null, String(-bigint)],
          numeric,
          number: -1.5,
          int: 42,
          flags: [true, false, null],
          on: true,
          off: false,
          bytes: "00ff225c",
          manyBytes: "00ff225c",
          time: moment.getTime(),
          micros: 25_123_456,
          null: null,
          undefined: null
        })
        const sql = yield* SqlClient.SqlClient
        const [uncast] = yield* sql`
          SELECT label, is_on, is_off, at, big::text AS big, small, encode(bytes, 'hex') AS bytes, exact::text AS exact, missing
            FROM uncast
        `
        assert.deepStrictEqual(uncast, {
          label: trickyTexts[6],
          is_on: true,
          is_off: false,
          at: moment,
          big: String(bigint),
          small: -7,
          bytes: "00ff225c",
          exact: numeric,
          missing: null
        })
      })
    )

    it.effect("read timestamps, bigints and numerics in whatever form the driver gives them", () =>
      Effect.gen(function* () {
        const rows = yield* committed(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              SELECT t AS at, i AS big, n AS exact
                FROM unnest(ARRAY['2026-11-24 13:59:25.1239+00', '1969-12-31 23:59:59-05:30', '2000-02-29 00:00+14']::timestamptz[],
                            ARRAY[9223372036854775807, -1, 0], ARRAY[1.50, -0.000000000000001, 12345678901234567890]::numeric[])
                     AS x (t, i, n)
            `
          )
        )
        const decoded = rows.map((row) => Schema.decodeUnknownSync(Columns)(row))
        assert.deepStrictEqual(
          decoded.map(({ at, big, exact }) => [DateTime.formatIso(at), big, BigDecimal.format(exact)]),
          [
            ["2026-11-24T13:59:25.123Z", 9_223_372_036_854_775_807n, "1.5"],
            ["1970-01-01T05:29:59.000Z", -1n, "-0.000000000000001"],
            ["2000-02-28T10:00:00.000Z", 0n, "12345678901234567890"]
          ]
        )
      })
    )

    it.effect("fail with the reason that the server gave", () =>
      Effect.gen(function* () {
        const reasonOf = (
          statements: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError.SqlError>
        ) =>
          Effect.map(
            failed(Effect.flatMap(SqlClient.SqlClient, statements)),
            (error) => [error.reason._tag, Storage.isRetryable(error)] as const
          )
        const unique = yield* failed(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO counted VALUES (1, 1)`)
        )
        const { namesConstraints } = yield* Driven
        assert.deepInclude(unique.reason, {
          _tag: "UniqueViolation",
          constraint: namesConstraints ? "counted_id_is_unique" : "unknown"
        })
        const admin = yield* SqlClient.SqlClient
        const serialisation = yield* reasonOf((sql) =>
          Effect.gen(function* () {
            yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
            yield* sql`SELECT n FROM counted`
            yield* admin`UPDATE counted SET n = n + 1`
            yield* sql`UPDATE counted SET n = n + 1`
          })
        )
        assert.deepStrictEqual(serialisation, ["SerializationError", true])
        const locked = yield* reasonOf((sql) =>
          admin.withTransaction(
            Effect.andThen(
              admin`SELECT 1 FROM counted FOR UPDATE`,
              sql`SELECT 1 FROM counted FOR UPDATE NOWAIT`
            )
          )
        )
        assert.deepStrictEqual(locked, ["LockTimeoutError", true])
        assert.deepStrictEqual(
          yield* reasonOf((sql) =>
            Effect.andThen(
              sql`SELECT set_config('statement_timeout', '1', true)`,
              sql`SELECT pg_sleep(60)::text`
            )
          ),
          ["StatementTimeoutError", true]
        )
        assert.deepStrictEqual(yield* reasonOf((sql) => sql`INSERT INTO counted VALUES (2, -1)`), [
          "ConstraintError",
          false
        ])
        assert.deepStrictEqual(yield* reasonOf((sql) => sql`SELECT no_such_column`), [
          "SqlSyntaxError",
          false
        ])
        const refused = yield* reasonOf(
          (sql) => sql`
          SELECT 1 / (${"0"}::int)
        `
        )
        assert.deepStrictEqual(refused, ["UnknownError", false])
      })
    )

    it.effect(
      "keep a nested transaction a savepoint, and forget what was to follow it when it rolls back",
      () =>
        Effect.gen(function* () {
          const driver = yield* Driven
          const followed: Array<string> = []
          const note = (text: string) => Effect.sync(() => void followed.push(text))
          const nested = inTransaction(
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              const [before] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
              const insert = (orderId: string) => sql`INSERT INTO shop_order VALUES (${orderId}, ${moment})`
              yield* sql.afterCommit(note("outer"))
              yield* Database.transaction(Effect.andThen(insert("joined"), sql.afterCommit(note("joined"))))
              const inner = Effect.gen(function* () {
                yield* insert("lost")
                yield* sql.afterCommit(note("lost"))
                yield* sql.withTransaction(
                  Effect.andThen(insert("lost too"), sql.afterCommit(note("lost too")))
                )
                return yield* insert("joined")
              })
              assert.strictEqual((yield* Effect.flip(sql.withTransaction(inner)))._tag, "SqlError")
              yield* Effect.all(
                ["a", "b", "c"].map((id) =>
                  sql.withTransaction(Effect.andThen(insert(id), sql.afterCommit(note(id))))
                ),
                { concurrency: "unbounded" }
              )
              const [after] = yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`
              assert.strictEqual(after?.xid, before?.xid)
            })
          )
          const sql = yield* SqlClient.SqlClient
          const orders = sql`SELECT order_id FROM shop_order WHERE order_id !~ '-' ORDER BY 1`
          if (!driver.forgivesBySavepoint) {
            assert.include(String(yield* Effect.exit(nested)), "shop_order_pkey")
            assert.deepStrictEqual(yield* orders, [])
            return
          }
          const { flush, result } = yield* nested
          assert.isTrue(Result.isSuccess(result))
          assert.deepStrictEqual(followed, [])
          yield* flush()
          assert.deepStrictEqual(followed.toSorted(), ["a", "b", "c", "joined", "outer"])
          yield* flush()
          assert.lengthOf(followed, 5)
          assert.deepStrictEqual(
            yield* orders,
            ["a", "b", "c", "joined"].map((order_id) => ({ order_id }))
          )
        })
    )

    it.effect("wake the workers by `flush`, over another connection, and not before", () =>
      Effect.gen(function* () {
        const pg = yield* PgClient.PgClient
        const driver = yield* Driven
        const heard = yield* pg.listen("hm_wake")
        const { flush, result } = yield* inTransaction(
          Effect.flatMap(WorkQueue.make({ prefix: Events.prefix }), (queue) =>
            queue.enqueue([{ queue: "wake", type: "t", payload: null }])
          ).pipe(asTenant)
        )
        assert.isTrue(Result.isSuccess(result))
        yield* pg.notify("hm_wake", "nothing was sent before")
        yield* flush(driver.outside)
        assert.strictEqual((yield* Queue.take(heard)).payload, "nothing was sent before")
        assert.include((yield* Queue.take(heard)).payload, "wake")
      }).pipe(Effect.scoped)
    )

    it.effect("refuse statements after the end, and values that have no text", () =>
      Effect.gen(function* () {
        const { flush, result } = yield* inTransaction(Effect.service(SqlClient.SqlClient))
        yield* flush()
        const sql = yield* Effect.fromResult(result)
        const late = yield* Effect.exit(sql`SELECT 1`)
        assert.include(String(late), "has ended")
        const strange = yield* committed(
          Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.exit(sql`SELECT ${new Map()}::text`))
        )
        assert.include(String(strange), "cannot be sent")
      })
    )

    it.effect("run one statement at a time, however many a service starts", () =>
      Effect.gen(function* () {
        const ns = Array.from({ length: 50 }, (_, n) => n)
        const answers = yield* committed(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            Effect.forEach(ns, (n) => sql<{ readonly n: number }>`SELECT ${n}::int AS n`, {
              concurrency: "unbounded"
            })
          )
        )
        assert.deepStrictEqual(
          answers.map(([row]) => row?.n),
          ns
        )
      })
    )

    it.effect("leave no statement running when they are interrupted", () =>
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const [state] = yield* committed(
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const [self] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
            const pid = self?.pid ?? 0
            const isWaiting = admin<{ readonly n: number }>`
              SELECT 1 AS n FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'
            `
            const released = yield* Deferred.make<void>()
            const isHeld = yield* Deferred.make<void>()
            const holder = yield* Effect.forkChild(
              admin.withTransaction(
                Effect.gen(function* () {
                  yield* admin`SELECT 1 FROM counted FOR UPDATE`
                  yield* Deferred.succeed(isHeld, undefined)
                  yield* Deferred.await(released)
                })
              )
            )
            yield* Deferred.await(isHeld)
            const blocked = yield* Effect.forkChild(sql`SELECT 1 FROM counted FOR UPDATE`)
            yield* isWaiting.pipe(Effect.repeat({ until: (rows) => rows.length > 0 }))
            const interrupting = yield* Effect.forkChild(Fiber.interrupt(blocked))
            yield* Deferred.succeed(released, undefined)
            yield* Fiber.join(holder)
            yield* Fiber.join(interrupting)
            return yield* admin<{
              readonly state: string
            }>`SELECT state FROM pg_stat_activity WHERE pid = ${pid}`
          })
        )
        assert.strictEqual(state?.state, "idle in transaction")
      })
    )
  })
}
