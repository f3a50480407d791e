import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The lock of a unit: a transaction that writes its facts or exposures holds it, so that neither misses the other. One row per unit
    // that has either.
    `
  CREATE TABLE hm_experiment_subject (
    tenant_id text NOT NULL,
    unit_kind text COLLATE "C" NOT NULL,
    unit      text COLLATE "C" NOT NULL CONSTRAINT unit_in_range CHECK (length(unit) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, unit_kind, unit)
  )
  `,
    // The newest version of each fact, and where its row is: a partitioned table has no key without its time. Version 0 is a
    // stub: a refund came before its order. Pruned when the facts of its time are.
    `
  CREATE TABLE hm_experiment_fact_key (
    tenant_id text        NOT NULL,
    source    text        COLLATE "C" NOT NULL,
    fact_id   text        COLLATE "C" NOT NULL CONSTRAINT fact_id_in_range CHECK (length(fact_id) BETWEEN 1 AND 200),
    version   bigint      NOT NULL CONSTRAINT version_in_range CHECK (version >= 0),
    unit_kind text        COLLATE "C" NOT NULL,
    unit      text        COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL,
    quantity  bigint      NOT NULL,
    value     bigint      NOT NULL,
    refunded  numeric     NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, source, fact_id)
  ) WITH (fillfactor = 85)
  `,
    // For the job that prunes keys by time.
    `CREATE INDEX hm_experiment_fact_key_time ON hm_experiment_fact_key USING brin (at) WITH (autosummarize = on)`,
    // Refunds by order, whole, so that their order of arrival does not matter. Pruned with their order's key.
    `
  CREATE TABLE hm_experiment_refund (
    tenant_id text    NOT NULL,
    order_id  text    COLLATE "C" NOT NULL,
    refund_id text    COLLATE "C" NOT NULL,
    version   bigint  NOT NULL CONSTRAINT version_in_range CHECK (version >= 1),
    amount    numeric NOT NULL,
    PRIMARY KEY (tenant_id, order_id, refund_id)
  )
  `,
    // Facts of units, exposed or not: an exposure that comes later finds them. A day is a partition, kept for 60 days, longer
    // while an experiment still needs it.
    `
  CREATE TABLE hm_experiment_fact (
    tenant_id text        NOT NULL,
    unit_kind text        COLLATE "C" NOT NULL,
    unit      text        COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL,
    source    text        COLLATE "C" NOT NULL,
    fact_id   text        COLLATE "C" NOT NULL,
    version   bigint      NOT NULL,
    quantity  bigint      NOT NULL CONSTRAINT quantity_in_range CHECK (quantity BETWEEN 0 AND 1),
    value     bigint      NOT NULL,
    currency  text        CONSTRAINT currency_in_form CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (tenant_id, unit_kind, unit, at, source, fact_id)
  ) PARTITION BY RANGE (at)
  `,
    `CREATE TABLE hm_experiment_fact_default PARTITION OF hm_experiment_fact DEFAULT`,
    // One row per unit and experiment. What is accounted is what the moments hold of it, so that a change is a difference.
    // totals has one line per metric: numerator, denominator, both before the exposure, and facts of other currencies.
    `
  CREATE TABLE hm_experiment_unit (
    tenant_id         text        NOT NULL,
    unit_kind         text        COLLATE "C" NOT NULL,
    unit              text        COLLATE "C" NOT NULL,
    experiment_id     uuid        NOT NULL,
    variant           smallint    NOT NULL,
    phase             integer     NOT NULL,
    first_exposed_at  timestamptz NOT NULL,
    crossed           boolean     NOT NULL,
    accounted_variant smallint,
    accounted_phase   integer,
    accounted_day     date,
    accounted_crossed boolean,
    totals            bigint[],
    PRIMARY KEY (tenant_id, unit_kind, unit, experiment_id)
  ) WITH (fillfactor = 70)
  `,
    // Sums of an arm by phase and day of first exposure, exact. Position 0 counts units, the others are metrics.
    `
  CREATE TABLE hm_experiment_moment (
    tenant_id     text     NOT NULL,
    experiment_id uuid     NOT NULL,
    position      smallint NOT NULL,
    variant       smallint NOT NULL,
    phase         integer  NOT NULL,
    day           date     NOT NULL,
    n             bigint   NOT NULL,
    crossed       bigint   NOT NULL,
    other         bigint   NOT NULL,
    y  numeric NOT NULL, d  numeric NOT NULL, x  numeric NOT NULL, e  numeric NOT NULL,
    yy numeric NOT NULL, yd numeric NOT NULL, yx numeric NOT NULL, ye numeric NOT NULL,
    dd numeric NOT NULL, dx numeric NOT NULL, de numeric NOT NULL,
    xx numeric NOT NULL, xe numeric NOT NULL, ee numeric NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, position, variant, phase, day)
  ) WITH (fillfactor = 70)
  `,
    // Changes that no moment holds yet: append-only, so that two workers never wait for one row. Vacuumed often, because the
    // merge deletes as fast as writers insert.
    `
  CREATE TABLE hm_experiment_delta (
    tenant_id     text     NOT NULL,
    experiment_id uuid     NOT NULL,
    seq           bigint   NOT NULL GENERATED ALWAYS AS IDENTITY,
    position      smallint NOT NULL,
    variant       smallint NOT NULL,
    phase         integer  NOT NULL,
    day           date     NOT NULL,
    n             bigint   NOT NULL,
    crossed       bigint   NOT NULL,
    other         bigint   NOT NULL,
    y  numeric NOT NULL, d  numeric NOT NULL, x  numeric NOT NULL, e  numeric NOT NULL,
    yy numeric NOT NULL, yd numeric NOT NULL, yx numeric NOT NULL, ye numeric NOT NULL,
    dd numeric NOT NULL, dx numeric NOT NULL, de numeric NOT NULL,
    xx numeric NOT NULL, xe numeric NOT NULL, ee numeric NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, seq)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
