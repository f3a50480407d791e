import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"

const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const { events, webhooks } = hm.tenant("acme")
const { endpointId } = await webhooks.create({
  url: "https://partner.example/hooks",
  filters: [{ prefix: { type: "com.example.order." } }]
})
await events.publish([
  { id: "o-7:placed", type: "com.example.order.placed", data: { total: "1900" } },
  { id: "c-7:joined", type: "com.example.customer.joined", data: {} }
])
const { items } = await webhooks.deliveries({ endpointId, state: "waiting" })
console.log(items.length, "delivery waits")
await webhooks.replay({ endpointId, since: "2026-11-27T00:00:00Z", state: "dead" })
await hm.close()
