import { migration } from "@hypermarket/core/Migrations"
import { measures } from "./measures.ts"

const cell = `
    grain     smallint NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    bucket    date NOT NULL,
    category  text COLLATE "C" NOT NULL,
    region    text COLLATE "C" NOT NULL,
    channel   text COLLATE "C" NOT NULL,
    currency  text COLLATE "C" NOT NULL,`

export default migration(
  [
    // Postgres's own sum makes a numeric of bigints, for each measure of each cell: most of what folding costs. This one adds
    // with bigint's own +, which refuses what does not fit, and is 0 over no rows. It has no code. See decision 0010.
    `
  CREATE AGGREGATE hm_sum (bigint) (
    SFUNC = int8pl,
    STYPE = bigint,
    INITCOND = '0',
    COMBINEFUNC = int8pl,
    PARALLEL = SAFE
  )
  `,
    // Signed changes that no summary holds yet: append-only, so that writers share no row. Vacuumed often, because the
    // merge deletes as fast as writers insert. The key is the order in which the merge reads them.
    `
  CREATE TABLE hm_order_delta (
    tenant_id   text        NOT NULL,
    seq         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    order_id    text        COLLATE "C" NOT NULL,
    seller_id   text        COLLATE "C" NOT NULL,
    category    text        COLLATE "C" NOT NULL,
    region      text        COLLATE "C" NOT NULL,
    channel     text        COLLATE "C" NOT NULL,
    currency    text        COLLATE "C" NOT NULL,
    tenant_day  date        NOT NULL,
    seller_day  date        NOT NULL,
    recorded_at timestamptz NOT NULL,${measures},
    PRIMARY KEY (tenant_id, seq)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)
  `,
    // One row per tenant, changed by merges and closes only. Rows below hint are certainly merged, so that a reader in a
    // long-running transaction does not walk over the entries of what was deleted.
    `
  CREATE TABLE hm_order_merge (
    tenant_id text   NOT NULL PRIMARY KEY,
    hint      bigint NOT NULL DEFAULT 0,
    next_hint bigint,
    next_xid  xid8,
    closes    bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50)
  `,
    // Cells of every grain; dimensions that a grain does not have are ''. A partition a grain: they grow apart.
    `
  CREATE TABLE hm_order_summary (
    tenant_id text NOT NULL,${cell}${measures},
    merged_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grain, seller_id, bucket, category, region, channel, currency)
  ) PARTITION BY LIST (grain)
  `,
    `CREATE TABLE hm_order_summary_tenant_day PARTITION OF hm_order_summary FOR VALUES IN (6) WITH (fillfactor = 70)`,
    `CREATE TABLE hm_order_summary_tenant_day_region_channel PARTITION OF hm_order_summary FOR VALUES IN (1)
     WITH (fillfactor = 70)`,
    `CREATE TABLE hm_order_summary_seller_day PARTITION OF hm_order_summary FOR VALUES IN (2) WITH (fillfactor = 70)`,
    `CREATE TABLE hm_order_summary_category_month PARTITION OF hm_order_summary FOR VALUES IN (5) WITH (fillfactor = 70)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
