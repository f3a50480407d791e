/** Limiters of a program's own numbers. A policy of the tenant with the limiter's name replaces them. */
import * as Effect from "effect/Effect"
import type { RateEngine } from "./rateEngine.ts"
import { RateCostTooHigh } from "../RateLimit.ts"
import { periodMillisOf, type RateLimit, type RateLimiter } from "../RateLimiter.ts"
import { bucketOfKey, costMaxOf, type Bound } from "./bucket.ts"
import type { OwnerPolicies } from "./policyCache.ts"
import { applied } from "./rateEngine.ts"

const microsPerMilli = 1_000

export const make = (engine: RateEngine["Service"], owner: string, limit: RateLimit): RateLimiter => {
  const numbers = {
    owner,
    policy: limit.name,
    kind: "gcra",
    quota: limit.rate,
    burst: limit.burst ?? limit.rate,
    periodMicros: periodMillisOf(limit) * microsPerMilli,
    changedMicros: 0,
    shadow: false,
    whenUnavailable: limit.whenUnavailable ?? "open"
  } as const

  /** Undefined when an override lifts the policy for the key. */
  const boundIn = (held: OwnerPolicies | undefined, bucket: string): Bound | undefined => {
    const policy = held?.policies.get(limit.name)
    return held === undefined || policy === undefined
      ? { ...numbers, bucket }
      : applied(owner, held, policy, bucket)
  }

  const bucketFor = Effect.fnUntraced(function* (key: string) {
    const bucket = yield* Effect.fromResult(bucketOfKey(limit.name, key))
    return boundIn(yield* engine.policiesOf(owner), bucket) ?? { ...numbers, bucket }
  })

  return {
    take: Effect.fnUntraced(function* (key, cost = 1) {
      const bucket = yield* Effect.fromResult(bucketOfKey(limit.name, key))
      const bound = boundIn(yield* engine.policiesOf(owner), bucket)
      if (bound === undefined) return yield* engine.checker.decide([], cost)
      if (!bound.shadow && cost > costMaxOf(bound)) {
        return yield* new RateCostTooHigh({ policy: limit.name, costMax: costMaxOf(bound) })
      }
      return yield* engine.checker.decide([bound], cost)
    }),
    peek: (key) => Effect.flatMap(bucketFor(key), engine.peek),
    refund: (key, cost) =>
      Effect.flatMap(bucketFor(key), (bound) =>
        Effect.andThen(engine.refund(bound, cost), engine.peek(bound))
      ),
    reset: (key) =>
      Effect.flatMap(bucketFor(key), (bound) => Effect.andThen(engine.reset(bound), engine.peek(bound)))
  }
}
