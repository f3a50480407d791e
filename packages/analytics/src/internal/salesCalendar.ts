/**
 * The SQL of the first day of a row, and of its `time`.
 */
import type { Granularity, Planned, WeekStart } from "./salesPlan.ts"

type Calendar = Pick<Planned, "weekStart" | "fiscalYearStart">

/** Days from the first day of a week to the Monday in it, by which Postgres cuts weeks. */
const daysToMonday: Readonly<Record<WeekStart, number>> = { monday: 0, sunday: 1, saturday: 2 }

const fiscal = (unit: "quarter" | "year", start: number): string =>
  start === 1
    ? `date_trunc('${unit}', bucket)`
    : `(date_trunc('${unit}', bucket - interval '${start - 1} months') + interval '${start - 1} months')`

/** Dates are grouped and ordered by: to compare them is a fraction of the cost of comparing texts that begin alike. */
export const startOf = (granularity: Granularity, { fiscalYearStart, weekStart }: Calendar): string => {
  switch (granularity) {
    case "hour":
      return "date_trunc('hour', moment)"
    case "day":
      return "bucket"
    case "week":
      return `(date_trunc('week', bucket + ${daysToMonday[weekStart]})::date - ${daysToMonday[weekStart]})`
    case "isoWeek":
      return "date_trunc('week', bucket)"
    case "month":
      return "date_trunc('month', bucket)"
    default:
      return fiscal(granularity, fiscalYearStart)
  }
}

export const labelOf = (granularity: Granularity, start: string): string => {
  switch (granularity) {
    case "hour":
      return `to_char(${start}, 'YYYY-MM-DD"T"HH24":00"')`
    case "isoWeek":
      return `to_char(${start}, 'IYYY-"W"IW')`
    default:
      return `${start}::date::text`
  }
}

export const granularities: ReadonlyArray<Granularity> = [
  "hour",
  "day",
  "week",
  "isoWeek",
  "month",
  "quarter",
  "year"
]
const weekStarts: ReadonlyArray<WeekStart> = ["monday", "saturday", "sunday"]
const months = Array.from({ length: 12 }, (_, month) => month + 1)

/** Every combination of a granularity with the beginnings of weeks and years. */
export const calendars = granularities.flatMap((granularity) =>
  weekStarts.flatMap((weekStart) =>
    months.map((fiscalYearStart) => ({ granularity, calendar: { weekStart, fiscalYearStart } }))
  )
)

export const nameOf = (granularity: Granularity, { fiscalYearStart, weekStart }: Calendar): string =>
  `${granularity} ${weekStart} ${fiscalYearStart}`
