/** An event published inside a transaction of Prisma: order and event are both there, or neither is. */
import { prisma as prismaDriver } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { PrismaPg } from "@prisma/adapter-pg"
import { strict as assert } from "node:assert"
import { randomUUID } from "node:crypto"
import { type Prisma, PrismaClient } from "./generated/client.ts"

const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env["DATABASE_URL"] ?? "" })
})
const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const shop = hm.over(prismaDriver<Prisma.TransactionClient>(prisma))

const placeOrder = (orderId: string, isPaid: boolean) =>
  shop.transaction("acme", async (tx, prisma) => {
    await prisma.shopOrder.createMany({ data: [{ orderId }], skipDuplicates: true })
    const receipts = await tx.events.publish([
      { id: `${orderId}:placed`, type: "com.example.order.placed", data: { orderId } }
    ])
    if (!isPaid) throw new Error("not paid")
    return receipts.map(({ state }) => state)
  })

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
await hm.close()
await prisma.$disconnect()
