/**
 * Ends sessions of the pool that cannot write. After a failover the server accepts writes again, but sessions that
 * opened before keep the setting with which they began.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as DatabaseGate from "./DatabaseGate.ts"
import * as Storage from "./Storage.ts"

/** While the server itself is read-only, every session is: they are ended and opened no more often than that. */
const interval = "1 second"

const deadline = "2 seconds"

/**
 * Makes the effect that ends the read-only sessions of a pool, those of transactions and those that single statements
 * share. A statement that shares a session which ends may be answered 503.
 *
 * @category constructors
 * @since 0.1.0
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

/**
 * Ends the read-only sessions of the process's pool.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (poolMax: number): Layer.Layer<never, never, SqlClient.SqlClient> =>
  Layer.effect(
    DatabaseGate.EndReadOnlySessions,
    Effect.flatMap(SqlClient.SqlClient, (sql) => make(sql, poolMax))
  )
