/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import eventQueue from "./migrations/0001_event_queue.ts"
import jobScheduler from "./migrations/0002_job_scheduler.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make("event", {
  "0001_event_queue": eventQueue,
  "0002_job_scheduler": jobScheduler
})
