/** An event published inside a transaction of Drizzle: order and event are both there, or neither is. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { eq, sql, type SQL } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { pgTable, text } from "drizzle-orm/pg-core"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { Pool } from "pg"

const shopOrder = pgTable("shop_order", { orderId: text("order_id").primaryKey() })

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })
const db = drizzle({ client: pool })

/** A statement with `$1`, `$2`, ... as Drizzle takes it. */
const statement = (text: string, values: ReadonlyArray<Database.Value>): SQL =>
  sql.join(
    text
      .split(/\$(\d+)/)
      .map((part, index) => (index % 2 === 0 ? sql.raw(part) : sql.param(values[Number(part) - 1])))
  )

const queryOf =
  (on: Pick<typeof db, "execute">): Database.Query =>
  async (text, values) =>
    (await on.execute(statement(text, values))).rows

const publish = (orderId: string) =>
  Effect.flatMap(Events, (events) =>
    events.publish([
      {
        specversion: "1.0",
        id: orderId,
        source: "/shop",
        type: "com.example.order.placed.v1",
        data: { orderId }
      }
    ])
  ).pipe(provide(TenantId.make("acme")))

const placeOrder = async (orderId: string, isPaid: boolean) => {
  const placed = await db.transaction(async (tx) => {
    await tx.insert(shopOrder).values({ orderId }).onConflictDoNothing()
    const transaction = Database.transactionFromQuery(queryOf(tx))
    const receipts = await Effect.runPromise(
      publish(orderId).pipe(Effect.provide(Layer.provide(Events.layer, transaction.layer)))
    )
    if (!isPaid) throw new Error("not paid")
    return { receipts, flush: transaction.flush }
  })
  // The workers look now, and not at their next poll.
  await Effect.runPromise(placed.flush(queryOf(db)))
  return placed.receipts.map(({ state }) => state)
}

await db.execute(sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`)
const countOrders = async (orderId: string) =>
  (await db.select().from(shopOrder).where(eq(shopOrder.orderId, orderId))).length

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await pool.end()
