/**
 * Orders of an Effect application: an order and its event are written in one transaction, and a handler counts orders by
 * customer, exactly once each, however often a job runs.
 */
import * as Database from "@hypermarket/core/Database"
import { retryDefault } from "@hypermarket/core/Job"
import { provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events } from "@hypermarket/events/Events"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type { Handler } from "@hypermarket/queue/QueueJob"
import { Console, Context, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"

interface Order {
  readonly orderId: string
  readonly customerId: string
}

const type = "com.example.order.placed.v1"

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { orderId: Schema.String }) {}

class Orders extends Context.Service<
  Orders,
  {
    readonly place: (
      order: Order,
      stock: number
    ) => Effect.Effect<void, OutOfStock | SqlError.SqlError, Tenant>
  }
>()("example/Orders") {
  static readonly layer = Layer.effect(
    Orders,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const place = Effect.fn("Orders.place")(function* (order: Order, stock: number) {
        yield* sql`
          INSERT INTO shop_order (order_id, customer_id)
          VALUES (${order.orderId}, ${order.customerId})
        `
        // Ids and types of our own cannot meet another event's.
        yield* Effect.catchTag(
          events.publish([
            { specversion: "1.0", id: order.orderId, source: "/shop", type, data: { ...order } }
          ]),
          ["EventConflict", "EventInvalid"],
          Effect.die
        )
        if (stock === 0) return yield* new OutOfStock({ orderId: order.orderId })
      }, Database.transactionOf(sql))
      return Orders.of({ place })
    })
  )
}

const decode = Schema.decodeUnknownEffect(
  Schema.Struct({ data: Schema.Struct({ orderId: Schema.String, customerId: Schema.String }) })
)

/** Its writes and the acknowledgement of its jobs commit together. */
const countByCustomer: Handler<SqlClient.SqlClient> = {
  queue: "orders-by-customer",
  batchMax: 100,
  concurrency: 1,
  transactional: true,
  retry: retryDefault,
  deadline: "30 seconds",
  run: Effect.fn("countByCustomer")(function* (jobs) {
    const sql = yield* SqlClient.SqlClient
    const envelopes = yield* Effect.forEach(jobs, (job) => decode(job.payload))
    yield* sql`
      INSERT INTO shop_customer AS c (customer_id, orders)
      SELECT customer_id, count(*)
        FROM unnest(${envelopes.map(({ data }) => data.customerId)}::text[]) AS customer_id
       GROUP BY customer_id
          ON CONFLICT (customer_id) DO UPDATE SET orders = c.orders + excluded.orders
    `
  })
}

const createTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY, customer_id text NOT NULL)`
  yield* sql`CREATE TABLE IF NOT EXISTS shop_customer (customer_id text PRIMARY KEY, orders bigint NOT NULL)`
  const subscriptions = yield* EventSubscriptions
  const { items } = yield* subscriptions.list({ limit: 200 })
  if (items.some(({ name }) => name === countByCustomer.queue)) return
  yield* subscriptions.create({
    name: countByCustomer.queue,
    queue: countByCustomer.queue,
    filters: [{ exact: { type } }]
  })
})

const ordersPlaced = 300
const customers = 7

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const orders = yield* Orders
  yield* createTables
  yield* EventWorker.run({ domains: [], handlers: [countByCustomer] })

  const run = randomUUID()
  const placed = Array.from({ length: ordersPlaced }, (_, n) => ({
    orderId: `${run}-${n}`,
    customerId: `${run}-${n % customers}`
  }))
  // Every tenth order finds no stock: neither the order nor its event may be there.
  yield* Effect.forEach(
    placed,
    (order, n) =>
      orders.place(order, n % 10 === 0 ? 0 : 5).pipe(Effect.catchTag("OutOfStock", () => Effect.void)),
    { concurrency: 8 }
  )

  const counted = sql<{ readonly customerId: string; readonly orders: number }>`
    SELECT customer_id AS "customerId", orders::int AS orders
      FROM shop_customer
     WHERE starts_with(customer_id, ${run})
     ORDER BY 1
  `
  const expected = yield* sql<{ readonly customerId: string; readonly orders: number }>`
    SELECT customer_id AS "customerId", count(*)::int AS orders
      FROM shop_order
     WHERE starts_with(customer_id, ${run})
     GROUP BY 1
     ORDER BY 1
  `
  const total = (rows: ReadonlyArray<{ readonly orders: number }>) =>
    rows.reduce((sum, { orders }) => sum + orders, 0)
  assert.equal(total(expected), ordersPlaced - ordersPlaced / 10)
  const reached = yield* counted.pipe(
    Effect.repeat({
      until: (rows) => total(rows) >= total(expected),
      schedule: Schedule.spaced("20 millis")
    }),
    Effect.andThen(counted)
  )
  assert.deepEqual(reached, expected)
  yield* Console.log(`${total(reached)} orders of ${reached.length} customers were counted once each`)
}).pipe(provide(TenantId.make("acme")), Effect.scoped)

const layer = Layer.unwrap(
  Effect.map(Database.options, (options) => {
    const services = Layer.mergeAll(Orders.layer, JobSchedules.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(Events.layer, EventSubscriptions.layer)),
      Layer.provideMerge(Layer.merge(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)))
    )
    return services.pipe(Layer.provideMerge(Database.layer(options)))
  })
)

await Effect.runPromise(program.pipe(Effect.provide(layer)))
