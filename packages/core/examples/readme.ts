import { connect } from "@hypermarket/core/Promises"
// @boundaries-ignore a program of its reader
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
await hm.tenant("acme").subscriptions.ensure("mails", { queue: "mails" })
const mail = Promise.withResolvers()
await hm.work([{ queue: "mails", run: async ({ payload }) => mail.resolve(payload) }])

await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", ["o-1"])
  await tx.events.publish([{ id: "o-1:placed", type: "com.example.order.placed", data: { orderId: "o-1" } }])
})
console.log("to be mailed:", await mail.promise)
await hm.close()
