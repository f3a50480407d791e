/** How the statements find a line. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/**
 * The line of an adjustment, for a lateral. By its key, as the limit has it: joined, a tenant that the planner's statistics do not
 * know is taken for one row, and all of its lines are compared with each adjustment (decision 0011).
 */
export const lineOf = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  /** The name under which the statement has the adjustment. */
  adjustment: "a" | "i" | "m"
): Fragment => {
  const of = sql.literal(adjustment)
  return sql`
    SELECT * FROM hm_order_line o
     WHERE o.tenant_id = ${tenantId} AND o.order_id = ${of}.order_id AND o.line_id = ${of}.line_id
     LIMIT 1
  `
}
