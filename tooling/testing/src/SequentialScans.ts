/** Which tables a piece of work read whole. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"

/**
 * Runs an effect, and returns the tables that were read whole meanwhile, with the rows that each has got since the database was
 * made. `tables` is a regular expression over their names. Sessions report their counts a little later: the result is read when
 * the table of `reported` has as many rows.
 */
export const during = Effect.fnUntraced(function* <A, E, R>(
  options: {
    readonly tables: string
    readonly reported: readonly [table: string, rows: number]
  },
  work: Effect.Effect<A, E, R>
) {
  const sql = yield* SqlClient
  const [table, rows] = options.reported
  const counts = Effect.map(
    sql<{ readonly table: string; readonly scans: number; readonly written: number }>`
      SELECT relname AS table, seq_scan::integer AS scans, n_tup_ins::integer AS written
        FROM pg_stat_user_tables
       WHERE relname ~ ${options.tables}
    `,
    (found) => new Map(found.map((row) => [row.table, row]))
  )
  const before = yield* counts
  yield* work
  const after = yield* Effect.repeat(counts, {
    schedule: Schedule.spaced("100 millis"),
    until: (tables) => (tables.get(table)?.written ?? 0) >= rows
  })
  return {
    scanned: Array.from(after.values()).flatMap(({ scans, table }) =>
      scans > (before.get(table)?.scans ?? 0) ? [table] : []
    ),
    written: new Map(Array.from(after.values(), ({ table, written }) => [table, written]))
  }
})
