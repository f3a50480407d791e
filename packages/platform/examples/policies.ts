import { connect } from "@hypermarket/core/Promises"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"

const hm = await connect({ domains: [PlatformDomain] })
await hm.migrate()
const actor = { type: "user", id: "ann" } as const
const acme = hm.tenant("acme").with({ actor })
await acme.policy.create({
  policyKey: "utah-wine",
  actions: ["listing.publish"],
  region: "US-UT",
  category: "wine",
  effect: "deny",
  legalBasis: "State alcohol code, section 12",
  source: "https://example.com/alcohol-code/12"
})
const policy = await acme.policy.open()
const question = { action: "listing.publish", region: "US-UT", category: "wine", attributes: {} }
const decision = policy.decide(question)
if (decision.effect === "deny") console.log("refused:", decision.because) // [{ policyKey, version, legalBasis, source }]

await hm.transaction("acme", async (tx) => {
  await tx.query("CREATE TABLE listing (id text PRIMARY KEY, state text NOT NULL)")
  await tx.query("INSERT INTO listing VALUES ($1, 'refused')", ["l-1"])
  await tx.policy.decideNow({ ...question, reference: "l-1" }) // is in the log of decisions if this commits
  const target = { type: "listing", id: "l-1" }
  const [before, after] = [{ state: "draft" }, { state: "refused" }]
  await tx.audit.record({ actor, action: "listing.refused", target, before, after })
})
const [logged] = (await acme.policy.decisions({ reference: "l-1" })).items
console.log(logged?.effect, "by version", logged?.because[0]?.version, "of", logged?.because[0]?.policyKey)
const { items } = await acme.audit.list({})
console.log(items.map(({ action, actorType }) => `${action} by ${actorType}`))
await hm.close()
