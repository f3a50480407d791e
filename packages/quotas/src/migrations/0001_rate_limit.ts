import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Policies of a tenant, and under `_system` those of the installation. At most 200 per owner. `changed_micros` is by the
    // database's clock: a bucket drains at its former rate until then.
    `
  CREATE TABLE hm_rate_policy (
    tenant_id      text        NOT NULL,
    policy         text        NOT NULL CONSTRAINT policy_printable CHECK (policy ~ '^[ -~]{1,64}$'),
    kind           text        NOT NULL CONSTRAINT kind_listed CHECK (kind IN ('gcra', 'window', 'concurrency')),
    quota          bigint      NOT NULL CONSTRAINT quota_in_range CHECK (quota BETWEEN 1 AND 999999999999999),
    burst          bigint      NOT NULL CONSTRAINT burst_in_range CHECK (burst BETWEEN 1 AND 999999999999999),
    period_millis  bigint      NOT NULL CONSTRAINT period_in_range CHECK (period_millis BETWEEN 1 AND 31622400000),
    by             json        NOT NULL,
    plans          json        NOT NULL,
    routes         json        NOT NULL,
    fallback       boolean     NOT NULL,
    shadow         boolean     NOT NULL,
    when_unavailable text      NOT NULL CONSTRAINT when_unavailable_listed CHECK (when_unavailable IN ('open', 'closed')),
    changed_micros bigint      NOT NULL,
    version        integer     NOT NULL DEFAULT 1,
    recorded_at    timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, policy),
    CONSTRAINT logged_kinds_small CHECK (kind = 'gcra' OR quota <= 10000)
  )
  `,
    // At most 1,000 per owner: every process holds them in memory.
    `
  CREATE TABLE hm_rate_override (
    tenant_id   text        NOT NULL,
    override_id uuid        NOT NULL,
    policy      text        NOT NULL,
    bucket      text        NOT NULL CONSTRAINT bucket_in_range CHECK (length(bucket) BETWEEN 0 AND 1000),
    subject     json        NOT NULL,
    quota       bigint      NULL CONSTRAINT quota_in_range CHECK (quota BETWEEN 1 AND 999999999999999),
    burst       bigint      NULL CONSTRAINT burst_in_range CHECK (burst BETWEEN 1 AND 999999999999999),
    bypass      boolean     NOT NULL,
    reason      text        NOT NULL CONSTRAINT reason_in_range CHECK (length(reason) <= 500),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, override_id),
    CONSTRAINT one_per_bucket UNIQUE (tenant_id, policy, bucket),
    CONSTRAINT policy_exists FOREIGN KEY (tenant_id, policy) REFERENCES hm_rate_policy ON DELETE CASCADE
  )
  `,
    // One row per owner. Processes read it every 200 ms to find out which policies have changed.
    `
  CREATE TABLE hm_rate_revision (
    tenant_id text   NOT NULL PRIMARY KEY,
    revision  bigint NOT NULL
  )
  `,
    // One row per bucket that is not full. Unlogged: a check waits for no disk, and a crash or failover empties the table, which
    // gives every bucket one free burst. A job deletes rows of full buckets. Room for HOT updates in each page.
    //
    // \`debt\` is tokens times the period in microseconds, so that draining and charging are exact in integers.
    `
  CREATE UNLOGGED TABLE hm_api_rate_limit (
    tenant_id          text     NOT NULL,
    policy             text     NOT NULL,
    bucket             text     NOT NULL,
    at_micros          bigint   NOT NULL DEFAULT 0,
    debt               numeric  NOT NULL DEFAULT 0,
    rate_quota         bigint   NOT NULL DEFAULT 1,
    rate_period_micros bigint   NOT NULL DEFAULT 1,
    entry_micros       bigint[] NOT NULL DEFAULT '{}',
    entry_costs        bigint[] NOT NULL DEFAULT '{}',
    lease_micros       bigint[] NOT NULL DEFAULT '{}',
    lease_tokens       uuid[]   NOT NULL DEFAULT '{}',
    full_micros        bigint   NOT NULL,
    PRIMARY KEY (tenant_id, policy, bucket)
  ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)
  `,
    // One row per policy, minute and owner that denied something; kept for 30 days.
    `
  CREATE TABLE hm_rate_denial (
    tenant_id text        NOT NULL,
    policy    text        NOT NULL,
    minute    timestamptz NOT NULL,
    denied    bigint      NOT NULL,
    shadowed  bigint      NOT NULL,
    PRIMARY KEY (tenant_id, policy, minute)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
