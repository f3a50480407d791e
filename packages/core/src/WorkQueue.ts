/**
 * A leased queue on Postgres, fair over tenants: publish in the caller's transaction, at least once, never lost.
 *
 * Guarantees. A job exists if and only if the transaction that enqueued it commits. A job that was claimed is leased to
 * one worker; when that worker dies or loses its lease, the job runs again elsewhere, and a worker that lost its lease
 * cannot acknowledge (fencing by the batch's id). Jobs with the same ordering key of a queue run one at a time in the
 * order of their enqueueing, also under retries. A transactional handler's writes commit together with the
 * acknowledgement: its effects in this database happen exactly once.
 *
 * Design after the measurements in docs/benchmarks.md; compare River, Oban and graphile-worker.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Identifier from "./Identifier.ts"
import * as StatementsOf from "./internal/workQueue/statements.ts"
import * as TablesOf from "./internal/workQueue/tables.ts"
import type * as Job from "./Job.ts"
import { now } from "./Now.ts"
import { Tenant } from "./Tenant.ts"
import { Wakeup } from "./Wakeup.ts"

/**
 * The largest payload, in bytes of JSON.
 *
 * @category limits
 * @since 0.1.0
 */
export const payloadBytesMax = 256 * 1024

/**
 * The most jobs that one call enqueues.
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
  /** Greater runs first; 0 by default. */
  readonly priority?: number
  /** Not before; at once by default. Not together with an ordering key. */
  readonly runAt?: Date
  /** Jobs of a queue with the same key run one at a time, in order. */
  readonly orderingKey?: string
  readonly attemptsMax?: number
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Nothing was enqueued.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobInvalid extends Schema.TaggedError<JobInvalid>()("JobInvalid", {
  /** Which job of the call, from 0. */
  index: Schema.Int,
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * A job as a handler gets it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeasedJob {
  readonly tenantId: string
  readonly queue: string
  /** The idempotency key: the same whenever the job runs again. */
  readonly jobId: string
  readonly seq: number
  readonly type: string
  readonly priority: number
  /** Failed attempts so far. */
  readonly attempt: number
  readonly attemptsMax: number
  readonly orderingKey: string | undefined
  readonly recordedAtMillis: number
  readonly headers: Readonly<Record<string, string>>
  readonly payload: unknown
}

/**
 * Fails a job for good: it is not tried again.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobRejected extends Schema.TaggedError<JobRejected>()("JobRejected", {
  message: Schema.String
}) {}

/**
 * What runs a queue's jobs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler<out R> {
  readonly queue: string
  /** Jobs that one call of `run` gets at most, all of one tenant. 1 runs each by itself. */
  readonly batchMax: number
  /** Calls of `run` at the same time, within one claimed batch. */
  readonly concurrency: number
  /** Whether `run` and the acknowledgement commit together. */
  readonly transactional: boolean
  readonly retry: Job.Retry
  readonly deadline: Duration.Input
  readonly run: (jobs: ReadonlyArray<LeasedJob>) => Effect.Effect<void, unknown, R>
}

/**
 * Where jobs stand within a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lane {
  readonly queue: string
  readonly priority: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkQueue {
  readonly tables: TablesOf.Tables
  /** Enqueues in the caller's transaction, for the tenant of the context. All or nothing. */
  readonly enqueue: (
    jobs: ReadonlyArray<NewJob>
  ) => Effect.Effect<ReadonlyArray<string>, JobInvalid | SqlError, Tenant>
  /** The statements, for what builds on the queue. */
  readonly statements: StatementsOf.Statements
  /** Wakes the workers after the commit. */
  readonly wake: (tenantId: string, lanes: Iterable<Lane>) => Effect.Effect<void>
}

/**
 * The statements that create the tables of a prefix, for a package's migrations.
 *
 * @category migrations
 * @since 0.1.0
 */
export const createStatements: (prefix: string) => ReadonlyArray<string> = TablesOf.createStatements

/**
 * The columns that a source of `statements.enqueueFrom` yields.
 *
 * @category constants
 * @since 0.1.0
 */
export const sourceColumns = StatementsOf.sourceColumns

/**
 * Between tenant, queue and priority in the signals of a queue's prefix.
 *
 * @category constants
 * @since 0.1.0
 */
export const wakeSeparator = "\u0002"

const attemptsMaxDefault = 25
const priorityMax = 32_767
const queuePattern = /^[a-z0-9][a-z0-9._-]{0,126}$/

const textOf = (value: unknown): string => JSON.stringify(value)

