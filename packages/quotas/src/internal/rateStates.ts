/** The states of buckets that a decision names. */
import type { RateState } from "../RateLimit.ts"
import { fullMicros, millisOf, roomOf, type Bound, type Measured } from "./bucket.ts"
import * as Leases from "./leases.ts"

export const stateOf = (bound: Bound, measured: Measured, retryMicros: number): RateState => ({
  policy: bound.policy,
  quota: bound.quota,
  burst: bound.burst,
  periodMillis: millisOf(bound.periodMicros),
  remaining: roomOf(bound, measured),
  fullAfterMillis: millisOf(fullMicros(bound, measured)),
  retryAfterMillis: millisOf(retryMicros)
})

const millisPerSecond = 1_000

/** Whole seconds, rounded up, at least 1: after them a lone request passes. */
export const retrySeconds = (states: ReadonlyArray<RateState>): number =>
  Math.max(1, ...states.map((state) => Math.ceil(state.retryAfterMillis / millisPerSecond)))

/** A request that leased tokens have admitted. */
export const stateOfTaken = (taken: Leases.Taken): RateState => {
  const { bound } = taken.held
  return {
    policy: bound.policy,
    quota: bound.quota,
    burst: bound.burst,
    periodMillis: millisOf(bound.periodMicros),
    remaining: Leases.remainingOf(taken),
    fullAfterMillis: Leases.fullMillisOf(taken),
    retryAfterMillis: 0
  }
}
