import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // A build that was interrupted has left an index that is not valid.
    `DROP INDEX CONCURRENTLY IF EXISTS hm_workflow_execution_diverging`,
    // For doctor and alerts: executions that no longer ask for activities that they recorded. Hardly any.
    `
  CREATE INDEX CONCURRENTLY hm_workflow_execution_diverging
      ON hm_workflow_execution (tenant_id, updated_at)
   WHERE unasked <> '{}' AND finished_at IS NULL
  `
  ],
  { transactional: false, since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
