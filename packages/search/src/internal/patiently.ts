/**
 * Statements that read a whole index take longer than a session lets a statement run, at some million documents.
 */
import { isOpen } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Ten minutes: what still runs then is held up by something else. */
const statementTimeoutMillis = 600_000

/**
 * In its own transaction, with a longer timeout for its statements, and therefore on its own connection: a slow statement
 * would hold up those that are pipelined behind it. In the caller's transaction the caller's timeout stays.
 */
export const patiently =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(isOpen(sql), (open) =>
      open
        ? self
        : sql.withTransaction(
            Effect.andThen(
              sql`SELECT set_config('statement_timeout', ${String(statementTimeoutMillis)}, true)`,
              self
            )
          )
    )
