/** Quiet hours: a property of the wall clock at an instant, never of an offset. */
import * as CalendarTime from "@hypermarket/core/CalendarTime"

/** Minutes of the local day, `[from, until)`; a window with `from` after `until` passes midnight. */
export interface Quiet {
  readonly from: number
  readonly until: number
}

const dayMinutes = 1_440
const minuteMillis = 60_000
export const minutesOf = (text: string): number => {
  const [hours = "0", minutes = "0"] = text.split(":")
  return Number(hours) * 60 + Number(minutes)
}

export const textOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`

const isQuiet = (quiet: Quiet, minute: number): boolean =>
  quiet.from < quiet.until
    ? minute >= quiet.from && minute < quiet.until
    : minute >= quiet.from || minute < quiet.until

const minuteAt = (zone: CalendarTime.Zone, millis: number) => {
  const clock = CalendarTime.wallClock(zone, new Date(millis))
  return { minute: clock.hour * 60 + clock.minute, offsetSeconds: clock.offsetSeconds }
}

const leftOf = (quiet: Quiet, minute: number): number => (quiet.until - minute + dayMinutes) % dayMinutes

/** The first minute after `start`, and at most `minutes` later, at which the clock has changed. */
const changeAfter = (
  zone: CalendarTime.Zone,
  start: number,
  minutes: number,
  offsetSeconds: number
): number => {
  let before = 0
  let after = minutes
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (minuteAt(zone, start + middle * minuteMillis).offsetSeconds === offsetSeconds) before = middle
    else after = middle
  }
  return start + after * minuteMillis
}

/** Returns the first instant from `at` on that is not quiet; undefined when `at` is not. */
export const releaseAt = (quiet: Quiet, zone: CalendarTime.Zone, at: Date): Date | undefined => {
  const clock = CalendarTime.wallClock(zone, at)
  const minute = clock.hour * 60 + clock.minute
  if (!isQuiet(quiet, minute)) return undefined
  const start = at.getTime() - clock.second * 1_000 - clock.millisecond
  const left = leftOf(quiet, minute)
  const end = start + left * minuteMillis
  // Without a change of the clock in between the window ends where the clock shows its end.
  if (minuteAt(zone, end).offsetSeconds === clock.offsetSeconds) return new Date(end)
  const change = changeAfter(zone, start, left, clock.offsetSeconds)
  const changed = minuteAt(zone, change).minute
  // What the change has skipped may be the end of the window; what it repeats belongs to the window again.
  return new Date(isQuiet(quiet, changed) ? change + leftOf(quiet, changed) * minuteMillis : change)
}
