/**
 * Services inside another driver's transaction.
 */
import { assert, layer } from "@effect/vitest"
import { OrderFactConflict } from "@hypermarket/analytics/OrderFact"
import * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import * as SalesQueries from "@hypermarket/analytics/SalesQueries"
import * as Commerce from "@hypermarket/core/Commerce"
import { EventQueues } from "@hypermarket/events/EventQueues"
import * as Events from "@hypermarket/events/Events"
import * as EventSubscriptions from "@hypermarket/events/EventSubscriptions"
import * as JobSchedules from "@hypermarket/events/JobSchedules"
import { EventConflict } from "@hypermarket/events/Receipt"
import * as ApiKeys from "@hypermarket/platform/ApiKeys"
import * as TenantAccounts from "@hypermarket/platform/TenantAccounts"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { asOperator, asTenant, committed, type Connect, failed, inTransaction, tenantId } from "./driven.ts"
import { decodeEnvelope, eventOf, layerShop, placeOnce, placeOrder, rowCounts, trickyJson } from "./shop.ts"

export const serviceSuite = (name: string, connect: Connect): void =>
  layer(layerShop(connect), { excludeTestServices: true })(
    `services inside a transaction of ${name}`,
    (it) => {
      it.effect("leave everything when it commits and nothing when it rolls back", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* committed(
            Effect.flatMap(EventSubscriptions.EventSubscriptions, (subscriptions) =>
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

          const { result, texts } = yield* inTransaction(placeOrder("o-1"))
          const placed = yield* Effect.fromResult(result)
          // The transaction is the caller's: nothing begins, ends or divides it.
          assert.deepStrictEqual(
            texts.filter((text) => /^(BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET)/i.test(text)),
            []
          )
          assert.deepStrictEqual(placed.answer, { orderId: "o-1" })
          assert.deepStrictEqual(
            placed.receipts.map(({ state }) => state),
            ["accepted", "accepted"]
          )
          assert.lengthOf(new Set(placed.jobIds), placed.placed.length)
          const stored = yield* sql<{ readonly queue: string; readonly payload: unknown }>`
          SELECT q.queue, coalesce(q.payload, b.payload) AS payload, q.seq
            FROM hm_event_queue q
            LEFT JOIN hm_event_body b USING (tenant_id, body_seq)
           WHERE q.ordering_key IS NULL
          UNION ALL
          SELECT k.queue, coalesce(k.payload, b.payload), k.seq
            FROM hm_event_keyed k
            LEFT JOIN hm_event_body b USING (tenant_id, body_seq)
          UNION ALL
          SELECT queue, payload, seq
            FROM hm_event_delayed
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
          assert.lengthOf(
            yield* sql`
            SELECT 1
              FROM shop_order
             WHERE order_id = 'o-2'
          `,
            1
          )
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
          assert.instanceOf(conflict, EventConflict)
        })
      )

      it.effect("read the rows of every service as their types say", () =>
        Effect.gen(function* () {
          const expiresAt = DateTime.makeUnsafe("2999-12-31T23:59:59.999Z")
          const read = yield* committed(
            Effect.gen(function* () {
              const accounts = yield* TenantAccounts.TenantAccounts
              const keys = yield* ApiKeys.ApiKeys
              const schedules = yield* JobSchedules.JobSchedules
              const subscriptions = yield* EventSubscriptions.EventSubscriptions
              const queues = yield* EventQueues
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
              const rotated = yield* keys.rotate(
                second.apiKey.apiKeyId,
                1,
                { overlapSeconds: 60 },
                "operator"
              )
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
          assert.instanceOf(conflict, OrderFactConflict)
          const figures = yield* committed(
            Effect.flatMap(SalesQueries.SalesQueries, (sales) =>
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
    }
  )
