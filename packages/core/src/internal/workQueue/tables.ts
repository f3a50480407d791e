/**
 * The tables of a work queue, named by its prefix.
 *
 * Runnable jobs stand in a thin table whose primary key is the claim order and its only index; claiming deletes them and
 * writes one lease row for the whole batch, acknowledging deletes that row. Payloads up to 1 KiB travel in the lease
 * row; larger ones stay in an append-only table and only their reference is leased, because a copied 4 KB payload loses
 * to TOAST. `json` and not `jsonb`: nothing looks inside, and the bytes stay as they came.
 */

export interface Tables {
  readonly sequence: string
  readonly ready: string
  readonly lease: string
  readonly delayed: string
  readonly key: string
  readonly keyed: string
  readonly body: string
  readonly dead: string
  readonly history: string
  readonly dedupe: string
  readonly definition: string
}

const prefixPattern = /^hm_[a-z]+$/

export const tablesOf = (prefix: string): Tables => {
  if (!prefixPattern.test(prefix)) throw new TypeError(`a work queue's prefix is hm_<name>, not ${prefix}`)
  return {
    sequence: `${prefix}_seq`,
    ready: `${prefix}_queue`,
    lease: `${prefix}_lease`,
    delayed: `${prefix}_delayed`,
    key: `${prefix}_key`,
    keyed: `${prefix}_keyed`,
    body: `${prefix}_body`,
    dead: `${prefix}_dead`,
    history: `${prefix}_history`,
    dedupe: `${prefix}_job_dedupe`,
    definition: `${prefix}_definition`
  }
}

/** What a job is, wherever it stands. */
const jobColumns = `
    job_id        uuid,
    type          text,
    attempt       smallint    NOT NULL DEFAULT 0,
    -- Null: as many as the handler allows.
    attempts_max  smallint,
    -- Leases that ran out with the job inside.
    lost          smallint    NOT NULL DEFAULT 0,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    headers       json,
    -- The job's own backoff and expiry; null where it has none.
    options       json,
    errors        json,
    payload       json,
    -- Where the payload is when it is not in this row, and how large: a claim is bounded by it.
    body_day      date,
    body_seq      bigint,
    body_bytes    integer`

/** Of tables with payloads: as much of a row as possible stays in its page. */
export const payloadStorage = "toast_tuple_target = 8160"

