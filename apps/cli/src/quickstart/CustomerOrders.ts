/**
 * A handler that a shop adds to its own worker. It adds orders up for each customer, in the shop's own tables.
 *
 * The worker runs it in a transaction together with the acknowledgement, so an order is counted exactly once; a fact that
 * is published again is known by its order.
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Subscription from "@hypermarket/core/Subscription"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

const ordersMigration = Migrations.migration(
  [
    `
  CREATE TABLE hm_quickstart_order (
    tenant_id   text NOT NULL,
    order_id    text NOT NULL,
    customer_id text NOT NULL,
    PRIMARY KEY (tenant_id, order_id)
  )
  `,
    `
  CREATE TABLE hm_quickstart_customer (
    tenant_id    text    NOT NULL,
    customer_id  text    NOT NULL,
    orders_count integer NOT NULL CONSTRAINT orders_count_positive CHECK (orders_count > 0),
    PRIMARY KEY (tenant_id, customer_id)
  ) WITH (fillfactor = 70)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)

const countOrders = Effect.fn("CustomerOrders.count")(function* (orders: ReadonlyArray<Commerce.Order>) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  yield* sql`
    WITH fresh AS (
      INSERT INTO hm_quickstart_order (tenant_id, order_id, customer_id)
      SELECT ${tenant.id}, o.order_id, o.customer_id
        FROM unnest(${orders.map(({ orderId }) => orderId)}::text[],
                    ${orders.map(({ customerId }) => customerId)}::text[]) AS o (order_id, customer_id)
          ON CONFLICT DO NOTHING
      RETURNING customer_id)
    INSERT INTO hm_quickstart_customer AS c (tenant_id, customer_id, orders_count)
    SELECT ${tenant.id}, customer_id, count(*)
      FROM fresh
     GROUP BY customer_id
     ORDER BY customer_id
        ON CONFLICT (tenant_id, customer_id) DO UPDATE SET orders_count = c.orders_count + excluded.orders_count
  `
})

export const domain = Domain.make({
  name: "quickstart",
  tables: ["hm_quickstart_"],
  layer: Layer.empty,
  migrations: Migrations.make(
    "quickstart",
    { "0001_customer_orders": ordersMigration },
    { release: "0.1.0" }
  ),
  subscriptions: [
    Subscription.make<SqlClient.SqlClient | Tenant>({
      name: "quickstart.customer-orders",
      types: [Commerce.typeOf("order.placed")],
      handler: (events) =>
        Effect.flatMap(
          Effect.forEach(events, ({ data }) => Commerce.decodeOrder(data)),
          countOrders
        )
    })
  ]
})

export interface Customers {
  readonly customers: number
  readonly orders: number
  readonly top: ReadonlyArray<{ readonly customerId: string; readonly orders: number }>
}

const topMax = 3

/** Reads the counts of the handler. */
export const read = Effect.fn("CustomerOrders.read")(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  const [sum] = yield* sql<{ readonly customers: number; readonly orders: number }>`
    SELECT count(*)::int AS customers, coalesce(sum(orders_count), 0)::int AS orders
      FROM hm_quickstart_customer
     WHERE tenant_id = ${tenantId}
  `
  const top = yield* sql<{ readonly customerId: string; readonly orders: number }>`
    SELECT customer_id AS "customerId", orders_count AS orders
      FROM hm_quickstart_customer
     WHERE tenant_id = ${tenantId}
     ORDER BY orders_count DESC, customer_id COLLATE "C"
     LIMIT ${topMax}
  `
  return { customers: sum?.customers ?? 0, orders: sum?.orders ?? 0, top } satisfies Customers
})

/** The first customers with orders, in the order of their ids. */
export const firstIds = Effect.fn("CustomerOrders.firstIds")(function* (tenantId: string, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly customerId: string }>`
    SELECT customer_id AS "customerId"
      FROM hm_quickstart_customer
     WHERE tenant_id = ${tenantId}
     ORDER BY customer_id COLLATE "C"
     LIMIT ${limit}
  `
  return rows.map(({ customerId }) => customerId)
})
