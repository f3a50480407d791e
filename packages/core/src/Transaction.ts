/**
 * Transactions that join the caller's. Apart from {@link module:Database}, so that services need no driver.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

const conflictRetriesMax = 5
const conflictBackoff = Schedule.exponential("5 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: conflictRetriesMax })
)

/**
 * True for a serialisation failure and a deadlock: the transaction may be run again.
 *
 * @category guards
 * @since 0.1.0
 */
export const isConflict = (error: unknown): boolean =>
  isSqlError(error) && (error.reason._tag === "SerializationError" || error.reason._tag === "DeadlockError")

/**
 * Returns the error of a lost connection. The client reports the failed rollback on it as a defect, which callers do not
 * retry, although the server may only have restarted.
 */
const lostConnection = (cause: Cause.Cause<unknown>): SqlError | undefined => {
  for (const reason of cause.reasons) {
    if (
      reason._tag === "Die" &&
      isSqlError(reason.defect) &&
      reason.defect.reason._tag === "ConnectionError"
    ) {
      return reason.defect
    }
  }
  return undefined
}

/**
 * Runs an effect in a transaction: joins the one that is open, without a savepoint, else begins one. One that it began
 * is run again, up to five times, after a serialisation failure or deadlock: the effect must not act outside the
 * database, except through `sql.afterCommit`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transaction = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, R | SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => transactionOf(sql)(self))

/**
 * Runs an effect once in a new transaction of the client. A lost connection is a `SqlError` and not a defect.
 *
 * @category combinators
 * @since 0.1.0
 */
export const begin =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    sql.withTransaction(self).pipe(
      Effect.catchCause((cause): Effect.Effect<never, E | SqlError> => {
        const lost = lostConnection(cause)
        return lost === undefined ? Effect.failCause(cause) : Effect.fail(lost)
      })
    )

/**
 * {@link transaction} for a client at hand, as services hold it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transactionOf =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(isOpen(sql), (open) =>
      open ? self : Effect.retry(begin(sql)(self), { while: isConflict, schedule: conflictBackoff })
    )

/**
 * True inside a transaction of this client.
 *
 * @category combinators
 * @since 0.1.0
 */
export const isOpen = (sql: SqlClient.SqlClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)
