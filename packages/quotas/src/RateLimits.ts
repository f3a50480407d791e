/**
 * Rate limits of a tenant: its policies and overrides, and checks that are exact over any number of processes.
 *
 * @since 0.1.0
 */
import type * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Limiter from "./internal/limiter.ts"
import * as RateEngine from "./internal/rateEngine.ts"
import type {
  RateBucket,
  RateCheck,
  RateCostTooHigh,
  RateDecision,
  RateLimitsUnavailable,
  RateRefund,
  RateRelease,
  RateState,
  RateSubjectInvalid
} from "./RateLimit.ts"
import type { RateLimit, RateLimiter } from "./RateLimiter.ts"
import type {
  NewRateOverride,
  NewRatePolicy,
  RateOverride,
  RateOverrideId,
  RateOverrideNotFound,
  RatePolicy,
  RatePolicyChange,
  RatePolicyExists,
  RatePolicyInvalid,
  RatePolicyLimit,
  RatePolicyNotFound
} from "./RatePolicy.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** Creates a policy. Every process applies it within 500 ms. */
    readonly createPolicy: (
      policy: NewRatePolicy
    ) => Effect.Effect<RatePolicy, RatePolicyExists | RatePolicyLimit | SqlError, Tenant>
    readonly getPolicy: (policy: string) => Effect.Effect<RatePolicy, RatePolicyNotFound | SqlError, Tenant>
    /** By name. */
    readonly listPolicies: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RatePolicy>, Page.CursorInvalid | SqlError, Tenant>
    /** Changes a policy. A raised limit admits within 500 ms; a lowered one leaves no debt. */
    readonly updatePolicy: (
      policy: string,
      version: number,
      change: RatePolicyChange
    ) => Effect.Effect<RatePolicy, RatePolicyNotFound | RatePolicyInvalid | VersionStale | SqlError, Tenant>
    /** Removes a policy with its overrides. */
    readonly removePolicy: (
      policy: string,
      version: number
    ) => Effect.Effect<void, RatePolicyNotFound | VersionStale | SqlError, Tenant>
    /** Replaces the override that the subject has. */
    readonly putOverride: (
      policy: string,
      override: NewRateOverride
    ) => Effect.Effect<
      RateOverride,
      RatePolicyNotFound | RatePolicyInvalid | RatePolicyLimit | RateSubjectInvalid | SqlError,
      Tenant
    >
    /** Oldest first. */
    readonly listOverrides: (
      policy: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<RateOverride>, RatePolicyNotFound | Page.CursorInvalid | SqlError, Tenant>
    readonly removeOverride: (
      policy: string,
      overrideId: RateOverrideId
    ) => Effect.Effect<void, RateOverrideNotFound | SqlError, Tenant>
    /**
     * Charges all policies, or none and says when to try again. It commits by itself, also inside a transaction of the
     * caller. Over any number of processes a `gcra` bucket admits at most burst + rate x time.
     */
    readonly check: (
      check: RateCheck
    ) => Effect.Effect<
      RateDecision,
      RatePolicyNotFound | RateSubjectInvalid | RateCostTooHigh | RateLimitsUnavailable,
      Tenant
    >
    /** Returns a limiter whose numbers are the program's, without a query. */
    readonly limiter: (limit: RateLimit) => Effect.Effect<RateLimiter, never, Tenant>
    /** Reads a bucket and charges nothing. */
    readonly peek: (
      bucket: RateBucket
    ) => Effect.Effect<RateState, RatePolicyNotFound | RateSubjectInvalid | SqlError, Tenant>
    /**
     * Refunds a cost, at most what is used: what has drained since is not refunded. It is not idempotent. A lease is released
     * instead: refunding one changes nothing.
     */
    readonly refund: (
      refund: RateRefund
    ) => Effect.Effect<RateState, RatePolicyNotFound | RateSubjectInvalid | SqlError, Tenant>
    /** Empties a bucket: the next requests find all of it. */
    readonly reset: (
      bucket: RateBucket
    ) => Effect.Effect<RateState, RatePolicyNotFound | RateSubjectInvalid | SqlError, Tenant>
    /**
     * Frees the slots of a lease. It is idempotent: a lease that was released, has ended or is unknown changes nothing and frees
     * no other lease's slot.
     */
    readonly release: (
      release: RateRelease
    ) => Effect.Effect<void, RatePolicyNotFound | RateSubjectInvalid | SqlError, Tenant>
  }
>()("@hypermarket/quotas/RateLimits") {
  static readonly layer: Layer.Layer<RateLimits, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const engine = yield* RateEngine.RateEngine
      const { store } = engine

      /** An override that bypasses a policy leaves its bucket readable, at the policy's own numbers. */
      const bucketOf = Effect.fnUntraced(function* (request: RateBucket) {
        return yield* engine.bucketBound((yield* Tenant).id, request.policy, request.subject)
      })

      const check = Effect.fn("RateLimits.check")(engine.check)

      return RateLimits.of({
        createPolicy: Effect.fn("RateLimits.createPolicy")(function* (policy) {
          return yield* store.create((yield* Tenant).id, policy)
        }),
        getPolicy: Effect.fn("RateLimits.getPolicy")(function* (policy) {
          return yield* store.get((yield* Tenant).id, policy)
        }),
        listPolicies: Effect.fn("RateLimits.listPolicies")(function* (request) {
          return yield* store.list((yield* Tenant).id, request)
        }),
        updatePolicy: Effect.fn("RateLimits.updatePolicy")(function* (policy, version, change) {
          return yield* store.update((yield* Tenant).id, policy, version, change)
        }),
        removePolicy: Effect.fn("RateLimits.removePolicy")(function* (policy, version) {
          return yield* store.remove((yield* Tenant).id, policy, version)
        }),
        putOverride: Effect.fn("RateLimits.putOverride")(function* (policy, override) {
          return yield* store.putOverride((yield* Tenant).id, policy, override)
        }),
        listOverrides: Effect.fn("RateLimits.listOverrides")(function* (policy, request) {
          return yield* store.listOverrides((yield* Tenant).id, policy, request)
        }),
        removeOverride: Effect.fn("RateLimits.removeOverride")(function* (policy, overrideId) {
          return yield* store.removeOverride((yield* Tenant).id, policy, overrideId)
        }),
        check: (request) =>
          Effect.flatMap(Tenant, ({ id }) => {
            const decided = engine.checkNow(id, request)
            if (decided === undefined) return check(id, request)
            return Effect.isEffect(decided) ? decided : Effect.succeed(decided)
          }),
        limiter: (limit) => Effect.map(Tenant, ({ id }) => Limiter.make(engine, id, limit)),
        peek: Effect.fn("RateLimits.peek")(function* (request) {
          return yield* engine.peek(yield* bucketOf(request))
        }),
        refund: Effect.fn("RateLimits.refund")(function* (request) {
          const bound = yield* bucketOf(request)
          if (bound.kind !== "concurrency") yield* engine.refund(bound, request.cost)
          return yield* engine.peek(bound)
        }),
        reset: Effect.fn("RateLimits.reset")(function* (request) {
          const bound = yield* bucketOf(request)
          yield* engine.reset(bound)
          return yield* engine.peek(bound)
        }),
        release: Effect.fn("RateLimits.release")(function* (request) {
          for (const policy of request.policies) {
            const bound = yield* bucketOf({ policy, subject: request.subject })
            if (bound.kind === "concurrency") yield* engine.release(bound, request.lease)
          }
        })
      })
    })
  ).pipe(Layer.provide(RateEngine.RateEngine.layer))
}
