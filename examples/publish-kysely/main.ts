/** An event published inside a transaction of Kysely: order and event are both there, or neither is. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { Effect, Layer } from "effect"
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

const queryOf =
  (on: Kysely<Shop>): Database.Query =>
  async (text, values) =>
    (await on.executeQuery(CompiledQuery.raw(text, values))).rows

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
  const placed = await db.transaction().execute(async (trx) => {
    await trx
      .insertInto("shop_order")
      .values({ order_id: orderId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const transaction = Database.transactionFromQuery(queryOf(trx))
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

await db.schema
  .createTable("shop_order")
  .ifNotExists()
  .addColumn("order_id", "text", (column) => column.primaryKey())
  .execute()
const countOrders = async (orderId: string) =>
  (await db.selectFrom("shop_order").select("order_id").where("order_id", "=", orderId).execute()).length

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await db.destroy()
