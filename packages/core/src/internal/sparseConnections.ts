/**
 * Makes callers wait for the connections that a pool has while the server refuses it more (SQLSTATE 53300). Without it each
 * growth of the pool that is refused fails the caller that asked for it, although another connection is free a moment later.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Storage from "../Storage.ts"

const connectionsSpentState = "53300"

/** After a refusal the pool stops growing for this long, then it tries one connection more. */
const pauseMillis = 250

/** Attempts of a caller while the process has no connection at all: there is nothing that it could wait for. */
const attemptsMax = 3

/** A line in the log says so at most once in this time. */
const logEveryMillis = 60_000

const isRefused = (exit: Exit.Exit<unknown, SqlError>): boolean => {
  if (Exit.isSuccess(exit)) return false
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return isSqlError(error) && Storage.failureOf(error).state === connectionsSpentState
}

/** Wraps the effect by which a pool of `connectionsMax` connections hands out one for the scope. */
export const make = <A>(
  reserve: Effect.Effect<A, SqlError, Scope.Scope>,
  connectionsMax: number
): Effect.Effect<A, SqlError, Scope.Scope> => {
  let held = 0
  let asking = 0
  let limit = Number.POSITIVE_INFINITY
  let growsAtMillis = 0
  let loggedAtMillis = Number.NEGATIVE_INFINITY
  const waiting: Array<Latch.Latch> = []

  const release = () => {
    held--
    waiting.shift()?.openUnsafe()
  }

  /** Waits for the release of a connection, or until the pool may grow again. */
  const turn = Effect.suspend(() => {
    const latch = Latch.makeUnsafe()
    waiting.push(latch)
    return latch.await.pipe(
      Effect.timeoutOption(pauseMillis),
      Effect.ensuring(
        Effect.sync(() => {
          const place = waiting.indexOf(latch)
          if (place >= 0) waiting.splice(place, 1)
        })
      )
    )
  })

  const refused = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    limit = Math.max(1, held)
    growsAtMillis = now + pauseMillis
    if (now - loggedAtMillis < logEveryMillis) return
    loggedAtMillis = now
    yield* Effect.logWarning(
      "The server refuses further connections: transactions wait for those of the process",
      {
        connections: held
      }
    )
  })

  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      let isHeld = false
      // Before the pool's own finalizer is added: the connection is back in the pool when the next caller is called.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (isHeld) release()
        })
      )
      for (let attempt = 1; ; attempt++) {
        while (held + asking >= limit) {
          if ((yield* Clock.currentTimeMillis) >= growsAtMillis) {
            growsAtMillis = (yield* Clock.currentTimeMillis) + pauseMillis
            limit = held + asking + 1
          } else yield* restore(turn)
        }
        asking++
        const exit = yield* Effect.exit(restore(reserve))
        asking--
        if (Exit.isSuccess(exit)) {
          held++
          isHeld = true
          // The whole pool is there: callers queue in it again.
          limit = held >= connectionsMax ? Number.POSITIVE_INFINITY : Math.max(limit, held)
          return exit.value
        }
        if (!isRefused(exit) || (held === 0 && attempt >= attemptsMax)) return yield* exit
        yield* refused
        if (held === 0) yield* restore(turn)
      }
    })
  )
}
