import { connect } from "@hypermarket/core/Promises"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"

const hm = await connect({ domains: [PlatformDomain] })
await hm.migrate()
const acme = hm.tenant("acme")
await acme.flags.create({
  flagKey: "new-checkout",
  kind: "boolean",
  environments: {
    live: {
      isEnabled: true,
      otherwise: { variant: "off" },
      rules: [
        {
          ruleId: "austria",
          condition: { attribute: "country", operator: "in", values: ["AT"] },
          percentage: 25,
          serve: { variant: "on" }
        }
      ]
    }
  }
})

const flags = await acme.flags.open({ environment: "live" }) // reads the revision once, then follows it
const stop = flags.onChange((revision, keys) => console.log("revision", revision, "changed", keys))
const context = { targetingKey: "customer-7", country: "AT", plan: "pro", appVersion: "2.4.1" }
if (flags.boolean("new-checkout", false, context)) console.log("new checkout") // synchronous: no promise, no query
const { reason, ruleId, value, variant } = flags.evaluate("search-ranking", "bm25", context)
console.log(value, variant, reason, ruleId) // "bm25": there is no such flag
console.log(flags.explain("new-checkout", context)) // every rule, met or not, and why
stop()
await hm.close()
