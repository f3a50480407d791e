/**
 * Makes callers wait for the connections that a pool has while the server refuses it more (SQLSTATE 53300: of the server, the
 * database or the role). Without it each growth of the pool that is refused fails the caller that asked for it, although
 * another connection is free a moment later.
 */
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import type * as PgPool from "@effect/sql-pg/PgPool"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Storage from "../Storage.ts"

const connectionsSpentState = "53300"

/** After a refusal the pool stops growing for this long, then one caller at a time asks for one connection more. */
const pauseMillis = 250

/** Attempts of a caller while the pool has no connection at all: there is nothing that it could wait for. */
const attemptsMax = 3

/** A pool that served no caller for this long has no connection. Between two callers it is without one for a moment. */
const emptyMillis = 500

/** A caller waits this long for a connection of the other pool, then it tries its own again. */
const otherMillis = 1_000

/** A pool that was refused nothing for this long asks for connections as it likes again. */
const forgetMillis = 10_000

/** A line in the log says so at most once in this time. */
const logEveryMillis = 60_000

type Scoped = Effect.Effect<PgConnection.PgConnection, SqlError, Scope.Scope>

/** How callers get at the connections of a pool: as `PgPool` has it. */
export interface Lender {
  /** A connection that others may share. */
  readonly get: Scoped
  /** A connection for one caller alone. */
  readonly reserve: Scoped
  /** A connection that others may share, until the effect ends. */
  readonly use: <A, E, R>(
    f: (connection: PgConnection.PgConnection) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError, R>
}

/** A pool as its callers see it. */
export interface Pool extends Lender {
  /** The same pool, of which a caller asks once where it has no connection at all. */
  readonly once: Lender
  /** The same pool. Where it has no connection and gets none, the caller takes one of the other pool. */
  readonly or: (other: Pool) => Lender
}

/** The place of a caller in the queue. */
interface Place {
  readonly latch: Latch.Latch
  /** It asks while all connections are lent: the pool has to grow for it. */
  isTrial: boolean
}

const isRefusal = (error: unknown): error is SqlError =>
  isSqlError(error) && Storage.failureOf(error).state === connectionsSpentState

const isRefused = (exit: Exit.Exit<unknown, SqlError>): boolean =>
  Exit.isFailure(exit) && isRefusal(Option.getOrUndefined(Exit.findErrorOption(exit)))

/** Wraps a pool. Callers are served in the order in which they came. */
export const make = Effect.fnUntraced(function* (pool: PgPool.PgPool): Effect.fn.Return<Pool> {
  const clock = yield* Clock.Clock
  /** Callers that have a connection, and callers that ask the pool for one. */
  let held = 0
  let asking = 0
  /** Callers that the pool serves without growing; infinite while the server refuses nothing. */
  let limit = Number.POSITIVE_INFINITY
  let isTrying = false
  let refusedAtMillis = Number.NEGATIVE_INFINITY
  let servedAtMillis = Number.NEGATIVE_INFINITY
  let loggedAtMillis = Number.NEGATIVE_INFINITY
  const queue: Array<Place> = []

  const isPaused = () => clock.currentTimeMillisUnsafe() - refusedAtMillis < pauseMillis
  const isEmpty = () => held === 0 && clock.currentTimeMillisUnsafe() - servedAtMillis >= emptyMillis

  /** Lets callers ask the pool: as many as it has connections for, and one more when it may grow. */
  const admit = () => {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const isTrial = held + asking >= limit
      if (isTrial && (isTrying || isPaused())) return
      queue.shift()
      asking++
      next.isTrial = isTrial
      isTrying ||= isTrial
      next.latch.openUnsafe()
    }
  }

  const asked = (place: Place) => {
    asking--
    if (place.isTrial) isTrying = false
  }

  const take = () => {
    held++
    servedAtMillis = clock.currentTimeMillisUnsafe()
  }

  const release = () => {
    held--
    servedAtMillis = clock.currentTimeMillisUnsafe()
    admit()
  }

  const enter = (place: Place, isFirst: boolean) => {
    if (isFirst) queue.push(place)
    else queue.unshift(place)
    if (queue.length === 1 && clock.currentTimeMillisUnsafe() - refusedAtMillis >= forgetMillis) {
      limit = Number.POSITIVE_INFINITY
    }
    admit()
  }

  /** Waits until the caller may ask. */
  const admitted = (place: Place): Effect.Effect<void> =>
    Effect.flatMap(
      Effect.timeoutOption(place.latch.await, pauseMillis),
      Option.match({
        onSome: () => Effect.void,
        onNone: () => {
          admit()
          return admitted(place)
        }
      })
    )

  const leave = (place: Place) => {
    const index = queue.indexOf(place)
    if (index >= 0) queue.splice(index, 1)
    else asked(place)
    admit()
  }

  const refused = Effect.suspend(() => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    refusedAtMillis = nowMillis
    limit = Math.max(1, held)
    if (nowMillis - loggedAtMillis < logEveryMillis) return Effect.void
    loggedAtMillis = nowMillis
    return Effect.logWarning("The server refuses further connections: callers wait for those of the pool", {
      callers: held,
      application: pool.config.applicationName
    })
  })

