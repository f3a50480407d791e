import { connect } from "@hypermarket/core/Promises"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"

const hm = await connect({ domains: [ObservabilityDomain] })
await hm.migrate()
const { issues, projects } = hm.tenant("acme")
const { projectId } = await projects.create({ slug: "shop" })
console.log(`The DSN is https://<client key>@api.example/sentry/${projectId}`)

const { items } = await issues.list({ status: "unresolved", sort: "users" })
for (const { eventCount, issueId, title, userCount } of items) {
  console.log(title, eventCount, userCount)
  await issues.resolve(issueId, { in: "next release" })
}
await hm.close()
