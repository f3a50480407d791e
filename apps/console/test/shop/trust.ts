/** Decisions about payments, a policy, and limits. */
import { Effect, Schema } from "effect"
import { post, put } from "./door.ts"

const decodeAnswer = Schema.decodeUnknownEffect(
  Schema.Struct({ decisionId: Schema.String, outcome: Schema.String })
)

const decide = (secret: string, subject: string) =>
  post(secret, "/v1/risk/decisions", {
    kind: "payment",
    subject,
    deadlineMillis: 10_000,
    amount: { amount: "129900", currency: "EUR" },
    entities: { account: "customer-5" }
  }).pipe(Effect.flatMap(decodeAnswer))

/** Makes rules live, and lets them decide about a payment. Returns the id of the decision. */
const makeDecision = Effect.fnUntraced(function* (secret: string) {
  yield* post(secret, "/v1/risk/rule-sets", {
    note: "Large payments",
    rules: [
      {
        key: "large-payment",
        expression: "amount >= 100000",
        reason: "LARGE_AMOUNT",
        outcome: "review"
      }
    ]
  })
  yield* put(secret, "/v1/risk/rules/live", { live: 1 }, { "if-match": '"1"' })
  // A process takes over the choice within two seconds: until then no rule is live in it.
  let tries = 0
  while ((yield* decide(secret, `early-${++tries}`)).outcome !== "review") yield* Effect.sleep("50 millis")
  return (yield* decide(secret, "try-2002")).decisionId
})

export const make = Effect.fnUntraced(function* (secret: string) {
  yield* post(secret, "/v1/platform/policies", {
    policyKey: "vienna-fireworks",
    actions: ["listing.publish"],
    region: "AT",
    category: "fireworks",
    effect: "deny",
    effectiveFrom: "2026-01-01T00:00:00Z",
    legalBasis: "Pyrotechnics Act, section 38",
    source: "https://example.com/pyrotechnics/38"
  })
  yield* post(secret, "/v1/quotas/features", {
    feature: "listings",
    kind: "metered",
    period: { unit: "month", anchor: "2026-01-01T00:00:00Z", zone: "Europe/Vienna" }
  })
  yield* post(secret, "/v1/quotas/features/listings/grants", { source: "plan", amount: 400 })
  yield* post(secret, "/v1/quotas/records", { key: "import-1", feature: "listings", amount: 372 })
  yield* post(secret, "/v1/quotas/policies", {
    policy: "search",
    kind: "gcra",
    quota: 240,
    burst: 60,
    periodMillis: 60_000,
    by: ["user"]
  })
  yield* post(secret, "/v1/quotas/policies/search/overrides", {
    subject: { user: "crawler-1" },
    quota: 900,
    reason: "Agreed with the partner"
  })
  return yield* makeDecision(secret)
})
