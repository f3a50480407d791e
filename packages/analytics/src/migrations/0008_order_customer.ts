import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One entry an order with a customer: finds the orders of a customer, and of a part of all customers by their hash.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_order_line_customer`,
    `
  CREATE INDEX CONCURRENTLY hm_order_line_customer
      ON hm_order_line (tenant_id, (hashtextextended(customer_id, 0) & 1023), customer_id, ordered_at)
   WHERE is_first AND customer_id IS NOT NULL
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
