import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Global: a request brings a key before anybody knows its tenant. tenant_id is NULL for the credential of system
    // administration only.
    `
  CREATE TABLE hm_api_key (
    api_key_id     uuid        NOT NULL PRIMARY KEY,
    tenant_id      text        REFERENCES hm_tenant (tenant_id),
    kind           text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('server', 'client')),
    name           text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    environment    text        NOT NULL CONSTRAINT environment_in_range CHECK (length(environment) BETWEEN 1 AND 64),
    -- What a client key is for: 'index:products'. NULL opens whatever its scopes open.
    resource       text        CONSTRAINT resource_in_form CHECK (resource ~ '^(project|index):.{1,200}$'),
    scopes         text[]      NOT NULL CONSTRAINT scopes_in_range CHECK (cardinality(scopes) BETWEEN 1 AND 64),
    -- SHA-256 of the secret. The secret has 256 random bits: a slow hash would only slow us down.
    secret_hash    bytea       NOT NULL CONSTRAINT secret_hash_in_form CHECK (length(secret_hash) = 32),
    replaced_by    uuid,
    expires_at     timestamptz,
    revoked_at     timestamptz,
    revoked_reason text        CONSTRAINT revoked_reason_in_range CHECK (length(revoked_reason) BETWEEN 1 AND 500),
    version        integer     NOT NULL DEFAULT 1,
    recorded_at    timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT resource_of_client_key CHECK (resource IS NULL OR kind = 'client'),
    CONSTRAINT system_scope_without_tenant
      CHECK ((tenant_id IS NULL) = ('system:admin' = ANY (scopes)) AND (tenant_id IS NOT NULL OR kind = 'server'))
  )
  `,
    // A tenant's keys, newest first: UUIDv7 grows with time.
    `CREATE INDEX hm_api_key_tenant ON hm_api_key (tenant_id, api_key_id)`,
    // Apart from the keys, because it is written every 30 seconds: a replica or a cache of the keys does not follow
    // each use. Global, as the keys are.
    `
  CREATE TABLE hm_api_key_use (
    api_key_id     uuid        NOT NULL PRIMARY KEY
                               CONSTRAINT of_api_key REFERENCES hm_api_key (api_key_id) ON DELETE CASCADE,
    last_used_at   timestamptz NOT NULL
  ) WITH (fillfactor = 70)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
