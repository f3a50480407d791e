/**
 * Fails readiness, and sets a metric, while intake cannot acknowledge or store: the spool is full or cannot be written, or a
 * writer has ended or makes no progress.
 */
import * as Health from "@hypermarket/core/Health"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Metrics from "./metrics.ts"

/** A batch is stored, spooled or refused within half a minute. A writer that takes longer has lost its connection for good. */
const batchMillisMax = 60_000

export type Failure = "spool-full" | "spool-broken" | "writer-dead"

const failures: ReadonlyArray<Failure> = ["spool-full", "spool-broken", "writer-dead"]

const texts: Readonly<Record<Failure, string>> = {
  "spool-full": "the spool of errors is full",
  "spool-broken": "the spool of errors cannot be written",
  "writer-dead": "a writer of errors has ended or hangs"
}

export const make = Effect.gen(function* () {
  const busySince = new Map<number, number>()
  const current = new Set<Failure>()
  let hasEnded = false

  const conditions = yield* Health.Conditions
  const condition = () => {
    const failure = failures.find((name) => current.has(name))
    return failure === undefined ? undefined : texts[failure]
  }
  conditions.add(condition)
  yield* Effect.addFinalizer(() => Effect.sync(() => conditions.delete(condition)))

  const set = (failure: Failure, isFailing: boolean) => {
    if (isFailing) current.add(failure)
    else current.delete(failure)
  }

  return {
    /** Notes how the last record was spooled. */
    spooled: (failure?: "spool-full" | "spool-broken") => {
      set("spool-full", failure === "spool-full")
      set("spool-broken", failure === "spool-broken")
    },
    /** Runs a batch of a writer, and notes since when. */
    watched: <A, E, R>(writer: number, batch: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.gen(function* () {
        busySince.set(writer, (yield* Now.now).getTime())
        return yield* batch
      }).pipe(Effect.ensuring(Effect.sync(() => busySince.delete(writer)))),
    /** Notes that a writer ends, unless the process stops. */
    guarded: <A, E, R>(writer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.onError(writer, () =>
        Effect.sync(() => {
          hasEnded = true
        })
      ),
    /** Compares the writers with the clock, and sets the metric. */
    look: Effect.gen(function* () {
      const now = (yield* Now.now).getTime()
      const isHanging = Array.from(busySince.values()).some((since) => now - since > batchMillisMax)
      set("writer-dead", hasEnded || isHanging)
      for (const reason of failures) {
        yield* Metric.update(
          Metric.withAttributes(Metrics.intakeFailing, { reason }),
          current.has(reason) ? 1 : 0
        )
      }
    })
  }
})
