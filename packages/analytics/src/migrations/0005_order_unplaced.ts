import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Refunds and shipments whose order is unknown: few, and what doctor and the list look for.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_order_adjustment_unplaced`,
    `
  CREATE INDEX CONCURRENTLY hm_order_adjustment_unplaced
      ON hm_order_adjustment (tenant_id, order_id, booked_at)
   WHERE currency IS NULL
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
