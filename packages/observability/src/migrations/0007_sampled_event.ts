import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Events that are counted and no longer kept, because their hour had many like them.
    `
  ALTER TABLE hm_error_issue
    ADD COLUMN sampled_count bigint NOT NULL DEFAULT 0 CONSTRAINT sampled_count_in_range CHECK (sampled_count >= 0)
  `,
    `ALTER TABLE hm_error_hour ADD COLUMN is_sampled boolean NOT NULL DEFAULT false`,
    // The hours of the last day, of all tenants.
    `CREATE INDEX hm_error_hour_time ON hm_error_hour USING brin (hour) WITH (autosummarize = on)`,
    `
  ALTER TABLE hm_error_count
    DROP CONSTRAINT outcome_is_known,
    ADD CONSTRAINT outcome_is_known
        CHECK (outcome IN ('stored', 'counted', 'dropped', 'client', 'sampled', 'removed'))
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
