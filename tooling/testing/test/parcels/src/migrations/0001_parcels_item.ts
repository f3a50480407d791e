import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    `
  CREATE TABLE hm_parcels_item (
    tenant_id   text        NOT NULL,
    item_id     uuid        NOT NULL,
    name        text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    version     integer     NOT NULL DEFAULT 1,
    recorded_at timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, item_id)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
