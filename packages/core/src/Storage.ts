/**
 * Maps failures of the database to responses at an HTTP edge.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasProperty } from "effect/Predicate"
import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import * as AccessLog from "./AccessLog.ts"
import { DeadlineExceeded, StorageUnavailable } from "./StorageUnavailable.ts"

export { DeadlineExceeded, StorageUnavailable }

/**
 * Why a statement failed in a way that passes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly reason: AccessLog.UnavailableReason
  /** The SQLSTATE; undefined when there was no answer. */
  readonly state: string | undefined
  readonly message: string
}

/** Reasons that point at the server, and none at the statement. */
const serverReasons: ReadonlySet<AccessLog.UnavailableReason> = new Set([
  "unreachable",
  "shutting-down",
  "read-only",
  "disk-full",
  "connections",
  "resources"
])

/**
 * True for a failure that points at the server and not at the statement.
 *
 * @category guards
 * @since 0.1.0
 */
export const pointsAtServer = (reason: AccessLog.UnavailableReason): boolean => serverReasons.has(reason)

/** SQLSTATE codes and classes in the order they are looked up, the most specific first. */
const reasonsByState: ReadonlyArray<readonly [string, AccessLog.UnavailableReason]> = [
  ["53100", "disk-full"],
  ["53300", "connections"],
  ["53", "resources"],
  ["57P01", "shutting-down"],
  ["57P02", "shutting-down"],
  ["57P03", "shutting-down"],
  ["57P05", "shutting-down"],
  ["57014", "deadline"],
  ["25006", "read-only"],
  ["55P03", "lock"],
  ["40", "conflict"],
  ["08", "unreachable"]
]

/**
 * Classifies a failed statement by its SQLSTATE (Postgres, Appendix A).
 *
 * @category guards
 * @since 0.1.0
 */
export const failureOf = (error: SqlError): Failure => {
  const cause: unknown = error.reason.cause
  const fields = hasProperty(cause, "fields") ? cause.fields : cause
  const state = hasProperty(fields, "code") && typeof fields.code === "string" ? fields.code : undefined
  const message =
    hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : error.message
  const found =
    state === undefined ? undefined : reasonsByState.find(([prefix]) => state.startsWith(prefix))?.[1]
  const reason = found ?? (error.reason._tag === "ConnectionError" ? "unreachable" : "other")
  return { reason, state, message }
}

/**
 * True when the same statement may succeed when sent again: the server is unavailable, overloaded or resolving a
 * conflict.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRetryable = (error: SqlError): boolean =>
  error.isRetryable || failureOf(error).reason !== "other"

/**
 * Turns a retryable `SqlError` into {@link StorageUnavailable}, and notes why on the request; any other is a defect.
 *
 * @category error handling
 * @since 0.1.0
 */
export const orUnavailable = <A, E, R>(
  self: Effect.Effect<A, E | SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError> | StorageUnavailable, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, SqlError> | StorageUnavailable> => {
    // A guard does not narrow a type parameter to the rest.
    if (!isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError>)
    if (!isRetryable(error)) return Effect.die(error)
    return Effect.andThen(AccessLog.noteUnavailable(failureOf(error)), Effect.fail(new StorageUnavailable()))
  })

/**
 * Fails with {@link StorageUnavailable} when the effect takes longer, without waiting for it to stop: the driver waits up
 * to five seconds for a cancellation that a frozen server never confirms. The effect is interrupted in the background.
 *
 * @category error handling
 * @since 0.1.0
 */
export const within =
  (limit: Duration.Input) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StorageUnavailable, R> =>
    bounded(limit, () => Effect.fail(new StorageUnavailable()))(self)

/**
 * Makes the failure of a read that was given up: as if the connection had been lost.
 *
 * @category error handling
 * @since 0.1.0
 */
export const tookTooLong = (read: string): SqlError =>
  new SqlError({
    reason: new ConnectionError({
      cause: undefined,
      message: `${read} took too long`,
      operation: "query"
    })
  })

/** The error is made when it is needed: it reads the stack, which took 3 % of a request. */
const bounded =
  <E2>(limit: Duration.Input, late: () => Effect.Effect<never, E2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(restore(self), { startImmediately: true }), (fiber) => {
        const done = fiber.pollUnsafe()
        if (done !== undefined) return done
        return restore(Fiber.join(fiber)).pipe(
          Effect.timeoutOrElse({ duration: limit, orElse: late }),
          Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe()))
        )
      })
    )

/**
 * Fails with {@link DeadlineExceeded} when the effect takes longer, like {@link within}. The deadline is noted on the
 * request, without an SQLSTATE: the database may have been silent.
 *
 * @category error handling
 * @since 0.1.0
 */
export const withinDeadline =
  (limit: Duration.Input) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    bounded(limit, () =>
      Effect.andThen(AccessLog.noteUnavailable({ reason: "deadline" }), Effect.fail(new DeadlineExceeded()))
    )(self)
