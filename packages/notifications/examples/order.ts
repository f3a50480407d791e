import { connect } from "@hypermarket/core/Promises"
// @boundaries-ignore the queue is the events domain's
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"

const hm = await connect({ domains: [EventsDomain, NotificationsDomain] })
await hm.migrate()
const acme = hm.tenant("acme")
await acme.preferences.setCategory({ category: "orders", name: "Orders", kind: "required" })
const { templateVersion } = await acme.templates.draft({
  template: "order-confirmation",
  contents: [
    { subject: "Order {{ order.id }}", text: "{{ order.total | money: order.currency }}, thank you." }
  ]
})
await acme.templates.publish("order-confirmation", templateVersion)
await acme.profiles.set({ to: { customer: "c-42" }, email: "ann@mail.example", locale: "de-AT" })

const order = { id: "o-1", total: "4200", currency: "EUR" }
const key = `order/${order.id}/placed`
await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE shop_order (id text PRIMARY KEY)")
  await tx.query("INSERT INTO shop_order VALUES ($1)", [order.id])
  await tx.notifications.trigger({
    key,
    template: "order-confirmation",
    category: "orders",
    to: { customer: "c-42" },
    payload: { order },
    expiresIn: "2 days"
  })
}) // no order, no mail; workers are woken now
const [explanation] = await acme.notifications.explain({ key, to: { customer: "c-42" } })
console.log(`${explanation?.channel}: ${explanation?.state} (${explanation?.reason})`)
console.log(await acme.notifications.cancel(key)) // everything that is not being sent yet
await hm.close()
