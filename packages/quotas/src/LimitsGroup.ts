/**
 * The HTTP group of rate limits: policies, overrides, checks and repairs.
 *
 * @since 0.1.0
 */
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import {
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
import {
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
  RatePolicyName,
  RatePolicyNotFound
} from "./RatePolicy.ts"

const created = HttpApiSchema.status(201)
const stale = [Precondition.PreconditionRequired, Precondition.VersionStale] as const
const bucketErrors = [RatePolicyNotFound, RateSubjectInvalid] as const

/** The endpoints of policies, below a path. The tenant's and the installation's are alike. */
export const policyEndpoints = <const Path extends `/${string}`>(path: Path) =>
  [
    HttpApiEndpoint.post("createPolicy", path, {
      headers: IdempotencyKey.Headers,
      payload: NewRatePolicy,
      success: Precondition.Tagged(RatePolicy.pipe(created)),
      error: [RatePolicyExists, RatePolicyLimit, ...IdempotencyKey.errors]
    })
      .annotate(Audited, "rate-policy.created")
      .annotate(RequiredScope, "quotas:admin"),
    HttpApiEndpoint.get("listPolicies", path, {
      query: Page.Query,
      success: Page.schema(RatePolicy),
      error: Page.CursorInvalid
    }).annotate(RequiredScope, "quotas:read"),
    HttpApiEndpoint.get("getPolicy", `${path}/:policy`, {
      params: { policy: RatePolicyName },
      success: Precondition.Tagged(RatePolicy),
      error: RatePolicyNotFound
    }).annotate(RequiredScope, "quotas:read"),
    HttpApiEndpoint.patch("updatePolicy", `${path}/:policy`, {
      params: { policy: RatePolicyName },
      headers: Precondition.Headers,
      payload: RatePolicyChange,
      success: Precondition.Tagged(RatePolicy),
      error: [RatePolicyNotFound, RatePolicyInvalid, ...stale]
    })
      .annotate(Audited, "rate-policy.changed")
      .annotate(RequiredScope, "quotas:admin"),
    HttpApiEndpoint.delete("removePolicy", `${path}/:policy`, {
      params: { policy: RatePolicyName },
      headers: Precondition.Headers,
      success: HttpApiSchema.NoContent,
      error: [RatePolicyNotFound, ...stale]
    })
      .annotate(Audited, "rate-policy.removed")
      .annotate(RequiredScope, "quotas:admin"),
    HttpApiEndpoint.post("putOverride", `${path}/:policy/overrides`, {
      params: { policy: RatePolicyName },
      payload: NewRateOverride,
      success: RateOverride,
      error: [RatePolicyNotFound, RatePolicyInvalid, RatePolicyLimit, RateSubjectInvalid]
    })
      .annotate(Audited, "rate-override.put")
      .annotate(RequiredScope, "quotas:admin"),
    HttpApiEndpoint.get("listOverrides", `${path}/:policy/overrides`, {
      params: { policy: RatePolicyName },
      query: Page.Query,
      success: Page.schema(RateOverride),
      error: [RatePolicyNotFound, Page.CursorInvalid]
    }).annotate(RequiredScope, "quotas:read"),
    HttpApiEndpoint.delete("removeOverride", `${path}/:policy/overrides/:overrideId`, {
      params: { policy: RatePolicyName, overrideId: RateOverrideId },
      success: HttpApiSchema.NoContent,
      error: RateOverrideNotFound
    })
      .annotate(Audited, "rate-override.removed")
      .annotate(RequiredScope, "quotas:admin")
  ] as const

/**
 * @category api
 * @since 0.1.0
 */
export class LimitsGroup extends Endpoint.group(
  "limits",
  {
    title: "Rate limits",
    description:
      "A policy limits requests per tenant, plan, key, route, user or address. The kinds are `gcra` (a burst that refills), `window` (an exact sliding window) and `concurrency` (leases). Checks are exact over all processes, by the database's clock."
  },
  ...policyEndpoints("/v1/quotas/policies"),
  HttpApiEndpoint.post("check", "/v1/quotas/limits/check", {
    payload: RateCheck,
    success: RateDecision,
    error: [...bucketErrors, RateCostTooHigh, RateLimitsUnavailable]
  })
    .annotate(NotAudited, "counts requests")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.post("peek", "/v1/quotas/limits/peek", {
    payload: RateBucket,
    success: RateState,
    error: bucketErrors
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.post("refund", "/v1/quotas/limits/refund", {
    payload: RateRefund,
    success: RateState,
    error: bucketErrors
  })
    .annotate(NotAudited, "counts requests")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.post("reset", "/v1/quotas/limits/reset", {
    payload: RateBucket,
    success: RateState,
    error: bucketErrors
  })
    .annotate(NotAudited, "counts requests")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.post("release", "/v1/quotas/limits/release", {
    payload: RateRelease,
    success: HttpApiSchema.NoContent,
    error: bucketErrors
  })
    .annotate(NotAudited, "counts requests")
    .annotate(RequiredScope, "quotas:write")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class InstallationLimitsGroup extends Endpoint.systemGroup(
  "installationLimits",
  {
    title: "Rate limits of the installation",
    description:
      "Policies of the installation hold for the requests of all tenants. They need the tenant-less credential with the scope `system:admin`. A policy that counts by `tenant` gives each tenant its own bucket."
  },
  ...policyEndpoints("/v1/quotas/installation/policies")
) {}
