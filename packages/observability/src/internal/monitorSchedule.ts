/**
 * The schedule of a monitor, as an SDK sends it with a check-in. Pure.
 */
import { zone } from "@hypermarket/core/CalendarTime"
import * as Cron from "@hypermarket/core/Cron"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isRecord } from "./envelope.ts"

const minuteMillis = 60_000
const unitMillis = new Map([
  ["minute", minuteMillis],
  ["hour", 60 * minuteMillis],
  ["day", 24 * 60 * minuteMillis],
  ["week", 7 * 24 * 60 * minuteMillis],
  ["month", 30 * 24 * 60 * minuteMillis],
  ["year", 365 * 24 * 60 * minuteMillis]
])
const intervalMax = 10_000
/** A day: past it a task has failed however long it may run. */
const minutesMax = 24 * 60
/** The longest margin, in milliseconds. */
export const marginMillisMax = minutesMax * minuteMillis
/** Sentry's defaults, in minutes. */
const marginDefault = 1
const runtimeDefault = 30

const Minutes = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: marginMillisMax }))

/** The bounds hold for stored ones too: with an interval or a margin below zero, a monitor would be due for ever. */
export const Schedule = Schema.Struct({
  cron: Schema.NullOr(Schema.String),
  timeZone: Schema.String,
  intervalMillis: Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(minuteMillis))),
  marginMillis: Minutes,
  runtimeMillis: Minutes
})
export type Schedule = typeof Schedule.Type

const minutesOf = (value: unknown, otherwise: number): number =>
  (typeof value === "number" && value >= 0 ? Math.min(Math.round(value), minutesMax) : otherwise) *
  minuteMillis

/** Reads `monitor_config`. Null for one that cannot be scheduled. */
export const make = (config: unknown): Schedule | null => {
  if (!isRecord(config) || !isRecord(config["schedule"])) return null
  const { type, unit, value } = config["schedule"]
  const timeZone = typeof config["timezone"] === "string" ? config["timezone"] : "UTC"
  if (Result.isFailure(zone(timeZone))) return null
  const bounds = {
    timeZone,
    marginMillis: minutesOf(config["checkin_margin"], marginDefault),
    runtimeMillis: minutesOf(config["max_runtime"], runtimeDefault)
  }
  if (type === "crontab" && typeof value === "string") {
    return Result.isFailure(Cron.parse(value)) ? null : { ...bounds, cron: value, intervalMillis: null }
  }
  const length = typeof unit === "string" ? unitMillis.get(unit) : undefined
  if (type !== "interval" || length === undefined || typeof value !== "number") return null
  return Number.isInteger(value) && value >= 1 && value <= intervalMax
    ? { ...bounds, cron: null, intervalMillis: value * length }
    : null
}

const timesOf = ({ cron, timeZone }: Schedule) => {
  const parsed = cron === null ? undefined : Result.getOrUndefined(Cron.parse(cron))
  const place = Result.getOrUndefined(zone(timeZone))
  return parsed === undefined || place === undefined ? undefined : { cron: parsed, zone: place }
}

/** The due time after another, or after the last check-in. */
export const nextDue = (schedule: Schedule, after: Date): Date | null => {
  if (schedule.intervalMillis !== null) return new Date(after.getTime() + schedule.intervalMillis)
  const times = timesOf(schedule)
  return times?.cron.next(after, times.zone) ?? null
}

/**
 * The due time to which a check-in belongs: the nearest, of an interval the one that was expected. Null without an
 * expectation, as of the first check-in of an interval.
 */
export const nearestDue = (schedule: Schedule, startedAt: Date, expected: Date | null): Date | null => {
  if (schedule.intervalMillis !== null) return expected
  const times = timesOf(schedule)
  if (times === undefined) return null
  const before = times.cron.prev(new Date(startedAt.getTime() + 1), times.zone)
  const after = times.cron.next(startedAt, times.zone)
  if (before === undefined || after === undefined) return before ?? after ?? null
  const isBefore = startedAt.getTime() - before.getTime() <= after.getTime() - startedAt.getTime()
  return isBefore ? before : after
}
