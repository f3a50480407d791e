/**
 * Runs poison jobs one at a time: a job whose worker died twice. While one runs, this process claims nothing else, so that
 * the job cannot take other jobs along.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { SqlError } from "effect/sql/SqlError"
import type { Batch } from "./batch.ts"
import type { BatchRunner } from "./batchRunner.ts"
import type { Claimer } from "./claimer.ts"
import type { FairScheduler } from "./fairScheduler.ts"
import type { InFlight } from "./inFlight.ts"

/** Quarantined jobs run for this long, this often: they must not hold up the others. */
const sliceMillis = 250
const intervalMillis = 1_000
/** Maximum wait for other jobs to finish. Then a quarantined job runs alongside them. */
const drainMillis = 1_000

export interface Quarantine {
  /** True while a loop runs quarantined jobs: the other loops claim nothing. */
  readonly isRunning: () => boolean
  /** Completes when no loop runs quarantined jobs. */
  readonly awaitEnd: Effect.Effect<void>
  /** Returns true when the calling loop must run quarantined jobs now. */
  readonly start: (nowMillis: number) => boolean
  /** Runs quarantined jobs for one slice, after {@link start}. */
  readonly run: Effect.Effect<void, SqlError>
}

export const make = (
  options: {
    readonly scheduler: FairScheduler
    readonly claimer: Claimer
    readonly batchRunner: BatchRunner
    readonly clock: Clock.Clock
  },
  inFlight: InFlight
): Quarantine => {
  const { batchRunner, claimer, clock, scheduler } = options
  const gate = Latch.makeUnsafe(true)
  let isRunning = false
  let endedAtMillis = 0
  /** A detached quarantined batch. Another one that ran now could end the process, and this one would be blamed. */
  let slow: Batch | undefined

  const drain = Effect.gen(function* () {
    const untilMillis = clock.currentTimeMillisUnsafe() + drainMillis
    while (
      inFlight.batches.size > 0 &&
      clock.currentTimeMillisUnsafe() < untilMillis &&
      !inFlight.isStopping
    ) {
      yield* Effect.sleep("5 millis")
    }
  })

  const start = (nowMillis: number) => {
    if (
      isRunning ||
      (slow !== undefined && inFlight.batches.has(slow.batchId)) ||
      nowMillis - endedAtMillis < intervalMillis ||
      scheduler.selectQuarantined(nowMillis) === undefined
    ) {
      return false
    }
    isRunning = true
    gate.closeUnsafe()
    return true
  }

  const run = Effect.gen(function* () {
    yield* drain
    const untilMillis = clock.currentTimeMillisUnsafe() + sliceMillis
    while (!inFlight.isStopping && clock.currentTimeMillisUnsafe() < untilMillis) {
      const selection = scheduler.selectQuarantined(clock.currentTimeMillisUnsafe())
      if (selection === undefined) break
      const batch = yield* claimer.claim(selection, undefined)
      if (batch === undefined || batch.groups.length === 0) continue
      const clean = yield* batchRunner.run(batch)
      if (clean !== undefined) yield* batchRunner.acknowledge(clean, clean.outcome)
      else if (inFlight.batches.has(batch.batchId)) {
        slow = batch
        break
      }
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        endedAtMillis = clock.currentTimeMillisUnsafe()
        isRunning = false
        gate.openUnsafe()
      })
    )
  )

  return { isRunning: () => isRunning, awaitEnd: gate.await, start, run }
}
