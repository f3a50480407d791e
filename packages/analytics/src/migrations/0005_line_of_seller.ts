import { migration } from "@hypermarket/core/Migrations"

// The seller's index began with the tenant, as the primary key does. A planner whose statistics do not know a tenant yet
// takes it for a row or two, finds both indexes equally cheap, and may read all of the tenant's lines where it should look
// one up. With the seller first, only the key can be meant; a seller's lines are found as before. See decision 0011.
export default migration(
  [
    // What an attempt that was cut short has left.
    "DROP INDEX CONCURRENTLY IF EXISTS hm_order_line_of_seller",
    `CREATE INDEX CONCURRENTLY hm_order_line_of_seller ON hm_order_line (seller_id, tenant_id, ordered_at)`,
    "DROP INDEX CONCURRENTLY IF EXISTS hm_order_line_seller"
  ],
  { transactional: false }
)
