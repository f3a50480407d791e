import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Old messages are found by their id, which begins with their time.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_notification_queue_recorded`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
