/**
 * Exponential decay in SQL.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/**
 * Returns the expression of a score some seconds later. Postgres fails on a result that is too small for a double, so a
 * negligible score becomes 0.
 */
export const decayed = (
  sql: SqlClient.SqlClient,
  {
    halfLife,
    score,
    seconds
  }: { readonly score: Fragment; readonly seconds: Fragment; readonly halfLife: Fragment }
): Fragment => sql`
  CASE WHEN ${score} < 1e-100 OR ${seconds} / ${halfLife} > 100 THEN 0
       ELSE ${score} * power(2, -greatest(0, ${seconds}) / ${halfLife})
  END
`
