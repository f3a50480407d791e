import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    `
  CREATE TABLE hm_job_scheduler (
    tenant_id     text        NOT NULL,
    schedule_id   uuid        NOT NULL,
    name          text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    queue         text        NOT NULL CONSTRAINT queue_in_range CHECK (length(queue) BETWEEN 1 AND 127),
    type          text        NOT NULL CONSTRAINT type_in_range CHECK (length(type) BETWEEN 1 AND 200),
    payload       json        NOT NULL,
    -- Exactly one of cron and every_seconds, or neither for a schedule that runs once.
    cron          text        CONSTRAINT cron_in_range CHECK (length(cron) BETWEEN 1 AND 200),
    time_zone     text        NOT NULL,
    every_seconds integer     CONSTRAINT every_in_range CHECK (every_seconds BETWEEN 1 AND 31536000),
    -- What happens when the run before is not done.
    overlap       text        NOT NULL CONSTRAINT overlap_known CHECK (overlap IN ('skip', 'queue', 'cancel')),
    catch_up      text        NOT NULL CONSTRAINT catch_up_known CHECK (catch_up IN ('none', 'one', 'all')),
    -- Due times older than this are not caught up.
    catch_up_seconds integer  NOT NULL DEFAULT 86400 CONSTRAINT catch_up_in_range CHECK (catch_up_seconds BETWEEN 60 AND 2592000),
    -- A run starts up to so many seconds after its time, by chance.
    jitter_seconds integer    NOT NULL DEFAULT 0 CONSTRAINT jitter_in_range CHECK (jitter_seconds BETWEEN 0 AND 3600),
    paused        boolean     NOT NULL DEFAULT false,
    -- Null when it never runs again.
    next_at       timestamptz,
    last_at       timestamptz,
    -- Of the run before: what an overlap cancels.
    last_job_id   uuid,
    -- The last five runs, newest first: their times and jobs.
    runs          json        NOT NULL DEFAULT '[]',
    -- Failures in a row. A schedule that fails is due again at retry_at, and keeps its due time.
    failures      integer     NOT NULL DEFAULT 0,
    last_error    text        CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500),
    failed_at     timestamptz,
    retry_at      timestamptz,
    version       integer     NOT NULL DEFAULT 1,
    recorded_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, schedule_id),
    CONSTRAINT name_unique UNIQUE (tenant_id, name),
    CONSTRAINT one_rhythm CHECK (cron IS NULL OR every_seconds IS NULL)
  )
  `,
    // What is due, over all tenants: for the tick.
    `CREATE INDEX hm_job_scheduler_due ON hm_job_scheduler (greatest(next_at, retry_at))
      WHERE NOT paused AND next_at IS NOT NULL`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
