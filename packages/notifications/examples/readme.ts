import { connect } from "@hypermarket/core/Promises"
// @boundaries-ignore the queue is the events domain's
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"

const hm = await connect({ domains: [EventsDomain, NotificationsDomain] })
await hm.migrate()
const { notifications, preferences, profiles, templates } = hm.tenant("acme")
await preferences.setCategory({ category: "orders", name: "Orders", kind: "required" })
const contents = [{ subject: "Order {{ id }}", text: "Thank you for order {{ id }}." }]
const { templateVersion } = await templates.draft({ template: "thanks", contents })
await templates.publish("thanks", templateVersion)

const [to, payload] = [{ customer: "c-42" }, { id: "o-1" }]
await profiles.set({ to, email: "ann@mail.example" })
await notifications.trigger({ key: "o-1", template: "thanks", category: "orders", to, payload })
console.log(await notifications.explain({ key: "o-1", to }))
await hm.close()
