/**
 * Wall clocks and calendar periods of time zones. A local day has 23, 24 or 25 hours where the clocks change. Pure: works
 * in a browser.
 *
 * A local time that a change of the clock skips is later by what was skipped; one that occurs twice is its first
 * occurrence.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { dayMillis, type LocalDays, make } from "./internal/calendar/localDay.ts"

/**
 * A time zone that this runtime knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Zone {
  /** The IANA name, as it was written. */
  readonly id: string
  /** @internal */
  readonly days: LocalDays
}

/** `Area/Location`: abbreviations such as PST are ambiguous, or no longer in IANA's database. */
const zoneName = /^(?:UTC|GMT|[A-Z][A-Za-z_]{1,20}(?:\/[A-Za-z0-9_+-]{1,30}){1,2})$/
const removed = new Set(["US/Pacific-New"])
/** Zones are parsed once per process: a runtime knows some 600. */
const zones = new Map<string, Zone>()

/**
 * Parses an IANA time zone: `UTC`, `GMT` or `Area/Location`. The failure is a sentence. A zone that another process
 * accepted can fail here, when this runtime's database is older.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zone = (id: string): Result.Result<Zone, string> => {
  const existing = zones.get(id)
  if (existing !== undefined) return Result.succeed(existing)
  const named = zoneName.test(id) && !removed.has(id) ? DateTime.zoneMakeNamed(id) : Option.none()
  if (Option.isNone(named)) return Result.fail("Expected an IANA time zone such as Europe/Berlin or UTC")
  const parsed = { id, days: make(named.value) }
  zones.set(id, parsed)
  return Result.succeed(parsed)
}

/**
 * The date and time that a clock on the wall shows.
 *
 * @category models
 * @since 0.1.0
 */
export interface WallClock {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  /** 1 to 31. */
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly millisecond: number
  /** 0 is Sunday. */
  readonly weekday: number
  /** Local time minus UTC, in seconds. */
  readonly offsetSeconds: number
}

/**
 * Returns the wall clock of a zone at an instant.
 *
 * @category conversions
 * @since 0.1.0
 */
export const wallClock = (zone: Zone, instant: Date): WallClock => {
  const offset = zone.days.offsetAt(instant.getTime())
  const local = new Date(instant.getTime() + offset)
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    millisecond: local.getUTCMilliseconds(),
    weekday: local.getUTCDay(),
    offsetSeconds: offset / 1_000
  }
}

const instantOfLocal = (zone: Zone, local: number): number => {
  const [first, second] = zone.days.once(Math.floor(local / dayMillis))
  const window = second !== undefined && local >= second.from ? second : first
  return local - (window?.offset ?? 0)
}

/**
 * Returns the instant of a local time. Fields beyond their range carry over, as with `Date.UTC`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const instantOf = (
  zone: Zone,
  clock: Pick<WallClock, "year" | "month" | "day"> & Partial<Pick<WallClock, "hour" | "minute" | "second">>
): Date => {
  const local = Date.UTC(
    clock.year,
    clock.month - 1,
    clock.day,
    clock.hour ?? 0,
    clock.minute ?? 0,
    clock.second ?? 0
  )
  return new Date(instantOfLocal(zone, local))
}

/**
 * `hour` is an hour that has elapsed; the others are of the calendar.
 *
 * @category models
 * @since 0.1.0
 */
export type Unit = "hour" | "day" | "week" | "month" | "quarter" | "year"

/**
 * A half-open period: `start` belongs to it, `end` to the next one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Period {
  /** 0 begins at the anchor. */
  readonly index: number
  readonly start: Date
  readonly end: Date
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Periods {
  /** Returns the period with this index. A local day that a zone skipped altogether is an empty period. */
  readonly at: (index: number) => Period
  /** Returns the one period that contains the instant; never an empty one. */
  readonly containing: (instant: Date) => Period
}

const hourMillis = 3_600_000
const months: { readonly [unit in Unit]?: number } = { month: 1, quarter: 3, year: 12 }
const days: { readonly [unit in Unit]?: number } = { day: 1, week: 7 }

/** The same day of a later month, or that month's last day. */
const addMonths = (local: number, count: number): number => {
  const anchor = new Date(local)
  const first = Date.UTC(anchor.getUTCFullYear(), anchor.getUTCMonth() + count, 1)
  const daysOfMonth = new Date(
    Date.UTC(anchor.getUTCFullYear(), anchor.getUTCMonth() + count + 1, 0)
  ).getUTCDate()
  const timeOfDay = ((local % dayMillis) + dayMillis) % dayMillis
  return first + (Math.min(anchor.getUTCDate(), daysOfMonth) - 1) * dayMillis + timeOfDay
}

/**
 * Returns the periods of a unit that follow one another from an anchor on, and before it, in a zone's calendar. Each
 * begins at the anchor's local time. An anchor on the 31st begins at the last day of shorter months, and at the 31st
 * again after them.
 *
 * @category periods
 * @since 0.1.0
 */
export const periods = (anchor: Date, zone: Zone, unit: Unit): Periods => {
  const anchorLocal = anchor.getTime() + zone.days.offsetAt(anchor.getTime())
  const perMonths = months[unit]
  const perDays = days[unit]
  const startOf = (index: number): number => {
    // The anchor itself may be the second occurrence of its local time.
    if (index === 0) return anchor.getTime()
    if (perMonths !== undefined) return instantOfLocal(zone, addMonths(anchorLocal, index * perMonths))
    if (perDays !== undefined) return instantOfLocal(zone, anchorLocal + index * perDays * dayMillis)
    return anchor.getTime() + index * hourMillis
  }
  const at = (index: number): Period => ({
    index,
    start: new Date(startOf(index)),
    end: new Date(startOf(index + 1))
  })
  const estimate = (instant: Date): number => {
    if (perMonths === undefined) {
      return Math.floor((instant.getTime() - anchor.getTime()) / ((perDays ?? 0) * dayMillis || hourMillis))
    }
    const from = new Date(anchorLocal)
    const monthsBetween =
      (instant.getUTCFullYear() - from.getUTCFullYear()) * 12 + instant.getUTCMonth() - from.getUTCMonth()
    return Math.floor(monthsBetween / perMonths)
  }
  const containing = (instant: Date): Period => {
    // The estimate is off by the offset's change, and by at most a unit.
    let index = estimate(instant)
    while (startOf(index) > instant.getTime()) index--
    while (startOf(index + 1) <= instant.getTime()) index++
    return at(index)
  }
  return { at, containing }
}
