import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"

const hm = await connect({ domains: [QuotasDomain] })
await hm.migrate()
const acme = hm.tenant("acme")

const login = await acme.limits.open({ name: "login", rate: 5, per: "1 minute", burst: 2 })
for (const attempt of [1, 2, 3]) {
  const verdict = await login.take("192.0.2.7")
  // A web server sets `verdict.headers`, and answers a refusal with `verdict.problem` and its status.
  console.log(`attempt ${attempt}:`, verdict.allowed ? "allowed" : verdict.headers["retry-after"])
}

await acme.quotas.createFeature({ feature: "ai-tokens", kind: "metered" })
await acme.quotas.grant("ai-tokens", { source: "plan", amount: 10_000 })
const permit = await acme.quotas.reserve({ feature: "ai-tokens", amount: 4_000, key: "request-1" })
const used = 1_250 // What the model used. No transaction is open meanwhile.
await hm.transaction("acme", (tx) => tx.quotas.commit(permit.reservationId, used))
const { remaining } = await acme.quotas.usage({ feature: "ai-tokens" })
console.log("ai-tokens:", remaining, "remain")
await hm.close()
