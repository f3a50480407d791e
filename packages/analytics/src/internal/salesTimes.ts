/**
 * The first days of the rows of an answer. Pure.
 */
import type { Granularity, Planned } from "./salesPlan.ts"

const dayMillis = 24 * 60 * 60 * 1000
const millisOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)
const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

/** Returns the day some days after a day. */
export const dayAfter = (day: string, days: number): string => dayOf(millisOf(day) + days * dayMillis)

const monthsOf: Partial<Record<Granularity, number>> = { month: 1, quarter: 3, year: 12 }

/** `Date.getUTCDay` of the first day of a week. */
const weekdays: Readonly<Record<Planned["weekStart"], number>> = { sunday: 0, monday: 1, saturday: 6 }

type Calendar = Pick<Planned, "granularity" | "weekStart" | "fiscalYearStart">

/** Returns the first day of the row of a day, or of the row that is `shift` rows later. */
const startOf = (
  { fiscalYearStart, granularity, weekStart }: Calendar,
  day: string,
  shift: number
): string => {
  const date = new Date(millisOf(day))
  const months = granularity === undefined ? undefined : monthsOf[granularity]
  if (months !== undefined) {
    const beginning = (fiscalYearStart - 1) % months
    const first = Math.floor((date.getUTCMonth() - beginning) / months) * months + beginning
    return dayOf(Date.UTC(date.getUTCFullYear(), first + shift * months, 1))
  }
  const isByWeek = granularity === "week" || granularity === "isoWeek"
  const behind = isByWeek ? (date.getUTCDay() - weekdays[weekStart] + 7) % 7 : 0
  return dayOf(date.getTime() + (shift * (isByWeek ? 7 : 1) - behind) * dayMillis)
}

/** Returns the first days of all rows from `from` to before `until`. The first one may be before `from`. */
export const startsOf = (calendar: Calendar, from: string, until: string): ReadonlyArray<string> => {
  const starts: Array<string> = []
  for (let start = startOf(calendar, from, 0); start < until; start = startOf(calendar, start, 1)) {
    starts.push(start)
  }
  return starts
}

/** Returns the Thursday of a week: the year of a week in ISO 8601 is that of its Thursday. */
const thursdayOf = (monday: string): Date => new Date(millisOf(monday) + 3 * dayMillis)

/** Returns the `time` of the row that begins on a day. */
export const labelOf = (granularity: Granularity | undefined, start: string): string => {
  if (granularity !== "isoWeek") return start
  const thursday = thursdayOf(start)
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * dayMillis))
  return `${year}-W${String(week).padStart(2, "0")}`
}

/** The days that each row of a window adds up: from `begins` to before `ends`. */
export interface Windows {
  readonly starts: ReadonlyArray<string>
  readonly begins: ReadonlyArray<string>
  readonly ends: ReadonlyArray<string>
}

type Windowed = Calendar & Pick<Planned, "from" | "until" | "window">

/** Returns the first day that is read for a window. */
export const readFromOf = (planned: Windowed): string =>
  planned.window?.kind === "rolling" ? startOf(planned, planned.from, 1 - planned.window.size) : planned.from

export const windowsOf = (planned: Windowed): Windows => {
  const starts = startsOf(planned, planned.from, planned.until)
  const { window } = planned
  const begins = starts.map((start) =>
    window?.kind === "rolling" ? startOf(planned, start, 1 - window.size) : planned.from
  )
  const ends = starts.map((_, index) => starts[index + 1] ?? planned.until)
  return { starts, begins, ends }
}

/** Returns the days that the windows of an answer read together, each as often as it is in a window. */
export const windowDaysOf = (planned: Windowed): number => {
  const { begins, ends } = windowsOf(planned)
  return begins.reduce(
    (days, begin, index) => days + (millisOf(ends[index] ?? begin) - millisOf(begin)) / dayMillis,
    0
  )
}
