/**
 * Decides in memory while the database is unavailable: each process by the same policies from an empty state, so that it admits
 * at most burst + rate x time. Its state outlives the outage: a database that answers now and then gives no further burst.
 */
import type { Bound } from "./bucket.ts"
import { costMaxOf } from "./bucket.ts"

interface Level {
  used: number
  atMillis: number
}

/**
 * Buckets remembered per process, some 200 bytes each. At the limit the one that was asked for least recently is forgotten. A
 * bucket that is asked for all the time, denied or not, is never forgotten: a flood of other keys does not refill it.
 */
const bucketsMax = 10_000

const microsPerMilli = 1_000

const levelAt = (bound: Bound, level: Level, nowMillis: number): number =>
  Math.max(
    0,
    Math.min(costMaxOf(bound), level.used) -
      ((nowMillis - level.atMillis) * microsPerMilli * bound.quota) / bound.periodMicros
  )

export interface ProcessJudge {
  /** Returns the milliseconds until the request fits all buckets; 0 when it was charged. */
  readonly decide: (bounds: ReadonlyArray<Bound>, cost: number, nowMillis: number) => number
}

export const make = (): ProcessJudge => {
  /** The least recently asked for first. */
  const levels = new Map<string, Level>()
  const put = (key: string, level: Level) => {
    levels.delete(key)
    levels.set(key, level)
    if (levels.size <= bucketsMax) return
    for (const oldest of levels.keys()) {
      levels.delete(oldest)
      return
    }
  }
  const decide = (bounds: ReadonlyArray<Bound>, cost: number, nowMillis: number): number => {
    // A lease cannot be given back to a database that is unavailable: concurrency is not counted alone.
    const counted = bounds.filter(({ kind }) => kind !== "concurrency")
    const used = counted.map((bound) =>
      levelAt(bound, levels.get(bound.key) ?? { used: 0, atMillis: nowMillis }, nowMillis)
    )
    const waits = counted.map((bound, index) => {
      const missing = (used[index] ?? 0) + cost - costMaxOf(bound)
      return missing <= 0 ? 0 : Math.ceil((missing * bound.periodMicros) / bound.quota / microsPerMilli)
    })
    const wait = Math.max(0, ...waits)
    const charged = wait === 0 ? cost : 0
    for (const [index, bound] of counted.entries()) {
      put(bound.key, { used: (used[index] ?? 0) + charged, atMillis: nowMillis })
    }
    return wait
  }
  return { decide }
}
