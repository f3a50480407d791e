/** Limiters of a program's own numbers. A policy of the tenant with the limiter's name replaces them. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { RateCostTooHigh, type RateDecision, type RateLimitsUnavailable } from "../RateLimit.ts"
import { periodMillisOf, type RateLimit, type RateLimiter } from "../RateLimiter.ts"
import { bucketOfKey, costMaxOf, keyOf, type Bound } from "./bucket.ts"
import type { Decided } from "./checker.ts"
import type { OwnerPolicies } from "./policyCache.ts"
import { applied, type RateEngine } from "./rateEngine.ts"

const microsPerMilli = 1_000

/** A limiter that the Promise door asks without a fiber. */
export class Limiter extends Data.Class<
  RateLimiter & {
    /** Undefined when policies must be read, or when the request is refused: `take` says why. */
    readonly takeNow: (key: string, cost: number) => Decided | undefined
  }
> {}

export const make = (engine: RateEngine["Service"], owner: string, limit: RateLimit): Limiter => {
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

  const numbersFor = (bucket: string): Bound => ({
    ...numbers,
    bucket,
    key: keyOf(owner, limit.name, bucket)
  })

  /** Undefined when an override lifts the policy for the key. */
  const boundIn = (held: OwnerPolicies | undefined, bucket: string): Bound | undefined => {
    const policy = held?.policies.get(limit.name)
    return held === undefined || policy === undefined
      ? numbersFor(bucket)
      : applied(owner, held, policy, bucket)
  }

  /** The same for a key, remembered. Undefined also when the key is too long. */
  const knownBound = (held: OwnerPolicies, key: string): Bound | undefined => {
    const policy = held.policies.get(limit.name)
    if (policy !== undefined) return engine.boundOf(held, owner, policy, key)
    const existing = engine.known.get(numbers, key)
    if (existing !== undefined) return existing
    const bucket = bucketOfKey(limit.name, key)
    if (Result.isFailure(bucket)) return undefined
    const bound = numbersFor(bucket.success)
    engine.known.set(numbers, key, bound)
    return bound
  }

  const bucketFor = Effect.fnUntraced(function* (key: string) {
    const bucket = yield* Effect.fromResult(bucketOfKey(limit.name, key))
    const {
      held: [held]
    } = yield* engine.policiesOf([owner])
    return boundIn(held, bucket) ?? numbersFor(bucket)
  })

  const decide = (
    held: OwnerPolicies | undefined,
    bucket: string,
    cost: number,
    isLate: boolean
  ): Effect.Effect<RateDecision, RateCostTooHigh | RateLimitsUnavailable> => {
    const bound = boundIn(held, bucket)
    if (bound !== undefined && !bound.shadow && cost > costMaxOf(bound)) {
      return Effect.fail(new RateCostTooHigh({ policy: limit.name, costMax: costMaxOf(bound) }))
    }
    return engine.checker.decide(bound === undefined ? [] : [bound], cost, isLate)
  }

  const takeNow = (key: string, cost: number): Decided | undefined => {
    const now = engine.checker.clockMillis()
    const held = engine.policiesNow(owner, now)
    const bound = held === undefined ? undefined : knownBound(held, key)
    if (bound === undefined || cost > costMaxOf(bound)) return undefined
    return engine.checker.decideNow([bound], cost, false, "", engine.checker.movedMillis(now))
  }

  return new Limiter({
    takeNow,
    take: (key, cost = 1) =>
      Effect.suspend((): ReturnType<RateLimiter["take"]> => {
        const decided = takeNow(key, cost)
        if (decided !== undefined) return Effect.isEffect(decided) ? decided : Effect.succeed(decided)
        const bucket = bucketOfKey(limit.name, key)
        if (Result.isFailure(bucket)) return Effect.fail(bucket.failure)
        return Effect.flatMap(engine.policiesOf([owner]), (read) =>
          decide(read.held[0], bucket.success, cost, read.isLate)
        )
      }),
    peek: (key) => Effect.flatMap(bucketFor(key), engine.peek),
    refund: (key, cost) =>
      Effect.flatMap(bucketFor(key), (bound) =>
        Effect.andThen(engine.refund(bound, cost), engine.peek(bound))
      ),
    reset: (key) =>
      Effect.flatMap(bucketFor(key), (bound) => Effect.andThen(engine.reset(bound), engine.peek(bound)))
  })
}
