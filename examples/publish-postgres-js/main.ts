/** An event published inside a transaction of postgres.js: order and event are both there, or neither is. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import postgres from "postgres"

const sql = postgres(process.env["DATABASE_URL"] ?? "", { onnotice: () => undefined })

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
  const placed = await sql.begin(async (tx) => {
    await tx`INSERT INTO shop_order (order_id) VALUES (${orderId}) ON CONFLICT DO NOTHING`
    const transaction = Database.transactionFromQuery((text, values) => tx.unsafe(text, values))
    const receipts = await Effect.runPromise(
      publish(orderId).pipe(Effect.provide(Layer.provide(Events.layer, transaction.layer)))
    )
    if (!isPaid) throw new Error("not paid")
    return { receipts, flush: transaction.flush }
  })
  // The workers look now, and not at their next poll.
  await Effect.runPromise(placed.flush((text, values) => sql.unsafe(text, values)))
  return placed.receipts.map(({ state }) => state)
}

await sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`
const countOrders = async (orderId: string) =>
  (await sql`SELECT 1 FROM shop_order WHERE order_id = ${orderId}`).length

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await sql.end()
