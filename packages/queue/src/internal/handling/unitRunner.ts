/** Runs units of work within the concurrency limit and deadline of their handler. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type Handler, type JobRejection, JobRejections } from "../../QueueJob.ts"
import type { ClaimedJob } from "../jobRow.ts"
import type { QueueMetrics } from "../metrics.ts"
import type { ConcurrencyLimit } from "./concurrencyLimit.ts"
import { traced } from "./jobTrace.ts"

/** Interval of the deadline check. A timer per job would cost more than a short job. */
export const deadlineCheckMillis = 250

/** Maximum jobs that a line of the log names. */
const jobIdsLogged = 20

/** A handler of this process. */
export interface Registered<R> {
  readonly handler: Handler<R>
  readonly limit: ConcurrencyLimit
  readonly deadlineMillis: number
  readonly metrics: QueueMetrics
}

/**
 * Time that an interrupted call may take to clean up. A call that still runs after it counts as failed: its job and its slot
 * are given back, although it may still have effects.
 */
export const interruptGraceMillis = 2_000

/** Work that counts once against the concurrency limit of its handler. */
export interface Unit<R> {
  readonly effect: Effect.Effect<unknown, unknown, R>
  /** Receives the exit, unless the whole group was interrupted. */
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
  /** True when {@link UnitRunner.checkDeadlines} enforces its deadline; otherwise the effect does so itself. */
  readonly isTimed: boolean
  /** The jobs of a timed unit. */
  readonly jobIds: ReadonlyArray<string>
}

const none: ReadonlyArray<JobRejection> = []
const nothingRejected = Effect.succeed(none)

export class DeadlineExceeded extends Error {
  readonly _tag = "DeadlineExceeded"
  constructor(millis: number, isInterruptible: boolean) {
    super(
      isInterruptible
        ? `no end within ${millis} ms`
        : `no end within ${millis} ms, nor ${interruptGraceMillis} ms after its interruption: the call still runs`
    )
  }
}

export interface UnitRunner<R> {
  /** Calls a handler without a deadline. A single job that it rejects is a failure. */
  readonly call: (
    entry: Registered<R>,
    jobs: ReadonlyArray<ClaimedJob>
  ) => Effect.Effect<ReadonlyArray<JobRejection>, unknown, R>
  /**
   * Calls a handler and fails at its deadline. A call that ignores its interruption is left behind. With `stuck`, it is
   * waited for and `stuck` is called: what it uses, such as a transaction, must not be used by others meanwhile.
   */
  readonly callInTime: (
    entry: Registered<R>,
    jobs: ReadonlyArray<ClaimedJob>,
    stuck?: (jobs: ReadonlyArray<ClaimedJob>) => void
  ) => Effect.Effect<ReadonlyArray<JobRejection>, unknown, R>
  /** Runs units and ends when all of them have ended or were left behind. Fails when an untimed unit fails. */
  readonly run: (
    entry: Registered<R>,
    context: Context.Context<R>,
    units: ReadonlyArray<Unit<R>>
  ) => Effect.Effect<void>
  /** Interrupts the units that are past their deadline, and leaves those behind that ignore it. */
  readonly checkDeadlines: () => void
}

interface Timed {
  atMillis: number
  isInterrupted: boolean
  /** Records that the deadline ended the unit. */
  readonly mark: () => void
  readonly leaveBehind: () => void
}

