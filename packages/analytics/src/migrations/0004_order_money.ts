import { migration } from "@hypermarket/core/Migrations"

/** The measures that this migration adds. Written out: a migration that has been released never changes. */
const added = [
  "fees",
  "refund_tax",
  "refund_shipping",
  "refund_fees",
  "refund_cancelled_amount",
  "booked_refund_tax",
  "booked_refund_shipping",
  "booked_refund_fees"
]

const withMeasures = [
  "hm_order_delta",
  "hm_order_summary",
  "hm_sales_analytics_snapshot",
  "hm_order_restatement"
]

const range = (column: string) =>
  `ADD CONSTRAINT ${column}_in_range CHECK (${column} BETWEEN 0 AND 10000000000000) NOT VALID`

export default migration(
  [
    // A constant default is stored in the catalogue: no row is rewritten.
    ...withMeasures.map(
      (table) =>
        `ALTER TABLE ${table} ${added.map((measure) => `ADD COLUMN ${measure} bigint NOT NULL DEFAULT 0`).join(", ")}`
    ),
    // A removed line is one that a newer version of its order left out, or one that only a refund or a shipment names. It
    // keeps its seller, product and category for what was adjusted on it. The line '' has what belongs to the whole order.
    // Lines that were written before this migration have null for what is cancelled: all of a cancelled order.
    `
  ALTER TABLE hm_order_line
    ADD COLUMN customer_id      text COLLATE "C",
    ADD COLUMN removed          boolean NOT NULL DEFAULT false,
    ADD COLUMN cancelled_units  bigint,
    ADD COLUMN cancelled_amount bigint,
    ADD COLUMN fees             bigint NOT NULL DEFAULT 0,
    ${range("fees")}
  `,
    // The place of the booking, as the line had it when the refund or shipment was first counted: changes of the order do
    // not move what is booked. Null while the order is unknown or deleted.
    `
  ALTER TABLE hm_order_adjustment
    ADD COLUMN tax        bigint NOT NULL DEFAULT 0,
    ADD COLUMN shipping   bigint NOT NULL DEFAULT 0,
    ADD COLUMN fees       bigint NOT NULL DEFAULT 0,
    ADD COLUMN seller_id  text COLLATE "C",
    ADD COLUMN product_id text COLLATE "C",
    ADD COLUMN category   text COLLATE "C",
    ADD COLUMN region     text COLLATE "C",
    ADD COLUMN channel    text COLLATE "C",
    ADD COLUMN currency   text COLLATE "C",
    ${range("tax")},
    ${range("shipping")},
    ${range("fees")}
  `,
    // Credits without an order. Each is its own lock and version, so that no row is shared by all of them.
    `
  CREATE TABLE hm_order_credit (
    tenant_id   text        NOT NULL,
    credit_id   text        COLLATE "C" NOT NULL
                            CONSTRAINT credit_id_in_range CHECK (length(credit_id) BETWEEN 1 AND 200),
    version     bigint      NOT NULL CONSTRAINT version_in_range CHECK (version >= 1),
    body_hash   text        NOT NULL,
    customer_id text        COLLATE "C",
    seller_id   text        COLLATE "C" NOT NULL,
    region      text        COLLATE "C" NOT NULL,
    currency    text        COLLATE "C" NOT NULL CONSTRAINT currency_in_form CHECK (currency ~ '^[A-Z]{3}$'),
    booked_at   timestamptz NOT NULL
                            CONSTRAINT booked_at_in_range CHECK (booked_at >= '1970-01-01Z' AND booked_at < '2100-01-01Z'),
    tenant_day  date        NOT NULL,
    seller_day  date        NOT NULL,
    units       bigint      NOT NULL CONSTRAINT units_not_negative CHECK (units >= 0),
    amount      bigint      NOT NULL CONSTRAINT amount_not_negative CHECK (amount >= 0),
    tax         bigint      NOT NULL CONSTRAINT tax_not_negative CHECK (tax >= 0),
    shipping    bigint      NOT NULL CONSTRAINT shipping_not_negative CHECK (shipping >= 0),
    fees        bigint      NOT NULL CONSTRAINT fees_not_negative CHECK (fees >= 0),
    PRIMARY KEY (tenant_id, credit_id)
  )
  `,
    `CREATE INDEX hm_order_credit_time ON hm_order_credit USING brin (booked_at) WITH (autosummarize = on)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
