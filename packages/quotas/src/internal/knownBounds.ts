/** Bounds of buckets that this process asks for: that of a hot one is not made again for every check. */
import type { Bound } from "./bucket.ts"

/** Bounds of a process, some 500 bytes each. All are dropped at the limit, and made again as checks come. */
const boundsMax = 20_000

/** A longer value is not remembered: of these the bounds together stay small. */
const valueLengthMax = 100

export interface KnownBounds {
  /** The bound of a value that the numbers `of` count by. */
  readonly get: (of: object, value: string) => Bound | undefined
  /** They are dropped with the numbers: a changed policy is a new object. */
  readonly set: (of: object, value: string, bound: Bound) => void
}

export const make = (): KnownBounds => {
  let known = new WeakMap<object, Map<string, Bound>>()
  let count = 0
  return {
    get: (of, value) => known.get(of)?.get(value),
    set: (of, value, bound) => {
      if (value.length > valueLengthMax) return
      if (count >= boundsMax) {
        known = new WeakMap()
        count = 0
      }
      count++
      const existing = known.get(of)
      if (existing === undefined) known.set(of, new Map([[value, bound]]))
      else existing.set(value, bound)
    }
  }
}
