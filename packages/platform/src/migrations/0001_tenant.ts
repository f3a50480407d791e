import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Global (a reference table on Citus): every process looks tenants up, and writes are rare.
    `
  CREATE TABLE hm_tenant (
    tenant_id     text        NOT NULL PRIMARY KEY
                              CONSTRAINT tenant_id_in_form CHECK (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name          text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    plan          text        NOT NULL CONSTRAINT plan_in_range CHECK (length(plan) BETWEEN 1 AND 64),
    region        text        CONSTRAINT region_in_form CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    status        text        NOT NULL CONSTRAINT status_known CHECK (status IN ('active', 'suspended')),
    status_reason text        CONSTRAINT status_reason_in_range CHECK (length(status_reason) BETWEEN 1 AND 500),
    version       integer     NOT NULL DEFAULT 1,
    recorded_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT suspended_with_reason CHECK (status = 'active' OR status_reason IS NOT NULL)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
