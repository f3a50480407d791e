/**
 * The time zones that the database knows. It reads some 600 files to tell, for a tenth of a second: so it is asked once
 * in a process.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

export const make = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlySet<string>, SqlError> => {
  let known: ReadonlySet<string> | undefined
  const read = sql<{ readonly name: string }>`SELECT name FROM pg_timezone_names`.pipe(
    Effect.map((rows) => (known = new Set(rows.map(({ name }) => name))))
  )
  return Effect.suspend(() => (known === undefined ? read : Effect.succeed(known)))
}
