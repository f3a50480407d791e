/** The part of rate limits that the services of a process share: policies in memory, batches, counts of denials. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import * as Settings from "../QuotasSettings.ts"
import { RateClock } from "../RateClock.ts"
import { RateLimitClient } from "../RateLimitClient.ts"
import {
  RateCostTooHigh,
  RateLimitsUnavailable,
  type RateCheck,
  type RateDecision,
  type RateState,
  type RateSubjectInvalid
} from "../RateLimit.ts"
import { RatePolicyNotFound, type RateSubject } from "../RatePolicy.ts"
import { bucketOf, bucketOfKey, costMaxOf, keyOf, subjectOf, untouched, type Bound } from "./bucket.ts"
import { measure } from "./bucketStatements.ts"
import * as Checker from "./checker.ts"
import * as DenialLog from "./denialLog.ts"
import * as KnownBounds from "./knownBounds.ts"
import * as PolicyCache from "./policyCache.ts"
import * as PolicyStore from "./policyStore.ts"
import * as RepairStatements from "./repairStatements.ts"

const microsPerMilli = 1_000

/** The numbers of a policy for one bucket, its override applied. Undefined when an override bypasses it. */
export const applied = (
  owner: string,
  held: PolicyCache.OwnerPolicies,
  policy: PolicyCache.HeldPolicy,
  bucket: string,
  options?: { readonly evenIfBypassed: true }
): Bound | undefined => {
  const override = held.overrides.get(PolicyCache.overrideKey(policy.policy, bucket))
  if (override?.bypass === true && options?.evenIfBypassed !== true) return undefined
  const quota = override?.quota ?? policy.quota
  // A burst that follows the quota follows an override's quota too.
  const burst = override?.burst ?? (policy.burst === policy.quota ? quota : policy.burst)
  return {
    owner,
    policy: policy.policy,
    bucket,
    key: keyOf(owner, policy.policy, bucket),
    kind: policy.kind,
    quota,
    burst,
    periodMicros: policy.periodMillis * microsPerMilli,
    changedMicros: policy.changedMicros,
    shadow: policy.shadow,
    whenUnavailable: policy.whenUnavailable
  }
}

/** Policies of owners, as a check found them. */
export interface PoliciesRead {
  /** In the order of the owners; undefined where they were never read. */
  readonly held: ReadonlyArray<PolicyCache.OwnerPolicies | undefined>
  /** True when the database did not answer in time: the check does not ask it again. */
  readonly isLate: boolean
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const checks = (yield* RateLimitClient) ?? sql
  const { offsetMicros } = yield* RateClock
  const cache = yield* PolicyCache.make(checks)
  const denials = yield* DenialLog.make(checks)
  const deadline = yield* Settings.checkDeadline.config
  const checker = yield* Checker.make(checks, offsetMicros, denials, deadline)
  const known = KnownBounds.make()

  /** Runs on the client of checks outside the caller's transaction. */
  const outside = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.updateContext(self, (context: Context.Context<never>) =>
      Context.omit(checks.transactionService)(context)
    )

  /** Policies for a check, read together: those in memory when they are not read in time. */
  const policiesOf = Effect.fnUntraced(function* (
    owners: ReadonlyArray<string>
  ): Effect.fn.Return<PoliciesRead> {
    const read = yield* checker.reading(
      outside(Effect.forEach(owners, cache.get, { concurrency: "unbounded" }))
    )
    return { held: read ?? owners.map(cache.last), isLate: read === undefined }
  })

  const boundIn = Effect.fnUntraced(function* (
    held: PolicyCache.OwnerPolicies,
    owner: string,
    name: string,
    subject: RateSubject,
    options?: { readonly evenIfBypassed: true }
  ): Effect.fn.Return<Bound | undefined, RatePolicyNotFound | RateSubjectInvalid> {
    const policy = held.policies.get(name)
    if (policy === undefined) return yield* new RatePolicyNotFound({ policy: name })
    const bucket = yield* Effect.fromResult(bucketOf(policy, subjectOf(owner, subject)))
    return applied(owner, held, policy, bucket, options)
  })

