import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The last proof of each month. A month with differences stays suspect until it proves clean.
    `
  CREATE TABLE hm_order_month (
    tenant_id   text        NOT NULL,
    month       date        NOT NULL CONSTRAINT month_begins CHECK (extract(day FROM month) = 1),
    proved_at   timestamptz NOT NULL,
    differences bigint      NOT NULL,
    PRIMARY KEY (tenant_id, month)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
