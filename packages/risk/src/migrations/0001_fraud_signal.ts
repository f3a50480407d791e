import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per call, by its key: the same body again returns the decision, another body is refused. Kept 400
    // days; pruned by time.
    `
  CREATE TABLE hm_fraud_signal_key (
    tenant_id   text        NOT NULL,
    source      text        COLLATE "C" NOT NULL CONSTRAINT source_in_range CHECK (length(source) BETWEEN 1 AND 200),
    key         text        COLLATE "C" NOT NULL CONSTRAINT key_in_range CHECK (length(key) BETWEEN 1 AND 500),
    body_hash   bytea       NOT NULL,
    signal_id   uuid        NOT NULL,
    decision_id uuid,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source, key)
  )
  `,
    // For the job that prunes keys by time.
    `CREATE INDEX hm_fraud_signal_key_time ON hm_fraud_signal_key USING brin (recorded_at) WITH (autosummarize = on)`,
    // The signal of a subject, and where its row is: a partitioned table has no key without its time. One row per order or
    // payment try, kept 400 days, longer than the signal, so that a late fact never counts twice. Its lock is held while the
    // signal is completed or decided.
    `
  CREATE TABLE hm_fraud_signal_subject (
    tenant_id   text        NOT NULL,
    kind        text        COLLATE "C" NOT NULL,
    subject     text        COLLATE "C" NOT NULL CONSTRAINT subject_in_range CHECK (length(subject) BETWEEN 1 AND 200),
    signal_id   uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    version     bigint      NOT NULL CONSTRAINT version_in_range CHECK (version >= 0),
    decisions   integer     NOT NULL DEFAULT 0 CONSTRAINT decisions_in_range CHECK (decisions >= 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
  ) WITH (fillfactor = 85)
  `,
    `CREATE INDEX hm_fraud_signal_subject_time ON hm_fraud_signal_subject USING brin (recorded_at) WITH (autosummarize = on)`,
    // What happened, with entities as hashes. One row per subject; a partition per day, by the time it happened, 91 days kept: 30 of the
    // longest window, 30 that an event may be late, and a month of space for partitions.
    `
  CREATE TABLE hm_fraud_signal (
    tenant_id   text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    signal_id   uuid        NOT NULL,
    kind        text        COLLATE "C" NOT NULL,
    subject     text        COLLATE "C" NOT NULL,
    result      text        COLLATE "C" NOT NULL,
    amount      bigint      CONSTRAINT amount_in_range CHECK (amount BETWEEN 0 AND 10000000000000),
    currency    text        CONSTRAINT currency_in_form CHECK (currency ~ '^[A-Z]{3}$'),
    entities    jsonb       NOT NULL,
    attributes  jsonb       NOT NULL,
    source      text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, occurred_at, signal_id),
    CONSTRAINT amount_has_currency CHECK ((amount IS NULL) = (currency IS NULL))
  ) PARTITION BY RANGE (occurred_at)
  `,
    `CREATE TABLE hm_fraud_signal_default PARTITION OF hm_fraud_signal DEFAULT`,
    // One row per signal and entity: what windows count. The key covers a window's scan. is_folded means that the hour's row in
    // hm_fraud_entity_hour holds this one: a scan reads what is not folded, and the edges of what is. A partition per month.
    `
  CREATE TABLE hm_fraud_entity_event (
    tenant_id   text        NOT NULL,
    entity      bigint      NOT NULL,
    is_folded   boolean     NOT NULL,
    occurred_at timestamptz NOT NULL,
    signal_id   uuid        NOT NULL,
    kind        text        COLLATE "C" NOT NULL,
    result      text        COLLATE "C" NOT NULL,
    amount      bigint,
    currency    text,
    others      bigint[]    NOT NULL,
    PRIMARY KEY (tenant_id, entity, is_folded, occurred_at, signal_id) INCLUDE (kind, result, amount, currency)
  ) PARTITION BY RANGE (occurred_at)
  `,
    `CREATE TABLE hm_fraud_entity_event_default PARTITION OF hm_fraud_entity_event DEFAULT`,
    // Sums of an entity with many events, by hour. hour is the end of the hour, which belongs to it: a window excludes its
    // beginning and includes its end. At most 24 rows per day, entity, kind, result and currency; pruned after 91 days.
    `
  CREATE TABLE hm_fraud_entity_hour (
    tenant_id text        NOT NULL,
    entity    bigint      NOT NULL,
    hour      timestamptz NOT NULL,
    kind      text        COLLATE "C" NOT NULL,
    result    text        COLLATE "C" NOT NULL,
    currency  text        NOT NULL,
    count     bigint      NOT NULL CONSTRAINT count_in_range CHECK (count >= 0),
    sum       numeric     NOT NULL,
    PRIMARY KEY (tenant_id, entity, hour, kind, result, currency)
  ) WITH (fillfactor = 70)
  `,
    `CREATE INDEX hm_fraud_entity_hour_time ON hm_fraud_entity_hour USING brin (hour) WITH (autosummarize = on)`,
    // Pairs of entities of folded events, for distinct counts. Written by the job that folds and by nothing else, so that no
    // decision waits for another one's pair.
    `
  CREATE TABLE hm_risk_edge (
    tenant_id  text        NOT NULL,
    entity     bigint      NOT NULL,
    other      bigint      NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entity, other)
  ) WITH (fillfactor = 70)
  `,
    `CREATE INDEX hm_risk_edge_time ON hm_risk_edge USING brin (last_seen) WITH (autosummarize = on)`,
    // Entities whose events are due to be folded: who counts many notes it here, and the job takes the row. One row per entity.
    `
  CREATE TABLE hm_fraud_entity_due (
    tenant_id text        NOT NULL,
    entity    bigint      NOT NULL,
    noted_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, entity)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
