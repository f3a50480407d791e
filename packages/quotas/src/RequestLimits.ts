/**
 * Fills core's `Limits` with the policies of the installation and of the request's tenant.
 *
 * A policy applies to a request when it names the request's plan and route, or none. A fallback, such as the policy `default`,
 * applies when no other policy of its owner names the route. The slot of a policy of concurrency is released when the request
 * ends, or after the policy's period when its process is killed. A policy in shadow changes no answer: it displaces no fallback and
 * no other policy, and takes no part in the cost of a request.
 *
 * Before any policy is asked a loaded process sheds requests with 503: past `HM_QUOTAS_REQUESTS_MAX`, in its critical reserve,
 * and above `HM_QUOTAS_UTILISATION_MAX`.
 *
 * @since 0.1.0
 */
import * as Limits from "@hypermarket/core/Limits"
import { system } from "@hypermarket/core/Tenant"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { performance } from "node:perf_hooks"
import type * as SqlClient from "effect/sql/SqlClient"
import { bucketOf, costMaxOf, subjectOf, type Bound } from "./internal/bucket.ts"
import type { HeldPolicy, OwnerPolicies } from "./internal/policyCache.ts"
import * as ProcessJudge from "./internal/processJudge.ts"
import { applied, RateEngine } from "./internal/rateEngine.ts"
import * as Shedder from "./internal/shedder.ts"
import * as Settings from "./QuotasSettings.ts"
import { olderHeadersOf, quotaExceeded, unavailable, verdictOf } from "./RateLimitHeaders.ts"
import type { RateSubject } from "./RatePolicy.ts"

/** Each policy of a request is a row that the statement locks. */
const policiesPerRequestMax = 16

/** A user's id is text of the shop; what is longer shares a bucket by its beginning. */
const userLengthMax = 50

const applies = (policy: HeldPolicy, request: Limits.Request): boolean =>
  (policy.plans.length === 0 || Option.exists(request.plan, (plan) => policy.plans.includes(plan))) &&
  (policy.routes.length === 0 || policy.routes.includes(request.route))

/** The policies of an owner that apply, the ones that name the route before the fallbacks. */
const applicable = (held: OwnerPolicies, request: Limits.Request): ReadonlyArray<HeldPolicy> => {
  const matching = Array.from(held.policies.values()).filter((policy) => applies(policy, request))
  const isNamed = matching.some((policy) => !policy.shadow && !policy.fallback && policy.routes.length > 0)
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
    // Most requests lack a part that some policy counts by: to make an error of each takes longer than the rest of a request.
    if (policy.by.some((part) => subject[part] === undefined)) return []
    const key = Result.getOrElse(bucketOf(policy, subject), () => "~")
    return applied(owner, held, policy, key) ?? []
  })
}

const microsPerMinute = 60_000_000

/**
 * Returns the percent of its time that the event loop of this process has been busy since the last call. A test sets it.
 *
 * @category services
 * @since 0.1.0
 */
export const EventLoop = Context.Reference<{ readonly busyPercent: () => number }>(
  "@hypermarket/quotas/RequestLimits/EventLoop",
  {
    defaultValue: () => {
      let before = performance.eventLoopUtilization()
      return {
        busyPercent: () => {
          const now = performance.eventLoopUtilization()
          const { utilization } = performance.eventLoopUtilization(now, before)
          before = now
          return utilization * 100
        }
      }
    }
  }
)

const shedderOf = Effect.gen(function* () {
  const routes = yield* Settings.criticalRoutes.config
  const { busyPercent } = yield* EventLoop
  return yield* Shedder.make(
    {
      requestsMax: yield* Settings.requestsMax.config,
      reservePercent: yield* Settings.criticalReserve.config,
      utilisationMaxPercent: yield* Settings.utilisationMax.config,
      criticalRoutes: new Set(routes.split(",").map((route) => route.trim()))
    },
    busyPercent
  )
})

const make = Effect.gen(function* () {
  const engine = yield* RateEngine
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const addressQuota = yield* Settings.addressQuota.config
  const addresses = ProcessJudge.make()
  const shedder = yield* shedderOf
  const hasOlderHeaders = yield* Settings.olderHeaders.config

  /** Releases the slots that a request held. Its answer does not wait for it. */
  const release = (bounds: ReadonlyArray<Bound>, token: string) =>
    Effect.forEach(
      bounds.filter(({ kind }) => kind === "concurrency"),
      (bound) => engine.release(bound, token),
      { discard: true }
    ).pipe(
      Effect.catchCause((cause) => Effect.logDebug("A slot was not released", cause)),
      Effect.forkIn(scope),
      Effect.asVoid
    )

  const decide = Effect.fnUntraced(function* (request: Limits.Request): Effect.fn.Return<Limits.Verdict> {
    const installationNow = engine.policiesNow(system)
    const tenantNow = engine.policiesNow(request.tenantId)
    const {
      held: [ofInstallation, ofTenant],
      isLate
    } =
      installationNow !== undefined && tenantNow !== undefined
        ? { held: [installationNow, tenantNow], isLate: false }
        : yield* engine.policiesOf([system, request.tenantId])
    const applying = [
      ...boundsOf(system, ofInstallation, request),
      ...boundsOf(request.tenantId, ofTenant, request)
    ]
    if (applying.length === 0) return Limits.allowed
    const live = applying.filter(({ shadow }) => !shadow)
    const bounds = [...live, ...applying.filter(({ shadow }) => shadow)].slice(0, policiesPerRequestMax)
    // A request that costs more than a burst empties the bucket: refused, it could never pass.
    const cost = Math.min(request.cost, ...live.map(costMaxOf))
    return yield* engine.checker.decide(bounds, cost, isLate).pipe(
      Effect.map((decision) => {
        const told = verdictOf(decision)
        const verdict = hasOlderHeaders
          ? { ...told, headers: { ...told.headers, ...olderHeadersOf(decision) } }
          : told
        return decision.lease === null ? verdict : { ...verdict, ended: release(bounds, decision.lease) }
      }),
      Effect.catchTag("RateLimitsUnavailable", ({ policy }) => Effect.succeed(unavailable(policy)))
    )
  })

  /** Holds a place for as long as the request runs, and returns it at once when the request is refused. */
  const checkUnderLoad = Effect.fnUntraced(function* (
    request: Limits.Request
  ): Effect.fn.Return<Limits.Verdict> {
    const reason = yield* shedder.enter(request.route)
    if (reason !== undefined) return unavailable(reason)
    const verdict = yield* Effect.onError(decide(request), () => shedder.leave)
    if (verdict.allowed) {
      return { ...verdict, ended: Effect.andThen(shedder.leave, verdict.ended ?? Effect.void) }
    }
    yield* shedder.leave
    return verdict
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

  return { check: shedder.isOn ? checkUnderLoad : decide, checkAddress } satisfies Limits.Limits
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
  Limits.Limits,
  make
).pipe(Layer.provide(RateEngine.layer))
