import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per decision with a reference that is made in a transaction, and one per 5 seconds, process and equal decisions of
    // all others that a policy led to. Attributes of questions are not kept: they may be of persons. Months go after 90 days.
    `
  CREATE TABLE hm_platform_policy_decision (
    tenant_id             text        NOT NULL,
    decided_at            timestamptz NOT NULL,
    decision_id           uuid        NOT NULL,
    last_decided_at       timestamptz NOT NULL,
    decisions             bigint      NOT NULL CONSTRAINT decisions_positive CHECK (decisions > 0),
    action                text        NOT NULL CONSTRAINT action_in_range CHECK (length(action) <= 200),
    region                text        CONSTRAINT region_in_range CHECK (length(region) <= 200),
    channel               text        CONSTRAINT channel_in_range CHECK (length(channel) <= 200),
    category              text        CONSTRAINT category_in_range CHECK (length(category) <= 200),
    reference             text        CONSTRAINT reference_in_range CHECK (length(reference) <= 200),
    in_force_at           timestamptz,
    known_at              timestamptz,
    effect                text        NOT NULL CONSTRAINT effect_known CHECK (effect IN ('allow', 'deny')),
    undetermined          boolean     NOT NULL,
    requires              json        NOT NULL,
    -- json and not jsonb: a value is served as the text that came. NULL is none.
    value                 json,
    because               json        NOT NULL,
    installation_revision bigint      NOT NULL,
    tenant_revision       bigint      NOT NULL,
    PRIMARY KEY (tenant_id, decided_at, decision_id),
    CONSTRAINT decided_in_order CHECK (decided_at <= last_decided_at)
  ) PARTITION BY RANGE (decided_at)
  `,
    "CREATE TABLE hm_platform_policy_decision_default PARTITION OF hm_platform_policy_decision DEFAULT",
    `
  CREATE INDEX hm_platform_policy_decision_reference
      ON hm_platform_policy_decision (tenant_id, reference, decided_at, decision_id)
   WHERE reference IS NOT NULL
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
