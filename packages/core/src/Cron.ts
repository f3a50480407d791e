/**
 * Cron expressions with a time zone, for schedules, digests and monitors. The syntax is that of Effect's `Cron`, with the
 * days of Quartz (`L`, `W`, `#`) and ranges that go over the end, such as `FRI-MON`. The search is bounded, and forwards and
 * backwards visit the same times. Pure: works in a browser.
 *
 * The clocks change:
 * - A local time that is skipped runs once, later by what was skipped.
 * - A local time that occurs twice runs at its first occurrence. When the hour or the minute is a wildcard (`*`, `*\/15`),
 *   the expression follows elapsed time and runs at both, as Debian's cron does.
 *
 * @since 0.1.0
 */
import * as EffectCron from "effect/Cron"
import * as Result from "effect/Result"
import type { Zone } from "./CalendarTime.ts"
import { dayMillis } from "./internal/calendar/localDay.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Cron {
  readonly expression: string
  /**
   * Returns the first time after an instant, the instant itself not included. Undefined when there is none within eight
   * years, the longest distance between two 29ths of February.
   */
  readonly next: (after: Date, zone: Zone) => Date | undefined
  /** Returns the last time before an instant, the instant itself not included; undefined as in `next`. */
  readonly prev: (before: Date, zone: Zone) => Date | undefined
}

/**
 * A longer expression is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const expressionMaxCharacters = 200

/** 29 February 2096 to 29 February 2104, and the days on both sides that a change of the clock can reach. */
const searchMaxDays = 2_921 + 6

interface Fields {
  readonly seconds: ReadonlyArray<number>
  readonly minutes: ReadonlyArray<number>
  readonly hours: ReadonlyArray<number>
  /** Empty when every month counts. */
  readonly months: ReadonlySet<number>
  /** Undefined when every day counts. */
  readonly days: ReadonlySet<number> | undefined
  readonly weekdays: ReadonlySet<number> | undefined
  /** Days that depend on the length of the month or its weekdays: `L`, `15W`. */
  readonly specialDays: ReadonlyArray<SpecialDay>
  /** `5#2`, `5L`. */
  readonly specialWeekdays: ReadonlyArray<SpecialDay>
  /** Days and weekdays must both match: one of the two begins with `*`. */
  readonly both: boolean
  /** Runs at both occurrences of a repeated local time. */
  readonly elapsed: boolean
}

/** A day of a month: its date, the number of days of the month, and its weekday, of which 0 is Sunday. */
type SpecialDay = (date: number, length: number, weekday: number) => boolean

/** The date of the weekday from Monday to Friday that is nearest to a date, within its month. */
const nearestWorkday = (wanted: number, length: number, weekdayOfWanted: number): number => {
  if (weekdayOfWanted === 6) return wanted > 1 ? wanted - 1 : wanted + 2
  if (weekdayOfWanted === 0) return wanted < length ? wanted + 1 : wanted - 2
  return wanted
}

/** The weekday of another date of the same month. */
const weekdayOf = (other: number, date: number, weekday: number): number =>
  (((weekday + other - date) % 7) + 7) % 7

const specialDayPattern = /^(?:L(?:-([1-9]|[12]\d|30))?|(?:([1-9]|[12]\d|3[01])|L)W)$/
const specialWeekdayPattern = /^([0-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(?:#([1-5])|L)$/
const weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]

/** `L`, `L-3`, `LW`, `15W`; undefined for everything else. */
const specialDayOf = (item: string): SpecialDay | undefined => {
  const match = specialDayPattern.exec(item)
  if (match === null) return undefined
  const before = Number(match[1] ?? 0)
  if (!item.endsWith("W")) return (date, length) => date === length - before
  const wanted = match[2]
  return (date, length, weekday) => {
    const day = wanted === undefined ? length : Number(wanted)
    return day <= length && date === nearestWorkday(day, length, weekdayOf(day, date, weekday))
  }
}

/** `5#2`, `FRI#2`, `5L`; undefined for everything else. */
const specialWeekdayOf = (item: string): SpecialDay | undefined => {
  const match = specialWeekdayPattern.exec(item)
  if (match === null) return undefined
  const name = match[1] ?? ""
  const named = weekdayNames.indexOf(name)
  const wanted = named === -1 ? Number(name) % 7 : named
  const nth = match[2]
  return nth === undefined
    ? (date, length, weekday) => weekday === wanted && date + 7 > length
    : (date, _length, weekday) => weekday === wanted && Math.ceil(date / 7) === Number(nth)
}

interface Range {
  readonly minimum: number
  readonly maximum: number
  readonly names: ReadonlyArray<string>
  /** Value of the first name. */
  readonly first: number
}

const unnamed = (minimum: number, maximum: number): Range => ({ minimum, maximum, names: [], first: 0 })
const ranges: ReadonlyArray<Range> = [
  unnamed(0, 59),
  unnamed(0, 59),
  unnamed(0, 23),
  unnamed(1, 31),
  { minimum: 1, maximum: 12, names: monthNames, first: 1 },
  { minimum: 0, maximum: 6, names: weekdayNames, first: 0 }
]

/** Writes out a range that goes over the end of its field, such as `22-2`: the others are those of Effect's `Cron`. */
const unwrapped = (item: string, { first, maximum, minimum, names }: Range): string => {
  const match = /^([A-Z]{3}|\d{1,2})-([A-Z]{3}|\d{1,2})(?:\/(\d{1,2}))?$/.exec(item)
  if (match === null) return item
  const valueOf = (text = "") => (names.includes(text) ? names.indexOf(text) + first : Number(text))
  const [from, to, step] = [valueOf(match[1]), valueOf(match[2]), Number(match[3] ?? 1)]
  if (!(from > to && from <= maximum && to >= minimum && step > 0)) return item
  const count = maximum - minimum + 1
  const values: Array<number> = []
  for (let value = from; value <= to + count; value += step)
    values.push(((value - minimum) % count) + minimum)
  return values.join()
}

const macros: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"]
])

const daysOfMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const sorted = (values: ReadonlySet<number>, count: number): ReadonlyArray<number> =>
  values.size === 0
    ? Array.from({ length: count }, (_, index) => index)
    : [...values].toSorted((a, b) => a - b)

/** No month of the expression has one of its days, and no weekday helps. */
const isImpossible = ({ both, days, months, specialDays, weekdays }: Fields): boolean =>
  days !== undefined &&
  specialDays.length === 0 &&
  (weekdays === undefined || both) &&
  !daysOfMonths.some(
    (length, index) => (months.size === 0 || months.has(index + 1)) && [...days].some((day) => day <= length)
  )

/** The plain values of a field with special days; undefined when the field restricts nothing. */
const restricted = (
  plain: ReadonlyArray<string>,
  items: ReadonlyArray<string>,
  values: ReadonlySet<number>
): ReadonlySet<number> | undefined => {
  if (plain.length === 0) return new Set()
  return values.size > 0 ? values : items.length > plain.length ? new Set() : undefined
}

const fieldsOf = (expression: string): Result.Result<Fields, string> => {
  const texts = (macros.get(expression.toLowerCase()) ?? expression).split(/\s+/)
  if (texts.length === 5) texts.unshift("0")
  if (texts.length !== 6)
    return Result.fail("Expected five fields, six with seconds first, or a name such as @daily")
  const lists = texts.map((text, index) =>
    text
      .toUpperCase()
      .split(",")
      .map((item) => unwrapped(item, ranges[index] ?? unnamed(0, 0)))
  )
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] = lists
  const plainDays = days.filter((item) => specialDayOf(item) === undefined)
  const plainWeekdays = weekdays.filter((item) => specialWeekdayOf(item) === undefined)
  // A field of special days alone restricts to none of the plain ones; any value is valid in its place.
  const plain = [
    seconds,
    minutes,
    hours,
    plainDays.length === 0 ? ["1"] : plainDays,
    months,
    plainWeekdays.length === 0 ? ["1"] : plainWeekdays
  ]
  const parsed = EffectCron.parse(plain.map((items) => items.join()).join(" "))
  if (Result.isFailure(parsed))
    return Result.fail(`${parsed.failure.message}: ${parsed.failure.input ?? expression}`)
  const cron = parsed.success
  const fields: Fields = {
    seconds: sorted(cron.seconds, 60),
    minutes: sorted(cron.minutes, 60),
    hours: sorted(cron.hours, 24),
    months: cron.months,
    days: restricted(plainDays, days, cron.days),
    weekdays: restricted(plainWeekdays, weekdays, cron.weekdays),
    specialDays: days.flatMap((item) => specialDayOf(item) ?? []),
    specialWeekdays: weekdays.flatMap((item) => specialWeekdayOf(item) ?? []),
    both: days.join().startsWith("*") || weekdays.join().startsWith("*"),
    elapsed: minutes.join().startsWith("*") || hours.join().startsWith("*") || cron.hours.size === 24
  }
  return isImpossible(fields)
    ? Result.fail("Expected a day that one of the months has: this never comes")
    : Result.succeed(fields)
}

const isDay = (fields: Fields, day: number): boolean => {
  const at = new Date(day * dayMillis)
  const month = at.getUTCMonth()
  if (fields.months.size > 0 && !fields.months.has(month + 1)) return false
  const { both, days, specialDays, specialWeekdays, weekdays } = fields
  if (days === undefined && weekdays === undefined) return true
  const date = at.getUTCDate()
  const weekday = at.getUTCDay()
  const isSpecial = (special: SpecialDay) =>
    special(date, new Date(Date.UTC(at.getUTCFullYear(), month + 1, 0)).getUTCDate(), weekday)
  const onWeekday = weekdays !== undefined && (weekdays.has(weekday) || specialWeekdays.some(isSpecial))
  if (days === undefined) return onWeekday
  const onDay = days.has(date) || specialDays.some(isSpecial)
  if (weekdays === undefined) return onDay
  return both ? onDay && onWeekday : onDay || onWeekday
}

