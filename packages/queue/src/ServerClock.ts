/**
 * Corrects the clock of a process by the database's. Due times, rates and expiries of all workers are compared with one
 * clock then, although the clock of one of them is wrong.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * Difference that is not corrected, in milliseconds: clocks that are kept by NTP differ by less, and correcting them would
 * make time jump.
 *
 * @category limits
 * @since 0.1.0
 */
export const toleranceMillis = 1_000

const aheadSeconds = Metric.gauge("hm_queue_clock_ahead_seconds", {
  description: "Seconds that the clock of this process is ahead of the database's"
})

/** Interval of measurements. */
const interval = "10 seconds"

/**
 * Milliseconds to add to the clock of the process; undefined outside of {@link corrected}.
 *
 * @category services
 * @since 0.1.0
 */
export const Offset = Context.Reference<(() => number) | undefined>("@hypermarket/queue/ServerClock/Offset", {
  defaultValue: () => undefined
})

/**
 * Returns the time of the database minus the time of the process, in milliseconds. Undefined when the answer took longer
 * than {@link toleranceMillis}: the difference is not known then.
 *
 * @category accessors
 * @since 0.1.0
 */
export const measure: Effect.Effect<number | undefined, SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const before = yield* Clock.currentTimeMillis
    const [row] = yield* sql<{ readonly millis: number }>`
      SELECT (1000 * extract(epoch FROM clock_timestamp()))::float8 AS millis
    `
    const after = yield* Clock.currentTimeMillis
    return row === undefined || after - before > toleranceMillis
      ? undefined
      : Math.round(row.millis - (before + after) / 2)
  }
)

/**
 * Returns a clock whose time of day is shifted by an offset in milliseconds. Its monotonic time is not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const shifted = (clock: Clock.Clock, offsetMillis: () => number): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offsetMillis(),
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + offsetMillis()),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanosOf(offsetMillis()),
  currentTimeNanos: Effect.map(clock.currentTimeNanos, (nanos) => nanos + nanosOf(offsetMillis())),
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

const nanosOf = (millis: number): bigint => BigInt(Math.round(millis)) * 1_000_000n

/**
 * Runs an effect whose `Now` is corrected, until the scope closes. A measurement that fails or takes long leaves the last
 * correction.
 *
 * @category running
 * @since 0.1.0
 */
export const corrected = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    if ((yield* Offset) !== undefined) return yield* self
    const base = yield* Now.Now
    let offsetMillis = 0
    const update = Effect.gen(function* () {
      const measured = yield* measure
      if (measured === undefined) return
      yield* Metric.update(aheadSeconds, -measured / 1_000)
      const next = Math.abs(measured) < toleranceMillis ? 0 : measured
      if (Math.abs(next - offsetMillis) >= toleranceMillis) {
        yield* Effect.logWarning(
          "The clock of this process differs from the database's, whose time is used instead",
          { ahead_millis: -next }
        )
      }
      offsetMillis = next
    }).pipe(Effect.ignore)
    yield* update
    yield* update.pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)
    const now = Effect.map(base, (local) =>
      offsetMillis === 0 ? local : new Date(local.getTime() + offsetMillis)
    )
    return yield* self.pipe(
      Effect.provideService(Now.Now, now),
      Effect.provideService(Offset, () => offsetMillis)
    )
  })

/**
 * Corrects `Now` of every layer that it is provided to, until the scope closes: expiries and due times that a process stores
 * are by the database's clock.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effectContext(
  corrected(
    Effect.gen(function* () {
      return Context.make(Now.Now, yield* Now.Now).pipe(Context.add(Offset, yield* Offset))
    })
  )
)
