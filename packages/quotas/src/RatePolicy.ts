/**
 * A rate policy, its overrides and their errors.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { TenantId } from "@hypermarket/core/Tenant"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Quotas are below 10^15, the bound of integers in structured header fields (RFC 9651).
 *
 * @category limits
 * @since 0.1.0
 */
export const quotaMax = 999_999_999_999_999

/**
 * The largest quota of a window or of concurrent leases: each request or lease is an entry of the bucket's row.
 *
 * @category limits
 * @since 0.1.0
 */
export const entriesMax = 10_000

/**
 * Policies per owner: a process holds all of them in memory and walks them on every request.
 *
 * @category limits
 * @since 0.1.0
 */
export const policiesMax = 200

/**
 * Overrides per owner: a process holds all of them in memory.
 *
 * @category limits
 * @since 0.1.0
 */
export const overridesMax = 1_000

/**
 * A leap year: the longest period that anyone meters by rate.
 *
 * @category limits
 * @since 0.1.0
 */
export const periodMillisMax = 31_622_400_000

/**
 * The name of a policy: 1 to 64 printable ASCII characters, as the header `RateLimit-Policy` needs.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RatePolicyName = Schema.String.check(
  Schema.isPattern(/^[ -~]{1,64}$/, { message: "Expected 1 to 64 printable ASCII characters" })
)

/**
 * How a policy limits. `gcra` refills continuously up to a burst, `window` counts a request in [t, t + period), and
 * `concurrency` counts leases that are held.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RateKind = Schema.Literals(["gcra", "window", "concurrency"])

/**
 * The parts of a subject by which requests are counted together.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RatePart = Schema.Literals(["tenant", "plan", "key", "route", "user", "address"])

const Quota = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax }))
const PeriodMillis = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: periodMillisMax }))
const Names = Schema.Array(Identifier.AdopterId).check(Schema.isMaxLength(100))

const changeable = {
  /** Requests per period, entries of a window, or leases at the same time. */
  quota: Quota,
  /** Requests at once after a pause; only for `gcra`. */
  burst: Quota,
  /** The period in milliseconds; of `concurrency`, how long a lease is held at most. */
  periodMillis: PeriodMillis,
  by: Schema.Array(RatePart).check(Schema.isMaxLength(6)),
  /** Plans that the policy applies to; empty for all. */
  plans: Names,
  /** Routes that the policy applies to; empty for all. */
  routes: Names,
  /** True on a policy that applies when no other one names the route. */
  fallback: Schema.Boolean,
  /** True on a policy that counts what it would deny, and denies nothing. */
  shadow: Schema.Boolean,
  /** How a check is decided while the database is unavailable: by this process alone, or refused with 503. */
  whenUnavailable: Schema.Literals(["open", "closed"])
}

/**
 * A rate policy of a tenant, or of the installation.
 *
 * @category models
 * @since 0.1.0
 */
