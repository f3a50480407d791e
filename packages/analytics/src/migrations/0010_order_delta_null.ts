import { migration } from "@hypermarket/core/Migrations"

/** The measures at this time. Written out: a migration that has been released never changes. */
const measures = [
  "orders",
  "seller_orders",
  "lines",
  "units",
  "gross",
  "discount",
  "tax",
  "shipping",
  "cancelled_orders",
  "cancelled_units",
  "cancelled_amount",
  "refund_units",
  "refund_amount",
  "booked_refund_units",
  "booked_refund_amount",
  "shipped_units",
  "fees",
  "refund_tax",
  "refund_shipping",
  "refund_fees",
  "refund_cancelled_amount",
  "booked_refund_tax",
  "booked_refund_shipping",
  "booked_refund_fees"
]

export default migration(
  [
    // Null is 0 in the log: a fact changes a few of the measures, and a null takes no space and no addition.
    `ALTER TABLE hm_order_delta ${measures.map((measure) => `ALTER COLUMN ${measure} DROP NOT NULL`).join(", ")}`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
