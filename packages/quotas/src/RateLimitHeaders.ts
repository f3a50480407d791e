/**
 * Headers and problem documents of rate limits, after draft-ietf-httpapi-ratelimit-headers-10. Pure: works in a browser.
 *
 * @since 0.1.0
 */
import type * as Limits from "@hypermarket/core/Limits"
import type { RateDecision, RateState } from "./RateLimit.ts"

const millisPerSecond = 1_000

/** A string of structured fields (RFC 9651): names of policies are printable ASCII. */
const quoted = (text: string): string =>
  text.includes('"') || text.includes("\\")
    ? `"${text.replaceAll(/["\\]/g, (mark) => `\\${mark}`)}"`
    : `"${text}"`

/** To the next unit, and never 0: a window of no seconds is none. */
const windowSeconds = (state: RateState): number =>
  Math.max(1, Math.ceil(state.periodMillis / millisPerSecond))

/**
 * Returns the headers of a decision. `RateLimit` has the rest (`r`, rounded down) and the seconds until the quota is whole
 * again (`t`, rounded up). `RateLimit-Policy` has quota and window. `Retry-After` is there when the request was denied.
 *
 * @category conversions
 * @since 0.1.0
 */
export const headersOf = (decision: RateDecision): Readonly<Record<string, string>> => {
  const retryAfter =
    decision.retryAfterSeconds === null ? {} : { "retry-after": String(decision.retryAfterSeconds) }
  if (decision.states.length === 0) return retryAfter
  const limits = decision.states.map(
    (state) =>
      `${quoted(state.policy)};r=${state.remaining};t=${Math.ceil(state.fullAfterMillis / millisPerSecond)}`
  )
  const policies = decision.states.map(
    (state) => `${quoted(state.policy)};q=${state.quota};w=${windowSeconds(state)}`
  )
  return { ratelimit: limits.join(", "), "ratelimit-policy": policies.join(", "), ...retryAfter }
}

/** The state that a request comes up against first: the longest wait, or else the least rest. */
const narrowest = (left: RateState, right: RateState): RateState => {
  if (left.retryAfterMillis !== right.retryAfterMillis) {
    return left.retryAfterMillis > right.retryAfterMillis ? left : right
  }
  return left.remaining <= right.remaining ? left : right
}

/**
 * Returns the headers of a decision for clients that do not read `RateLimit`, after draft-ietf-httpapi-ratelimit-headers-06:
 * `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, in seconds. They describe one policy: the one that has denied the
 * request for longest, or has the least rest.
 *
 * @category conversions
 * @since 0.1.0
 */
export const olderHeadersOf = (decision: RateDecision): Readonly<Record<string, string>> => {
  const [first, ...others] = decision.states
  if (first === undefined) return {}
  const state = others.reduce(narrowest, first)
  return {
    "ratelimit-limit": String(state.quota),
    "ratelimit-remaining": String(state.remaining),
    "ratelimit-reset": String(Math.ceil(state.fullAfterMillis / millisPerSecond))
  }
}

/**
 * The problem of a request above its quota, as IANA registers it.
 *
 * @category problems
 * @since 0.1.0
 */
export const quotaExceeded = (policies: ReadonlyArray<string>): NonNullable<Limits.Verdict["problem"]> => ({
  type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  title: "Request cannot be satisfied as assigned quota has been exceeded",
  status: 429,
  "violated-policies": policies
})

/**
 * The problem of a request that cannot be judged while the database is unavailable, as IANA registers it.
 *
 * @category problems
 * @since 0.1.0
 */
export const reducedCapacity = (policies: ReadonlyArray<string>): NonNullable<Limits.Verdict["problem"]> => ({
  type: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
  title: "Request cannot be satisfied due to temporary server capacity constraints",
  status: 503,
  "violated-policies": policies
})

/**
 * The verdict on a decision.
 *
 * @category conversions
 * @since 0.1.0
 */
export const verdictOf = (decision: RateDecision): Limits.Verdict => {
  const headers = headersOf(decision)
  if (decision.allowed) return { allowed: true, headers }
  const violated = decision.states.filter((state) => state.retryAfterMillis > 0).map(({ policy }) => policy)
  return { allowed: false, headers, problem: quotaExceeded(violated) }
}

/**
 * The verdict on a request that cannot be judged while the database is unavailable: 503, to try again after a second.
 *
 * @category conversions
 * @since 0.1.0
 */
export const unavailable = (policy: string): Limits.Verdict => ({
  allowed: false,
  headers: { "retry-after": "1" },
  problem: reducedCapacity([policy])
})
