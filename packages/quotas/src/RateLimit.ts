/**
 * A check of rate limits: what is asked, what is decided, and the errors.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { quotaMax, RatePolicyName, RateSubject } from "./RatePolicy.ts"

/**
 * Policies per check: each is a row that the statement locks.
 *
 * @category limits
 * @since 0.1.0
 */
export const policiesPerCheckMax = 8

const Cost = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax }))

const Policies = Schema.Array(RatePolicyName).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(policiesPerCheckMax),
  Schema.makeFilter((names: ReadonlyArray<string>) =>
    new Set(names).size < names.length ? "Expected each policy once" : undefined
  )
)

/**
 * Asks for one request under several policies: all of them are charged, or none.
 *
 * @category models
 * @since 0.1.0
 */
export const RateCheck = Schema.Struct({
  policies: Policies,
  subject: RateSubject,
  /** 1 by default. A policy of concurrency counts one lease per check. */
  cost: Schema.optionalKey(Cost)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RateCheck = typeof RateCheck.Type

/**
 * One bucket of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export const RateBucket = Schema.Struct({ policy: RatePolicyName, subject: RateSubject })

/**
 * @category models
 * @since 0.1.0
 */
export type RateBucket = typeof RateBucket.Type

/**
 * Returns part of the cost of a request that was admitted.
 *
 * @category models
 * @since 0.1.0
 */
export const RateRefund = Schema.Struct({ policy: RatePolicyName, subject: RateSubject, cost: Cost })

/**
 * @category models
 * @since 0.1.0
 */
export type RateRefund = typeof RateRefund.Type

/**
 * Ends the lease of a check under policies of concurrency.
 *
 * @category models
 * @since 0.1.0
 */
export const RateRelease = Schema.Struct({
  policies: Policies,
  subject: RateSubject,
  lease: Identifier.Uuid
})

/**
 * @category models
 * @since 0.1.0
 */
export type RateRelease = typeof RateRelease.Type

/**
 * One policy's part of a decision.
 *
 * @category models
 * @since 0.1.0
 */
export const RateState = Schema.Struct({
  policy: RatePolicyName,
  quota: Schema.Int,
  burst: Schema.Int,
  periodMillis: Schema.Int,
  /** Requests of cost 1 that would pass now. */
  remaining: Schema.Int,
  /** Milliseconds until nothing is used, if nothing else is asked for. */
  fullAfterMillis: Schema.Int,
  /** Milliseconds until this request would pass; 0 when it passed this policy. */
  retryAfterMillis: Schema.Int
}).annotate({ identifier: "@hypermarket/quotas/RateState" })

/**
 * @category models
 * @since 0.1.0
 */
export type RateState = typeof RateState.Type

/**
 * The answer to a check. A check that is not allowed has charged nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const RateDecision = Schema.Struct({
  allowed: Schema.Boolean,
  states: Schema.Array(RateState),
  /** Releases the slots of policies of concurrency; null without one. */
  lease: Schema.NullOr(Identifier.Uuid),
  /** Whole seconds after which a lone request passes, at least 1; null when the request passed. */
  retryAfterSeconds: Schema.NullOr(Schema.Int),
  /** `database` is exact over all processes; `process` is the decision of one process during an outage. */
  decidedBy: Schema.Literals(["database", "process"])
}).annotate({ identifier: "@hypermarket/quotas/RateDecision" })

/**
 * @category models
 * @since 0.1.0
 */
export type RateDecision = typeof RateDecision.Type

/**
 * The policy counts by a part that the subject lacks, or the parts together are too long for a key.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateSubjectInvalid extends HttpApiError.Problem<RateSubjectInvalid>()(
  "RateSubjectInvalid",
  { type: "urn:hypermarket:problem:quotas:subject-invalid", status: 422, title: "Subject invalid" },
  { policy: Schema.String, part: Schema.String, reason: Schema.Literals(["missing", "too_long"]) }
) {}

/**
 * The cost is above the burst or quota: the request could never pass.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateCostTooHigh extends HttpApiError.Problem<RateCostTooHigh>()(
  "RateCostTooHigh",
  { type: "urn:hypermarket:problem:quotas:cost-too-high", status: 422, title: "Cost too high" },
  { policy: Schema.String, costMax: Schema.Int }
) {}

/**
 * The database did not decide in time, and a policy closes then.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateLimitsUnavailable extends HttpApiError.Problem<RateLimitsUnavailable>()(
  "RateLimitsUnavailable",
  { type: "urn:hypermarket:problem:quotas:limits-unavailable", status: 503, title: "Limits unavailable" },
  { policy: Schema.String }
) {}
