/** A flag that rolls out, and one that a test switches off. */
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { post } from "./door.ts"

export const killedFlag = "gift-wrap"

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

export const make = Effect.fnUntraced(function* (secret: string) {
  yield* post(secret, "/v1/platform/flags", flag("pay-later"))
  yield* post(secret, "/v1/platform/flags", flag(killedFlag))
  const seals = yield* ActivitySeals
  yield* seals.seal.pipe(Effect.provideService(AllTenants, { actor: "test" }))
})
