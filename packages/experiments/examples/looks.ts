import { connect } from "@hypermarket/core/Promises"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"

const hm = await connect({ domains: [ExperimentsDomain] })
await hm.migrate()
const acme = hm.tenant("acme")

await acme.experimentMetrics.create({ key: "revenue", kind: "sum", source: "order", currency: "EUR" })
const draft = await acme.experiments.create({
  key: "ranking-2027",
  variants: [
    { key: "old", weight: 5_000 },
    { key: "new", weight: 5_000 }
  ],
  metrics: [{ metric: "revenue", role: "goal" }],
  targeting: { attribute: "country", operator: "in", values: ["AT", "DE"] },
  plan: { unitsPlanned: 20_000 }
})
await acme.experiments.start(draft.experimentId, draft.version)

const customer = { id: "customer-42" }
const order = { id: "order-1" }
const experiments = await acme.experiments.open({ environment: "live" })
const { variant, exposed } = experiments.assign("ranking-2027", customer.id, { country: "AT" }) // synchronous, logs nothing
console.log("rank by", variant) // undefined: not in the experiment
exposed() // when it is shown; once per unit, batched
await experiments.record("revenue", customer.id, { amount: "129900", currency: "EUR" }, { key: order.id }) // or let order facts do it
const look = await experiments.look<"revenue">("ranking-2027") // the next look: an immutable row
console.log(look.decision, look.metrics.revenue.relative) // { estimate, low, high, method, flags }
await hm.close()
