import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per unlogged table: a row of that table which is missing tells that a crash or failover has emptied it. It is of the
    // installation.
    `
  CREATE TABLE hm_rate_presence (
    tenant_id  text        NOT NULL,
    table_name text        NOT NULL,
    seen_at    timestamptz NOT NULL,
    lost_at    timestamptz NULL,
    PRIMARY KEY (tenant_id, table_name)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