const problemOf = (job: NewJob, payload: string): readonly [field: string, message: string] | undefined => {
  if (!queuePattern.test(job.queue)) return ["queue", "Expected 1 to 127 of a-z, 0-9, '.', '_' and '-'"]
  if (job.type.length === 0 || job.type.length > 200) return ["type", "Expected 1 to 200 characters"]
  if (Math.abs(job.priority ?? 0) > priorityMax)
    return ["priority", `Expected -${priorityMax} to ${priorityMax}`]
  if (job.orderingKey !== undefined && (job.orderingKey.length === 0 || job.orderingKey.length > 200)) {
    return ["orderingKey", "Expected 1 to 200 characters"]
  }
  if (job.orderingKey !== undefined && job.runAt !== undefined) {
    return ["runAt", "A job with an ordering key cannot be delayed: it would hold up the jobs behind it"]
  }
  // A character is at most three bytes of UTF-8 in a JavaScript string: measure only what could be too large.
  if (payload.length * 3 > payloadBytesMax && new TextEncoder().encode(payload).length > payloadBytesMax) {
    return ["payload", `Expected at most ${payloadBytesMax} bytes of JSON`]
  }
  return undefined
}

const optional = <A>(values: ReadonlyArray<A | null>): ReadonlyArray<A | null> | null =>
  values.every((value) => value === null) ? null : values

/**
 * The queue with a prefix, such as `hm_event`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("WorkQueue.make")(function* (options: {
  readonly prefix: string
}): Effect.fn.Return<WorkQueue, never, SqlClient.SqlClient | Wakeup> {
  const sql = yield* SqlClient.SqlClient
  const wakeup = yield* Wakeup
  const tables = TablesOf.tablesOf(options.prefix)
  const statements = StatementsOf.make(sql, tables)

  const wake = (tenantId: string, lanes: Iterable<Lane>) => {
    const payloads = new Set(
      Array.from(lanes, ({ priority, queue }) => [tenantId, queue, String(priority)].join(wakeSeparator))
    )
    return Effect.forEach(payloads, (payload) => wakeup.signal(options.prefix, payload), { discard: true })
  }

  const enqueue = Effect.fn("WorkQueue.enqueue")(function* (jobs: ReadonlyArray<NewJob>) {
    const tenant = yield* Tenant
    if (jobs.length === 0) return []
    if (jobs.length > enqueueMax) {
      return yield* new JobInvalid({
        index: enqueueMax,
        field: "",
        message: `Expected at most ${enqueueMax} jobs`
      })
    }
    const payloads = jobs.map((job) => textOf(job.payload))
    for (const [index, job] of jobs.entries()) {
      const problem = problemOf(job, payloads[index] ?? "")
      if (problem !== undefined) {
        return yield* new JobInvalid({ index, field: problem[0], message: problem[1] })
      }
    }
    const jobIds = yield* Effect.forEach(jobs, () => Identifier.next)
    const columns: StatementsOf.NewJobs = {
      tenantId: tenant.id,
      queues: jobs.map((job) => job.queue),
      priorities: jobs.map((job) => job.priority ?? 0),
      jobIds,
      types: jobs.map((job) => job.type),
      payloads,
      attemptsMax: jobs.map((job) => job.attemptsMax ?? attemptsMaxDefault),
      headers: optional(jobs.map((job) => (job.headers === undefined ? null : textOf(job.headers)))),
      orderingKeys: optional(jobs.map((job) => job.orderingKey ?? null)),
      runAts: optional(jobs.map((job) => job.runAt ?? null))
    }
    const isPlain =
      columns.orderingKeys === null &&
      columns.runAts === null &&
      payloads.every((payload) => payload.length * 3 <= StatementsOf.inlineBytesMax || isInline(payload))
    const moment = yield* now
    yield* isPlain ? statements.enqueuePlain(columns, moment) : statements.enqueue(columns, moment)
    yield* wake(
      tenant.id,
      jobs.map(({ priority = 0, queue }) => ({ queue, priority }))
    )
    return jobIds
  })

  return { tables, statements, enqueue, wake }
})

const isInline = (payload: string): boolean =>
  new TextEncoder().encode(payload).length <= StatementsOf.inlineBytesMax

/**
 * The client that workers claim with: a pool of its own, with planner settings that keep a plan taken on an empty table
 * from sticking, and with an asynchronous commit: a claim or acknowledgement that is lost with the server is a
 * redelivery, never a loss.
 *
 * @category services
 * @since 0.1.0
 */
export class ClaimClient extends Context.Service<ClaimClient, SqlClient.SqlClient>()(
  "@hypermarket/core/WorkQueue/ClaimClient"
) {}

export type { Fragment, Tables }
type Tables = TablesOf.Tables
