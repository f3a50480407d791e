/**
 * The local days of a time zone as windows of constant offset. A local time is milliseconds since 1970-01-01T00:00 on the
 * wall clock, as if that were UTC.
 */
import * as DateTime from "effect/DateTime"

export const dayMillis = 86_400_000

/** Local times from `from` until `until` are the instants of `local - offset`. */
export interface Window {
  readonly from: number
  readonly until: number
  readonly offset: number
}

/** The offset changes at `at`, an instant. */
interface Transition {
  readonly at: number
  readonly before: number
  readonly after: number
}

export interface LocalDays {
  /** Local time minus UTC at an instant, in milliseconds. */
  readonly offsetAt: (instantMillis: number) => number
  /**
   * The windows of a local day, which cover each of its local times once: a skipped one is later by what was skipped, a
   * repeated one is its first occurrence.
   */
  readonly once: (day: number) => ReadonlyArray<Window>
  /** As `once`, but a repeated local time is in two windows. */
  readonly twice: (day: number) => ReadonlyArray<Window>
}

const hourMillis = 3_600_000
/** Offsets are between -12 h and +14 h, so that every instant of a local day is within these bounds. */
const beforeDayMillis = 15 * hourMillis
const afterDayMillis = 13 * hourMillis
/** Offsets of old local times are to the second. */
const precisionMillis = 1_000
/** A walk over a schedule stays within a few days; more are dropped together. */
const cachedDaysMax = 64

export const make = (zone: DateTime.TimeZone): LocalDays => {
  const offsetAt = (instantMillis: number): number =>
    DateTime.zonedOffset(DateTime.makeZonedUnsafe(instantMillis, { timeZone: zone }))

  /** No zone changes its offset twice within the two days that this looks at. */
  const findTransition = (day: number): Transition | number => {
    let low = day * dayMillis - beforeDayMillis
    let high = (day + 1) * dayMillis + afterDayMillis
    const before = offsetAt(low)
    const after = offsetAt(high)
    if (before === after) return before
    while (high - low > precisionMillis) {
      const middle = Math.floor((low + high) / 2 / precisionMillis) * precisionMillis
      if (offsetAt(middle) === before) low = middle
      else high = middle
    }
    return { at: high, before, after }
  }

  const transitions = new Map<number, Transition | number>()
  const transitionOf = (day: number): Transition | number => {
    const cached = transitions.get(day)
    if (cached !== undefined) return cached
    if (transitions.size >= cachedDaysMax) transitions.clear()
    const transition = findTransition(day)
    transitions.set(day, transition)
    return transition
  }

  const windowsOf = (day: number, repeats: boolean): ReadonlyArray<Window> => {
    const start = day * dayMillis
    const end = start + dayMillis
    const transition = transitionOf(day)
    if (typeof transition === "number") return [{ from: start, until: end, offset: transition }]
    const { after, at, before } = transition
    // Skipped local times keep the offset from before, which moves them later. Repeated ones do too, when they count once.
    const border = at + Math.max(before, after)
    const windows = [
      { from: start, until: Math.min(end, border), offset: before },
      { from: Math.max(start, repeats ? at + after : border), until: end, offset: after }
    ]
    return windows.filter(({ from, until }) => from < until)
  }

  return { offsetAt, once: (day) => windowsOf(day, false), twice: (day) => windowsOf(day, true) }
}
