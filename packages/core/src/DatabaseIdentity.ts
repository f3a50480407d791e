/**
 * Which history of which server a transaction id belongs to.
 *
 * Transaction ids and snapshots are numbers of one server. After a dump is restored elsewhere they mean nothing; after a
 * standby was promoted or a backup restored to a moment, the same number may be another transaction. A caller that keeps one
 * outside of the database (in memory, in a cursor) keeps the identity with it, and begins again where it differs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * The identity as an expression without parameters, for a statement that reads it in the snapshot of its rows:
 * `<system identifier>/<timeline>/<oid of the database>`.
 *
 * The timeline is that of the write-ahead log; `pg_control_checkpoint` lags behind a promotion.
 *
 * @category constructors
 * @since 0.1.0
 */
export const expression = `(
  SELECT concat_ws('/', control.system_identifier,
                   CASE WHEN pg_is_in_recovery()
                        THEN (SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint())
                        ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
                   END,
                   (SELECT oid FROM pg_database WHERE datname = current_database()))
    FROM pg_control_system() AS control)`

/**
 * Returns the identity of the database that the client is connected to. Two ids of transactions may be compared only if
 * they were read under equal identities.
 *
 * @category running
 * @since 0.1.0
 */
export const identity: Effect.Effect<string, SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly identity: string }>`SELECT ${sql.literal(expression)} AS identity`
).pipe(Effect.map(([row]) => row?.identity ?? ""))
