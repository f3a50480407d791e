/**
 * Chance from a seed that is printed: the same seed makes the same choices. What the machine makes of them (which
 * statement a kill meets) is not repeatable.
 */
export interface Chance {
  /** From 0 to below 1. */
  readonly next: () => number
  /** A whole number, both ends included. */
  readonly between: (least: number, most: number) => number
  readonly pick: <A>(values: readonly [A, ...ReadonlyArray<A>]) => A
  readonly happens: (probability: number) => boolean
}

/** Mulberry32 (Tommy Ettinger): 32 bits of state are plenty for choices. */
export const make = (seed: number): Chance => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    between,
    pick: (values) => values[between(0, values.length - 1)] ?? values[0],
    happens: (probability) => next() < probability
  }
}
