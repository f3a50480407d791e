import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The state of Effect's `RateLimiter`, one row per key that is in use. Unlogged as `hm_api_rate_limit` is; a job deletes rows
    // whose state has ended. No index on \`expires_at\`: each request changes it, and updates stay in their page.
    `
  CREATE UNLOGGED TABLE hm_rate_store (
    tenant_id  text        NOT NULL,
    kind       text        NOT NULL CONSTRAINT kind_listed CHECK (kind IN ('adaptive', 'bucket', 'window')),
    key        text        NOT NULL CONSTRAINT key_in_range CHECK (length(key) BETWEEN 1 AND 1000),
    state      json        NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
  ) WITH (fillfactor = 60)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
