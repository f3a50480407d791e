/**
 * Queues of a tenant over HTTP: models, changes and errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import * as Page from "@hypermarket/core/Page"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Name of a queue: one that the tenant chose, or that of a domain's handler or job.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AnyQueueName = Reserved.AnyQueueName

const Weight = BoundedInt.make({ minimum: 1, maximum: 100 })
const LimitMax = BoundedInt.make({ minimum: 1, maximum: 1_000_000 })
const RatePeriod = BoundedInt.make({ minimum: 100, maximum: 86_400_000 })

/** Maximum starts per period: a burst of all of them, and then evenly. */
const Rate = Schema.Struct({ max: LimitMax, periodMillis: RatePeriod })

/**
 * Depth and settings of a queue of the tenant. Jobs behind an ordering key count as `ready`.
 *
 * @category models
 * @since 0.1.0
 */
export class EventQueue extends Schema.Class<EventQueue>("@hypermarket/events/EventQueue")({
  queue: Schema.String,
  ready: Schema.Int,
  leased: Schema.Int,
  delayed: Schema.Int,
  dead: Schema.Int,
  /** Age of the oldest runnable job; null when there is none. */
  oldestAgeSeconds: Schema.NullOr(Schema.Finite),
  paused: Schema.Boolean,
  /** Share of the workers' time, relative to the other queues of all tenants. */
  weight: Weight,
  /** Maximum leased jobs over all workers; null is no limit. */
  concurrencyMax: Schema.NullOr(LimitMax),
  rate: Schema.NullOr(Rate),
  /** Version of the settings; 0 while they are the defaults. */
  version: Schema.Int,
  /** Attempts that ended within the last 60 minutes, and how many of them failed. */
  lastHour: Schema.Struct({ jobs: Schema.Int, failed: Schema.Int })
}) {}

/**
 * Work of all workers on a queue within one minute.
 *
 * @category models
 * @since 0.1.0
 */
export class QueueMinute extends Schema.Class<QueueMinute>("@hypermarket/events/QueueMinute")({
  at: Schema.DateTimeUtcFromString,
  jobs: Schema.Int,
  failed: Schema.Int,
  /** Mean time from the claim of a batch to its end. */
  batchMillis: Schema.Finite
}) {}

/**
 * New settings of a queue. Absent fields keep their value; null lifts a limit.
 *
 * @category models
 * @since 0.1.0
 */
export const QueueChange = Schema.Struct({
  weight: Schema.optionalKey(Weight),
  concurrencyMax: Schema.optionalKey(Schema.NullOr(LimitMax)),
  rate: Schema.optionalKey(Schema.NullOr(Rate))
})

/** Limits of a job, as `WorkQueue` has them. */
const priorityMax = 32_767
const attemptsMaxMax = 1_000
const payloadBytesMax = 256 * 1024
const dedupeSecondsMax = 30 * 24 * 60 * 60
const jobsMax = 1_000
const JobName = Text.make({ max: 200 })

/**
 * A job to enqueue. `orderingKey`: jobs of the queue with one key run one at a time, in order. `dedupe`: the job is not
 * enqueued again within the window.
 *
 * @category models
 * @since 0.1.0
 */
