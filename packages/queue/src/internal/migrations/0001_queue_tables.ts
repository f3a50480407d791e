/**
 * Creates the tables of a queue.
 *
 * Runnable jobs are in a thin table whose primary key is the claim order and its only index. A claim deletes them and writes
 * one lease row for the whole batch; the acknowledgement deletes that row. Payloads up to 1 KiB are copied into the lease
 * row. Larger ones stay in an append-only table and only their reference is leased, because a copied 4 KB payload loses to
 * TOAST. `json` and not `jsonb`: no statement looks inside, and the bytes stay as they came.
 */
import { tablesOf } from "../tables.ts"

/** Columns of a job in each table that holds jobs. */
const jobColumns = `
    job_id        uuid,
    type          text,
    attempt       smallint    NOT NULL DEFAULT 0,
    -- Null is the number of the handler.
    attempts_max  smallint,
    -- Number of leases that expired with the job.
    lost          smallint    NOT NULL DEFAULT 0,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    headers       json,
    -- Backoff and expiry of the job; null is those of the handler.
    options       json,
    errors        json,
    payload       json,
    -- Reference to a large payload, and its size: a claim is bounded by it.
    body_day      date,
    body_seq      bigint,
    body_bytes    integer`

/** Storage of tables with payloads: as much of a row as possible stays in its page. */
export const payloadStorage = "toast_tuple_target = 8160"

export const statements = (prefix: string): ReadonlyArray<string> => {
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
    -- Not null: the row is the token of a key and not a job; the jobs of the key are in ${t.keyed}.
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
    -- Separate from the jobs, in the same order: a payload may hold text that Postgres cannot store ("\\u0000"), and a
    -- statement that looks into the jobs must not fail on it.
    payloads      json[]      NOT NULL,
    -- Sequence numbers of completed jobs, while others of the batch still run.
    done          bigint[]    NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, batch_id, queue)
  ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    `,
    `ALTER TABLE ${t.lease} ALTER jobs SET STORAGE EXTERNAL, ALTER payloads SET STORAGE EXTERNAL`,
    // For the reaper. A partial acknowledgement changes no indexed column, so that the update stays in its page (HOT).
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
    -- Unfinished jobs of the key. Arithmetic on the locked row: an EXISTS over ${t.keyed} would read the snapshot
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
    -- Earliest time of the next attempt; the jobs behind it wait too. Null is at once.
    run_at        timestamptz,${jobColumns},
    PRIMARY KEY (tenant_id, queue, ordering_key, seq)
  )
    `,
    // Append only. The partition of a day is dropped as a whole.
    `
  CREATE TABLE ${t.body} (
    tenant_id     text        NOT NULL,
    day           date        NOT NULL,
    body_seq      bigint      NOT NULL,
    payload       json        NOT NULL,
    PRIMARY KEY (tenant_id, body_seq, day)
  ) PARTITION BY RANGE (day)
    `,
    // Before the first partition, because partitions inherit it.
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
    -- Reason with which its handler rejected the job. Such a job is kept until it is discarded.
    rejected      text        GENERATED ALWAYS AS (errors #>> '{-1,rejected}') STORED,
    -- The last error without ids and numbers: what dead letters are grouped by.
    failure       text        GENERATED ALWAYS AS (left(regexp_replace(regexp_replace(
                                coalesce(errors #>> '{-1,error}', ''),
                                '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '#', 'g'),
                                '[0-9]+', '#', 'g'), 200)) STORED,
    PRIMARY KEY (tenant_id, queue, seq)
  )
    `,
    // For the prune.
    `CREATE INDEX ${t.dead}_died_at ON ${t.dead} (died_at) WHERE rejected IS NULL`,
    // For doctor, which counts rejections.
    `CREATE INDEX ${t.dead}_rejected ON ${t.dead} (queue, rejected) WHERE rejected IS NOT NULL`,
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
    // One row per batch and queue, not per job.
    `
  CREATE TABLE ${t.history} (
    tenant_id     text        NOT NULL,
    day           date        NOT NULL,
    batch_id      uuid        NOT NULL,
    queue         text        NOT NULL,
    jobs_count    integer     NOT NULL,
    failed_count  integer     NOT NULL,
    claimed_at    timestamptz NOT NULL,
    done_at       timestamptz NOT NULL,
    -- Begins as questions about a queue do; a batch has one row for each of its queues.
    PRIMARY KEY (tenant_id, queue, done_at, batch_id, day)
  ) PARTITION BY RANGE (day)
    `,
    `CREATE TABLE ${t.history}_default PARTITION OF ${t.history} DEFAULT`,
    `
  CREATE TABLE ${t.definition} (
    tenant_id     text        NOT NULL,
    queue         text        NOT NULL,
    paused        boolean     NOT NULL DEFAULT false,
    weight        smallint    NOT NULL DEFAULT 1 CONSTRAINT weight_in_range CHECK (weight BETWEEN 1 AND 100),
    -- Maximum leased jobs over all workers; null is no limit. Counted from the lease rows: a counter would drift.
    concurrency_max integer   CONSTRAINT concurrency_max_positive CHECK (concurrency_max >= 1),
    -- Maximum started jobs per period; null is no limit.
    rate_max      integer     CONSTRAINT rate_max_positive CHECK (rate_max >= 1),
    rate_period_millis integer CONSTRAINT rate_period_in_range CHECK (rate_period_millis BETWEEN 100 AND 86400000),
    -- Theoretical arrival time of GCRA: the jobs already started pay for the time until then.
    rate_paid_until timestamptz,
    version       integer     NOT NULL DEFAULT 1,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue),
    CONSTRAINT rate_whole CHECK ((rate_max IS NULL) = (rate_period_millis IS NULL))
  )
    `
  ]
}
