import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per version of a policy, kept without end: what was in force on a day, as known on another. Rows of the
    // installation have '_system'. A change adds a version and ends the one before it; a removal ends the last one.
    `
  CREATE TABLE hm_platform_policy (
    tenant_id       text        NOT NULL,
    policy_id       uuid        NOT NULL,
    version         integer     NOT NULL CONSTRAINT version_positive CHECK (version > 0),
    policy_key      text        NOT NULL
                                CONSTRAINT policy_key_in_form CHECK (policy_key ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    effect          text        NOT NULL CONSTRAINT effect_known CHECK (effect IN ('allow', 'deny', 'require', 'value')),
    region          text        NOT NULL CONSTRAINT region_in_range CHECK (length(region) BETWEEN 1 AND 20),
    -- json and not jsonb: a value is served as the text that came.
    definition      json        NOT NULL,
    effective_from  timestamptz,
    effective_until timestamptz,
    legal_basis     text        NOT NULL CONSTRAINT legal_basis_in_range CHECK (length(legal_basis) BETWEEN 1 AND 500),
    source          text        NOT NULL CONSTRAINT source_in_range CHECK (length(source) BETWEEN 1 AND 2000),
    recorded_at     timestamptz NOT NULL,
    superseded_at   timestamptz,
    PRIMARY KEY (tenant_id, policy_id, version),
    CONSTRAINT effective_not_empty CHECK (effective_from < effective_until)
  )
  `,
    // A key is free again once its policy is removed.
    `
  CREATE UNIQUE INDEX hm_platform_policy_current
      ON hm_platform_policy (tenant_id, policy_key)
   WHERE superseded_at IS NULL
  `,
    // One row per owner with policies. Writers of one owner take turns on it.
    `
  CREATE TABLE hm_platform_policy_revision (
    tenant_id  text        NOT NULL PRIMARY KEY,
    revision   bigint      NOT NULL CONSTRAINT revision_positive CHECK (revision > 0),
    updated_at timestamptz NOT NULL
  )
  `,
    // The policies that are recorded now, for people and reports.
    `
  CREATE VIEW hm_platform_region_policy AS
  SELECT tenant_id, policy_id, policy_key, version, effect, region, definition, effective_from, effective_until,
         legal_basis, source, recorded_at
    FROM hm_platform_policy
   WHERE superseded_at IS NULL
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
