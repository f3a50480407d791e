/** An event published inside a transaction of Kysely: order and event are both there, or neither is. */
import { kysely } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { CompiledQuery, Kysely, PostgresDialect } from "kysely"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { Pool } from "pg"

interface Shop {
  readonly shop_order: { readonly order_id: string }
}

const db = new Kysely<Shop>({
  dialect: new PostgresDialect({ pool: new Pool({ connectionString: process.env["DATABASE_URL"] }) })
})
const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const shop = hm.over(kysely(db, CompiledQuery))

const placeOrder = (orderId: string, isPaid: boolean) =>
  shop.transaction("acme", async (tx, trx) => {
    await trx
      .insertInto("shop_order")
      .values({ order_id: orderId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const receipts = await tx.events.publish([
      { id: `${orderId}:placed`, type: "com.example.order.placed", data: { orderId } }
    ])
    if (!isPaid) throw new Error("not paid")
    return receipts.map(({ state }) => state)
  })

await db.schema
  .createTable("shop_order")
  .ifNotExists()
  .addColumn("order_id", "text", (column) => column.primaryKey())
  .execute()
const countOrders = async (orderId: string) =>
  (await db.selectFrom("shop_order").selectAll().where("order_id", "=", orderId).execute()).length

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await hm.close()
await db.destroy()
