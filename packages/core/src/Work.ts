/**
 * Workers of programs without Effect: handlers of queues as async functions, and what the domain that runs the queue
 * contributes to the Promise door.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Database from "./Database.ts"
import type * as Domain from "./Domain.ts"
import type { Retry } from "./Job.ts"
import type { Tenant } from "./Tenant.ts"
import type { Wakeup } from "./Wakeup.ts"

/**
 * A job as a handler gets it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly tenantId: string
  readonly queue: string
  /** The same on every attempt: an idempotency key for what is done outside. */
  readonly jobId: string
  readonly type: string
  /** Number of failed attempts. */
  readonly attempt: number
  /** Maximum attempts, the first included. */
  readonly attemptsMax: number
  readonly payload: unknown
}

/**
 * Options of a handler.
 *
 * @category options
 * @since 0.1.0
 */
export interface HandlerOptions {
  readonly queue: string
  /**
   * Maximum concurrent calls in this process.
   *
   * @default 4
   */
  readonly concurrency?: number
  /**
   * Milliseconds, or text such as "30 seconds", after which a call counts as failed.
   *
   * @default 60,000
   */
  readonly deadline?: number | string
  /**
   * Runs each call in a transaction with the acknowledgement of its job: what `tenant` and `query` write is there exactly once,
   * and a call that throws leaves nothing. The transaction is open during the call: call no other system in it.
   *
   * @default false
   */
  readonly transactional?: boolean
  /**
   * Attempts in all, and the waits between them.
   *
   * @default 25 attempts, from one second to one hour
   */
  readonly retry?: {
    readonly attempts?: number
    readonly base?: number | string
    readonly max?: number | string
    readonly backoff?: "exponential" | "fixed"
  }
}

/**
 * The services and the signal of a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Context<out TenantHandle> {
  /** The services of the tenant; in the transaction of the call when the handler is `transactional`. */
  readonly tenant: TenantHandle
  /** Runs a statement of the program; in the same transaction when the handler is `transactional`. */
  readonly query: (
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** Aborts at the deadline, when the lease is lost, and when the worker stops. */
  readonly signal: AbortSignal
}

/**
 * A handler of one job at a time. Returning completes the job, throwing fails this attempt. Throwing `JobRejected` of
 * `@hypermarket/queue/QueueJob` puts the job into the dead-letter queue at once; `JobSnoozed` tries it again after its `millis`, without a
 * counted attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler<in TenantHandle> extends HandlerOptions {
  readonly run: (job: Job, context: Context<TenantHandle>) => PromiseLike<unknown>
  readonly batch?: never
  readonly runBatch?: never
}

/**
 * The services and the signal of a call for several jobs, and how to fail one of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchContext<out TenantHandle> extends Context<TenantHandle> {
  /**
   * Fails one job of the call; the others complete when the call returns. The error decides as if a handler of one job had
   * thrown it. Throws `InvalidArgument` for a job of another call, and after the call has ended.
   */
  readonly fail: (job: Job, error: unknown) => void
}

/**
 * A handler of several jobs of one tenant at a time. Returning completes the jobs that `context.fail` has not failed. When
 * it throws, each job is run again alone, so that only the job at fault counts as failed. A job with an ordering key is
 * always alone.
 *
 * In a `transactional` handler nothing remains of a failed job: a call that fails some of its jobs is rolled back, and each
 * job is run again alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchHandler<in TenantHandle> extends HandlerOptions {
  /**
   * Maximum jobs per call, from 1 to 500. A call gets what is waiting, and does not wait for more.
   *
   * @default 100
   */
  readonly batch?: number
  readonly runBatch: (jobs: ReadonlyArray<Job>, context: BatchContext<TenantHandle>) => PromiseLike<unknown>
  readonly run?: never
}

/**
 * A worker that runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Worker {
  /** Claims nothing more, waits up to 7 seconds for what runs, and hands back the rest. Idempotent. */
  readonly stop: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * A job that its handler failed while the others of the call complete.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailedJob {
  readonly job: Job
  readonly error: unknown
}

/**
 * A handler as the worker of the queue runs it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runnable {
  readonly queue: string
  readonly batchMax: number
  readonly concurrency: number
  readonly transactional: boolean
  readonly deadlineMillis: number
  readonly retry: Retry
  /** Succeeds with the jobs that the handler failed. */
  readonly run: (jobs: ReadonlyArray<Job>) => Effect.Effect<ReadonlyArray<FailedJob>, unknown, Tenant>
}

/**
 * A workflow, as `defineWorkflow` of `@hypermarket/events/WorkflowDefinition` makes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Workflow {
  readonly name: string
  readonly version: number
}

/**
 * Options of a worker.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Workflows whose executions it runs, several versions side by side. */
  readonly workflows?: ReadonlyArray<Workflow>
  /**
   * Runs the connected domains' own jobs and subscriptions too. Without a worker that does, indexes are not built,
   * summaries are not updated and clocks of workflows do not end.
   *
   * @default true
   */
  readonly domains?: boolean
}

/**
 * The contribution of the domain that runs the queue.
 *
 * @category models
 * @since 0.1.0
 */
export type Run = (options: {
  readonly database: Database.Options
  /** The domains whose own work it runs. */
  readonly domains: ReadonlyArray<Domain.Any>
  readonly handlers: ReadonlyArray<Runnable>
  readonly workflows: ReadonlyArray<Workflow>
}) => Effect.Effect<void, SqlError | Config.ConfigError, Scope.Scope | SqlClient.SqlClient | Wakeup>
