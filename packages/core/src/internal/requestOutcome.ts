/** Reports the outcomes of requests to the gate, and answers those that Postgres cut off. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as AccessLog from "../AccessLog.ts"
import type * as DatabaseGate from "../DatabaseGate.ts"
import * as Storage from "../Storage.ts"

export const make = (gate: DatabaseGate.DatabaseGate, clock: Clock.Clock) => {
  /** Passes on to the gate what the end of a request shows of the server. */
  const measured = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const startedAtMillis = clock.currentTimeMillisUnsafe()
      return Effect.onExit(self, (exit) => {
        if (Exit.isSuccess(exit)) {
          gate.answered()
          return Effect.void
        }
        return Effect.flatMap(AccessLog.CurrentRequest, (request) => {
          const unavailable = request?.unavailable
          if (unavailable === undefined) return Effect.void
          if (Storage.pointsAtServer(unavailable.reason)) return gate.suspected(unavailable.reason)
          // An error of the statement itself, such as a lock or its own length, is an answer.
          if (unavailable.state !== undefined) gate.answered()
          else if (!gate.hasAnsweredSince(startedAtMillis)) return gate.suspected("silent")
          return Effect.void
        })
      })
    })

  /** A statement that Postgres cut off has the answer of the request that was. */
  const orDeadline = <A, E, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Storage.DeadlineExceeded, R> =>
    Effect.catch(self, (error) =>
      Effect.flatMap(
        AccessLog.CurrentRequest,
        (request): Effect.Effect<never, E | Storage.DeadlineExceeded> =>
          request?.unavailable?.reason === "deadline"
            ? Effect.fail(new Storage.DeadlineExceeded())
            : Effect.fail(error)
      )
    )

  return { measured, orDeadline }
}
