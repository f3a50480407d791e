/** Runs claimed batches and acknowledges them; a slow batch is detached from its claim loop. */
import type { FailureLog } from "@hypermarket/core/FailureLog"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Now from "@hypermarket/core/Now"
import * as FailureText from "@hypermarket/core/FailureText"
import type { JobRunner } from "../handling/jobRunner.ts"
import type { Statements } from "../statements.ts"
import { type Batch, countOf, type Group } from "./batch.ts"
import type { InFlight } from "./inFlight.ts"
import type { Signal } from "./signal.ts"

/** A batch that takes longer is detached, so that a slow handler does not delay other queues. */
const detachAfter = "100 millis"

/** Time in which interrupted handlers end when the worker stops. Their jobs are released in any case. */
const stopGrace = "1 second"

export interface Options {
  readonly name: string
  readonly claims: Statements
  readonly jobRunner: JobRunner
  readonly clock: Clock.Clock
  readonly signal: Signal
  readonly leaseMillis: number
  readonly failures: FailureLog
}

export interface BatchRunner {
  readonly acknowledge: (batch: Batch, outcome: Batch["outcome"]) => Effect.Effect<void>
  /**
   * Runs a batch. Returns it when deleting its leases, which the next claim does, acknowledges all of it. An interruption
   * at any point releases the unfinished jobs.
   */
  readonly run: (batch: Batch) => Effect.Effect<Batch | undefined>
}

export const make = (options: Options, inFlight: InFlight): BatchRunner => {
  const { claims, clock, failures, jobRunner, leaseMillis, name, signal } = options

  const acknowledgeRetry = Schedule.min([
    Schedule.exponential("50 millis"),
    Schedule.spaced("2 seconds")
  ]).pipe(Schedule.upTo({ duration: Duration.millis(leaseMillis) }))

  /** An error is retried and never ends the loop: that would cost every lease that this worker holds. */
  const acknowledge: BatchRunner["acknowledge"] = (batch, outcome) =>
    Effect.flatMap(Now.now, (now) =>
      claims.acknowledge({
        tenants: batch.tenants,
        batchId: batch.batchId,
        queue: null,
        failed: outcome.failed,
        keys: outcome.keys,
        now
      })
    ).pipe(
      Effect.retry(acknowledgeRetry),
      Effect.asVoid,
      Effect.catchCause((cause) => failures.warn("a batch was not acknowledged; its lease expires", cause)),
      Effect.ensuring(Effect.sync(() => inFlight.batches.delete(batch.batchId)))
    )

  /** Acknowledges what is done and releases the rest. */
  const release = (batch: Batch) => acknowledge(batch, batch.outcomeNow(clock.currentTimeMillisUnsafe()))

  const runGroup = (batch: Batch, group: Group) =>
    Effect.tap(jobRunner.run(batch, group), () => Effect.sync(() => signal.notify()))

  /** Runs all groups of a queue, of any number of tenants: the batch size is the queue's. */
  const runQueue = (batch: Batch, queue: string, groups: ReadonlyArray<Group>) =>
    Effect.suspend(() => {
      const startedAtMillis = clock.currentTimeMillisUnsafe()
      return Effect.map(
        Effect.forEach(groups, (group) => runGroup(batch, group), {
          concurrency: "unbounded",
          discard: true
        }),
        () => {
          const jobs = groups.reduce((sum, group) => sum + countOf(group), 0)
          inFlight.batchSizeOf(queue).record(jobs, clock.currentTimeMillisUnsafe() - startedAtMillis)
          // The capacity may have grown.
          signal.notify()
        }
      )
    })

  /** Returns true when all of it ran, false when its lease was lost. */
  const runGroups = (batch: Batch) =>
    Effect.raceFirst(
      Effect.as(
        Effect.forEach(
          Map.groupBy(batch.groups, (group) => group.queue),
          ([queue, groups]) => runQueue(batch, queue, groups),
          { concurrency: "unbounded", discard: true }
        ),
        true
      ),
      Effect.as(batch.lost.await, false)
    )

  /** Ends a batch. Returns it when deleting its leases, in the next claim, is all that is left to do. */
  const conclude = (batch: Batch, exit: Exit.Exit<boolean>): Effect.Effect<Batch | undefined> => {
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return Effect.as(release(batch), undefined)
      return Effect.as(
        Effect.andThen(
          Effect.logError(`Queue ${name}: a batch failed; its unfinished jobs are retried`, {
            detail: FailureText.describe(exit.cause)
          }),
          release(batch)
        ),
        undefined
      )
    }
    if (!exit.value) {
      inFlight.batches.delete(batch.batchId)
      return Effect.as(
        Effect.logWarning(`Queue ${name}: a lease was lost; its jobs run in another worker`),
        undefined
      )
    }
    if (batch.isGone) {
      inFlight.batches.delete(batch.batchId)
      return Effect.succeed(undefined)
    }
    return batch.isClean ? Effect.succeed(batch) : Effect.as(acknowledge(batch, batch.outcome), undefined)
  }

  /** Interrupts the handlers of a batch, and waits for them as long as a worker that stops may. */
  const stop = (fiber: Fiber.Fiber<boolean>) =>
    Effect.suspend(() => {
      fiber.interruptUnsafe()
      return Effect.timeoutOption(Fiber.await(fiber), stopGrace)
    })

  /** Waits for a batch. When interrupted, stops the batch and releases its unfinished jobs. */
  const awaitOrRelease = <A>(batch: Batch, fiber: Fiber.Fiber<boolean>, waiting: Effect.Effect<A>) =>
    Effect.interruptible(waiting).pipe(Effect.onInterrupt(() => Effect.andThen(stop(fiber), release(batch))))

  const concludeDetached = (batch: Batch, fiber: Fiber.Fiber<boolean>) =>
    Effect.gen(function* () {
      const exit = yield* awaitOrRelease(batch, fiber, Fiber.await(fiber))
      const clean = yield* conclude(batch, exit)
      if (clean !== undefined) yield* acknowledge(clean, clean.outcome)
    })

  const detach = Effect.fnUntraced(function* (batch: Batch, fiber: Fiber.Fiber<boolean>) {
    const detached = yield* Effect.forkDetach(concludeDetached(batch, fiber), {
      startImmediately: true,
      uninterruptible: true
    })
    inFlight.detached.add(detached)
    detached.addObserver(() => {
      inFlight.detached.delete(detached)
      signal.notify()
    })
  })

  const run: BatchRunner["run"] = (batch) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        inFlight.batches.set(batch.batchId, batch)
        const fiber = yield* Effect.forkDetach(runGroups(batch), { startImmediately: true })
        const exit =
          fiber.pollUnsafe() ??
          Option.getOrUndefined(
            yield* awaitOrRelease(batch, fiber, Effect.timeoutOption(Fiber.await(fiber), detachAfter))
          )
        if (exit !== undefined) return yield* conclude(batch, exit)
        yield* detach(batch, fiber)
        return undefined
      })
    )

  return { acknowledge, run }
}
