import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // The types whose events a tenant retains; a tenant without a row retains none.
    `
  CREATE TABLE hm_event_retention (
    tenant_id  text        NOT NULL PRIMARY KEY,
    -- A type, or the beginning of types when it ends with a dot.
    types      text[]      NOT NULL CONSTRAINT types_in_range CHECK (cardinality(types) <= 100),
    version    integer     NOT NULL,
    updated_at timestamptz NOT NULL
  )
  `,
    // One row per event of a retained type; a day's partition is dropped after 90 days. An endpoint that is made later gets
    // its events from here. The id is that of its webhook message, so that its webhook-id is the same for all endpoints.
    `
  CREATE TABLE hm_event_log (
    tenant_id   text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    message_id  uuid        NOT NULL,
    source      text        NOT NULL,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    subject     text        NULL,
    -- The domain whose event it is; null for facts of the shop and foreign types.
    domain      text        NULL,
    -- What compiled filters are matched with.
    attributes  jsonb       NOT NULL,
    body        text        NOT NULL,
    PRIMARY KEY (tenant_id, recorded_at, message_id)
  ) PARTITION BY RANGE (recorded_at)
  `,
    `CREATE TABLE hm_event_log_default PARTITION OF hm_event_log DEFAULT`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
