import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const acme = hm.tenant("acme")
const { endpointId, secret } = await acme.webhooks.create({
  url: "https://partner.example/hooks",
  filters: [{ prefix: { type: "com.example.order." } }]
})
console.log("The partner verifies with", secret)

const order = { id: "o-1", total: "4200" }
await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE shop_order (id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", [order.id])
  await tx.events.publish([{ id: `${order.id}:placed`, type: "com.example.order.placed", data: order }])
})
console.log(await acme.webhooks.deliveries({ endpointId, state: "waiting" }))
await acme.webhooks.replay({ endpointId, since: "2026-11-27T00:00:00Z", state: "dead" })
await hm.close()
