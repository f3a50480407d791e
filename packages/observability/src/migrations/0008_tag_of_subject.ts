import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The errors that an order, customer, product or seller met, for its timeline.
    `
  CREATE INDEX hm_error_tag_subject
      ON hm_error_tag (tenant_id, value, name, issue_id)
   WHERE name IN ('order_id', 'customer_id', 'product_id', 'seller_id')
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
