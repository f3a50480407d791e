/**
 * Jobs of a queue: what is enqueued, what a handler gets, and the errors. Imports no SQL.
 *
 * @since 0.1.0
 */
import type * as Job from "@hypermarket/core/Job"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Maximum payload, in bytes of JSON. Larger data belongs in a table or a bucket; a larger payload is refused with
 * {@link JobInvalid}.
 *
 * @category limits
 * @since 0.1.0
 */
export const payloadBytesMax = 256 * 1024

/**
 * Maximum jobs per call of `enqueue`. More are refused with {@link JobInvalid}.
 *
 * @category limits
 * @since 0.1.0
 */
export const enqueueMax = 10_000

/**
 * A job to enqueue.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewJob {
  readonly queue: string
  readonly type: string
  readonly payload: Schema.Json
  /**
   * Jobs with a greater priority run first.
   *
   * @default 0
   */
  readonly priority?: number
  /**
   * Earliest time of the first attempt. With an ordering key, the jobs behind it wait too.
   *
   * @default now
   */
  readonly runAt?: Date
  /** Jobs of a queue with the same key run one at a time, in order. */
  readonly orderingKey?: string
  /**
   * Maximum attempts, the first included.
   *
   * @default the handler's
   */
  readonly attemptsMax?: number
  /**
   * Backoff between attempts. With `none` a failed job is not retried.
   *
   * @default the handler's
   */
  readonly retry?: {
    readonly backoff?: "exponential" | "fixed" | "none"
    readonly base?: Duration.Input
    readonly max?: Duration.Input
  }
  /** A job that has not started by this time goes to the dead-letter queue. */
  readonly expiresAt?: Date
  /** The job is not enqueued if another job with this key was enqueued in the queue within `window`. */
  readonly dedupe?: { readonly key: string; readonly window: Duration.Input }
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * A job of the call is invalid, and nothing was enqueued.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobInvalid extends Schema.TaggedError<JobInvalid>()("JobInvalid", {
  /** Index of the job in the call, from 0. */
  index: Schema.Int,
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * The backlog of jobs that wait for the database is full, and nothing was enqueued. Retry later.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueOverloaded extends HttpApiError.Problem<QueueOverloaded>()("QueueOverloaded", {
  type: "urn:hypermarket:problem:queue:queue-overloaded",
  status: 503,
  title: "Queue overloaded"
}) {}

/**
 * A job as its handler gets it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeasedJob {
  readonly tenantId: string
  readonly queue: string
  /** The idempotency key: the same for every attempt. */
  readonly jobId: string
  readonly seq: number
  readonly type: string
  readonly priority: number
  /** Number of failed attempts. */
  readonly attempt: number
  /** Maximum attempts, the first included. */
  readonly attemptsMax: number
  readonly orderingKey: string | undefined
  readonly recordedAtMillis: number
  readonly headers: Readonly<Record<string, string>>
  readonly payload: unknown
}

/**
 * Fails a job without a retry: it goes to the dead-letter queue.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobRejected extends Schema.TaggedError<JobRejected>()("JobRejected", {
  message: Schema.String,
  /**
   * A constant of the handler in kebab case, by which rejections are counted. A job that is rejected with a reason is kept
   * until it is discarded.
   */
  reason: Schema.optionalKey(Schema.String)
}) {}

/**
 * Puts a job back without a counted attempt: it is due again after `millis`, for example in a worker of another release.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobSnoozed extends Schema.TaggedError<JobSnoozed>()("JobSnoozed", {
  message: Schema.String,
  millis: Schema.Finite
}) {}

/**
 * A job that its handler rejects while the other jobs of the call complete.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobRejection {
  readonly job: Pick<LeasedJob, "jobId">
  /**
   * Decides as if a call for this job alone had failed with it: {@link JobRejected} dead-letters the job, {@link JobSnoozed}
   * puts it back, every other error counts as a failed attempt.
   */
  readonly rejected: unknown
}

/**
 * The success of a call that rejects some of its jobs. The others complete.
 *
 * @category models
 * @since 0.1.0
 */
export class JobRejections {
  readonly list: ReadonlyArray<JobRejection>
  constructor(list: ReadonlyArray<JobRejection>) {
    this.list = list
  }
}

/**
 * Runs the jobs of one queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler<out R> {
  readonly queue: string
  /**
   * Maximum jobs per call of `run`, all of one tenant. With 1 each job runs alone. When a call for several jobs fails, each
   * is run again alone, so that only the job at fault counts as failed.
   */
  readonly batchMax: number
  /** Maximum concurrent calls of `run` in this process; with `transactional`, maximum concurrent transactions. */
  readonly concurrency: number
  /** Commits the writes of `run` together with the acknowledgement. */
  readonly transactional: boolean
  readonly retry: Job.Retry
  /** A longer call is interrupted and counts as failed. Checked every 250 ms. */
  readonly deadline: Duration.Input
  /** Succeeds with {@link JobRejections} to reject some of the jobs. Every other success completes all of them. */
  readonly run: (jobs: ReadonlyArray<LeasedJob>) => Effect.Effect<unknown, unknown, R>
}

/**
 * State of one job. `ready` includes a job that waits behind its ordering key; `running` is one that a worker has
 * leased, or the first one of an ordering key that a worker has leased.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobState {
  readonly state: "ready" | "delayed" | "running" | "dead"
  readonly type: string
  readonly priority: number
  /** Number of failed attempts. */
  readonly attempt: number
  readonly orderingKey: string | null
  readonly recordedAtMillis: number
  /** Due time of a delayed job; null otherwise. */
  readonly runAtMillis: number | null
  /** One entry per failed attempt, at most the last ten. */
  readonly errors: unknown
}

/**
 * Maximum waiting jobs of a queue that a look-up of a job reads, in the order of their claim: a waiting job has no index on
 * its id, because every enqueue would pay for it.
 *
 * @category limits
 * @since 0.1.0
 */
export const lookUpMax = 10_000

/**
 * A job to look up. `orderingKey` is null for one without a key.
 *
 * @category models
 * @since 0.1.0
 */
export interface LookedUpJob {
  readonly queue: string
  readonly jobId: string
  readonly orderingKey: string | null
}

/**
 * A job as a look-up finds it. A job that is neither found nor `unsearched` is done, or never existed.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobLookUp {
  readonly job: JobState | undefined
  /** Waiting jobs of the queue that were not read: above 0, a job that was not found may be one of them. */
  readonly unsearched: number
}

/**
 * Selects dead-lettered jobs, oldest first. Without a condition it selects all of the queue, up to `limit`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetterFilter {
  readonly type?: string
  readonly jobIds?: ReadonlyArray<string>
  /** The last error without ids and numbers, as a group of dead letters has it. */
  readonly failure?: string
  readonly diedFrom?: Date
  readonly diedBefore?: Date
  readonly limit: number
}

/**
 * State of the jobs of a list: `ready` ones in the order of their claim, `ordered` ones behind their ordering keys.
 *
 * @category models
 * @since 0.1.0
 */
export type ListedState = "ready" | "ordered" | "delayed" | "running"
