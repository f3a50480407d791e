/** An event published inside a transaction of Drizzle: order and event are both there, or neither is. */
import { drizzle as drizzleDriver } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { eq, sql } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { pgTable, text } from "drizzle-orm/pg-core"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { Pool } from "pg"

const shopOrder = pgTable("shop_order", { orderId: text("order_id").primaryKey() })
const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })
const db = drizzle({ client: pool })
const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const shop = hm.over(drizzleDriver(db, sql))

const placeOrder = (orderId: string, isPaid: boolean) =>
  shop.transaction("acme", async (tx, db) => {
    await db.insert(shopOrder).values({ orderId }).onConflictDoNothing()
    const receipts = await tx.events.publish([
      { id: `${orderId}:placed`, type: "com.example.order.placed", data: { orderId } }
    ])
    if (!isPaid) throw new Error("not paid")
    return receipts.map(({ state }) => state)
  })

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
await hm.close()
await pool.end()
