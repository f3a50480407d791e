import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Pieces of an upload of Sentry's command-line client, until the bundle that they make up is read. Kept for a day.
    `
  CREATE TABLE hm_error_chunk (
    tenant_id   text        NOT NULL,
    checksum    text        COLLATE "C" NOT NULL CONSTRAINT checksum_in_form CHECK (checksum ~ '^[0-9a-f]{40}$'),
    payload     bytea       NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, checksum)
  )
  `,
    `CREATE INDEX hm_error_chunk_time ON hm_error_chunk (recorded_at)`,
    // An upload: a zip of scripts and source maps. The worker reads one that is waiting. Grows with the tenant's builds; pruned
    // after 90 days.
    `
  CREATE TABLE hm_error_bundle (
    tenant_id   text        NOT NULL,
    bundle_id   uuid        NOT NULL,
    checksum    text        COLLATE "C" NOT NULL,
    chunks      text[]      NOT NULL,
    project_ids integer[]   NOT NULL,
    debug_ids   uuid[]      NOT NULL,
    release     text        CONSTRAINT release_in_range CHECK (length(release) BETWEEN 1 AND 200),
    status      text        NOT NULL CONSTRAINT status_is_known CHECK (status IN ('waiting', 'stored', 'refused')),
    detail      text        CONSTRAINT detail_while_refused CHECK ((detail IS NOT NULL) = (status = 'refused')),
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, bundle_id),
    CONSTRAINT checksum_is_unique UNIQUE (tenant_id, checksum)
  )
  `,
    `CREATE INDEX hm_error_bundle_waiting ON hm_error_bundle (tenant_id, bundle_id) WHERE status = 'waiting'`,
    // Source maps by the debug id that the build wrote into script and map, compressed with zstd. is_fresh: stored events may
    // still wait for it. Pruned when no event needed it for 90 days.
    `
  CREATE TABLE hm_error_source_map (
    tenant_id   text        NOT NULL,
    debug_id    uuid        NOT NULL,
    project_ids integer[]   NOT NULL,
    map         bytea       NOT NULL,
    script      bytea,
    is_fresh    boolean     NOT NULL DEFAULT true,
    recorded_at timestamptz NOT NULL,
    used_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, debug_id)
  )
  `,
    `CREATE INDEX hm_error_source_map_fresh ON hm_error_source_map (tenant_id, debug_id) WHERE is_fresh`,
    `CREATE INDEX hm_error_source_map_used ON hm_error_source_map (used_at)`,
    // Acknowledged events whose frames a worker translates before they are grouped. Empty within seconds while a worker runs.
    `
  CREATE TABLE hm_error_pending (
    tenant_id   text        NOT NULL,
    pending_id  uuid        NOT NULL,
    project_id  integer     NOT NULL,
    received_at timestamptz NOT NULL,
    title       text        NOT NULL,
    user_key    text        COLLATE "C",
    event       jsonb       NOT NULL,
    payload     bytea       NOT NULL,
    PRIMARY KEY (tenant_id, pending_id)
  )
  `,
    `CREATE INDEX hm_error_pending_user ON hm_error_pending (tenant_id, user_key) WHERE user_key IS NOT NULL`,
    // Stored events that lack a source map, at most 200 per map: a map that comes late serves them. Pruned with the events.
    `
  CREATE TABLE hm_error_missing_map (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    debug_id    uuid        NOT NULL,
    log_id      uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, debug_id, log_id)
  )
  `,
    `CREATE INDEX hm_error_missing_map_time ON hm_error_missing_map (received_at)`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
