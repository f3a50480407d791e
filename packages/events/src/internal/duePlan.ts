/**
 * The due times of a schedule. Pure: no clock, no database.
 */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Cron from "@hypermarket/core/Cron"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { catchUpMax, type NewSchedule, ScheduleInvalid } from "../JobSchedule.ts"

const invalid = (field: string, message: string) =>
  new ScheduleInvalid({ errors: [{ path: [field], message }] })

interface Rhythm {
  readonly cron: string | null
  readonly timeZone: string
  readonly everySeconds: number | null
}

/** Expressions and zones of this process: a tick asks for the same ones every second. */
const parsed = new Map<
  string,
  Result.Result<{ readonly cron: Cron.Cron; readonly zone: CalendarTime.Zone }, string>
>()
/** Maximum pairs in memory. At the limit they are forgotten. */
const parsedMax = 10_000

const parse = (cron: string, timeZone: string) => {
  const key = `${timeZone} ${cron}`
  const existing = parsed.get(key)
  if (existing !== undefined) return existing
  const zone = CalendarTime.zone(timeZone)
  const result = Result.isFailure(zone)
    ? Result.fail(zone.failure)
    : Result.map(Cron.parse(cron), (expression) => ({ cron: expression, zone: zone.success }))
  if (parsed.size >= parsedMax) parsed.clear()
  parsed.set(key, result)
  return result
}

/**
 * Returns the first due time after an instant, or undefined when there is none within eight years.
 *
 * The fields of a cron expression are local times of its zone. A local time that daylight saving skips runs once, later
 * by the skipped time. A local time that occurs twice runs at its first occurrence. When the hour or the minute is a
 * wildcard, the expression follows elapsed time and runs at both. An interval counts elapsed seconds and ignores the zone.
 *
 * @category due times
 * @since 0.1.0
 */
export const nextAfter = (rhythm: Rhythm, after: Date): Date | undefined => {
  const { cron, everySeconds, timeZone } = rhythm
  if (everySeconds !== null) return new Date(after.getTime() + everySeconds * 1000)
  if (cron === null) return undefined
  const expression = parse(cron, timeZone)
  return Result.isFailure(expression)
    ? undefined
    : expression.success.cron.next(after, expression.success.zone)
}

/** Checks the rhythm of a new schedule, and returns it with the first due time. */
export const checkRhythm = Effect.fnUntraced(function* (schedule: typeof NewSchedule.Type, now: Date) {
  const rhythms = [schedule.cron, schedule.everySeconds, schedule.runAt].filter(
    (value) => value !== undefined
  )
  if (rhythms.length !== 1) return yield* invalid("cron", "Expected one of cron, everySeconds and runAt")
  const timeZone = schedule.timeZone ?? "UTC"
  const zone = CalendarTime.zone(timeZone)
  if (Result.isFailure(zone)) return yield* invalid("timeZone", zone.failure)
  if (schedule.runAt !== undefined) {
    const nextAt = DateTime.toDateUtc(schedule.runAt)
    if (now.getTime() - nextAt.getTime() > missedAfterMillis)
      return yield* invalid("runAt", "Expected a time that has not passed")
    return { cron: null, timeZone, everySeconds: null, nextAt }
  }
  const expression = schedule.cron === undefined ? undefined : Cron.parse(schedule.cron)
  if (expression !== undefined && Result.isFailure(expression))
    return yield* invalid("cron", expression.failure)
  const rhythm = { cron: schedule.cron ?? null, timeZone, everySeconds: schedule.everySeconds ?? null }
  const nextAt = nextAfter(rhythm, now)
  if (nextAt === undefined) return yield* invalid("cron", "This never comes")
  return { ...rhythm, nextAt }
})

export interface Due extends Rhythm {
  readonly tenantId: string
  readonly scheduleId: string
  readonly queue: string
  readonly type: string
  readonly payload: string
  readonly overlap: "skip" | "queue" | "cancel"
  readonly catchUp: "none" | "one" | "all"
  readonly catchUpSeconds: number
  readonly jitterSeconds: number
  readonly nextAt: Date
  readonly lastJobId: string | null
  /** Runs of the schedule that are enqueued or running. */
  readonly pending: number
}

/** A due time that a tick reaches this late counts as missed: ticks come every second. */
const missedAfterMillis = 60_000

export interface Planned {
  /** The due times that run now. */
  readonly times: ReadonlyArray<Date>
  /** The last due time that has passed, whether it runs or not. */
  readonly lastAt: Date
  readonly nextAt: Date | undefined
}

/** Returns the runs of a due schedule. Walks back from now: an absence of years costs only the times that run. */
export const planOf = (due: Due, now: Date): Planned => {
  const timesMax = due.catchUp === "all" ? catchUpMax : 1
  const tooOld = (at: Date) =>
    now.getTime() - at.getTime() > (due.catchUp === "none" ? missedAfterMillis : due.catchUpSeconds * 1000)
  const passed: Array<Date> = []
  let nextAt: Date | undefined
  if (due.everySeconds !== null) {
    const stepMillis = due.everySeconds * 1000
    const steps = Math.floor((now.getTime() - due.nextAt.getTime()) / stepMillis)
    for (let step = steps; step >= 0 && passed.length < timesMax; step--) {
      passed.unshift(new Date(due.nextAt.getTime() + step * stepMillis))
    }
    nextAt = new Date(due.nextAt.getTime() + (steps + 1) * stepMillis)
  } else if (due.cron !== null) {
    // Was accepted when the schedule was made: another release, or a runtime that knows other zones, does not read it.
    const { cron, zone } = Result.getOrThrowWith(
      parse(due.cron, due.timeZone),
      (message) => new RangeError(message)
    )
    // `prev` is exclusive, and a due time of this millisecond counts.
    let at = cron.prev(new Date(now.getTime() + 1), zone)
    while (at !== undefined && at >= due.nextAt && passed.length < timesMax) {
      passed.push(at)
      at = cron.prev(at, zone)
    }
    passed.reverse()
    nextAt = nextAfter(due, now)
    if (nextAt === undefined) throw new RangeError("The cron expression never matches again")
  }
  const lastAt = passed.at(-1) ?? due.nextAt
  // The only time of a schedule that runs once is not lost because its worker was away for days.
  const isKept = nextAt === undefined && due.catchUp !== "none"
  const times = (passed.length === 0 ? [due.nextAt] : passed).filter((at) => isKept || !tooOld(at))
  return { times: due.overlap === "skip" ? (due.pending > 0 ? [] : times.slice(-1)) : times, lastAt, nextAt }
}
