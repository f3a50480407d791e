import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A project is named by digits, because the DSN of an SDK ends in them. Its row is the lock of all that changes its issues:
    // intake and operators decide one after another, so each change is alerted once. One row per application of the tenant.
    `
  CREATE TABLE hm_error_project (
    tenant_id       text        NOT NULL,
    project_id      integer     NOT NULL CONSTRAINT project_id_in_range CHECK (project_id >= 1),
    slug            text        COLLATE "C" NOT NULL CONSTRAINT slug_in_form CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name            text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    status          text        NOT NULL DEFAULT 'active' CONSTRAINT status_is_known CHECK (status IN ('active', 'closed')),
    keeps_addresses boolean     NOT NULL DEFAULT false,
    version         integer     NOT NULL DEFAULT 1,
    recorded_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id),
    CONSTRAINT slug_is_unique UNIQUE (tenant_id, slug)
  )
  `,
    // One row per group of events. A merged issue keeps its own counts and points at the issue that shows them, so that a merge
    // is reversible. Version counts changes of the state, not events. Grows with the distinct faults of the tenant's code.
    `
  CREATE TABLE hm_error_issue (
    tenant_id     text        NOT NULL,
    issue_id      uuid        NOT NULL,
    project_id    integer     NOT NULL,
    kind          text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('exception', 'message')),
    title         text        NOT NULL CONSTRAINT title_in_range CHECK (length(title) <= 300),
    culprit       text        CONSTRAINT culprit_in_range CHECK (length(culprit) <= 300),
    level         text        NOT NULL CONSTRAINT level_is_known CHECK (level IN ('debug', 'info', 'warning', 'error', 'fatal')),
    status        text        NOT NULL CONSTRAINT status_is_known CHECK (status IN ('unresolved', 'resolved', 'muted')),
    merged_into   uuid,
    assignee      text        CONSTRAINT assignee_in_range CHECK (length(assignee) BETWEEN 1 AND 200),
    event_count   bigint      NOT NULL CONSTRAINT event_count_in_range CHECK (event_count >= 0),
    user_count    bigint      NOT NULL CONSTRAINT user_count_in_range CHECK (user_count >= 0),
    first_seen    timestamptz NOT NULL,
    last_seen     timestamptz NOT NULL,
    first_release text,
    last_release  text,
    resolution    jsonb       CONSTRAINT resolution_while_resolved CHECK ((resolution IS NOT NULL) = (status = 'resolved')),
    mute          jsonb       CONSTRAINT mute_while_muted CHECK ((mute IS NOT NULL) = (status = 'muted')),
    regressed_at  timestamptz,
    version       integer     NOT NULL DEFAULT 1,
    recorded_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, issue_id)
  ) WITH (fillfactor = 70)
  `,
    // The three orders of the list. None has the state, so that a change of the state stays in place; last_seen changes with
    // every batch.
    `
  CREATE INDEX hm_error_issue_last_seen
      ON hm_error_issue (tenant_id, last_seen DESC, issue_id DESC)
   WHERE merged_into IS NULL
  `,
    `
  CREATE INDEX hm_error_issue_events
      ON hm_error_issue (tenant_id, event_count DESC, issue_id DESC)
   WHERE merged_into IS NULL
  `,
    `
  CREATE INDEX hm_error_issue_users
      ON hm_error_issue (tenant_id, user_count DESC, issue_id DESC)
   WHERE merged_into IS NULL
  `,
    `CREATE INDEX hm_error_issue_merged ON hm_error_issue (tenant_id, merged_into) WHERE merged_into IS NOT NULL`,
    // Mutes with an end, for the job that ends them.
    `CREATE INDEX hm_error_issue_muted ON hm_error_issue (tenant_id, issue_id) WHERE status = 'muted'`,
    // Every hash under which events were grouped. Several lead to one issue. A few rows per issue.
    `
  CREATE TABLE hm_error_hash (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    hash        text        COLLATE "C" NOT NULL CONSTRAINT hash_in_form CHECK (hash ~ '^[0-9a-f]{32}$'),
    issue_id    uuid        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, hash)
  )
  `,
    `CREATE INDEX hm_error_hash_issue ON hm_error_hash (tenant_id, issue_id)`,
    // The id of each stored event, because a partitioned table has no key without its time: an event that is sent again counts
    // once. One row per event, deleted with the partition of its day.
    `
  CREATE TABLE hm_error_event_key (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    event_id    uuid        NOT NULL,
    log_id      uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, event_id)
  )
  `,
    `CREATE INDEX hm_error_event_key_time ON hm_error_event_key USING brin (received_at) WITH (autosummarize = on)`,
    // Events, scrubbed. payload is the JSON of the event, compressed with zstd. A day of receipt is a partition, kept for 90 days.
    `
  CREATE TABLE hm_error_log (
    tenant_id   text        NOT NULL,
    issue_id    uuid        NOT NULL,
    log_id      uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    project_id  integer     NOT NULL,
    event_id    uuid        NOT NULL,
    level       text        NOT NULL,
    title       text        NOT NULL,
    release     text,
    environment text,
    user_key    text        COLLATE "C",
    trace_id    text        COLLATE "C",
    is_skewed   boolean     NOT NULL,
    payload     bytea       NOT NULL,
    PRIMARY KEY (tenant_id, log_id, received_at)
  ) PARTITION BY RANGE (received_at)
  `,
    `CREATE TABLE hm_error_log_default PARTITION OF hm_error_log DEFAULT`,
    `CREATE INDEX hm_error_log_issue ON hm_error_log (tenant_id, issue_id, log_id)`,
    `CREATE INDEX hm_error_log_user ON hm_error_log (tenant_id, user_key) WHERE user_key IS NOT NULL`,
    // Events of an issue per hour, for its sparkline and for mutes until it escalates. Pruned after 90 days.
    `
  CREATE TABLE hm_error_hour (
    tenant_id text        NOT NULL,
    issue_id  uuid        NOT NULL,
    hour      timestamptz NOT NULL,
    events    bigint      NOT NULL,
    PRIMARY KEY (tenant_id, issue_id, hour)
  ) WITH (fillfactor = 80)
  `,
    // Values of tags per issue, at most 200 per name.
    `
  CREATE TABLE hm_error_tag (
    tenant_id text        NOT NULL,
    issue_id  uuid        NOT NULL,
    name      text        COLLATE "C" NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    value     text        COLLATE "C" NOT NULL CONSTRAINT value_in_range CHECK (length(value) <= 200),
    events    bigint      NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, issue_id, name, value)
  ) WITH (fillfactor = 80)
  `,
    // The users that an issue touched, by a hash. merged counts the merged issues that touched the user. One row per user and
    // issue.
    `
  CREATE TABLE hm_error_user (
    tenant_id text    NOT NULL,
    issue_id  uuid    NOT NULL,
    user_key  text    COLLATE "C" NOT NULL,
    is_own    boolean NOT NULL,
    merged    integer NOT NULL DEFAULT 0 CONSTRAINT merged_in_range CHECK (merged >= 0),
    PRIMARY KEY (tenant_id, issue_id, user_key)
  )
  `,
    `CREATE INDEX hm_error_user_key ON hm_error_user (tenant_id, user_key)`,
    // Releases by name. A removed one keeps its row: its first event orders the releases without a version.
    `
  CREATE TABLE hm_error_release (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    release     text        COLLATE "C" NOT NULL CONSTRAINT release_in_range CHECK (length(release) BETWEEN 1 AND 200),
    status      text        NOT NULL DEFAULT 'listed' CONSTRAINT status_is_known CHECK (status IN ('listed', 'removed')),
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    event_count bigint      NOT NULL,
    PRIMARY KEY (tenant_id, project_id, release)
  ) WITH (fillfactor = 80)
  `,
    // Merges and why they were made and undone. One row per merge.
    `
  CREATE TABLE hm_error_merge (
    tenant_id     text        NOT NULL,
    merge_id      uuid        NOT NULL,
    issue_id      uuid        NOT NULL,
    merged_id     uuid        NOT NULL,
    reason        text        NOT NULL CONSTRAINT reason_in_range CHECK (length(reason) BETWEEN 1 AND 500),
    recorded_at   timestamptz NOT NULL,
    undone_at     timestamptz,
    undone_reason text        CONSTRAINT undone_reason_in_range CHECK (length(undone_reason) BETWEEN 1 AND 500),
    PRIMARY KEY (tenant_id, merge_id)
  )
  `,
    `CREATE INDEX hm_error_merge_issue ON hm_error_merge (tenant_id, issue_id)`,
    // What an SDK sends beside errors and is kept: feedback, check-ins, attachments. A day of receipt is a partition, kept for
    // 30 days.
    `
  CREATE TABLE hm_error_item (
    tenant_id   text        NOT NULL,
    project_id  integer     NOT NULL,
    item_id     uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    kind        text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('feedback', 'check_in', 'attachment')),
    event_id    uuid,
    name        text        NOT NULL,
    bytes       integer     NOT NULL,
    payload     bytea       NOT NULL,
    PRIMARY KEY (tenant_id, project_id, item_id, received_at)
  ) PARTITION BY RANGE (received_at)
  `,
    `CREATE TABLE hm_error_item_default PARTITION OF hm_error_item DEFAULT`,
    // Items per day by category, outcome and reason: nothing is dropped uncounted. Pruned after 90 days.
    `
  CREATE TABLE hm_error_count (
    tenant_id  text    NOT NULL,
    project_id integer NOT NULL,
    day        date    NOT NULL,
    category   text    COLLATE "C" NOT NULL,
    outcome    text    COLLATE "C" NOT NULL CONSTRAINT outcome_is_known CHECK (outcome IN ('stored', 'counted', 'dropped', 'client')),
    reason     text    COLLATE "C" NOT NULL,
    quantity   bigint  NOT NULL,
    PRIMARY KEY (tenant_id, project_id, day, category, outcome, reason)
  ) WITH (fillfactor = 70)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
