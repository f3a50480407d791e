/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import manifest from "../package.json" with { type: "json" }
import eventQueue from "./migrations/0001_event_queue.ts"
import event from "./migrations/0002_event.ts"
import jobScheduler from "./migrations/0003_job_scheduler.ts"
import webhook from "./migrations/0004_webhook.ts"
import eventQueueJob from "./migrations/0007_event_queue_job.ts"
import eventJob from "./migrations/0008_event_job.ts"
import eventLog from "./migrations/0006_event_log.ts"
import workflow from "./migrations/0005_workflow.ts"
import workflowRetry from "./migrations/0009_workflow_retry.ts"
import workflowDiverging from "./migrations/0012_workflow_diverging.ts"
import persistedQueue from "./migrations/0011_persisted_queue.ts"
import subscriptionWorkflow from "./migrations/0010_subscription_workflow.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make(
  "event",
  {
    "0001_event_queue": eventQueue,
    "0002_event": event,
    "0003_job_scheduler": jobScheduler,
    "0004_webhook": webhook,
    "0005_workflow": workflow,
    "0006_event_log": eventLog,
    "0007_event_queue_job": eventQueueJob,
    "0008_event_job": eventJob,
    "0009_workflow_retry": workflowRetry,
    "0010_subscription_workflow": subscriptionWorkflow,
    "0011_persisted_queue": persistedQueue,
    "0012_workflow_diverging": workflowDiverging
  },
  { release: manifest.version }
)
