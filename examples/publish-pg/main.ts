/** An event published inside a transaction of `pg`: order and event are both there, or neither is. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { Pool, type PoolClient } from "pg"

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })

const queryOf =
  (on: Pool | PoolClient): Database.Query =>
  async (text, values) =>
    (await on.query(text, values)).rows

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
  const client = await pool.connect()
  try {
    await client.query("BEGIN")
    await client.query("INSERT INTO shop_order (order_id) VALUES ($1) ON CONFLICT DO NOTHING", [orderId])
    const transaction = Database.transactionFromQuery(queryOf(client))
    const receipts = await Effect.runPromise(
      publish(orderId).pipe(Effect.provide(Layer.provide(Events.layer, transaction.layer)))
    )
    if (!isPaid) throw new Error("not paid")
    await client.query("COMMIT")
    // The workers look now, and not at their next poll.
    await Effect.runPromise(transaction.flush(queryOf(pool)))
    return receipts.map(({ state }) => state)
  } catch (error) {
    await client.query("ROLLBACK")
    throw error
  } finally {
    client.release()
  }
}

await pool.query("CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)")
const countOrders = async (orderId: string) =>
  (await pool.query("SELECT 1 FROM shop_order WHERE order_id = $1", [orderId])).rowCount

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await pool.end()
