import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A task that reports its runs, per environment. Schedule is null for one whose SDK sends none: it is judged by its check-ins
    // alone. At most 1,000 per project.
    `
  CREATE TABLE hm_error_monitor (
    tenant_id     text        NOT NULL,
    project_id    integer     NOT NULL,
    slug          text        COLLATE "C" NOT NULL CONSTRAINT slug_in_range CHECK (length(slug) BETWEEN 1 AND 200),
    environment   text        COLLATE "C" NOT NULL CONSTRAINT environment_in_range CHECK (length(environment) <= 200),
    schedule      jsonb,
    status        text        NOT NULL CONSTRAINT status_is_known
                  CHECK (status IN ('ok', 'missed', 'late', 'error', 'timed-out')),
    since         timestamptz NOT NULL,
    last_check_in timestamptz,
    next_due      timestamptz,
    recorded_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, slug, environment)
  ) WITH (fillfactor = 80)
  `,
    // Runs of a monitor, also those that did not come. Pruned after 30 days.
    `
  CREATE TABLE hm_error_check_in (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    check_in_id uuid        NOT NULL,
    slug        text        COLLATE "C" NOT NULL,
    environment text        COLLATE "C" NOT NULL,
    status      text        NOT NULL CONSTRAINT status_is_known
                CHECK (status IN ('running', 'ok', 'error', 'missed', 'timed-out')),
    is_late     boolean     NOT NULL,
    due_at      timestamptz,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ends_by     timestamptz CONSTRAINT ends_by_while_running CHECK ((ends_by IS NOT NULL) = (status = 'running')),
    PRIMARY KEY (tenant_id, project_id, check_in_id)
  ) WITH (fillfactor = 80)
  `,
    `
  CREATE INDEX hm_error_check_in_monitor
      ON hm_error_check_in (tenant_id, project_id, slug, environment, started_at DESC, check_in_id DESC)
  `,
    `CREATE INDEX hm_error_check_in_running ON hm_error_check_in (ends_by) WHERE ends_by IS NOT NULL`,
    `CREATE INDEX hm_error_check_in_time ON hm_error_check_in USING brin (started_at) WITH (autosummarize = on)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
