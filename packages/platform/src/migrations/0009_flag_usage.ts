import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per flag, environment and day, as SDKs report. Grows by at most 2,000 flags times 20 environments per day and
    // tenant; a job deletes rows after 400 days.
    `
  CREATE TABLE hm_platform_flag_usage (
    tenant_id   text    NOT NULL,
    feature_id  uuid    NOT NULL,
    environment text    NOT NULL CONSTRAINT environment_in_range CHECK (length(environment) BETWEEN 1 AND 64),
    used_on     date    NOT NULL,
    uses        bigint  NOT NULL CONSTRAINT uses_not_negative CHECK (uses >= 0),
    PRIMARY KEY (tenant_id, feature_id, environment, used_on)
  )
`,
    "CREATE INDEX flag_usage_by_day ON hm_platform_flag_usage (used_on)"
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