export class RatePolicy extends Schema.Class<RatePolicy>("@hypermarket/quotas/RatePolicy")({
  policy: RatePolicyName,
  kind: RateKind,
  ...changeable,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

interface Bounded {
  readonly kind: typeof RateKind.Type
  readonly quota: number
  readonly burst?: number
}

/** Each kind's own bounds, by the field that the caller sent. */
const boundsOf = (policy: Bounded) => {
  if (policy.kind === "gcra") return undefined
  if (policy.burst !== undefined && policy.burst !== policy.quota) {
    return { path: ["burst"], issue: "Only the kind gcra has a burst" }
  }
  return policy.quota > entriesMax
    ? { path: ["quota"], issue: `Expected at most ${entriesMax} for this kind` }
    : undefined
}

const uniqueParts = (policy: { readonly by: ReadonlyArray<string> }) =>
  new Set(policy.by).size < policy.by.length ? { path: ["by"], issue: "Expected each part once" } : undefined

/**
 * The fields of a new policy. `burst` is the quota by default, `fallback` is true for the name `default`, and the policy
 * opens while the database is unavailable.
 *
 * @category models
 * @since 0.1.0
 */
export const NewRatePolicy = Schema.Struct({
  policy: RatePolicyName,
  kind: RateKind,
  quota: changeable.quota,
  burst: Schema.optionalKey(changeable.burst),
  periodMillis: changeable.periodMillis,
  by: changeable.by,
  plans: Schema.optionalKey(changeable.plans),
  routes: Schema.optionalKey(changeable.routes),
  fallback: Schema.optionalKey(changeable.fallback),
  shadow: Schema.optionalKey(changeable.shadow),
  whenUnavailable: Schema.optionalKey(changeable.whenUnavailable)
}).check(Schema.makeFilter(boundsOf), Schema.makeFilter(uniqueParts))

/**
 * @category models
 * @since 0.1.0
 */
export type NewRatePolicy = typeof NewRatePolicy.Type

/**
 * The fields that can change; an absent field keeps its value. A policy keeps its kind and what it counts by.
 *
 * @category models
 * @since 0.1.0
 */
export const RatePolicyChange = Schema.Struct({
  quota: Schema.optionalKey(changeable.quota),
  burst: Schema.optionalKey(changeable.burst),
  periodMillis: Schema.optionalKey(changeable.periodMillis),
  plans: Schema.optionalKey(changeable.plans),
  routes: Schema.optionalKey(changeable.routes),
  fallback: Schema.optionalKey(changeable.fallback),
  shadow: Schema.optionalKey(changeable.shadow),
  whenUnavailable: Schema.optionalKey(changeable.whenUnavailable)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RatePolicyChange = typeof RatePolicyChange.Type

/**
 * Who sends a request, by the parts that policies count by. A policy reads the parts that it names and ignores the rest.
 *
 * @category models
 * @since 0.1.0
 */
export const RateSubject = Schema.Struct({
  /** Read by policies of the installation; under its own policies a tenant is itself. */
  tenant: Schema.optionalKey(TenantId),
  plan: Schema.optionalKey(Identifier.AdopterId),
  key: Schema.optionalKey(Identifier.AdopterId),
  route: Schema.optionalKey(Identifier.AdopterId),
  user: Schema.optionalKey(Identifier.AdopterId),
  address: Schema.optionalKey(Identifier.AdopterId)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RateSubject = typeof RateSubject.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const RateOverrideId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/quotas/RateOverrideId"))

/**
 * @category models
 * @since 0.1.0
 */
export type RateOverrideId = typeof RateOverrideId.Type

/** One sentence for the colleague who finds the override later. */
const Reason = Schema.String.check(Schema.isMaxLength(500), Schema.isPattern(/^\P{Cc}*$/u))

/**
 * Another quota, or none, for one subject of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export class RateOverride extends Schema.Class<RateOverride>("@hypermarket/quotas/RateOverride")({
  overrideId: RateOverrideId,
  policy: RatePolicyName,
  subject: RateSubject,
  quota: Schema.NullOr(Quota),
  burst: Schema.NullOr(Quota),
  bypass: Schema.Boolean,
  reason: Reason,
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The fields of an override. It replaces the one that the subject has. `bypass` lifts the policy for the subject.
 *
 * @category models
 * @since 0.1.0
 */
export const NewRateOverride = Schema.Struct({
  subject: RateSubject,
  quota: Schema.optionalKey(Quota),
  burst: Schema.optionalKey(Quota),
  bypass: Schema.optionalKey(Schema.Boolean),
  reason: Schema.optionalKey(Reason)
}).check(
  Schema.makeFilter((override) =>
    override.bypass !== true && override.quota === undefined && override.burst === undefined
      ? { path: ["quota"], issue: "Expected a quota, a burst or bypass" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewRateOverride = typeof NewRateOverride.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class RatePolicyNotFound extends HttpApiError.Problem<RatePolicyNotFound>()(
  "RatePolicyNotFound",
  { type: "urn:hypermarket:problem:quotas:policy-not-found", status: 404, title: "Policy not found" },
  { policy: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class RatePolicyExists extends HttpApiError.Problem<RatePolicyExists>()(
  "RatePolicyExists",
  { type: "urn:hypermarket:problem:quotas:policy-exists", status: 409, title: "Policy exists" },
  { policy: Schema.String }
) {}

/**
 * A change or an override does not fit the policy's kind: `quota` above 10,000, or a burst, where the policy logs entries.
 *
 * @category errors
 * @since 0.1.0
 */
export class RatePolicyInvalid extends HttpApiError.Problem<RatePolicyInvalid>()(
  "RatePolicyInvalid",
  { type: "urn:hypermarket:problem:quotas:policy-invalid", status: 422, title: "Policy invalid" },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The owner has as many policies or overrides as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class RatePolicyLimit extends HttpApiError.Problem<RatePolicyLimit>()(
  "RatePolicyLimit",
  {
    type: "urn:hypermarket:problem:quotas:policy-limit",
    status: 409,
    title: "Too many policies or overrides"
  },
  { max: Schema.Int }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class RateOverrideNotFound extends HttpApiError.Problem<RateOverrideNotFound>()(
  "RateOverrideNotFound",
  { type: "urn:hypermarket:problem:quotas:override-not-found", status: 404, title: "Override not found" },
  { overrideId: Schema.String }
) {}
