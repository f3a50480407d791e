/** The database's clock as a test moves it, and time that a model can follow. */
import { RateClock } from "@hypermarket/quotas/RateClock"
import { ConfigProvider, Context, Effect, Layer } from "effect"

/** Checks that wait for a busy machine, so that the database decides each of them. */
export const patient = ConfigProvider.layer(
  ConfigProvider.fromUnknown({ HM_QUOTAS_CHECK_DEADLINE: "30 seconds" })
)

export class TestClock extends Context.Service<
  TestClock,
  { readonly advance: (millis: number) => Effect.Effect<void> }
>()("@hypermarket/quotas/test/TestClock") {
  static readonly advance = (millis: number) => Effect.flatMap(TestClock, (clock) => clock.advance(millis))
}

/** Moves the clock that the statements read. The process's own clock and its timers stay as they are. */
export const layerClock = Layer.effectContext(
  Effect.sync(() => {
    let offsetMicros = 0
    return Context.make(TestClock, {
      advance: (millis) =>
        Effect.sync(() => {
          offsetMicros += millis * 1_000
        })
    }).pipe(Context.add(RateClock, { offsetMicros: () => offsetMicros }))
  })
)

/** Text of three bytes of UTF-8 per character, which Postgres cannot compress. */
export const ideographs = (length: number): string =>
  Array.from({ length }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7_919) % 20_000))).join("")
