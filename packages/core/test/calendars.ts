/** Zones and cron expressions that parse. */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Cron from "@hypermarket/core/Cron"
import { Result } from "effect"

export const zone = (id: string) => Result.getOrThrow(CalendarTime.zone(id))

export const cron = (expression: string) =>
  Result.getOrThrowWith(Cron.parse(expression), (message) => new Error(`${expression}: ${message}`))

export const utc = zone("UTC")

/** Every time in [from, until), walking forwards or backwards. */
export const timesForwards = (
  expression: string,
  id: string,
  from: number,
  until: number
): ReadonlyArray<string> => {
  const { next } = cron(expression)
  const times: Array<string> = []
  let at = next(new Date(from - 1), zone(id))
  while (at !== undefined && at.getTime() < until) {
    times.push(at.toISOString())
    at = next(at, zone(id))
  }
  return times
}

export const timesBackwards = (
  expression: string,
  id: string,
  from: number,
  until: number
): ReadonlyArray<string> => {
  const { prev } = cron(expression)
  const times: Array<string> = []
  let at = prev(new Date(until), zone(id))
  while (at !== undefined && at.getTime() >= from) {
    times.unshift(at.toISOString())
    at = prev(at, zone(id))
  }
  return times
}
