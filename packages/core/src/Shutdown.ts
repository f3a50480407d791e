/**
 * Announces to the process that it is about to stop: readiness fails first, streams end, no new work is taken.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"

/**
 * @category services
 * @since 0.1.0
 */
export class Shutdown extends Context.Service<
  Shutdown,
  {
    readonly isStopping: () => boolean
    /** Ends when stopping begins; a stream is cut with `Stream.interruptWhen(shutdown.stopping)`. */
    readonly stopping: Effect.Effect<void>
    readonly begin: Effect.Effect<void>
  }
>()("@hypermarket/core/Shutdown") {
  static readonly layer: Layer.Layer<Shutdown> = Layer.effect(
    Shutdown,
    Effect.gen(function* () {
      const latch = yield* Latch.make(false)
      let isStopping = false
      return {
        isStopping: () => isStopping,
        stopping: latch.await,
        begin: Effect.suspend(() => {
          isStopping = true
          return Effect.asVoid(latch.open)
        })
      }
    })
  )
}
