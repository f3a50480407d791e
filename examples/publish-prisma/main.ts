/** An event published inside a transaction of Prisma: order and event are both there, or neither is. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { PrismaPg } from "@prisma/adapter-pg"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { type Prisma, PrismaClient } from "./generated/client.ts"

const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env["DATABASE_URL"] ?? "" })
})

const queryOf =
  (on: Prisma.TransactionClient): Database.Query =>
  (text, values) =>
    on.$queryRawUnsafe<ReadonlyArray<unknown>>(text, ...values)

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
  const placed = await prisma.$transaction(async (tx) => {
    await tx.shopOrder.createMany({ data: [{ orderId }], skipDuplicates: true })
    const transaction = Database.transactionFromQuery(queryOf(tx))
    const receipts = await Effect.runPromise(
      publish(orderId).pipe(Effect.provide(Layer.provide(Events.layer, transaction.layer)))
    )
    if (!isPaid) throw new Error("not paid")
    return { receipts, flush: transaction.flush }
  })
  // The workers look now, and not at their next poll.
  await Effect.runPromise(placed.flush(queryOf(prisma)))
  return placed.receipts.map(({ state }) => state)
}

await prisma.$executeRaw`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`
const countOrders = (orderId: string) => prisma.shopOrder.count({ where: { orderId } })

const orderId = randomUUID()
await assert.rejects(placeOrder(orderId, false), /not paid/)
assert.equal(await countOrders(orderId), 0)
// The event of the transaction that was rolled back is not there: this one is the first.
assert.deepEqual(await placeOrder(orderId, true), ["accepted"])
assert.equal(await countOrders(orderId), 1)
assert.deepEqual(await placeOrder(orderId, true), ["duplicate"])
console.log(`order ${orderId} and its event were committed together`)
await prisma.$disconnect()
