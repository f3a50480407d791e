import { connect } from "@hypermarket/core/Promises"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"

const hm = await connect({ domains: [ExperimentsDomain] })
await hm.migrate()
const { experiments } = hm.tenant("acme")
const variants = ["old", "new"].map((key) => ({ key, weight: 5_000 }))
const draft = await experiments.create({ key: "ranking", variants, plan: { unitsPlanned: 20_000 } })
await experiments.start(draft.experimentId, draft.version)

const live = await experiments.open({ environment: "live" })
const { exposed, variant } = live.assign("ranking", "customer-42") // synchronous, without a query
console.log("rank by", variant)
exposed() // when it is shown; once per unit, batched
await hm.close()
