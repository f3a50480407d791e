/**
 * Counts the requests that are answered 503 by their reason, and logs each reason when it begins and once a minute.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Schedule from "effect/Schedule"
import type * as AccessLog from "./AccessLog.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Unavailability {
  /** Counts a request that is answered 503; its reason is in `unavailable`. */
  readonly record: (request: AccessLog.RequestFacts) => Effect.Effect<void>
}

const counter = Metric.counter("hm_api_unavailable_total", {
  description: "Requests answered 503, by reason",
  incremental: true
})

const logInterval = "1 minute"

/**
 * Makes the account of a process. A reason is logged with its first request, then with a count per minute, and once more
 * when a minute passed without it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Unavailability, never, Scope.Scope> = Effect.gen(function* () {
  const counts = new Map<AccessLog.UnavailableReason, number>()
  const report = Effect.suspend(() =>
    Effect.forEach(
      Array.from(counts),
      ([reason, count]) => {
        if (count === 0) {
          counts.delete(reason)
          return Effect.logInfo("No more requests are answered 503 for this reason", { reason })
        }
        counts.set(reason, 0)
        return Effect.logWarning("Requests were answered 503 in the last minute", { reason, count })
      },
      { discard: true }
    )
  )
  yield* report.pipe(
    Effect.repeat(Schedule.spaced(logInterval)),
    Effect.delay(logInterval),
    Effect.forkScoped
  )
  return {
    record: ({ path, route, unavailable }) => {
      const { message, reason, state }: AccessLog.Unavailable = unavailable ?? { reason: "other" }
      const count = Metric.update(Metric.withAttributes(counter, { reason }), 1)
      const before = counts.get(reason)
      counts.set(reason, (before ?? 0) + 1)
      if (before !== undefined) return count
      return Effect.andThen(
        count,
        Effect.logWarning("Requests are answered 503", {
          reason,
          sqlstate: state,
          detail: message,
          route: route ?? path
        })
      )
    }
  }
})
