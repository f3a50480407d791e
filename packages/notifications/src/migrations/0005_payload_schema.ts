import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Null: the version takes any payload.
    `
  ALTER TABLE hm_notification_template
    ADD COLUMN payload_schema jsonb CONSTRAINT payload_schema_in_range CHECK (pg_column_size(payload_schema) <= 65536)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
