import { connect } from "@hypermarket/core/Promises"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import { starterRules } from "@hypermarket/risk/StarterRules"

const hm = await connect({ domains: [RiskDomain] })
await hm.migrate()
const { risk, riskRules } = hm.tenant("acme")
const { version } = await riskRules.create(starterRules)
await riskRules.choose((await riskRules.state()).version, { live: version })

const entities = { card: "fingerprint-1", account: "customer-7", ip: "203.0.113.9" }
for (const subject of ["try-1", "try-2", "try-3", "try-4", "try-5"]) {
  const decision = await risk.decide({ kind: "payment", subject, entities }, { deadlineMillis: 5_000 })
  console.log(decision.outcome, decision.reasons)
  await risk.complete("payment", subject, { result: "declined" })
}
await hm.close()
