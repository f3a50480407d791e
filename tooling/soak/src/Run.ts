/**
 * Parts that the runs share: statements that outlive the server, waiting for the end, and the report.
 */
import * as Storage from "@hypermarket/core/Storage"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type * as Crew from "./Crew.ts"
import type * as Report from "./Report.ts"
import * as Standstill from "./Standstill.ts"

/** Prints a line of progress. */
export const say = (text: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${text}\n`))

const sqlErrorOf = (error: unknown): SqlError | undefined => {
  if (isSqlError(error)) return error
  if (!Cause.isCause(error)) return undefined
  for (const reason of error.reasons) {
    const value = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
    if (isSqlError(value)) return value
  }
  return undefined
}

/** A statement that is wrong stays wrong: repeating it would hold the run up for ever. */
const mayPass = (error: unknown): boolean => {
  const failure = sqlErrorOf(error)
  return failure === undefined || Storage.isRetryable(failure)
}

/** Repeats it until the server answers again. A failure that repetition does not mend ends the run with its reason. */
export const persist = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  self.pipe(Effect.retry({ while: mayPass, schedule: Schedule.spaced("50 millis") }), Effect.orDie)

/** The work that is left of a run, and a text that changes while it gets on. */
export interface Standing {
  readonly left: number
  readonly progress: string
}

/**
 * Waits until nothing is left to do, or until nothing moves any more. Returns true at the good end. A run that stands still
 * says what it waits for, the jobs in the dead-letter queues among it.
 */
export const untilDone = Effect.fnUntraced(function* <E, R>(options: {
  readonly look: Effect.Effect<Standing, E, R>
  /** A run that gets no further for this long has lost something. */
  readonly stuckMillis: number
}) {
  let seen = ""
  let movedAt = yield* Clock.currentTimeMillis
  let isDone = false
  yield* persist(options.look).pipe(
    Effect.flatMap(
      Effect.fnUntraced(function* ({ left, progress }) {
        const nowMillis = yield* Clock.currentTimeMillis
        if (progress !== seen) {
          seen = progress
          movedAt = nowMillis
        }
        isDone = left === 0
        return isDone || nowMillis - movedAt > options.stuckMillis
      })
    ),
    Effect.repeat({ until: (isOver) => isOver, schedule: Schedule.spaced("100 millis") })
  )
  if (!isDone) yield* Effect.forEach(yield* persist(Standstill.lines), (line) => say(`standstill: ${line}`))
  return isDone
})

/** Sums a run up, when its crew has stopped. */
export const conclude = Effect.fnUntraced(function* (options: {
  readonly seed: number
  readonly startedAt: number
  readonly isDone: boolean
  readonly crew: Crew.Crew
  readonly violations: ReadonlyArray<Report.Violation>
  readonly counts: Readonly<Record<string, number>>
}) {
  const violations = [...options.violations]
  if (!options.isDone) {
    violations.push({ rule: "stuck", count: 1, example: options.crew.logs().join("\n---\n") })
  }
  const [fault] = options.crew.faults
  if (fault !== undefined) {
    violations.push({ rule: "worker_fault", count: options.crew.faults.length, example: fault })
  }
  const report: Report.Report = {
    seed: options.seed,
    ok: violations.length === 0,
    violations,
    counts: { ...options.counts, workerDeaths: options.crew.deaths.length },
    millis: (yield* Clock.currentTimeMillis) - options.startedAt
  }
  return report
})
