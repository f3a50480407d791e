import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** A check may wait for its policies, then for its decision. The third deadline fires when it has waited for more. */
export const tooMany = 3

/**
 * How many deadlines have passed while an effect ran, by timers of the same event loop: on a busy machine they are as late as the
 * effect's own. It is 0 for an effect that waits for nothing.
 */
export const deadlinesOf = Effect.fnUntraced(function* <A, E, R>(
  deadlineMillis: number,
  self: Effect.Effect<A, E, R>
) {
  let passed = 0
  const watch = Effect.andThen(
    Effect.sleep(deadlineMillis),
    Effect.sync(() => {
      passed++
    })
  )
  const watching = yield* Effect.forkChild(Effect.repeat(watch, { times: tooMany - 1 }))
  const result = yield* self
  const count = passed
  yield* Fiber.interrupt(watching)
  return [count, result] as const
})
