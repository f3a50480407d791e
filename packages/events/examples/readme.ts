import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const acme = hm.tenant("acme")
const { endpointId, secret } = await acme.webhooks.create({ url: "https://partner.example/hooks" })
console.log("The partner verifies with", secret)

await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE shop_order (id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", ["o-1"])
  await tx.events.publish([{ id: "o-1:placed", type: "com.example.order.placed", data: { total: "4200" } }])
})
console.log(await acme.webhooks.deliveries({ endpointId, state: "waiting" }))
await hm.close()
