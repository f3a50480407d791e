/** Deletes what is past its retention, of all tenants, in statements of a bounded number of rows. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/** Rows of one statement: it holds their locks for some tens of milliseconds. */
export const rowsMax = 5_000
/** Statements per call. The next call goes on. */
const statementsMax = 200

/** Repeats a statement that returns a row per changed row until it has changed fewer than it may. Returns their number. */
export const repeat = Effect.fnUntraced(function* <E, R>(
  statement: Effect.Effect<ReadonlyArray<unknown>, E, R>,
  max = rowsMax
) {
  let count = 0
  for (let statements = 0; statements < statementsMax; statements++) {
    const { length } = yield* statement
    count += length
    if (length < max) break
  }
  return count
})

/** Deletes the rows of a table that meet a condition, and returns their number. */
export const deleteFrom = (sql: SqlClient.SqlClient, table: string, condition: Fragment) =>
  repeat(sql`
    DELETE FROM ${sql(table)}
     WHERE ctid = ANY (ARRAY (
           SELECT ctid
             FROM ${sql(table)}
            WHERE ${condition}
            LIMIT ${rowsMax}
           ))
       -- A row that has changed meanwhile may not meet it any more.
       AND (${condition})
    RETURNING 1
  `)
