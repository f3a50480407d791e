import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Debt that was given back since the row was made: by refunds, resets, changed rates and unused leases. A process that
    // returns a lease reads from it how far the debt can have fallen since the lease was granted.
    `
  ALTER TABLE hm_api_rate_limit
    ADD COLUMN returned numeric NOT NULL DEFAULT 0
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
