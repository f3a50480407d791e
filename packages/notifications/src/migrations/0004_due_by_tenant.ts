import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // An index that a cancelled build left behind is invalid.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_notification_queue_due_by_tenant`,
    // For the job that finds lost messages: it goes from tenant to tenant, and reads each tenant's oldest.
    `
  CREATE INDEX CONCURRENTLY hm_notification_queue_due_by_tenant
      ON hm_notification_queue (tenant_id, due_at)
   WHERE due_at IS NOT NULL
  `,
    // The index without the tenant has no reader any more.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_notification_queue_due`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none", transactional: false }
)
