import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // When an entry activity.dropped named the checkpoint: its rows go with their month. The checkpoint stays, because later ones
    // are linked to it.
    `ALTER TABLE hm_platform_activity_checkpoint ADD COLUMN dropped_at timestamptz`,
    // One row, of the installation ('_system'). Months before dropped_before are dropped: every owner's log names their
    // checkpoints. Checkpoints before emptied_before have no ids of rows any more.
    `
  CREATE TABLE hm_platform_activity_retention (
    tenant_id      text        NOT NULL PRIMARY KEY,
    dropped_before timestamptz NOT NULL,
    emptied_before timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CONSTRAINT emptied_after_dropped CHECK (emptied_before <= dropped_before)
  )
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "brief" }
)
