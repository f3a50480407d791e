import { migration } from "@hypermarket/core/Migrations"
import { measures } from "./measures.ts"

export default migration(
  [
    // A period whose figures were fixed as they were known then. Never changed: what comes later is a restatement.
    `
  CREATE TABLE hm_order_close (
    tenant_id text        NOT NULL,
    close_id  uuid        NOT NULL,
    period    text        NOT NULL CONSTRAINT period_known CHECK (period IN ('day', 'month')),
    from_day  date        NOT NULL,
    until_day date        NOT NULL CONSTRAINT until_after_from CHECK (until_day > from_day),
    -- The tenant's closes are numbered.
    number    bigint      NOT NULL,
    cells     bigint      NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, close_id),
    CONSTRAINT closed_once UNIQUE (tenant_id, period, from_day)
  )
  `,
    `
  CREATE TABLE hm_sales_analytics_snapshot (
    tenant_id text NOT NULL,
    close_id  uuid NOT NULL,
    grain     smallint NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    bucket    date NOT NULL,
    category  text COLLATE "C" NOT NULL,
    region    text COLLATE "C" NOT NULL,
    channel   text COLLATE "C" NOT NULL,
    currency  text COLLATE "C" NOT NULL,${measures},
    PRIMARY KEY (tenant_id, close_id, grain, seller_id, bucket, category, region, channel, currency),
    CONSTRAINT of_close FOREIGN KEY (tenant_id, close_id) REFERENCES hm_order_close (tenant_id, close_id)
  )
  `,
    // Which orders changed a period after it was closed. Written by the merge, so that writers do not pay for it.
    `
  CREATE TABLE hm_order_restatement (
    tenant_id  text        NOT NULL,
    seq        bigint      NOT NULL,
    order_id   text        COLLATE "C" NOT NULL,
    tenant_day date        NOT NULL,
    currency   text        COLLATE "C" NOT NULL,
    -- The number of the tenant's last close then: no clock decides what came after.
    after_close bigint     NOT NULL,${measures},
    PRIMARY KEY (tenant_id, tenant_day, seq)
  )
  `,
    // The nightly proof's findings.
    `
  CREATE TABLE hm_order_proof (
    tenant_id   text        NOT NULL,
    proved_at   timestamptz NOT NULL,
    months      bigint      NOT NULL,
    differences bigint      NOT NULL,
    PRIMARY KEY (tenant_id, proved_at)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
