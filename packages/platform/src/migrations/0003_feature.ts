import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per flag, archived ones included. Grows with the flags that people make, at most 2,000 active per tenant.
    // The salt has its own column: a rename keeps every customer's bucket.
    `
  CREATE TABLE hm_platform_feature (
    tenant_id       text        NOT NULL,
    feature_id      uuid        NOT NULL,
    flag_key        text        NOT NULL CONSTRAINT flag_key_in_range CHECK (length(flag_key) BETWEEN 1 AND 200),
    kind            text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('boolean', 'string', 'number', 'json')),
    description     text        CONSTRAINT description_in_range CHECK (length(description) BETWEEN 1 AND 2000),
    -- json and not jsonb: a value is served as the text that came, -0 and 1e21 included.
    variants        json        NOT NULL,
    metadata        json        NOT NULL,
    salt            text        NOT NULL CONSTRAINT salt_in_range CHECK (length(salt) BETWEEN 1 AND 200),
    hashing         text        NOT NULL CONSTRAINT hashing_known CHECK (hashing IN ('murmur3', 'gb_v2', 'unleash')),
    owner           text        CONSTRAINT owner_in_range CHECK (length(owner) BETWEEN 1 AND 200),
    expires_at      timestamptz,
    status          text        NOT NULL CONSTRAINT status_known CHECK (status IN ('active', 'archived')),
    archived_reason text        CONSTRAINT archived_reason_in_range CHECK (length(archived_reason) BETWEEN 1 AND 500),
    version         integer     NOT NULL DEFAULT 1,
    recorded_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature_id),
    CONSTRAINT archived_with_reason CHECK ((status = 'archived') = (archived_reason IS NOT NULL))
  )
  `,
    // A key is free again once its flag is archived.
    `
  CREATE UNIQUE INDEX hm_platform_feature_key
      ON hm_platform_feature (tenant_id, flag_key)
   WHERE status = 'active'
  `,
    // One row per flag and environment that it is in. Rules are read and written as a whole, in their order.
    `
  CREATE TABLE hm_platform_feature_environment (
    tenant_id   text    NOT NULL,
    feature_id  uuid    NOT NULL,
    environment text    NOT NULL CONSTRAINT environment_in_form CHECK (environment ~ '^[a-z0-9_-]{1,64}$'),
    is_enabled  boolean NOT NULL,
    definition  json    NOT NULL,
    PRIMARY KEY (tenant_id, feature_id, environment),
    CONSTRAINT of_feature FOREIGN KEY (tenant_id, feature_id) REFERENCES hm_platform_feature (tenant_id, feature_id)
  )
  `,
    // One row per version of a flag; the newest 500 are kept.
    `
  CREATE TABLE hm_platform_feature_version (
    tenant_id   text        NOT NULL,
    feature_id  uuid        NOT NULL,
    version     integer     NOT NULL,
    definition  json        NOT NULL,
    actor       json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature_id, version),
    CONSTRAINT of_feature FOREIGN KEY (tenant_id, feature_id) REFERENCES hm_platform_feature (tenant_id, feature_id)
  )
  `,
    // One row per segment, at most 1,000 per tenant.
    `
  CREATE TABLE hm_platform_flag_segment (
    tenant_id   text        NOT NULL,
    segment_key text        NOT NULL CONSTRAINT segment_key_in_range CHECK (length(segment_key) BETWEEN 1 AND 200),
    description text        CONSTRAINT description_in_range CHECK (length(description) BETWEEN 1 AND 2000),
    condition   json        NOT NULL,
    version     integer     NOT NULL DEFAULT 1,
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, segment_key)
  )
  `,
    // One row per environment of a tenant. The number has no gaps: it is raised under a lock that is held until the commit.
    `
  CREATE TABLE hm_platform_flag_revision (
    tenant_id   text        NOT NULL,
    environment text        NOT NULL CONSTRAINT environment_in_form CHECK (environment ~ '^[a-z0-9_-]{1,64}$'),
    revision    bigint      NOT NULL CONSTRAINT revision_positive CHECK (revision > 0),
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, environment)
  )
  `,
    // One row per flag and environment, for people and reports.
    `
  CREATE VIEW hm_platform_feature_flag AS
  SELECT feature.tenant_id, feature.flag_key, placed.environment, feature.kind, feature.status,
         feature.status = 'active' AND placed.is_enabled AS is_enabled,
         feature.variants, placed.definition, feature.owner, feature.expires_at, feature.version,
         feature.recorded_at, feature.updated_at
    FROM hm_platform_feature AS feature
    JOIN hm_platform_feature_environment AS placed
      ON placed.tenant_id = feature.tenant_id AND placed.feature_id = feature.feature_id
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
