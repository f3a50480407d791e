import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"

const hm = await connect({ domains: [QuotasDomain] })
await hm.migrate()
const login = await hm.tenant("acme").limits.open({ name: "login", rate: 5, per: "1 minute", burst: 2 })
for (const attempt of [1, 2, 3]) {
  const verdict = await login.take("192.0.2.7")
  // A web server sets `verdict.headers`, and answers a refusal with `verdict.problem` and its status.
  console.log(`attempt ${attempt}:`, verdict.allowed ? "allowed" : verdict.headers["retry-after"])
}
await hm.close()
