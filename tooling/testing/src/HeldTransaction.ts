/** A transaction that a test holds open on its own connection while others go on. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * Begins a transaction and stays in it when `first` has run. What it gives runs `last` in it, commits, and ends with its
 * result. One that fails before it is ready fails here, because no test waits for it.
 */
export const hold = Effect.fnUntraced(function* <A, E, R, E2, R2>(
  first: Effect.Effect<unknown, E2, R2>,
  last: Effect.Effect<A, E, R>
) {
  const sql = yield* SqlClient.SqlClient
  const isReady = yield* Deferred.make<void>()
  const mayGo = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    sql.withTransaction(
      Effect.gen(function* () {
        yield* first
        yield* Deferred.succeed(isReady, undefined)
        yield* Deferred.await(mayGo)
        return yield* last
      })
    )
  )
  yield* Effect.raceFirst(Deferred.await(isReady), Fiber.join(fiber))
  return Effect.andThen(Deferred.succeed(mayGo, undefined), Fiber.join(fiber))
})
