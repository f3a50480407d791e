/**
 * The share of the time that sweeps may use. A sweep visits every flow, also those without a handler in this process: 30,000
 * of them take seconds.
 */

/** Normally a tenth. */
const divisor = 10

/** With many flows that have no handler here, such as those of a removed handler, a hundredth. */
const divisorUnhandled = 100
const unhandledMin = 1_000

/** Returns how many times its own duration a sweep waits for the next one. */
export const of = ({ found, handled }: { readonly found: number; readonly handled: number }): number =>
  found > unhandledMin + 2 * handled ? divisorUnhandled : divisor
