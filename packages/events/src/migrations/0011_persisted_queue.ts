import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Grows by one row per element of Effect's PersistedQueue. A job deletes completed ones after 30 days; until then they keep
    // their id from being offered again. Failed ones are the dead-letter queue.
    `
  CREATE TABLE hm_event_element (
    tenant_id   text        NOT NULL,
    queue       text        NOT NULL CONSTRAINT queue_in_range CHECK (length(queue) BETWEEN 1 AND 200),
    element_id  text        NOT NULL CONSTRAINT element_id_in_range CHECK (length(element_id) BETWEEN 1 AND 255),
    state       text        NOT NULL CONSTRAINT state_known CHECK (state IN ('pending', 'completed', 'failed')),
    element     json        NOT NULL,
    attempts    integer     NOT NULL DEFAULT 0,
    -- When it may be taken: after its delay, its backoff, or the lease of the worker that has it.
    visible_at  timestamptz NOT NULL,
    -- Of the take that has it. Only this one may complete or fail it.
    lease_id    uuid,
    last_error  text        CONSTRAINT last_error_in_range CHECK (length(last_error) <= 500),
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, queue, element_id)
  ) WITH (fillfactor = 80)
  `,
    // For takes.
    `CREATE INDEX hm_event_element_visible ON hm_event_element (tenant_id, queue, visible_at) WHERE state = 'pending'`,
    // For the job that deletes.
    `CREATE INDEX hm_event_element_completed ON hm_event_element (updated_at) WHERE state = 'completed'`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
