import { migration } from "../Migrations.ts"

export default migration(
  [
    // The data key is sealed under the key of HM_SECRETS_KEYS that master_key_id names. Deleting a row makes all that its key
    // sealed unreadable.
    `
  CREATE TABLE hm_secret_key (
    tenant_id     text        NOT NULL,
    purpose       text        NOT NULL CONSTRAINT purpose_in_range CHECK (length(purpose) BETWEEN 1 AND 100),
    key_id        text        NOT NULL CONSTRAINT key_id_in_range CHECK (length(key_id) BETWEEN 1 AND 32),
    master_key_id text        NOT NULL CONSTRAINT master_key_id_in_range CHECK (length(master_key_id) BETWEEN 1 AND 32),
    sealed_key    bytea       NOT NULL CONSTRAINT sealed_key_has_length CHECK (octet_length(sealed_key) = 61),
    created_at    timestamptz NOT NULL,
    resealed_at   timestamptz,
    PRIMARY KEY (tenant_id, purpose)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
