import { migration } from "@hypermarket/core/Migrations"

/**
 * Each statement reads the checks of the tables that it writes from text, and prepares them. For one order that is a
 * tenth of all its time. What they refuse is refused before, by the schema of a fact, at every door.
 */
const checked = {
  hm_order_head: ["order_id", "version"],
  hm_order_line: ["ordered_at", "units", "gross", "discount", "tax", "shipping", "fees"],
  hm_order_adjustment: ["adjustment_id", "version", "booked_at", "units", "amount", "tax", "shipping", "fees"]
}

export default migration(
  [
    ...Object.entries(checked).map(
      ([table, columns]) =>
        `ALTER TABLE ${table} ${columns.map((column) => `DROP CONSTRAINT ${column}_in_range`).join(", ")}`
    ),
    `ALTER TABLE hm_order_line DROP CONSTRAINT currency_in_form`,
    `ALTER TABLE hm_order_adjustment DROP CONSTRAINT kind_known`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
