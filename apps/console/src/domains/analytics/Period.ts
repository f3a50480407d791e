/** The period that is looked at, and the one it is compared with. */
import { daysBetween, shiftDay } from "../../ui/Format.ts"

export type Granularity = "day" | "week" | "month"

export interface Period {
  readonly from: string
  /** The day after the last one. */
  readonly until: string
}

/** From this many days on a line of days is noise. */
const weeksFromDays = 200
const monthsFromDays = 800

export const granularityOf = ({ from, until }: Period): Granularity => {
  const days = daysBetween(from, until)
  return days > monthsFromDays ? "month" : days > weeksFromDays ? "week" : "day"
}

export const comparisons = ["before", "year", "none"] as const

export type Comparison = (typeof comparisons)[number]

const yearDays = 364

/** Returns the period before, or the same weekdays a year before. */
export const comparedWith = ({ from, until }: Period, comparison: Comparison): Period | undefined => {
  if (comparison === "none") return undefined
  if (comparison === "year") return { from: shiftDay(from, -yearDays), until: shiftDay(until, -yearDays) }
  return { from: shiftDay(from, -daysBetween(from, until)), until: from }
}
