import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row for every order ever heard of: the lock, the version gate, and the hash that tells a repetition from a
    // contradiction. Version 0 is a stub: a refund or a shipment came before its order.
    `
  CREATE TABLE hm_order_head (
    tenant_id text   NOT NULL,
    order_id  text   COLLATE "C" NOT NULL CONSTRAINT order_id_in_range CHECK (length(order_id) BETWEEN 1 AND 200),
    version   bigint NOT NULL CONSTRAINT version_in_range CHECK (version >= 0),
    body_hash text   NOT NULL,
    PRIMARY KEY (tenant_id, order_id)
  ) WITH (fillfactor = 85)
  `,
    // What an order says now. The days are computed once, when the line is written, and a correction takes back what is
    // stored here: a new edition of the time zone data under a running database moves nothing by itself.
    `
  CREATE TABLE hm_order_line (
    tenant_id       text        NOT NULL,
    order_id        text        COLLATE "C" NOT NULL,
    line_id         text        COLLATE "C" NOT NULL,
    seller_id       text        COLLATE "C" NOT NULL,
    product_id      text        COLLATE "C" NOT NULL,
    category        text        COLLATE "C" NOT NULL,
    region          text        COLLATE "C" NOT NULL,
    channel         text        COLLATE "C" NOT NULL,
    currency        text        COLLATE "C" NOT NULL CONSTRAINT currency_in_form CHECK (currency ~ '^[A-Z]{3}$'),
    cancelled       boolean     NOT NULL,
    -- On one line of the order, and on one line of the order's lines of a seller: what counts orders.
    is_first        boolean     NOT NULL,
    is_seller_first boolean     NOT NULL,
    ordered_at      timestamptz NOT NULL
                                CONSTRAINT ordered_at_in_range CHECK (ordered_at >= '1970-01-01Z' AND ordered_at < '2100-01-01Z'),
    -- The day in the tenant's zone, and in the seller's.
    tenant_day      date        NOT NULL,
    seller_day      date        NOT NULL,
    units           bigint      NOT NULL CONSTRAINT units_in_range CHECK (units BETWEEN 0 AND 1000000000),
    gross           bigint      NOT NULL CONSTRAINT gross_in_range CHECK (gross BETWEEN 0 AND 10000000000000),
    discount        bigint      NOT NULL CONSTRAINT discount_in_range CHECK (discount BETWEEN 0 AND 10000000000000),
    tax             bigint      NOT NULL CONSTRAINT tax_in_range CHECK (tax BETWEEN 0 AND 10000000000000),
    shipping        bigint      NOT NULL CONSTRAINT shipping_in_range CHECK (shipping BETWEEN 0 AND 10000000000000),
    PRIMARY KEY (tenant_id, order_id, line_id)
  )
  `,
    // A seller's products over a time: what no summary answers. The seller comes first. Without statistics of a tenant the
    // planner finds two indexes that begin with the tenant equally cheap, and reads all of its lines where the primary key
    // finds one. See decision 0011.
    `CREATE INDEX hm_order_line_of_seller ON hm_order_line (seller_id, tenant_id, ordered_at)`,
    // A time over all sellers, for the proof and for questions in another zone. Lines arrive nearly in the order of time,
    // and a BRIN costs a writer next to nothing.
    `CREATE INDEX hm_order_line_time ON hm_order_line USING brin (ordered_at) WITH (autosummarize = on)`,
    // Refunds and shipments, whole: a line that a newer version leaves out stays with zeros, and one without any lines has
    // the line '' that holds its version. line_id comes before the id, so that a line finds what was adjusted on it.
    `
  CREATE TABLE hm_order_adjustment (
    tenant_id     text        NOT NULL,
    order_id      text        COLLATE "C" NOT NULL,
    line_id       text        COLLATE "C" NOT NULL,
    kind          text        COLLATE "C" NOT NULL CONSTRAINT kind_known CHECK (kind IN ('refund', 'shipment')),
    adjustment_id text        COLLATE "C" NOT NULL CONSTRAINT adjustment_id_in_range CHECK (length(adjustment_id) BETWEEN 1 AND 200),
    version       bigint      NOT NULL CONSTRAINT version_in_range CHECK (version >= 1),
    body_hash     text        NOT NULL,
    booked_at     timestamptz NOT NULL
                              CONSTRAINT booked_at_in_range CHECK (booked_at >= '1970-01-01Z' AND booked_at < '2100-01-01Z'),
    tenant_day    date        NOT NULL,
    -- Known once the line is: the zone is the seller's.
    seller_day    date,
    units         bigint      NOT NULL CONSTRAINT units_in_range CHECK (units BETWEEN 0 AND 1000000000),
    amount        bigint      NOT NULL CONSTRAINT amount_in_range CHECK (amount BETWEEN 0 AND 10000000000000),
    PRIMARY KEY (tenant_id, order_id, line_id, kind, adjustment_id)
  )
  `,
    `CREATE INDEX hm_order_adjustment_time ON hm_order_adjustment USING brin (booked_at) WITH (autosummarize = on)`,
    // The zone in which a seller's days begin, and under the seller '' the tenant's own; UTC without a row.
    `
  CREATE TABLE hm_order_zone (
    tenant_id text NOT NULL,
    seller_id text COLLATE "C" NOT NULL CONSTRAINT seller_id_in_range CHECK (length(seller_id) <= 200),
    zone      text NOT NULL CONSTRAINT zone_in_range CHECK (length(zone) BETWEEN 1 AND 64),
    PRIMARY KEY (tenant_id, seller_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
