import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Append only. Partitions by month of occurrence; the default one takes what no month was made for.
    `
  CREATE TABLE hm_user_behavior_signal (
    tenant_id    text        NOT NULL,
    signal_id    uuid        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    kind         text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('view', 'click', 'cart', 'purchase')),
    -- The customer, else the device, else the session.
    user_key     text        NOT NULL CONSTRAINT user_key_in_range CHECK (length(user_key) BETWEEN 1 AND 200),
    product_id   text        NOT NULL CONSTRAINT product_id_in_range CHECK (length(product_id) BETWEEN 1 AND 200),
    query_id     text        CONSTRAINT query_id_in_range CHECK (length(query_id) BETWEEN 1 AND 200),
    position     smallint    CONSTRAINT position_in_range CHECK (position BETWEEN 1 AND 1000),
    quantity     integer     NOT NULL CONSTRAINT quantity_in_range CHECK (quantity BETWEEN 1 AND 1000000000),
    -- False when the user was over the allowance of the day: kept, and no part of popularity.
    counted      boolean     NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, signal_id, occurred_at)
  ) PARTITION BY RANGE (occurred_at)
  `,
    `CREATE TABLE hm_user_behavior_signal_default PARTITION OF hm_user_behavior_signal DEFAULT`,
    `CREATE INDEX hm_user_behavior_signal_user ON hm_user_behavior_signal (tenant_id, user_key, occurred_at)`,
    // A signal's identity: a unique key of a partitioned table would have to contain the time.
    `
  CREATE TABLE hm_user_behavior_signal_key (
    tenant_id    text        NOT NULL,
    source       text        NOT NULL CONSTRAINT source_in_range CHECK (length(source) BETWEEN 1 AND 500),
    key          text        NOT NULL CONSTRAINT key_in_range CHECK (length(key) BETWEEN 1 AND 400),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source, key)
  )
  `,
    `CREATE INDEX hm_user_behavior_signal_key_expires_at ON hm_user_behavior_signal_key (expires_at)`,
    // How much of a user was counted on a day, in all ('' as product) and for one product.
    `
  CREATE TABLE hm_search_user_allowance (
    tenant_id    text        NOT NULL,
    day          date        NOT NULL,
    user_key     text        NOT NULL,
    product_id   text        NOT NULL,
    used         integer     NOT NULL CONSTRAINT used_not_negative CHECK (used >= 0),
    PRIMARY KEY (tenant_id, day, user_key, product_id)
  )
  `,
    `CREATE INDEX hm_search_user_allowance_day ON hm_search_user_allowance (day)`,
    `
  CREATE TABLE hm_browse_history (
    tenant_id    text        NOT NULL,
    user_key     text        NOT NULL,
    product_id   text        NOT NULL,
    viewed_at    timestamptz NOT NULL,
    views        integer     NOT NULL CONSTRAINT views_positive CHECK (views > 0),
    PRIMARY KEY (tenant_id, user_key, product_id)
  )
  `,
    `CREATE INDEX hm_browse_history_recent ON hm_browse_history (tenant_id, user_key, viewed_at DESC)`,
    // What is recorded and not yet part of popularity. Drained in batches; the delete and the sum commit together.
    `
  CREATE TABLE hm_search_popularity_pending (
    tenant_id    text        NOT NULL,
    pending_seq  bigint      GENERATED ALWAYS AS IDENTITY,
    product_id   text        NOT NULL,
    weight       real        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, pending_seq)
  )
  `,
    // Exponentially decayed sums: score is as of counted_at, and halves every half-life of its window.
    `
  CREATE TABLE hm_product_popularity_signal (
    tenant_id     text             NOT NULL,
    product_id    text             NOT NULL,
    decay_window  text             NOT NULL CONSTRAINT decay_window_known CHECK (decay_window IN ('day', 'week', 'month')),
    score         double precision NOT NULL CONSTRAINT score_not_negative CHECK (score >= 0),
    counted_at    timestamptz      NOT NULL,
    PRIMARY KEY (tenant_id, decay_window, product_id)
  )
  `,
    // What the tenant itself knows of a product: margin, promotion, quality. Settings say how much a signal counts.
    `
  CREATE TABLE hm_ranking_signal (
    tenant_id    text        NOT NULL,
    signal       text        NOT NULL CONSTRAINT signal_in_range CHECK (signal ~ '^[a-z][a-z0-9_]{0,62}$'),
    product_id   text        NOT NULL CONSTRAINT product_id_in_range CHECK (length(product_id) BETWEEN 1 AND 200),
    value        real        NOT NULL CONSTRAINT value_in_range CHECK (value BETWEEN 0 AND 1),
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, signal, product_id)
  )
  `,
    // What is searched for, and how often nothing was found: the gates try the commonest on a new version.
    `
  CREATE TABLE hm_search_query (
    tenant_id    text        NOT NULL,
    index_name   text        NOT NULL,
    query        text        NOT NULL CONSTRAINT query_in_range CHECK (length(query) BETWEEN 1 AND 200),
    searches     bigint      NOT NULL CONSTRAINT searches_positive CHECK (searches > 0),
    searched_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, index_name, query)
  )
  `,
    `CREATE INDEX hm_search_query_common ON hm_search_query (tenant_id, index_name, searches DESC)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