export const make = <R>(clock: Clock.Clock, log: (entry: Effect.Effect<void>) => void): UnitRunner<R> => {
  const deadlines = new Map<Fiber.Fiber<unknown, unknown>, Timed>()

  const checkDeadlines = () => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    for (const [fiber, timed] of deadlines) {
      if (timed.atMillis > nowMillis) continue
      if (timed.isInterrupted) {
        deadlines.delete(fiber)
        timed.leaveBehind()
      } else {
        timed.isInterrupted = true
        timed.atMillis = nowMillis + interruptGraceMillis
        timed.mark()
        fiber.interruptUnsafe()
      }
    }
  }

  const reportStuck = (
    { deadlineMillis, handler, metrics }: Registered<R>,
    jobIds: ReadonlyArray<string>
  ) => {
    metrics.stuck()
    log(
      Effect.logError(`A call of ${handler.queue} ignores its interruption and still runs`, {
        queue: handler.queue,
        job_ids: jobIds.slice(0, jobIdsLogged),
        deadline_millis: deadlineMillis
      })
    )
  }

  const call: UnitRunner<R>["call"] = ({ handler }, jobs) =>
    traced(
      jobs,
      Effect.flatMap(
        Effect.suspend(() => handler.run(jobs)),
        (result) => {
          if (!(result instanceof JobRejections)) return nothingRejected
          const [first] = result.list
          return jobs.length === 1 && first !== undefined
            ? Effect.fail(first.rejected)
            : Effect.succeed(result.list)
        }
      )
    )

  const callInTime: UnitRunner<R>["callInTime"] = Effect.fnUntraced(function* (entry, jobs, stuck) {
    const fiber = yield* Effect.forkDetach(call(entry, jobs), { startImmediately: true })
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return yield* exit
    const ended = yield* Fiber.await(fiber).pipe(
      Effect.timeoutOption(Duration.millis(entry.deadlineMillis)),
      // A stop or a lost lease: the call ends first, because it may use the transaction of its caller.
      Effect.onInterrupt(() => Fiber.interrupt(fiber))
    )
    if (Option.isSome(ended)) return yield* ended.value
    fiber.interruptUnsafe()
    const cleaned = yield* Effect.uninterruptible(
      Effect.timeoutOption(Fiber.await(fiber), Duration.millis(interruptGraceMillis))
    )
    if (Option.isSome(cleaned)) return yield* Effect.fail(new DeadlineExceeded(entry.deadlineMillis, true))
    reportStuck(
      entry,
      jobs.map((job) => job.jobId)
    )
    if (stuck !== undefined) {
      stuck(jobs)
      yield* Effect.uninterruptible(Fiber.await(fiber))
    }
    return yield* Effect.fail(new DeadlineExceeded(entry.deadlineMillis, false))
  })

  // Fibers are started by hand: for jobs that end at once, forking, racing a timer and collecting results by combinators
  // costs several times the job.
  const run: UnitRunner<R>["run"] = (entry, context, units) => {
    if (units.length === 0) return Effect.void
    const fork = Effect.runForkWith(context)
    return Effect.callback<void>((resume) => {
      const live = new Set<Fiber.Fiber<unknown, unknown>>()
      let left = units.length
      let isInterrupted = false
      let result: Exit.Exit<void> = Exit.void
      const ended = () => {
        entry.limit.release()
        left--
        if (left === 0) resume(result)
      }
      const start = (unit: Unit<R>) => {
        if (isInterrupted) return ended()
        const isSampled = entry.metrics.isSampled
        const startedAtMillis = isSampled ? clock.currentTimeMillisUnsafe() : 0
        const finish = (exit: Exit.Exit<unknown, unknown>) => {
          if (isSampled) entry.metrics.ran(clock.currentTimeMillisUnsafe() - startedAtMillis)
          // An untimed unit records its outcome itself. Without one, its jobs must not count as done.
          if (!unit.isTimed && Exit.isFailure(exit)) result = Exit.die(Cause.squash(exit.cause))
          const recorded = Result.try(() => unit.end(exit))
          if (Result.isFailure(recorded)) result = Exit.die(recorded.failure)
          ended()
        }
        const fiber = fork(unit.effect)
        const exit = fiber.pollUnsafe()
        // A unit that ends at once needs neither a deadline nor an observer.
        if (exit !== undefined) return finish(exit)
        live.add(fiber)
        let isOverdue = false
        let isLeftBehind = false
        if (unit.isTimed) {
          deadlines.set(fiber, {
            atMillis: clock.currentTimeMillisUnsafe() + entry.deadlineMillis,
            isInterrupted: false,
            mark: () => {
              isOverdue = true
            },
            leaveBehind: () => {
              isLeftBehind = true
              live.delete(fiber)
              reportStuck(entry, unit.jobIds)
              if (isInterrupted) ended()
              else finish(Exit.fail(new DeadlineExceeded(entry.deadlineMillis, false)))
            }
          })
        }
        fiber.addObserver((last) => {
          live.delete(fiber)
          deadlines.delete(fiber)
          if (isLeftBehind) return
          if (isOverdue) finish(Exit.fail(new DeadlineExceeded(entry.deadlineMillis, true)))
          else if (isInterrupted) ended()
          else finish(last)
        })
      }
      for (const unit of units) entry.limit.acquire(() => start(unit))
      return Effect.suspend(() => {
        isInterrupted = true
        return Fiber.interruptAll(live)
      })
    })
  }

  return { call, callInTime, run, checkDeadlines }
}
