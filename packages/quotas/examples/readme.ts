import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"

const hm = await connect({ domains: [QuotasDomain] })
await hm.migrate()
const { quotas } = hm.tenant("acme")
await quotas.createFeature({ feature: "ai-tokens", kind: "metered" })
await quotas.grant("ai-tokens", { source: "plan", amount: 10_000 })

const permit = await quotas.reserve({ feature: "ai-tokens", amount: 4_000, key: "request-1" })
const used = 1_250 // What the model used. No transaction is open meanwhile.
await hm.transaction("acme", (tx) => tx.quotas.commit(permit.reservationId, used))
const { remaining } = await quotas.usage({ feature: "ai-tokens" })
console.log("ai-tokens:", remaining, "remain")
await hm.close()
