import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A published event's identity: source and id are unique per tenant (CloudEvents 1.0), within the window.
    `
  CREATE TABLE hm_event_dedupe (
    tenant_id     text        NOT NULL,
    source        text        NOT NULL CONSTRAINT source_in_range CHECK (length(source) BETWEEN 1 AND 500),
    event_id      text        NOT NULL CONSTRAINT event_id_in_range CHECK (length(event_id) BETWEEN 1 AND 200),
    body_hash     text        NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, source, event_id)
  )
  `,
    // For the job that prunes.
    `CREATE INDEX hm_event_dedupe_expires_at ON hm_event_dedupe (expires_at)`,
    // What the installation's domains handle. Global: publish joins it for every tenant. A row per handler and type, so that
    // workers of two releases add up; a few hundred rows.
    `
  CREATE TABLE hm_event_handler (
    type          text        NOT NULL,
    handler       text        NOT NULL,
    queue         text        NOT NULL,
    -- When a worker registered it last. It is removed when none has for days.
    seen_at       timestamptz NOT NULL,
    PRIMARY KEY (type, handler)
  )
  `,
    // The queues that workers handle, for doctor. Global; a row per queue.
    `
  CREATE TABLE hm_event_worker_queue (
    queue         text        NOT NULL PRIMARY KEY,
    seen_at       timestamptz NOT NULL
  )
  `,
    `
  CREATE TABLE hm_event_subscription (
    tenant_id       text        NOT NULL,
    subscription_id uuid        NOT NULL,
    name            text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    status          text        NOT NULL CONSTRAINT status_known CHECK (status IN ('active', 'paused')),
    -- CloudEvents Subscriptions 1.0 filters, dialects exact and prefix; all of them must hold.
    filters         jsonb       NOT NULL,
    -- What most filters ask for first, so that publishing need not look into those of other types.
    exact_type      text        GENERATED ALWAYS AS (jsonb_path_query_first(filters, '$[*].exact.type') #>> '{}') STORED,
    prefix_type     text        GENERATED ALWAYS AS (jsonb_path_query_first(filters, '$[*].prefix.type') #>> '{}') STORED,
    -- The sink: a queue of the tenant.
    queue           text        NOT NULL CONSTRAINT queue_in_range CHECK (length(queue) BETWEEN 1 AND 127),
    -- Whether events of one subject run one at a time, in order; those without a subject have none.
    ordered         boolean     NOT NULL,
    version         integer     NOT NULL DEFAULT 1,
    recorded_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