  /** Reads the policies, and says why when a check is refused. */
  const check = Effect.fnUntraced(function* (
    owner: string,
    request: RateCheck
  ): Effect.fn.Return<
    RateDecision,
    RatePolicyNotFound | RateSubjectInvalid | RateCostTooHigh | RateLimitsUnavailable
  > {
    const cost = request.cost ?? 1
    const {
      held: [held],
      isLate
    } = yield* policiesOf([owner])
    const bounds: Array<Bound> = []
    for (const name of request.policies) {
      if (held === undefined || held.unreadable.has(name)) {
        return yield* new RateLimitsUnavailable({ policy: name })
      }
      const bound = yield* boundIn(held, owner, name, request.subject)
      if (bound === undefined) continue
      if (!bound.shadow && cost > costMaxOf(bound)) {
        return yield* new RateCostTooHigh({ policy: name, costMax: costMaxOf(bound) })
      }
      bounds.push(bound)
    }
    return yield* checker.decide(bounds, cost, isLate)
  })

  /** The bucket of a request that reads or repairs it. */
  const bucketBound = Effect.fnUntraced(function* (owner: string, name: string, subject: RateSubject) {
    const held = yield* outside(cache.get(owner))
    const bound = yield* boundIn(held, owner, name, subject, { evenIfBypassed: true })
    return bound ?? (yield* new RatePolicyNotFound({ policy: name }))
  })

  const peek = Effect.fnUntraced(function* (bound: Bound) {
    const [answer] = yield* outside(measure(checks, bound, offsetMicros()))
    const state: RateState = checker.stateOf(bound, answer?.measured[0] ?? untouched, 0)
    return state
  })

  const repair = <A, E>(bound: Bound, self: Effect.Effect<A, E>) =>
    outside(self).pipe(Effect.andThen(Effect.sync(() => checker.forget(bound))))

  const reset = (bound: Bound) =>
    outside(RepairStatements.reset(checks, bound)).pipe(
      Effect.andThen(Effect.sync(() => checker.drop(bound)))
    )

  /** The bound of a policy that counts by one value. Undefined when the value is too long, or an override bypasses it. */
  const boundOf = (
    held: PolicyCache.OwnerPolicies,
    owner: string,
    policy: PolicyCache.HeldPolicy,
    value: string
  ): Bound | undefined => {
    const existing = known.get(policy, value)
    if (existing !== undefined) return existing
    const bucket = bucketOfKey(policy.policy, value)
    if (Result.isFailure(bucket)) return undefined
    const bound = applied(owner, held, policy, bucket.success)
    if (bound !== undefined) known.set(policy, value, bound)
    return bound
  }

  /** The bound of a policy that counts by a single part of the subject; undefined where {@link boundIn} must say more. */
  const boundOfPart = (
    held: PolicyCache.OwnerPolicies,
    owner: string,
    policy: PolicyCache.HeldPolicy,
    subject: RateSubject
  ): Bound | undefined => {
    const part = policy.by.length === 1 ? policy.by[0] : undefined
    // Under its own policies a tenant is itself.
    const value = part === undefined || part === "tenant" ? undefined : subject[part]
    return value === undefined ? undefined : boundOf(held, owner, policy, value)
  }

  /**
   * Decides a check by policies in memory. Undefined when they must be read, or when the check is refused: the reading path says
   * why.
   */
  const checkNow = (owner: string, request: RateCheck): Checker.Decided | undefined => {
    const now = checker.clockMillis()
    const held = cache.fresh(owner, now)
    if (held === undefined) return undefined
    const cost = request.cost ?? 1
    const bounds: Array<Bound> = []
    for (const name of request.policies) {
      const policy = held.policies.get(name)
      if (policy === undefined) return undefined
      let bound = boundOfPart(held, owner, policy, request.subject)
      if (bound === undefined) {
        const bucket = bucketOf(policy, subjectOf(owner, request.subject))
        if (Result.isFailure(bucket)) return undefined
        bound = applied(owner, held, policy, bucket.success)
      }
      if (bound === undefined) continue
      if (!bound.shadow && cost > costMaxOf(bound)) return undefined
      bounds.push(bound)
    }
    return checker.decideNow(bounds, cost, false, "", checker.movedMillis(now))
  }

  return {
    checker,
    checkNow,
    known,
    boundOf,
    policiesNow: cache.fresh,
    policiesOf,
    check,
    bucketBound,
    store: PolicyStore.make(sql, offsetMicros, cache.forget),
    peek,
    refund: (bound: Bound, cost: number) => repair(bound, RepairStatements.refund(checks, bound, cost)),
    reset,
    release: (bound: Bound, token: string) => repair(bound, RepairStatements.release(checks, bound, token))
  }
})

export class RateEngine extends Context.Service<RateEngine, Effect.Success<typeof make>>()(
  "@hypermarket/quotas/internal/RateEngine"
) {
  static readonly layer = Layer.effect(RateEngine, make)
}
