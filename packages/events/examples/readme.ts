import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const acme = hm.tenant("acme")
const type = "com.example.order.placed"
await acme.subscriptions.ensure("mails", { queue: "mails", filters: [{ exact: { type } }] })

const order = { id: "o-1", total: "4200" }
await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE shop_order (id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", [order.id])
  await tx.events.publish([{ id: `${order.id}:placed`, type, data: order }])
})
console.log(await acme.queues.get("mails"))
await hm.close()
