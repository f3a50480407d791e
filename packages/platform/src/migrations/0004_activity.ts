import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per audited change, kept without end. Never updated but when a person is erased: then `actor` or `detail` and its
    // salt become NULL, and the hash stays. Text and not jsonb: what was hashed is what is stored, byte by byte.
    `
  CREATE TABLE hm_platform_activity_log (
    tenant_id   text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    activity_id uuid        NOT NULL,
    action      text        NOT NULL CONSTRAINT action_in_range CHECK (length(action) BETWEEN 1 AND 100),
    actor_type  text        NOT NULL
                            CONSTRAINT actor_type_known
                            CHECK (actor_type IN ('key', 'user', 'job', 'operator', 'process')),
    target_type text        NOT NULL CONSTRAINT target_type_in_range CHECK (length(target_type) BETWEEN 1 AND 100),
    actor       text,
    actor_salt  bytea       CONSTRAINT actor_salt_in_form CHECK (length(actor_salt) = 16),
    actor_hash  bytea       NOT NULL CONSTRAINT actor_hash_in_form CHECK (length(actor_hash) = 32),
    detail      text,
    detail_salt bytea       CONSTRAINT detail_salt_in_form CHECK (length(detail_salt) = 16),
    detail_hash bytea       NOT NULL CONSTRAINT detail_hash_in_form CHECK (length(detail_hash) = 32),
    leaf_hash   bytea       NOT NULL CONSTRAINT leaf_hash_in_form CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (tenant_id, recorded_at, activity_id),
    CONSTRAINT actor_with_salt CHECK ((actor IS NULL) = (actor_salt IS NULL)),
    CONSTRAINT detail_with_salt CHECK ((detail IS NULL) = (detail_salt IS NULL))
  ) PARTITION BY RANGE (recorded_at)
  `,
    `CREATE TABLE hm_platform_activity_log_default PARTITION OF hm_platform_activity_log DEFAULT`,
    // One row per minute in which a tenant's log grew, kept without end. The ids of its rows are in the order of the leaves, so
    // that sealing updates no row of the log.
    `
  CREATE TABLE hm_platform_activity_checkpoint (
    tenant_id         text        NOT NULL,
    number            bigint      NOT NULL CONSTRAINT number_positive CHECK (number > 0),
    previous          bytea       CONSTRAINT previous_in_form CHECK (length(previous) = 32),
    root              bytea       NOT NULL CONSTRAINT root_in_form CHECK (length(root) = 32),
    rows              integer     NOT NULL CONSTRAINT rows_in_range CHECK (rows BETWEEN 1 AND 10000),
    sealed_at         timestamptz NOT NULL,
    key_id            text        CONSTRAINT key_id_in_form CHECK (key_id ~ '^[A-Za-z0-9_-]{1,32}$'),
    signature         bytea       CONSTRAINT signature_in_form CHECK (length(signature) = 64),
    activity_ids      uuid[]      NOT NULL,
    first_recorded_at timestamptz NOT NULL,
    last_recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, number),
    CONSTRAINT signed_by_key CHECK ((key_id IS NULL) = (signature IS NULL)),
    CONSTRAINT previous_but_first CHECK ((number = 1) = (previous IS NULL))
  )
  `,
    // Sealing looks for the checkpoints that may name a row of the last hours.
    `CREATE INDEX hm_platform_activity_checkpoint_last ON hm_platform_activity_checkpoint (tenant_id, last_recorded_at)`,
    // One row per key that has signed, of the installation ('_system').
    `
  CREATE TABLE hm_platform_activity_key (
    tenant_id  text        NOT NULL,
    key_id     text        NOT NULL CONSTRAINT key_id_in_form CHECK (key_id ~ '^[A-Za-z0-9_-]{1,32}$'),
    public_key bytea       NOT NULL CONSTRAINT public_key_in_form CHECK (length(public_key) = 32),
    since      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
