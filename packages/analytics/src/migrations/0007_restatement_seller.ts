import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The cells of a seller are of the days in the seller's zone: the causes of their changes are found by these days.
    `
  ALTER TABLE hm_order_restatement
    ADD COLUMN seller_id  text COLLATE "C",
    ADD COLUMN seller_day date
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