export const createStatements = (prefix: string): ReadonlyArray<string> => {
  const t = tablesOf(prefix)
  const next = `nextval('${t.sequence}')`
  return [
    // Cache 1: the order of a key's jobs relies on it.
    `CREATE SEQUENCE ${t.sequence} CACHE 1`,
    `
  CREATE TABLE ${t.ready} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL CONSTRAINT queue_in_range CHECK (length(queue) BETWEEN 1 AND 128),
    priority      smallint    NOT NULL DEFAULT 0,
    seq           bigint      NOT NULL DEFAULT ${next},
    -- Not null: this row is the token of a key, not a job; the key's jobs stand in ${t.keyed}.
    ordering_key  text,${jobColumns},
    PRIMARY KEY (tenant_id, queue, priority, seq)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
          autovacuum_vacuum_insert_scale_factor = 1, ${payloadStorage})
    `,
    `ALTER TABLE ${t.ready} ALTER payload SET STORAGE EXTERNAL`,
    `
  CREATE TABLE ${t.lease} (
    tenant_id     text        NOT NULL,
    batch_id      uuid        NOT NULL,
    queue         text        NOT NULL,
    worker_id     uuid        NOT NULL,
    claimed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until   timestamptz NOT NULL,
    jobs_count    integer     NOT NULL,
    jobs          json        NOT NULL,
    -- Apart from the jobs, and in their order: a payload may hold what Postgres cannot turn into text ("\\u0000"), and no
    -- statement that looks into the jobs may fail on it.
    payloads      json[]      NOT NULL,
    -- Sequence numbers of jobs that are done while others of the batch still run.
    done          bigint[]    NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, batch_id, queue)
  ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    `,
    `ALTER TABLE ${t.lease} ALTER jobs SET STORAGE EXTERNAL, ALTER payloads SET STORAGE EXTERNAL`,
    // For the reaper. Not on what a partial acknowledgement changes, so that it stays in its page.
    `CREATE INDEX ${t.lease}_until ON ${t.lease} (lease_until)`,
    `
  CREATE TABLE ${t.delayed} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    priority      smallint    NOT NULL DEFAULT 0,
    seq           bigint      NOT NULL DEFAULT ${next},
    run_at        timestamptz NOT NULL,
    ordering_key  text,${jobColumns},
    PRIMARY KEY (tenant_id, queue, seq)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
    `,
    `CREATE INDEX ${t.delayed}_run_at ON ${t.delayed} (run_at)`,
    `
  CREATE TABLE ${t.key} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    ordering_key  text        NOT NULL CONSTRAINT ordering_key_in_range CHECK (length(ordering_key) BETWEEN 1 AND 200),
    -- Jobs of the key that are not done. Arithmetic on the locked row: an EXISTS over ${t.keyed} would read the snapshot
    -- from before the wait for the lock, and lose a wake.
    pending       integer     NOT NULL CONSTRAINT pending_not_negative CHECK (pending >= 0),
    PRIMARY KEY (tenant_id, queue, ordering_key)
  ) WITH (fillfactor = 50)
    `,
    `
  CREATE TABLE ${t.keyed} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    ordering_key  text        NOT NULL,
    seq           bigint      NOT NULL DEFAULT ${next},
    priority      smallint    NOT NULL DEFAULT 0,
    -- Not before; the jobs behind it wait too. Null: at once.
    run_at        timestamptz,${jobColumns},
    PRIMARY KEY (tenant_id, queue, ordering_key, seq)
  )
    `,
    // Append only; a day's partition is dropped whole.
    `
  CREATE TABLE ${t.body} (
    tenant_id     text        NOT NULL,
    day           date        NOT NULL,
    body_seq      bigint      NOT NULL,
    payload       json        NOT NULL,
    PRIMARY KEY (tenant_id, body_seq, day)
  ) PARTITION BY RANGE (day)
    `,
    // Before the first partition: they take it over.
    `ALTER TABLE ${t.body} ALTER payload SET STORAGE EXTERNAL`,
    `CREATE TABLE ${t.body}_default PARTITION OF ${t.body} DEFAULT WITH (${payloadStorage})`,
    `
  CREATE TABLE ${t.dead} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    seq           bigint      NOT NULL DEFAULT ${next},
    priority      smallint    NOT NULL DEFAULT 0,
    ordering_key  text,${jobColumns},
    died_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue, seq)
  )
    `,
    // For the prune.
    `CREATE INDEX ${t.dead}_died_at ON ${t.dead} (died_at)`,
    `
  CREATE TABLE ${t.dedupe} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    dedupe_key    text        NOT NULL CONSTRAINT dedupe_key_in_range CHECK (length(dedupe_key) BETWEEN 1 AND 200),
    job_id        uuid        NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue, dedupe_key)
  )
    `,
    // For the prune.
    `CREATE INDEX ${t.dedupe}_expires_at ON ${t.dedupe} (expires_at)`,
    // A row a batch and lane, not a job.
    `
  CREATE TABLE ${t.history} (
    tenant_id     text        NOT NULL,
    day           date        NOT NULL,
    batch_id      uuid        NOT NULL,
    queue         text        NOT NULL,
    jobs_count    integer     NOT NULL,
    failed_count  integer     NOT NULL,
    claimed_at    timestamptz NOT NULL,
    done_at       timestamptz NOT NULL
  ) PARTITION BY RANGE (day)
    `,
    `CREATE TABLE ${t.history}_default PARTITION OF ${t.history} DEFAULT`,
    `CREATE INDEX ${t.history}_queue ON ${t.history} (tenant_id, queue, done_at)`,
    `
  CREATE TABLE ${t.definition} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    paused        boolean     NOT NULL DEFAULT false,
    weight        smallint    NOT NULL DEFAULT 1 CONSTRAINT weight_in_range CHECK (weight BETWEEN 1 AND 100),
    -- Jobs leased at a time, over all workers; null is no limit. Counted from the lease rows: a counter would drift.
    concurrency_max integer   CONSTRAINT concurrency_max_positive CHECK (concurrency_max >= 1),
    -- Jobs started in a period, in milliseconds; null is no limit.
    rate_max      integer     CONSTRAINT rate_max_positive CHECK (rate_max >= 1),
    rate_period_millis integer CONSTRAINT rate_period_in_range CHECK (rate_period_millis BETWEEN 100 AND 86400000),
    -- GCRA's theoretical arrival time: what has been started already is paid for until then.
    rate_paid_until timestamptz,
    version       integer     NOT NULL DEFAULT 1,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue),
    CONSTRAINT rate_whole CHECK ((rate_max IS NULL) = (rate_period_millis IS NULL))
  )
    `
  ]
}
