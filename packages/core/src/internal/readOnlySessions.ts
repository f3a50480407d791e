/**
 * Ends sessions of a pool that cannot write. After a failover the server accepts writes again, but sessions that opened before
 * keep the setting with which they began.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Storage from "../Storage.ts"

/** While the server itself is read-only, every session is: they are ended and opened no more often than that. */
const interval = "1 second"

const deadline = "2 seconds"

export const isRefusal = (error: SqlError): boolean => Storage.failureOf(error).reason === "read-only"

/**
 * Makes the effect that ends the read-only sessions of a pool, those of transactions and those that single statements share. A
 * statement that shares a session which ends fails as if the connection had been lost. To be run outside transactions.
 */
export const make = (sql: SqlClient.SqlClient, poolMax: number): Effect.Effect<Effect.Effect<void>> => {
  const ended = sql`
    SELECT pg_terminate_backend(pg_backend_pid())
     WHERE current_setting('default_transaction_read_only') = 'on'
  `
  const endOne = Effect.andThen(Effect.exit(sql.withTransaction(ended)), Effect.exit(ended))
  return Effect.forEach(Array.from({ length: poolMax }), () => endOne, {
    concurrency: poolMax,
    discard: true
  }).pipe(Storage.within(deadline), Effect.ignore, Effect.cachedWithTTL(interval))
}
