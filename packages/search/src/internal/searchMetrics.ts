/** Metrics of searches in this process. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const searchSeconds = Metric.histogram("hm_search_search_seconds", {
  description: "Duration of a call that searches, answers with an error left out",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})

const residentBytes = Metric.gauge("hm_search_resident_bytes", {
  description: "Memory of the indexes that this process searches without the database"
})

const nanosPerSecond = 1e9

/** Measures the calls that succeed. */
export const timed = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.currentTimeNanos, (startedAt) =>
    Effect.tap(self, () =>
      Effect.flatMap(Clock.currentTimeNanos, (endedAt) =>
        Metric.update(searchSeconds, Number(endedAt - startedAt) / nanosPerSecond)
      )
    )
  )

/** Records the memory of all indexes, when one was loaded or dropped. */
export const resident = (bytes: number): Effect.Effect<void> => Metric.update(residentBytes, bytes)
