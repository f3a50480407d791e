import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The results that a signal had before, each until when: a feature that is worked out for an earlier time counts the result of
    // that time. Null where the result never changed; the newest 20 are kept.
    `ALTER TABLE hm_fraud_signal ADD COLUMN earlier_results jsonb`,
    // An entity that cannot be summed waits by itself: the tenant's other entities go on.
    `
  ALTER TABLE hm_fraud_entity_due
    ADD COLUMN failures integer NOT NULL DEFAULT 0 CONSTRAINT failures_in_range CHECK (failures >= 0),
    ADD COLUMN retry_at timestamptz,
    ADD COLUMN last_error text CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
