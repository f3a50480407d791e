import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The share of the control by which a guardrail may be worse.
    `
  ALTER TABLE hm_experiment_goal
    ADD COLUMN margin float8 CONSTRAINT margin_in_range CHECK (margin > 0 AND margin <= 1)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
