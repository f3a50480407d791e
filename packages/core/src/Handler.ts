/**
 * Declares how a domain handles a queue whose work is done outside the database: mail, HTTP calls, files.
 *
 * A handler is not transactional. It runs at least once per job, so what it does outside must be idempotent by `jobId`.
 * Work that only writes to our own tables is a `Subscription` or a `Job` instead.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Job from "./Job.ts"

/**
 * One job as the worker hands it over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly tenantId: string
  /** Identifies the job: the same value on every attempt, so it serves as an idempotency key outside. */
  readonly jobId: string
  readonly type: string
  /** Failed attempts so far. */
  readonly attempt: number
  /** Attempts in all. */
  readonly attemptsMax: number
  readonly recordedAtMillis: number
  readonly headers: Readonly<Record<string, string>>
  readonly payload: unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Handler<out R> {
  /** `<domain>.<noun>`. The name is permanent: it is stored with every job. */
  readonly queue: string
  /** Maximum jobs per call of `run`, all of one tenant. */
  readonly batchMax: number
  /** Maximum concurrent calls of `run` per process. */
  readonly concurrency: number
  /** Interrupts a call that takes longer and counts it as failed. */
  readonly deadline: Duration.Input
  readonly retry: Job.Retry
  readonly run: (jobs: ReadonlyArray<Delivery>) => Effect.Effect<void, unknown, R>
}

/** One job per call: a handler that can do better says so. */
const batchMaxDefault = 1

/** Enough to hide the latency of a remote server, few enough that one process does not exhaust its connections. */
const concurrencyDefault = 4

const deadlineDefault = "60 seconds"

/**
 * Makes a handler. Only `queue` and `run` are required.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: {
  readonly queue: `${string}.${string}`
  /** @default 1 */
  readonly batchMax?: number
  /** @default 4 */
  readonly concurrency?: number
  /** @default 60 seconds */
  readonly deadline?: Duration.Input
  /** @default `Job.retryDefault` */
  readonly retry?: Job.Retry
  readonly run: Handler<R>["run"]
}): Handler<R> => ({
  queue: options.queue,
  batchMax: options.batchMax ?? batchMaxDefault,
  concurrency: options.concurrency ?? concurrencyDefault,
  deadline: options.deadline ?? deadlineDefault,
  retry: options.retry ?? Job.retryDefault,
  run: options.run
})
