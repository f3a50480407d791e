import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The attributes that rules may read, per kind of signal. At most 200 rows per tenant.
    `
  CREATE TABLE hm_risk_attribute (
    tenant_id   text        NOT NULL,
    kind        text        COLLATE "C" NOT NULL,
    name        text        COLLATE "C" NOT NULL CONSTRAINT name_in_form CHECK (name ~ '^[a-zA-Z_][a-zA-Z0-9_]{0,63}$'),
    type        text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, name)
  )
  `,
    // Versions of a tenant's rules. A row is never changed. Rules are stored with their trees, so that reading needs no parser.
    `
  CREATE TABLE hm_risk_rule_set (
    tenant_id   text        NOT NULL,
    version     integer     NOT NULL CONSTRAINT version_in_range CHECK (version >= 1),
    note        text        NOT NULL,
    body        jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, version)
  )
  `,
    // The live version and those in shadow. One row per tenant, whose lock orders changes of versions.
    `
  CREATE TABLE hm_risk_rule_state (
    tenant_id  text        NOT NULL PRIMARY KEY,
    revision   bigint      NOT NULL,
    newest     integer     NOT NULL,
    live       integer,
    shadow     integer[]   NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL,
    CONSTRAINT shadow_in_range CHECK (cardinality(shadow) <= 5)
  )
  `,
    // Blocked and allowed entities. Values are hashes; the reason says whose they are.
    `
  CREATE TABLE hm_risk_list_entry (
    tenant_id   text        NOT NULL,
    list        text        COLLATE "C" NOT NULL CONSTRAINT list_known CHECK (list IN ('allow', 'block')),
    entity      bigint      NOT NULL,
    entity_kind text        NOT NULL,
    entry_id    uuid        NOT NULL,
    reason      text        NOT NULL,
    expires_at  timestamptz,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entity, list),
    CONSTRAINT entry_once UNIQUE (tenant_id, entry_id)
  )
  `,
    // Rules that do not fire for an entity until a time.
    `
  CREATE TABLE hm_risk_snooze (
    tenant_id   text        NOT NULL,
    entity      bigint      NOT NULL,
    rule        text        COLLATE "C" NOT NULL,
    entity_kind text        NOT NULL,
    snooze_id   uuid        NOT NULL,
    reason      text        NOT NULL,
    until       timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entity, rule),
    CONSTRAINT snooze_once UNIQUE (tenant_id, snooze_id)
  )
  `,
    // Decisions as they were made. number counts those of one signal. frozen is all that a rule read, so that a version can be
    // tried on it later. Kept 400 days; pruned by time.
    `
  CREATE TABLE hm_risk_decision (
    tenant_id   text        NOT NULL,
    decision_id uuid        NOT NULL,
    signal_id   uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    kind        text        NOT NULL,
    subject     text        NOT NULL,
    number      integer     NOT NULL CONSTRAINT number_in_range CHECK (number >= 1),
    outcome     text        NOT NULL CONSTRAINT outcome_known CHECK (outcome IN ('allow', 'challenge', 'review', 'hold', 'block')),
    score       integer     NOT NULL,
    reasons     jsonb       NOT NULL,
    observed    boolean     NOT NULL,
    version     integer,
    verdict     jsonb       NOT NULL,
    frozen      jsonb       NOT NULL,
    shadow      jsonb       NOT NULL,
    latency_micros integer  NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, decision_id)
  )
  `,
    `CREATE INDEX hm_risk_decision_signal ON hm_risk_decision (tenant_id, signal_id, number)`,
    `CREATE INDEX hm_risk_decision_time ON hm_risk_decision USING brin (recorded_at) WITH (autosummarize = on)`,
    // What turned out about a subject, and when it could be known. A few rows per subject.
    `
  CREATE TABLE hm_risk_label (
    tenant_id    text        NOT NULL,
    kind         text        COLLATE "C" NOT NULL,
    subject      text        COLLATE "C" NOT NULL,
    label        text        COLLATE "C" NOT NULL,
    available_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject, label)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
