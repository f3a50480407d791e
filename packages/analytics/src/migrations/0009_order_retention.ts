import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A retired order is one whose lines, refunds and shipments retention has removed. Its row stays: it tells a repetition from
    // a new order, which would count twice.
    `ALTER TABLE hm_order_head ADD COLUMN retired_at timestamptz`,
    // How far a tenant's facts are removed. A tenant from which nothing is removed has no row, or one without facts_from.
    `
  CREATE TABLE hm_order_retention (
    tenant_id     text        NOT NULL PRIMARY KEY,
    -- Cells of days from here on can be compared with their facts.
    facts_from    date        CONSTRAINT facts_from_begins_month CHECK (extract(day FROM facts_from) = 1),
    moved_at      timestamptz,
    -- The last order that the sweep has looked at; null when the sweep is over.
    swept_after   text        COLLATE "C",
    orders        bigint      NOT NULL DEFAULT 0,
    lines         bigint      NOT NULL DEFAULT 0,
    adjustments   bigint      NOT NULL DEFAULT 0,
    -- The month that is past its retention and is not closed.
    blocked_month date
  )
  `,
    // Facts of retired orders that came afterwards. They are in no figure: what they change is not known any more.
    `
  CREATE TABLE hm_order_late (
    tenant_id   text        NOT NULL,
    order_id    text        COLLATE "C" NOT NULL,
    kind        text        COLLATE "C" NOT NULL CONSTRAINT kind_known CHECK (kind IN ('order', 'refund', 'shipment')),
    -- The id of the order, refund or shipment.
    fact_id     text        COLLATE "C" NOT NULL,
    version     bigint      NOT NULL CONSTRAINT version_in_range CHECK (version >= 1),
    received_at timestamptz NOT NULL,
    at          timestamptz NOT NULL,
    units       bigint      NOT NULL,
    amount      bigint      NOT NULL,
    tax         bigint      NOT NULL,
    shipping    bigint      NOT NULL,
    fees        bigint      NOT NULL,
    PRIMARY KEY (tenant_id, order_id, kind, fact_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
