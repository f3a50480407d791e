/**
 * Runs a service process: signals, the order of stopping, exit codes.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import * as V8 from "node:v8"
import { Shutdown } from "./Shutdown.ts"

const heapGrowingPercent = 100

/**
 * Sets the growth of the heap after which old objects are collected, in percent of its size after the last collection.
 *
 * `launch` sets 100. Without a bound, on a machine with much memory, V8 lets the garbage of 1,000 clients grow to several
 * times the live objects. With 25 percent an API that received 375 errors per second collected old objects every second:
 * its p99 was 106 ms instead of 68. A queue's worker needed 12 us of processor per job instead of 8.
 *
 * @category running
 * @since 0.1.0
 */
export const boundHeapGrowth = (percent: number): Effect.Effect<void> =>
  Effect.sync(() => V8.setFlagsFromString(`--heap-growing-percent=${percent}`))

/**
 * For a process whose objects are done with after a batch, such as a queue's worker: the space for young objects stays as
 * it begins. Left to itself V8 lets it grow to 32 MB, of which a worker fills three: 181 MB where this holds 146.
 *
 * @category running
 * @since 0.1.0
 */
export const boundYoungGeneration: Effect.Effect<void> = Effect.sync(() => {
  V8.setFlagsFromString("--semi-space-growth-factor=1")
})

/**
 * A process that has not released everything by then ends all the same: an orchestrator kills after 10 seconds, and what
 * is acknowledged is in the database.
 */
const stopDeadline = "9500 millis"

const endAtDeadline = Effect.sleep(stopDeadline).pipe(
  Effect.andThen(Effect.logWarning("Stopping took longer than 9.5 seconds; what is still open is abandoned")),
  Effect.andThen(Effect.sync(() => process.exit(0)))
)

/**
 * Builds a layer and keeps it until the fiber is interrupted; then stopping is announced before anything is released.
 * The process ends with 0 at the latest 9.5 seconds after that.
 *
 * @category running
 * @since 0.1.0
 */
export const launch = <A, E, R>(layer: Layer.Layer<A, E, R>): Effect.Effect<never, E, R | Shutdown> =>
  Effect.gen(function* () {
    const shutdown = yield* Shutdown
    yield* boundHeapGrowth(heapGrowingPercent)
    yield* Layer.build(layer)
    return yield* Effect.onInterrupt(Effect.never, () =>
      Effect.andThen(shutdown.begin, Effect.forkDetach(endAtDeadline))
    )
  }).pipe(Effect.scoped)

/**
 * Ends the process when what it has written is with its readers. A pipe takes some 64 KiB at once: without the wait, a reader
 * that is slower than that loses the end of a long result.
 */
const endWith = (code: number): void => {
  const unread = [process.stdout, process.stderr].filter(
    (stream) => stream.writableLength > 0 && !stream.destroyed
  )
  if (unread.length === 0) process.exit(code)
  let left = unread.length
  const done = () => {
    if (--left === 0) process.exit(code)
  }
  for (const stream of unread) {
    let isDone = false
    const doneOnce = () => {
      if (isDone) return
      isDone = true
      done()
    }
    // A reader that has gone ends the wait too.
    stream.once("error", doneOnce).once("close", doneOnce).write("", doneOnce)
  }
}

const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let isSignalled = false
  const onSignal = () => {
    if (isSignalled) process.exit(130)
    isSignalled = true
    fiber.interruptUnsafe(fiber.id)
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  fiber.addObserver((exit) => {
    const isStopped = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    if (isSignalled && (Exit.isSuccess(exit) || isStopped)) return endWith(0)
    teardown(exit, endWith)
  })
})

/** Standard output is for results. */
const layerReport = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

const report = <E>(cause: Cause.Cause<E>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))
    ? Effect.void
    : Effect.provide(Effect.logError(cause), layerReport)

/**
 * Runs the main effect of a process. SIGINT and SIGTERM interrupt it; when it has cleaned up, the exit code is 0. A
 * second signal ends the process at once with 130. It ends when its readers have what it wrote. A failure is written to standard error and ends it with 1, or with the
 * code the error names by `Runtime.errorExitCode`.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E>(effect: Effect.Effect<A, E>): void =>
  runMain(Effect.tapCause(effect, report), { disableErrorReporting: true })
