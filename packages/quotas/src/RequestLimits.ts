/**
 * Fills core's `Limits` with the policies of the installation and of the request's tenant.
 *
 * A policy applies to a request when it names the request's plan and route, or none. A fallback, such as the policy `default`,
 * applies when no other policy of its owner names the route. Policies of concurrency do not apply: a request does not tell when
 * it ends.
 *
 * @since 0.1.0
 */
import * as Limits from "@hypermarket/core/Limits"
import { system } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as SqlClient from "effect/sql/SqlClient"
import { bucketOf, costMaxOf, subjectOf, type Bound } from "./internal/bucket.ts"
import type { HeldPolicy, OwnerPolicies } from "./internal/policyCache.ts"
import * as ProcessJudge from "./internal/processJudge.ts"
import { applied, RateEngine } from "./internal/rateEngine.ts"
import * as Settings from "./QuotasSettings.ts"
import { quotaExceeded, unavailable, verdictOf } from "./RateLimitHeaders.ts"
import type { RateSubject } from "./RatePolicy.ts"

/** Each policy of a request is a row that the statement locks. */
const policiesPerRequestMax = 16

/** A user's id is text of the shop; what is longer shares a bucket by its beginning. */
const userLengthMax = 50

const applies = (policy: HeldPolicy, request: Limits.Request): boolean =>
  policy.kind !== "concurrency" &&
  (policy.plans.length === 0 || Option.exists(request.plan, (plan) => policy.plans.includes(plan))) &&
  (policy.routes.length === 0 || policy.routes.includes(request.route))

/** The policies of an owner that apply, the ones that name the route before the fallbacks. */
const applicable = (held: OwnerPolicies, request: Limits.Request): ReadonlyArray<HeldPolicy> => {
  const matching = Array.from(held.policies.values()).filter((policy) => applies(policy, request))
  const isNamed = matching.some((policy) => !policy.fallback && policy.routes.length > 0)
  return isNamed ? matching.filter((policy) => !policy.fallback) : matching
}

const subjectIn = (request: Limits.Request): RateSubject => ({
  tenant: request.tenantId,
  key: request.keyId,
  route: request.route,
  address: request.address.bucket,
  ...(Option.isSome(request.plan) ? { plan: request.plan.value } : {}),
  ...(request.user === undefined ? {} : { user: request.user.slice(0, userLengthMax) })
})

/** A request without a user is not counted by user. */
const boundsOf = (
  owner: string,
  held: OwnerPolicies | undefined,
  request: Limits.Request
): ReadonlyArray<Bound> => {
  if (held === undefined) return []
  const subject = subjectOf(owner, subjectIn(request))
  return applicable(held, request).flatMap((policy) => {
    const bucket = bucketOf(policy, subject)
    if (Result.isFailure(bucket) && bucket.failure.reason === "missing") return []
    const key = Result.getOrElse(bucket, () => "~")
    return applied(owner, held, policy, key) ?? []
  })
}

const microsPerMinute = 60_000_000

const make = Effect.gen(function* () {
  const engine = yield* RateEngine
  const clock = yield* Clock.Clock
  const addressQuota = yield* Settings.addressQuota.config
  const addresses = ProcessJudge.make()

  const check = Effect.fnUntraced(function* (request: Limits.Request): Effect.fn.Return<Limits.Verdict> {
    const installationNow = engine.policiesNow(system)
    const tenantNow = engine.policiesNow(request.tenantId)
    const {
      held: [ofInstallation, ofTenant],
      isLate
    } =
      installationNow !== undefined && tenantNow !== undefined
        ? { held: [installationNow, tenantNow], isLate: false }
        : yield* engine.policiesOf([system, request.tenantId])
    const bounds = [
      ...boundsOf(system, ofInstallation, request),
      ...boundsOf(request.tenantId, ofTenant, request)
    ].slice(0, policiesPerRequestMax)
    if (bounds.length === 0) return Limits.allowed
    // A request that costs more than a burst empties the bucket: refused, it could never pass.
    const cost = Math.min(request.cost, ...bounds.map(costMaxOf))
    return yield* engine.checker.decide(bounds, cost, isLate).pipe(
      Effect.map(verdictOf),
      Effect.catchTag("RateLimitsUnavailable", ({ policy }) => Effect.succeed(unavailable(policy)))
    )
  })

  const checkAddress = (address: Limits.Address): Limits.Verdict => {
    if (addressQuota === 0) return Limits.allowed
    const bound: Bound = {
      owner: system,
      policy: "address",
      bucket: address.bucket,
      key: address.bucket,
      kind: "gcra",
      quota: addressQuota,
      burst: addressQuota,
      periodMicros: microsPerMinute,
      changedMicros: 0,
      shadow: false,
      whenUnavailable: "open"
    }
    const nowMillis = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
    const waitMillis = addresses.decide([bound], 1, nowMillis)
    if (waitMillis === 0) return Limits.allowed
    return {
      allowed: false,
      headers: {
        "ratelimit-policy": `"address";q=${addressQuota};w=60`,
        "retry-after": String(Math.max(1, Math.ceil(waitMillis / 1_000)))
      },
      problem: quotaExceeded(["address"])
    }
  }

  return { check, checkAddress } satisfies Limits.Limits
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
  Limits.Limits,
  make
).pipe(Layer.provide(RateEngine.layer))