const none = -1

/** The first time of day, in seconds, that is not before `from`. */
const firstOf = ({ hours, minutes, seconds }: Fields, from: number): number => {
  for (const hour of hours) {
    if (hour * 3_600 + 3_599 < from) continue
    for (const minute of minutes) {
      const start = hour * 3_600 + minute * 60
      if (start + 59 < from) continue
      for (const second of seconds) if (start + second >= from) return start + second
    }
  }
  return none
}

/** The last time of day, in seconds, that is not after `until`. */
const lastOf = ({ hours, minutes, seconds }: Fields, until: number): number => {
  for (let h = hours.length - 1; h >= 0; h--) {
    const hour = hours[h] ?? 0
    if (hour * 3_600 > until) continue
    for (let m = minutes.length - 1; m >= 0; m--) {
      const start = hour * 3_600 + (minutes[m] ?? 0) * 60
      if (start > until) continue
      for (let s = seconds.length - 1; s >= 0; s--) {
        const time = start + (seconds[s] ?? 0)
        if (time <= until) return time
      }
    }
  }
  return none
}

const windowsOf = (fields: Fields, zone: Zone, day: number) =>
  fields.elapsed ? zone.days.twice(day) : zone.days.once(day)

/** The first instant of a local day that is after `after`, or undefined. */
const firstOfDay = (fields: Fields, zone: Zone, day: number, after: number): number | undefined => {
  let best: number | undefined
  for (const { from, offset, until } of windowsOf(fields, zone, day)) {
    const local = Math.max(from, (Math.floor((after + offset) / 1_000) + 1) * 1_000)
    if (local >= until) continue
    const time = firstOf(fields, Math.ceil((local - day * dayMillis) / 1_000))
    if (time === none || day * dayMillis + time * 1_000 >= until) continue
    const instant = day * dayMillis + time * 1_000 - offset
    if (best === undefined || instant < best) best = instant
  }
  return best
}

/** The last instant of a local day that is before `before`, or undefined. */
const lastOfDay = (fields: Fields, zone: Zone, day: number, before: number): number | undefined => {
  let best: number | undefined
  for (const { from, offset, until } of windowsOf(fields, zone, day)) {
    const local = Math.min(until - 1_000, (Math.ceil((before + offset) / 1_000) - 1) * 1_000)
    if (local < from) continue
    const time = lastOf(fields, Math.floor((local - day * dayMillis) / 1_000))
    if (time === none || day * dayMillis + time * 1_000 < from) continue
    const instant = day * dayMillis + time * 1_000 - offset
    if (best === undefined || instant > best) best = instant
  }
  return best
}

/**
 * Walks over days, from one day before the search's own: a change of the clock can move a time to a neighbour. A time
 * of the day after the first hit can still come first, for the same reason.
 */
const search = (fields: Fields, zone: Zone, from: Date, step: 1 | -1): Date | undefined => {
  const instant = from.getTime()
  if (Number.isNaN(instant)) return undefined
  // The local day is at most one away from the day in UTC, whatever the offset, which costs more to ask for.
  const start = Math.floor(instant / dayMillis) - 2 * step
  const ofDay = step === 1 ? firstOfDay : lastOfDay
  for (let walked = 0; walked <= searchMaxDays; walked++) {
    const day = start + walked * step
    const hit = isDay(fields, day) ? ofDay(fields, zone, day, instant) : undefined
    if (hit === undefined) continue
    const neighbour = isDay(fields, day + step) ? ofDay(fields, zone, day + step, instant) : undefined
    return new Date(neighbour !== undefined && (neighbour - hit) * step < 0 ? neighbour : hit)
  }
  return undefined
}

/**
 * Parses an expression: five fields, six with seconds first, or a name such as `@daily`. Days of a month may be `L` (the
 * last), `L-3` (three days before it), `15W` and `LW` (the weekday from Monday to Friday that is nearest, in the month).
 * Weekdays may be `5#2` (the second Friday) and `5L` (the last). The failure is a sentence; an expression that no date can
 * match fails here.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (expression: string): Result.Result<Cron, string> => {
  if (expression.length > expressionMaxCharacters) {
    return Result.fail(`Expected at most ${expressionMaxCharacters} characters`)
  }
  return Result.map(fieldsOf(expression.trim()), (fields) => ({
    expression,
    next: (after, zone) => search(fields, zone, after, 1),
    prev: (before, zone) => search(fields, zone, before, -1)
  }))
}
