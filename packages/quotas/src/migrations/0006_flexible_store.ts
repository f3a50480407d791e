import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    `
  ALTER TABLE hm_rate_store
    DROP CONSTRAINT kind_listed,
    ADD CONSTRAINT kind_listed CHECK (kind IN ('adaptive', 'bucket', 'flexible', 'window'))
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
