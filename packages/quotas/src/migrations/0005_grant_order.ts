import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    `
  ALTER TABLE hm_quota_grant
    ADD COLUMN priority smallint NOT NULL DEFAULT 100
        CONSTRAINT priority_in_range CHECK (priority BETWEEN 0 AND 1000),
    ADD COLUMN rollover_max bigint NULL
        CONSTRAINT rollover_in_range CHECK (rollover_max BETWEEN 1 AND 999999999999999)
  `,
    // What rolled over into the period. NULL until the first change of the balance after the period has begun.
    `
  ALTER TABLE hm_tenant_quota
    ADD COLUMN rolled bigint NULL
  `,
    // What a grant that will expire has burnt of its amount in a period: one row per such grant and period. After the expiry the
    // limit keeps that much of it. No foreign key: a grant that is revoked meanwhile makes no reservation fail, and a job
    // deletes rows whose grant has gone.
    `
  CREATE TABLE hm_quota_burn (
    tenant_id    text        NOT NULL,
    feature      text        NOT NULL,
    subject      text        NOT NULL,
    period_start timestamptz NOT NULL,
    grant_id     uuid        NOT NULL,
    burnt        bigint      NOT NULL,
    PRIMARY KEY (tenant_id, feature, subject, period_start, grant_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
