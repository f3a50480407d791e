/** Rows of the operations on a queue: its state, its minutes, its jobs and dead letters. */
import * as Column from "@hypermarket/core/Column"
import * as Schema from "effect/Schema"

export const Rate = Schema.Struct({ max: Schema.Int, periodMillis: Schema.Int })

export const QueueState = Schema.Struct({
  queue: Schema.String,
  ready: Schema.Int,
  leased: Schema.Int,
  delayed: Schema.Int,
  dead: Schema.Int,
  /** Age of the oldest runnable job; null when there is none. */
  oldestAgeSeconds: Schema.NullOr(Schema.Finite),
  paused: Schema.Boolean,
  weight: Schema.Int,
  /** Maximum leased jobs over all workers; null is no limit. */
  concurrencyMax: Schema.NullOr(Schema.Int),
  /** Maximum started jobs per period; null is no limit. */
  rate: Schema.NullOr(Rate),
  /** Version of the settings; 0 while they are the defaults. */
  version: Schema.Int,
  /** Attempts that ended within the last 60 minutes, and how many of them failed. */
  lastHour: Schema.Struct({ jobs: Schema.Int, failed: Schema.Int })
})

export const QueueMinute = Schema.Struct({
  at: Column.Timestamp,
  jobs: Schema.Int,
  failed: Schema.Int,
  /** Mean time from the claim of a batch to its end. */
  batchMillis: Schema.Finite
})

export const DeadLetter = Schema.Struct({
  queue: Schema.String,
  /** Sequence number in the dead-letter table: the keyset of a page. */
  seq: Schema.String,
  jobId: Schema.String,
  type: Schema.String,
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  /** One entry per failed attempt, at most the last ten. */
  errors: Schema.NullOr(Schema.Json),
  /** Reason with which its handler rejected the job. */
  rejected: Schema.NullOr(Schema.String),
  /** The last error without ids and numbers. */
  failure: Schema.String,
  diedAt: Column.Timestamp
})

export const DeadLetterGroup = Schema.Struct({
  failure: Schema.String,
  count: Schema.Int,
  firstDiedAt: Column.Timestamp,
  lastDiedAt: Column.Timestamp,
  /** Types of the jobs, at most ten. */
  types: Schema.Array(Schema.String),
  /** The job that was dead-lettered last. */
  jobId: Schema.String,
  /** The last error of that job, as it was. */
  error: Schema.String
})

export const ListedJob = Schema.Struct({
  state: Schema.Literals(["ready", "delayed", "running"]),
  seq: Schema.String,
  jobId: Schema.String,
  type: Schema.String,
  priority: Schema.Int,
  /** Number of failed attempts. */
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  recordedAt: Column.Timestamp,
  runAt: Schema.NullOr(Column.Timestamp),
  errors: Schema.NullOr(Schema.Json)
})
