/** Transactions that have a connection of the pool, and those that wait for one. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

const open = Metric.gauge("hm_database_transactions_open", {
  description: "Transactions that have a connection of the pool"
})

const waiting = Metric.gauge("hm_database_transactions_waiting", {
  description: "Transactions that wait for a connection of the pool"
})

/** Counts a connection from the wait for it until its scope ends. */
export const measured = <A, E>(reserve: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Metric.modify(waiting, 1).pipe(
      Effect.andThen(Effect.ensuring(restore(reserve), Metric.modify(waiting, -1))),
      Effect.tap(() =>
        Effect.andThen(
          Metric.modify(open, 1),
          Effect.addFinalizer(() => Metric.modify(open, -1))
        )
      )
    )
  )
