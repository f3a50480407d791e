/**
 * @since 0.1.0
 */
export * as ClaimClient from "./ClaimClient.ts"
export * as QueueChecks from "./QueueChecks.ts"
export * as QueueControl from "./QueueControl.ts"
export * as QueueJob from "./QueueJob.ts"
export * as QueueMigrations from "./QueueMigrations.ts"
export * as ServerClock from "./ServerClock.ts"
export * as WorkQueue from "./WorkQueue.ts"
export * as WorkQueueWorker from "./WorkQueueWorker.ts"