  /** Acquires a connection in its turn. With another pool to turn to, it asks that one where this one has none. */
  const acquire = (from: Scoped, other: Scoped | undefined, attemptsMax: number): Scoped =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        let isHeld = false
        // Before the pool's own finalizer is added: the connection is back in the pool when the next caller is called.
        yield* Effect.flatMap(Effect.scope, (scope) =>
          Scope.addFinalizer(
            scope,
            Effect.sync(() => {
              if (isHeld) release()
            })
          )
        )
        let attempts = 0
        for (let isFirst = true; ; isFirst = false) {
          // One that was refused keeps its place at the head of the queue.
          const place: Place = { latch: Latch.makeUnsafe(), isTrial: false }
          enter(place, isFirst)
          yield* Effect.onInterrupt(restore(admitted(place)), () => Effect.sync(() => leave(place)))
          const exit = yield* Effect.exit(restore(from))
          asked(place)
          if (Exit.isSuccess(exit)) {
            take()
            isHeld = true
            limit = Math.max(limit, held)
            admit()
            return exit.value
          }
          if (!isRefused(exit)) {
            admit()
            return yield* exit
          }
          yield* refused
          if (held > 0) continue
          admit()
          if (other !== undefined && isEmpty()) {
            const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
            const lent = yield* Effect.exit(
              restore(Effect.timeoutOption(Scope.provide(other, scope), otherMillis))
            )
            if (Exit.isSuccess(lent) && Option.isSome(lent.value)) return lent.value.value
            // It may have come too late, and would be held for as long as this caller waits.
            yield* Scope.close(scope, Exit.void)
            // The other pool's callers have its connections one after the other: this one waits as well.
            if (Exit.isSuccess(lent)) continue
            if (!isRefused(lent)) return yield* Effect.failCause(lent.cause)
          }
          if (isEmpty() && ++attempts >= attemptsMax) return yield* exit
          yield* restore(Effect.sleep(pauseMillis))
        }
      })
    )

  const lender = (other: Lender | undefined, attempts: number): Lender => {
    const get = acquire(pool.get, other?.get, attempts)
    return {
      get,
      reserve: acquire(pool.reserve, other?.reserve, attempts),
      use: (f) =>
        Effect.suspend(() => {
          // The server gives what the pool asks for: the caller needs no scope.
          if (limit !== Number.POSITIVE_INFINITY) return Effect.scoped(Effect.flatMap(get, f))
          let isHeld = false
          return pool
            .use((connection) => {
              isHeld = true
              take()
              return f(connection)
            })
            .pipe(
              Effect.onExit(() => {
                if (isHeld) release()
                return Effect.void
              }),
              Effect.catch((error) =>
                isHeld || !isRefusal(error)
                  ? Effect.fail(error)
                  : Effect.andThen(refused, Effect.scoped(Effect.flatMap(get, f)))
              )
            )
        })
    }
  }

  return {
    ...lender(undefined, attemptsMax),
    once: lender(undefined, 1),
    or: (other) => lender(other.once, attemptsMax)
  }
})
