/** How the statements find a line. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment, Parameter } from "effect/sql/Statement"

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
    SELECT *
      FROM hm_order_line o
     WHERE o.tenant_id = ${tenantId} AND o.order_id = ${of}.order_id AND o.line_id = ${of}.line_id
     LIMIT 1
  `
}

/** The columns of a line without content: a seller, a product and a category it does not have. */
const placeholder = `
  o.order_id, '' AS seller_id, '' AS product_id, '' AS category, o.region, o.channel, o.currency, o.customer_id,
  o.cancelled, true AS removed, o.ordered_at, o.tenant_day, o.tenant_day AS seller_day, 0::bigint AS units,
  0::bigint AS gross, 0::bigint AS discount, 0::bigint AS cancelled_amount`

const known = `
  o.order_id, o.seller_id, o.product_id, o.category, o.region, o.channel, o.currency, o.customer_id, o.cancelled,
  o.removed, o.ordered_at, o.tenant_day, o.seller_day, o.units, o.gross, o.discount, o.cancelled_amount`

/**
 * {@link lineOf} with `is_known`; or, of an order that does not have the line, a line without content in the order's place. Every
 * line of an order has its place: the second look takes the first that the key finds, and only where the first look finds none.
 */
export const lineOrPlaceOf = (
  sql: SqlClient.SqlClient,
  tenantId: Parameter,
  adjustment: "i" | "m"
): Fragment => {
  const of = sql.literal(adjustment)
  return sql`
    SELECT f.*
      FROM (SELECT true) one
      LEFT JOIN LATERAL (
           SELECT ${sql.literal(known)}, true AS is_known
             FROM hm_order_line o
            WHERE o.tenant_id = ${tenantId} AND o.order_id = ${of}.order_id AND o.line_id = ${of}.line_id
            LIMIT 1) k ON true
      CROSS JOIN LATERAL (
           SELECT k.*
            WHERE k.order_id IS NOT NULL
           UNION ALL
           (SELECT ${sql.literal(placeholder)}, false
              FROM hm_order_line o
             WHERE o.tenant_id = ${tenantId} AND o.order_id = ${of}.order_id AND k.order_id IS NULL
             LIMIT 1)) f
  `
}
