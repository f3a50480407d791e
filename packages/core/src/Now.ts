/**
 * The time that due dates and deadlines are compared with. A test moves it while timers, the connection pool and
 * Effect's `Clock` stay real.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const systemNow = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis))

/**
 * @category services
 * @since 0.1.0
 */
export const Now = Context.Reference<Effect.Effect<Date>>("@hypermarket/core/Now", {
  defaultValue: () => systemNow
})

/**
 * The current `Now`, to be bound as a parameter of a statement. Never `now()` of the database: a test could not move it.
 *
 * @category accessors
 * @since 0.1.0
 */
export const now: Effect.Effect<Date> = Effect.flatten(Now)

/**
 * Moves {@link now} in tests.
 *
 * @category testing
 * @since 0.1.0
 */
export class TestNow extends Context.Service<
  TestNow,
  {
    /** Moves forward (or back, with a negative duration) from where it stands. */
    readonly adjust: (by: Duration.Input) => Effect.Effect<void>
    /** Goes to an instant and runs on from there. */
    readonly set: (instant: Date) => Effect.Effect<void>
  }
>()("@hypermarket/core/TestNow") {}

/**
 * @category layers
 * @since 0.1.0
 */
export const layerTest: Layer.Layer<TestNow> = Layer.effectContext(
  Effect.sync(() => {
    let offsetMillis = 0
    const shifted = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis + offsetMillis))
    const test: TestNow["Service"] = {
      adjust: (by) =>
        Effect.sync(() => {
          offsetMillis += Duration.toMillis(by)
        }),
      set: (instant) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          offsetMillis = instant.getTime() - millis
        })
    }
    return Context.make(TestNow, test).pipe(Context.add(Now, shifted))
  })
)
