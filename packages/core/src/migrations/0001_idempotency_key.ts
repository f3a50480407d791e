import { migration } from "../Migrations.ts"

export default migration(
  [
    // Key, effect and answer commit together: a row exists only for an answer that was given.
    `
  CREATE TABLE hm_idempotency_key (
    tenant_id       text        NOT NULL,
    idempotency_key text        NOT NULL CONSTRAINT idempotency_key_in_range CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    operation       text        NOT NULL,
    body_hash       text        NOT NULL,
    answer          json        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
  )
  `,
    // For the job that prunes: it goes by age over all tenants.
    `CREATE INDEX hm_idempotency_key_expires_at ON hm_idempotency_key (expires_at)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