export const NewQueueJob = Schema.Struct({
  type: JobName,
  payload: Json.make({ bytesMax: payloadBytesMax }),
  priority: Schema.optionalKey(BoundedInt.make({ minimum: -priorityMax, maximum: priorityMax })),
  runAt: Schema.optionalKey(Instant),
  orderingKey: Schema.optionalKey(JobName),
  attemptsMax: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: attemptsMaxMax })),
  expiresAt: Schema.optionalKey(Instant),
  dedupe: Schema.optionalKey(
    Schema.Struct({
      key: JobName,
      windowSeconds: BoundedInt.make({ minimum: 1, maximum: dedupeSecondsMax })
    })
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewQueueJob = typeof NewQueueJob.Type

/**
 * The jobs of one call, up to 1,000.
 *
 * @category models
 * @since 0.1.0
 */
export const NewQueueJobs = Schema.Array(NewQueueJob).check(Schema.isMaxLength(jobsMax))

/**
 * A job in the dead-letter queue.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadJob extends Schema.Class<DeadJob>("@hypermarket/events/DeadJob")({
  queue: Schema.String,
  /** Sequence number in the dead-letter queue. */
  seq: Schema.String,
  jobId: Schema.String,
  type: Schema.String,
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  /** One entry per failed attempt, at most the last ten. */
  errors: Schema.NullOr(Schema.Json),
  /** Reason with which its handler rejected the event: it is kept until it is redriven or discarded. */
  rejected: Schema.NullOr(Schema.String),
  /** The last error with `#` for ids and numbers: what dead jobs are grouped by. */
  failure: Schema.String,
  diedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * Dead jobs of a queue whose last errors differ in ids and numbers only.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadGroup extends Schema.Class<DeadGroup>("@hypermarket/events/DeadGroup")({
  failure: Schema.String,
  count: Schema.Int,
  firstDiedAt: Schema.DateTimeUtcFromString,
  lastDiedAt: Schema.DateTimeUtcFromString,
  /** Types of the jobs, at most ten. */
  types: Schema.Array(Schema.String),
  /** The job that died last. */
  jobId: Schema.String,
  /** The last error of that job, as it was. */
  error: Schema.String
}) {}

/**
 * State of one job. `ready` includes a job that waits behind its ordering key.
 *
 * @category models
 * @since 0.1.0
 */
export class QueuedJob extends Schema.Class<QueuedJob>("@hypermarket/events/QueuedJob")({
  queue: Schema.String,
  jobId: Schema.String,
  state: Schema.Literals(["ready", "delayed", "running", "dead"]),
  type: Schema.String,
  priority: Schema.Int,
  /** Number of failed attempts. */
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  recordedAt: Schema.DateTimeUtcFromString,
  runAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  errors: Schema.NullOr(Schema.Json)
}) {}

/**
 * A job of a list.
 *
 * @category models
 * @since 0.1.0
 */
export class ListedJob extends Schema.Class<ListedJob>("@hypermarket/events/ListedJob")({
  ...QueuedJob.fields,
  /** Sequence number in its state. */
  seq: Schema.String
}) {}

/**
 * State by which jobs are listed, `ready` by default. `ready` ones are in the order in which workers claim them. `ordered` ones are behind
 * ordering keys: ready, delayed or running.
 *
 * @category models
 * @since 0.1.0
 */
export const ListedState = Schema.Literals(["ready", "ordered", "delayed", "running"])

/**
 * The payload of a job; null when it is no longer kept.
 *
 * @category models
 * @since 0.1.0
 */
export const JobPayload = Schema.Struct({ payload: Schema.Json })

/**
 * Maximum jobs per redrive or discard. Repeat the call for more.
 *
 * @category limits
 * @since 0.1.0
 */
export const redriveMax = 10_000

/**
 * Maximum rate of a redrive, in jobs per second.
 *
 * @category limits
 * @since 0.1.0
 */
export const redrivePerSecondMax = 10_000

const jobIdsMax = 1_000

/** As long as the column. */
const Failure = Text.make({ min: 0, max: 200 })

/**
 * Fields of the query of a list of jobs.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JobQuery = {
  ...Page.Query,
  state: Schema.optionalKey(ListedState),
  type: Schema.optionalKey(JobName)
}

/**
 * A page of jobs of one state, and of one type if it is given.
 *
 * @category schemas
 * @since 0.1.0
 */
export const JobRequest = Schema.Struct({
  ...Page.Request.fields,
  state: Schema.optionalKey(ListedState),
  type: Schema.optionalKey(JobName)
})

const deadFilter = {
  type: Schema.optionalKey(JobName),
  failure: Schema.optionalKey(Failure),
  diedFrom: Schema.optionalKey(Instant),
  diedBefore: Schema.optionalKey(Instant)
}

/**
 * Fields of the query of a list of dead jobs.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeadQuery = { ...Page.Query, ...deadFilter }

/**
 * A page of dead jobs, of those that meet all conditions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeadRequest = Schema.Struct({ ...Page.Request.fields, ...deadFilter })

const filter = {
  type: Schema.optionalKey(Text.make({ max: 200 })),
  failure: Schema.optionalKey(Failure),
  jobIds: Schema.optionalKey(Schema.Array(Identifier.Uuid).check(Schema.isMaxLength(jobIdsMax))),
  diedFrom: Schema.optionalKey(Instant),
  diedBefore: Schema.optionalKey(Instant),
  limit: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: redriveMax }))
}

/**
 * Selects dead-lettered jobs, oldest first; without a condition, all of the queue up to `limit`.
 *
 * @category models
 * @since 0.1.0
 */
export const Discard = Schema.Struct(filter)

/**
 * Selects dead-lettered jobs to redrive, and their rate: all at once without `perSecond`.
 *
 * @category models
 * @since 0.1.0
 */
export const Redrive = Schema.Struct({
  ...filter,
  perSecond: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: redrivePerSecondMax }))
})

/**
 * The tenant has nothing in a queue of this name, no settings for it, and nothing that would put something in.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueNotFound extends HttpApiError.Problem<QueueNotFound>()(
  "QueueNotFound",
  { type: "urn:hypermarket:problem:events:queue-not-found", status: 404, title: "No such queue" },
  { queue: Schema.String }
) {}

/**
 * The job is done or never existed. With `unsearched` above 0 it may also be one of the jobs of the queue that were not
 * read: a look-up reads the first 10,000 that wait.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobNotFound extends HttpApiError.Problem<JobNotFound>()(
  "JobNotFound",
  { type: "urn:hypermarket:problem:events:job-not-found", status: 404, title: "No such job" },
  { queue: Schema.String, jobId: Schema.String, unsearched: Schema.Int }
) {}

/**
 * A worker has leased the job, or its ordering key: it cannot be cancelled now.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobRunning extends HttpApiError.Problem<JobRunning>()(
  "JobRunning",
  { type: "urn:hypermarket:problem:events:job-running", status: 409, title: "The job is being worked on" },
  { queue: Schema.String, jobId: Schema.String }
) {}
