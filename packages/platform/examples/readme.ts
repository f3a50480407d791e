import { connect } from "@hypermarket/core/Promises"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"

const hm = await connect({ domains: [PlatformDomain] })
await hm.migrate()
const acme = hm.tenant("acme").with({ actor: { type: "user", id: "ann" } })
const live = { isEnabled: true, otherwise: { variant: "on" }, rules: [] }
await acme.flags.create({ flagKey: "new-checkout", kind: "boolean", environments: { live } })

const flags = await acme.flags.open({ environment: "live" }) // reads the revision once, then follows it
const context = { targetingKey: "customer-7", country: "AT" }
if (flags.boolean("new-checkout", false, context)) console.log("new checkout") // no promise, no query
const { items } = await acme.audit.list({})
console.log(items.map(({ action, actorType }) => `${action} by ${actorType}`))
await hm.close()
