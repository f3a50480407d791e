import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // One row per environment of a tenant whose changes need, or once needed, a second person.
    `
  CREATE TABLE hm_platform_flag_environment (
    tenant_id         text        NOT NULL,
    environment       text        NOT NULL CONSTRAINT environment_in_form CHECK (environment ~ '^[a-z0-9_-]{1,64}$'),
    requires_approval boolean     NOT NULL,
    version           integer     NOT NULL DEFAULT 1,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, environment)
  )
  `,
    // One row per change of a flag that waits for an approval or for its time. At most 1,000 of a tenant are open; a job deletes
    // those that ended 400 days ago. `base_version` follows the request's own steps.
    `
  CREATE TABLE hm_platform_flag_request (
    tenant_id    text        NOT NULL,
    request_id   uuid        NOT NULL,
    feature_id   uuid        NOT NULL,
    flag_key     text        NOT NULL,
    description  text        CONSTRAINT description_in_range CHECK (length(description) BETWEEN 1 AND 2000),
    base_version integer     NOT NULL CONSTRAINT base_version_positive CHECK (base_version >= 1),
    steps        json        NOT NULL,
    steps_done   integer     NOT NULL DEFAULT 0 CONSTRAINT steps_done_not_negative CHECK (steps_done >= 0),
    status       text        NOT NULL
                 CONSTRAINT status_known CHECK (status IN ('pending', 'scheduled', 'applied', 'conflict', 'closed')),
    reason       text        CONSTRAINT reason_in_range CHECK (length(reason) BETWEEN 1 AND 1000),
    due_at       timestamptz,
    author       json        NOT NULL,
    approver     json,
    recorded_at  timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT of_feature FOREIGN KEY (tenant_id, feature_id) REFERENCES hm_platform_feature (tenant_id, feature_id),
    CONSTRAINT scheduled_is_due CHECK (status <> 'scheduled' OR due_at IS NOT NULL),
    CONSTRAINT ended_with_reason CHECK ((status IN ('conflict', 'closed')) = (reason IS NOT NULL))
  )
  `,
    `
  CREATE INDEX hm_platform_flag_request_due
      ON hm_platform_flag_request (due_at, tenant_id)
   WHERE status = 'scheduled'
  `,
    `
  CREATE INDEX hm_platform_flag_request_open
      ON hm_platform_flag_request (tenant_id, due_at, request_id)
   WHERE status IN ('pending', 'scheduled')
  `,
    `
  CREATE INDEX hm_platform_flag_request_ended
      ON hm_platform_flag_request (updated_at)
   WHERE status IN ('applied', 'conflict', 'closed')
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
