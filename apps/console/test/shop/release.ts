/** A flag that rolls out, and one that a test switches off. */
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Effect, Schema } from "effect"
import { post } from "./door.ts"

export const killedFlag = "gift-wrap"
/** A flag with a change that a test closes. */
export const closedFlag = "courier-evening"

const flag = (flagKey: string) => ({
  flagKey,
  kind: "boolean",
  owner: "checkout",
  environments: {
    live: {
      isEnabled: true,
      rules: [
        {
          ruleId: "neighbours",
          condition: { attribute: "country", operator: "in", values: ["AT", "CH"] },
          percentage: 40,
          serve: { variant: "on" }
        }
      ],
      otherwise: { variant: "off" }
    }
  }
})

const decodeExperiment = Schema.decodeUnknownEffect(
  Schema.Struct({ experimentId: Schema.String, startedAt: Schema.NullOr(Schema.String) })
)

/** An experiment that runs, with one look. Returns its id. */
const makeExperiment = Effect.fnUntraced(function* (secret: string) {
  const experiments = "/v1/experiments/experiments"
  yield* post(secret, "/v1/experiments/metrics", {
    key: "basket",
    name: "Basket",
    kind: "sum",
    source: "purchase",
    currency: "EUR"
  })
  const draft = yield* decodeExperiment(
    yield* post(secret, experiments, {
      key: "photo-size-2027",
      name: "Larger photos",
      hypothesis: "Larger photos sell more.",
      variants: [
        { key: "small", weight: 5_000 },
        { key: "large", weight: 5_000 }
      ],
      metrics: [{ metric: "basket", role: "goal" }],
      plan: { unitsPlanned: 500 }
    })
  )
  const { experimentId } = draft
  const { startedAt: at } = yield* decodeExperiment(
    yield* post(secret, `${experiments}/${experimentId}/start`, undefined, { "if-match": '"1"' })
  )
  const units = Array.from({ length: 12 }, (_, index) => ({
    unit: `visitor-${index}`,
    variant: index % 2 === 0 ? "small" : "large"
  }))
  yield* post(secret, "/v1/experiments/exposures", {
    exposures: units.map(({ unit, variant }) => ({ experiment: "photo-size-2027", unit, variant, at }))
  })
  yield* post(secret, "/v1/experiments/facts", {
    facts: units.map(({ unit, variant }, index) => ({
      source: "purchase",
      factId: `purchase-${index}`,
      unit,
      at,
      value: String((variant === "large" ? 6_000 : 4_000) + index * 100),
      currency: "EUR"
    }))
  })
  yield* post(secret, `${experiments}/${experimentId}/looks`, { look: 1 })
  return experimentId
})

export const make = Effect.fnUntraced(function* (secret: string) {
  const experimentId = yield* makeExperiment(secret)
  yield* post(secret, "/v1/platform/flags", flag("pay-later"))
  yield* post(secret, "/v1/platform/flags", flag(killedFlag))
  yield* post(secret, "/v1/platform/flag-requests", {
    flagKey: "pay-later",
    baseVersion: 1,
    description: "Wider before the holidays",
    steps: [
      { at: "2098-11-02T07:00:00Z", does: { environment: "live", ruleId: "neighbours", percentage: 70 } },
      { at: "2098-12-05T07:00:00Z", does: { environment: "live", isEnabled: false } }
    ]
  })
  yield* post(secret, "/v1/platform/flags", flag(closedFlag))
  yield* post(secret, "/v1/platform/flag-requests", {
    flagKey: closedFlag,
    baseVersion: 1,
    steps: [{ does: { archive: "Nobody asks for it" } }]
  })
  const seals = yield* ActivitySeals
  yield* seals.seal.pipe(Effect.provideService(AllTenants, { actor: "test" }))
  return experimentId
})
