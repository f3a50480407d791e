/**
 * What the database's failures become at an HTTP edge.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpApiError from "effect/http-api/HttpApiError"
import { hasProperty } from "effect/Predicate"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/**
 * The database is away or overloaded; the request may be sent again after `Retry-After` seconds.
 *
 * @category errors
 * @since 0.1.0
 */
export class StorageUnavailable extends HttpApiError.Problem<StorageUnavailable>()("StorageUnavailable", {
  type: "urn:hypermarket:problem:core:storage-unavailable",
  status: 503,
  title: "The database is away or overloaded; try again"
}) {}

/**
 * SQLSTATE classes and codes that pass by themselves and that sql-pg files under `UnknownError`: insufficient
 * resources (53), the server shutting down, crashing or starting up (57P01 to 57P03), an idle session it ended (57P05),
 * and a read-only server after a fail-over (25006).
 */
const isPassingState = (code: string): boolean =>
  code.startsWith("53") || /^57P0[1235]$/.test(code) || code === "25006"

/**
 * True when the same statement may succeed when sent again: the server is away, overloaded or resolving a conflict.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRetryable = (error: SqlError): boolean => {
  if (error.isRetryable) return true
  const cause: unknown = error.reason.cause
  const fields = hasProperty(cause, "fields") ? cause.fields : cause
  return hasProperty(fields, "code") && typeof fields.code === "string" && isPassingState(fields.code)
}

/**
 * Turns a retryable `SqlError` into {@link StorageUnavailable}; any other is a defect.
 *
 * @category error handling
 * @since 0.1.0
 */
export const orUnavailable = <A, E, R>(
  self: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | StorageUnavailable, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, SqlError> | StorageUnavailable> => {
    if (!isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError>)
    return isRetryable(error) ? Effect.fail(new StorageUnavailable()) : Effect.die(error)
  })

/**
 * Answers {@link StorageUnavailable} when the effect takes longer, without waiting for it to stop: the driver waits up
 * to five seconds for a cancellation that a frozen server never confirms. The effect is interrupted in the background.
 *
 * @category error handling
 * @since 0.1.0
 */
export const within =
  (limit: Duration.Input) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StorageUnavailable, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(restore(self), { startImmediately: true }), (fiber) => {
        const done = fiber.pollUnsafe()
        if (done !== undefined) return done
        return restore(Fiber.join(fiber)).pipe(
          Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(new StorageUnavailable()) }),
          Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe()))
        )
      })
    )

/**
 * Refuses at once what could only time out: after a run of requests that found the database away, one request in 250 ms
 * is let through to see whether it is back, and every other is {@link StorageUnavailable} immediately. So an outage
 * costs neither memory nor a queue, and ends a quarter of a second after the database's return.
 *
 * Effect's `CircuitBreaker` does the same with a store behind it, at several times the cost for each request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gate {
  readonly guard: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StorageUnavailable, R>
}

/** A burst of that many refusals in a row is no accident of single requests. */
const failuresUntilClosed = 16
const trialIntervalMillis = 250

/**
 * A gate for one process and database.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeGate: Effect.Effect<Gate> = Effect.map(Clock.Clock, (clock) => {
  let failures = 0
  let nextTrialMillis = 0
  const isRefused = (): boolean => {
    if (failures < failuresUntilClosed) return false
    const nowMillis = clock.currentTimeMillisUnsafe()
    if (nowMillis < nextTrialMillis) return true
    nextTrialMillis = nowMillis + trialIntervalMillis
    return false
  }
  return {
    guard: <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | StorageUnavailable, R> => {
        if (isRefused()) return Effect.fail(new StorageUnavailable())
        return Effect.onExit(self, (exit) => {
          // Only an answer shows that the database is there: a refusal of the request itself may never have asked it.
          if (Exit.isSuccess(exit)) failures = 0
          else if (isUnavailable(exit.cause)) failures++
          return Effect.void
        })
      })
  }
})

const isUnavailable = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof StorageUnavailable)
