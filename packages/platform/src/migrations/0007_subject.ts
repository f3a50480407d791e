import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Requests to export or erase a person, or a tenant as a whole (under `_system`). One row per request, kept: it is the
    // receipt. The subject is null once an erasure is done, and `progress` is what the next step continues from.
    `
  CREATE TABLE hm_platform_subject_request (
    tenant_id   text        NOT NULL,
    request_id  uuid        NOT NULL,
    kind        text        NOT NULL CONSTRAINT kind_listed CHECK (kind IN ('export', 'erasure', 'tenant-erasure')),
    state       text        NOT NULL CONSTRAINT state_listed CHECK (state IN ('running', 'done')),
    subject     json,
    progress    json,
    rows        bigint      NOT NULL DEFAULT 0 CONSTRAINT rows_not_negative CHECK (rows >= 0),
    domains     json        NOT NULL DEFAULT '{}',
    kept        json        NOT NULL DEFAULT '[]',
    parts       integer     NOT NULL DEFAULT 0 CONSTRAINT parts_not_negative CHECK (parts >= 0),
    due_at      timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT done_has_time CHECK ((state = 'done') = (finished_at IS NOT NULL))
  )
  `,
    `
  CREATE INDEX hm_platform_subject_request_due
      ON hm_platform_subject_request (due_at)
   WHERE state = 'running'
  `,
    // Lines of exports. Deleted seven days after the export is done, and with the person.
    `
  CREATE TABLE hm_platform_subject_part (
    tenant_id  text    NOT NULL,
    request_id uuid    NOT NULL,
    number     integer NOT NULL CONSTRAINT number_positive CHECK (number >= 1),
    lines      text    NOT NULL,
    PRIMARY KEY (tenant_id, request_id, number)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
