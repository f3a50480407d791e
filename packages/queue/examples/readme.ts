import { connect } from "@hypermarket/core/Promises"
// @boundaries-ignore its services are the events domain's
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const done = Promise.withResolvers()
await hm.work([{ queue: "mails", run: async ({ payload }) => done.resolve(payload) }])

await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", ["o-1"])
  await tx.queues.enqueue("mails", [{ type: "order-confirmation", payload: { orderId: "o-1" } }])
})
console.log("ran with", await done.promise)
await hm.close()
