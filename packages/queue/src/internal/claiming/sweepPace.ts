/**
 * The pace of a loop of sweeps: the share of the time that they may use. A sweep visits every flow, also those without a
 * handler in this process: 30,000 of them take seconds.
 */

/** The findings of a sweep, and its duration. */
export interface Sweep {
  readonly found: number
  /** Of the flows found: those with a handler in this process. */
  readonly handled: number
  readonly tookMillis: number
}

/** Normally a tenth. */
const divisor = 10

/** With many flows that have no handler here, such as those of a removed handler, a hundredth. */
const divisorUnhandled = 100
const unhandledMin = 1_000

/** A stall makes one sweep look slow, many flows make all of them slow: the shortest of this many sweeps counts. */
const sweepsJudged = 3

/** Returns a function that takes each sweep of a loop, undefined for one that failed, and returns the wait for the next. */
export const make = (intervalMillis: number): ((sweep: Sweep | undefined) => number) => {
  const durations = Array.from({ length: sweepsJudged }, () => 0)
  return (sweep) => {
    durations.shift()
    durations.push(sweep?.tookMillis ?? 0)
    const isUnhandled = sweep !== undefined && sweep.found > unhandledMin + 2 * sweep.handled
    return Math.max(intervalMillis, Math.min(...durations) * (isUnhandled ? divisorUnhandled : divisor))
  }
}
