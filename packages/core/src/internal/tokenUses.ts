/** Counts the requests with a token of the last minute, in memory. */

const windowMillis = 60_000

/**
 * Bounds the memory of a process to some megabytes. Only tokens that were verified are counted. Past it the one that was
 * used the longest ago is forgotten, and counts from zero.
 */
const keysMax = 10_000

export interface TokenUses {
  /** Counts a request. Returns 0, or the milliseconds after which it would pass; one that is refused is not counted. */
  readonly take: (key: string, max: number, nowMillis: number) => number
}

export const make = (): TokenUses => {
  /** The times of each key's last requests, oldest first. */
  const uses = new Map<string, ReadonlyArray<number>>()
  return {
    take: (key, max, nowMillis) => {
      // A time to come was counted before the clock went back.
      const recent = (uses.get(key) ?? []).filter((at) => at <= nowMillis && nowMillis - at < windowMillis)
      const [oldest] = recent
      const waitMillis = oldest === undefined || recent.length < max ? 0 : oldest + windowMillis - nowMillis
      uses.delete(key)
      const [forgotten] = uses.keys()
      if (uses.size >= keysMax && forgotten !== undefined) uses.delete(forgotten)
      uses.set(key, waitMillis === 0 ? [...recent, nowMillis] : recent)
      return waitMillis
    }
  }
}
