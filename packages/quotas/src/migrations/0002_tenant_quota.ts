import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per feature of a tenant's catalogue: at most 1,000.
    `
  CREATE TABLE hm_quota_feature (
    tenant_id   text        NOT NULL,
    feature     text        NOT NULL CONSTRAINT feature_in_range CHECK (feature ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    kind        text        NOT NULL CONSTRAINT kind_listed CHECK (kind IN ('boolean', 'static', 'metered', 'concurrent')),
    period      json        NULL,
    soft        boolean     NOT NULL,
    thresholds  json        NOT NULL,
    version     integer     NOT NULL DEFAULT 1,
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature)
  )
  `,
    // One row per grant: at most 100 per feature and subject. The empty subject is the tenant itself.
    `
  CREATE TABLE hm_quota_grant (
    tenant_id    text        NOT NULL,
    feature      text        NOT NULL,
    subject      text        NOT NULL CONSTRAINT subject_in_range CHECK (length(subject) <= 200),
    grant_id     uuid        NOT NULL,
    source       text        NOT NULL CONSTRAINT source_listed CHECK (source IN ('plan', 'override', 'grant')),
    amount       bigint      NULL CONSTRAINT amount_in_range CHECK (amount BETWEEN 0 AND 999999999999999),
    value        json        NULL,
    recurring    boolean     NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at   timestamptz NULL CONSTRAINT expires_after_effect CHECK (expires_at > effective_at),
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature, subject, grant_id),
    CONSTRAINT feature_exists FOREIGN KEY (tenant_id, feature) REFERENCES hm_quota_feature ON DELETE CASCADE
  )
  `,
    // The balance: one row per feature, subject and period. Only reserving, expiry and the folding job write it, so that a long
    // transaction that commits or records delays no other caller.
    `
  CREATE TABLE hm_tenant_quota (
    tenant_id    text        NOT NULL,
    feature      text        NOT NULL,
    subject      text        NOT NULL,
    period_start timestamptz NOT NULL,
    period_end   timestamptz NULL,
    used         bigint      NOT NULL DEFAULT 0,
    held         bigint      NOT NULL DEFAULT 0 CONSTRAINT held_not_negative CHECK (held >= 0),
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature, subject, period_start)
  ) WITH (fillfactor = 60)
  `,
    // Changes that are not in the balance yet. Emptied by every reservation of the balance, and by a job each minute.
    `
  CREATE TABLE hm_quota_delta (
    tenant_id    text        NOT NULL,
    feature      text        NOT NULL,
    subject      text        NOT NULL,
    period_start timestamptz NOT NULL,
    delta_id     uuid        NOT NULL,
    period_end   timestamptz NULL,
    used         bigint      NOT NULL,
    held         bigint      NOT NULL,
    PRIMARY KEY (tenant_id, feature, subject, period_start, delta_id)
  )
  `,
    // One row per reservation. Settled ones are deleted after 35 days.
    `
  CREATE TABLE hm_quota_reservation (
    tenant_id      text        NOT NULL,
    reservation_id uuid        NOT NULL,
    feature        text        NOT NULL,
    subject        text        NOT NULL,
    period_start   timestamptz NOT NULL,
    period_end     timestamptz NULL,
    slot           boolean     NOT NULL,
    amount         bigint      NOT NULL CONSTRAINT amount_in_range CHECK (amount BETWEEN 1 AND 999999999999999),
    status         text        NOT NULL CONSTRAINT status_listed
                               CHECK (status IN ('open', 'committed', 'released', 'expired')),
    committed      bigint      NULL CONSTRAINT committed_within_amount CHECK (committed BETWEEN 0 AND amount),
    expires_at     timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    settled_at     timestamptz NULL,
    PRIMARY KEY (tenant_id, reservation_id)
  )
  `,
    // Open reservations of one balance, for expiry under its lock.
    `
  CREATE INDEX hm_quota_reservation_open
      ON hm_quota_reservation (tenant_id, feature, subject, period_start, expires_at)
   WHERE status = 'open'
  `,
    // Reservations that the job looks for: expired over all tenants, and settled ones that are old.
    `
  CREATE INDEX hm_quota_reservation_expiry
      ON hm_quota_reservation (expires_at)
   WHERE status = 'open'
  `,
    `
  CREATE INDEX hm_quota_reservation_settled
      ON hm_quota_reservation (settled_at)
   WHERE status <> 'open'
  `,
    // One row per idempotency key of reserve and record, kept for 35 days.
    `
  CREATE TABLE hm_quota_key (
    tenant_id   text        NOT NULL,
    key         text        NOT NULL CONSTRAINT key_in_range CHECK (length(key) BETWEEN 1 AND 255),
    request     text        NOT NULL,
    result_id   uuid        NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
  )
  `,
    `
  CREATE INDEX hm_quota_key_expiry
      ON hm_quota_key (expires_at)
  `,
    // The ledger: one row per reservation, commit, release, expiry and record. Partitioned by month, kept for 13 months; the
    // balances keep each period's sum. Only inserted into.
    `
  CREATE TABLE hm_quota_ledger (
    tenant_id      text        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    entry_id       uuid        NOT NULL,
    feature        text        NOT NULL,
    subject        text        NOT NULL,
    period_start   timestamptz NOT NULL,
    kind           text        NOT NULL CONSTRAINT kind_listed
                               CHECK (kind IN ('reserve', 'commit', 'release', 'expire', 'record')),
    amount         bigint      NOT NULL,
    reservation_id uuid        NULL,
    occurred_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, recorded_at, entry_id)
  ) PARTITION BY RANGE (recorded_at)
  `,
    `CREATE TABLE hm_quota_ledger_default PARTITION OF hm_quota_ledger DEFAULT`,
    // One row per threshold that was reached in a period at a limit: its event is published once.
    `
  CREATE TABLE hm_quota_threshold (
    tenant_id    text        NOT NULL,
    feature      text        NOT NULL,
    subject      text        NOT NULL,
    period_start timestamptz NOT NULL,
    percent      integer     NOT NULL,
    quota        bigint      NOT NULL,
    reached_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, feature, subject, period_start, percent, quota)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
