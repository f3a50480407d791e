import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // An index that a cancelled build left behind is invalid.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_notification_queue_id`,
    // A report names a message and no tenant. Ids grow with time, so the index grows at its end.
    `
  CREATE INDEX CONCURRENTLY hm_notification_queue_id
      ON hm_notification_queue (notification_id)
  `
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
