/** The loop of a worker: select flows, claim, run, acknowledge with the next claim. */
import type { FailureLog } from "@hypermarket/core/FailureLog"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Batch } from "./batch.ts"
import type { BatchRunner } from "./batchRunner.ts"
import type { Claimer } from "./claimer.ts"
import type { FairScheduler } from "./fairScheduler.ts"
import type { InFlight } from "./inFlight.ts"
import type { Quarantine } from "./quarantine.ts"
import type { Signal } from "./signal.ts"

/** Maximum flows per claim: with more, one claim is slower than two. */
const flowsInClaimMax = 20
/** Maximum detached batches. At the limit the loops claim nothing until one of them ends. */
const detachedMax = 32
const failureDelay = "200 millis"

export interface Options {
  readonly scheduler: FairScheduler
  readonly claimer: Claimer
  readonly batchRunner: BatchRunner
  readonly quarantine: Quarantine
  readonly clock: Clock.Clock
  readonly signal: Signal
  readonly batchMax: number
  readonly pollMillis: number
  readonly failures: FailureLog
}

/** Runs until the worker stops. Several loops may share one `inFlight`. */
export const run = (options: Options, inFlight: InFlight): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { batchRunner, claimer, clock, failures, quarantine, scheduler, signal } = options
    let previous: Batch | undefined

    /** Acknowledges the previous batch now, without a claim. */
    const settle = Effect.suspend(() => {
      const batch = previous
      previous = undefined
      return batch === undefined ? Effect.void : batchRunner.acknowledge(batch, batch.outcome)
    })

    /** Waits for a notification, the poll interval, or the first flow that becomes claimable. */
    const idle = Effect.suspend(() => {
      const nowMillis = clock.currentTimeMillisUnsafe()
      const waitMillis = Math.max(
        1,
        Math.min(options.pollMillis, scheduler.nextMillis(nowMillis) - nowMillis)
      )
      return Effect.timeoutOption(signal.wait, Duration.millis(waitMillis))
    })

    const turn = Effect.gen(function* () {
      if (quarantine.isRunning()) {
        yield* settle
        yield* quarantine.awaitEnd
      }
      // Before the selection: what arrives during it notifies again.
      signal.reset()
      const nowMillis = clock.currentTimeMillisUnsafe()
      if (quarantine.start(nowMillis)) {
        yield* settle
        return yield* quarantine.run
      }
      const selection =
        inFlight.detached.size >= detachedMax
          ? undefined
          : scheduler.select(options.batchMax, flowsInClaimMax, nowMillis)
      if (selection === undefined) {
        yield* settle
        return yield* idle
      }
      // The loop's previous batch must not count against the limit.
      if (selection.isLimited) yield* settle
      if (selection.isMore) signal.notify()
      const batch = yield* claimer.claim(selection, previous)
      if (batch === undefined) return
      if (!selection.isLimited) previous = undefined
      if (batch.groups.length === 0) return
      previous = yield* batchRunner.run(batch)
    })

    return turn.pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.andThen(
              failures.warn("a claim failed; it is tried again", cause),
              Effect.sleep(failureDelay)
            )
      ),
      Effect.repeat({ while: () => !inFlight.isStopping }),
      Effect.asVoid,
      Effect.ensuring(settle)
    )
  })
