/** Limits by functions; each keeps to the default where a test gives none. */
import * as Limits from "@hypermarket/core/Limits"
import { Effect, Layer } from "effect"

export const layer = (limits: {
  readonly check?: (request: Limits.Request) => Limits.Verdict
  readonly checkAddress?: (address: Limits.Address) => Limits.Verdict
}): Layer.Layer<never> =>
  Layer.succeed(Limits.Limits, {
    check: (request) => Effect.sync(() => limits.check?.(request) ?? Limits.allowed),
    checkAddress: (address) => limits.checkAddress?.(address) ?? Limits.allowed
  })

/** The refusal of a policy, as quotas words it. */
export const refused = (retryAfterSeconds: number): Limits.Verdict => ({
  allowed: false,
  headers: { "retry-after": String(retryAfterSeconds) },
  problem: {
    type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    title: "Request cannot be satisfied as assigned quota has been exceeded",
    status: 429
  }
})
