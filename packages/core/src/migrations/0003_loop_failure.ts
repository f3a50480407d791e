import { migration } from "../Migrations.ts"

export default migration(
  [
    // One row for a tenant for whom a loop over all tenants has failed since its last success. The loop tries that tenant
    // again at retry_at, and goes on with the others.
    `
  CREATE TABLE hm_loop_failure (
    tenant_id  text        NOT NULL,
    loop       text        NOT NULL CONSTRAINT loop_in_range CHECK (length(loop) BETWEEN 1 AND 100),
    failures   integer     NOT NULL,
    reason     text        NOT NULL CONSTRAINT reason_in_range CHECK (length(reason) BETWEEN 1 AND 60),
    last_error text        NOT NULL CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500),
    began_at   timestamptz NOT NULL,
    failed_at  timestamptz NOT NULL,
    retry_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, loop)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
