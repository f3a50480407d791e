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
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Identifier from "./Identifier.ts"
import * as BatcherOf from "./internal/workQueue/batcher.ts"
import * as NewJobOf from "./internal/workQueue/newJob.ts"
import { oldestBody } from "./internal/workQueue/readings.ts"
import * as StatementsOf from "./internal/workQueue/statements.ts"
import * as TablesOf from "./internal/workQueue/tables.ts"
import type * as Job from "./Job.ts"
import { now } from "./Now.ts"
import * as Partitions from "./Partitions.ts"
import { Tenant } from "./Tenant.ts"
import { isOpen } from "./Transaction.ts"
import { Wakeup } from "./Wakeup.ts"

/**
 * The largest payload, in bytes of JSON.
 *
 * @category limits
 * @since 0.1.0
 */
export const payloadBytesMax = NewJobOf.payloadBytesMax

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
  /** Not before; at once by default. Of a job with an ordering key: the jobs behind it wait too. */
  readonly runAt?: Date
  /** Jobs of a queue with the same key run one at a time, in order. */
  readonly orderingKey?: string
  /** Attempts in all, in place of the handler's number. */
  readonly attemptsMax?: number
  /** How long a failed attempt waits for the next, in place of the handler's way. `none`: it is not tried again. */
  readonly retry?: {
    readonly backoff?: "exponential" | "fixed" | "none"
    readonly base?: Duration.Input
    readonly max?: Duration.Input
  }
  /** Not run any more from then on: it goes to the dead with that reason. */
  readonly expiresAt?: Date
  /** While another job of the queue was enqueued with this key less than `window` ago, this one is not. */
  readonly dedupe?: { readonly key: string; readonly window: Duration.Input }
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
 * More is being enqueued than the database takes, and as much as may wait does: nothing was enqueued, try again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueOverloaded extends HttpApiError.Problem<QueueOverloaded>()("QueueOverloaded", {
  type: "urn:hypermarket:problem:core:queue-overloaded",
  status: 503,
  title: "Too much is being enqueued; try again"
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
  /** Attempts in all. */
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
  /**
   * Jobs that one call of `run` gets at most, all of one tenant. 1 runs each by itself. When a call for several fails, each
   * is run again by itself, so that only the one at fault counts as failed.
   */
  readonly batchMax: number
  /** Calls of `run` at the same time in this process; of a transactional handler: transactions. */
  readonly concurrency: number
  /** Whether `run` and the acknowledgement commit together. */
  readonly transactional: boolean
  readonly retry: Job.Retry
  /** A call that takes longer is interrupted and counts as failed. Looked at every 250 ms. */
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
 * Where a job is. `ready` also stands for one that waits behind its key, `running` for one that a worker has leased.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobPlace {
  readonly state: "ready" | "delayed" | "running" | "dead"
  readonly type: string
  readonly priority: number
  readonly attempt: number
  readonly orderingKey: string | null
  readonly recordedAtMillis: number
  /** When a delayed job runs. */
  readonly runAtMillis: number | null
  /** One entry a failed attempt, the last ten. */
  readonly errors: unknown
}

/**
 * Which dead jobs; all of them without a filter, oldest first.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadFilter {
  readonly type?: string
  readonly jobIds?: ReadonlyArray<string>
  readonly diedFrom?: Date
  readonly diedBefore?: Date
  readonly limit: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkQueue {
  readonly tables: TablesOf.Tables
  /**
   * Enqueues for the tenant of the context, all or nothing. In an open transaction of the client it writes there. Outside
   * of one the jobs are in the database when the effect succeeds; up to {@link gatheredMax} jobs go together with what
   * others enqueue at the same time. Gives the jobs' ids, in order; for a duplicate the id of the job that has its key.
   */
  readonly enqueue: (
    jobs: ReadonlyArray<NewJob>
  ) => Effect.Effect<ReadonlyArray<string>, JobInvalid | QueueOverloaded | SqlError, Tenant>
  /** Where a job is; undefined when it is done, or never was. Looks through the queue: for people, not for loops. */
  readonly find: (queue: string, jobId: string) => Effect.Effect<JobPlace | undefined, SqlError, Tenant>
  /**
   * Takes back a job that does not run yet. False when it is not there, or a worker has it, or has the key that it waits
   * behind. Looks through the queue, as `find` does.
   */
  readonly cancel: (queue: string, jobId: string) => Effect.Effect<boolean, SqlError, Tenant>
  /**
   * Brings dead jobs back with all their attempts, without their place in a key and without their expiry; at once, or so
   * many a second. Tells how many.
   */
  readonly redrive: (
    queue: string,
    filter: DeadFilter,
    perSecond?: number
  ) => Effect.Effect<number, SqlError, Tenant>
  /** Removes dead jobs for good. Tells how many. */
  readonly discard: (queue: string, filter: DeadFilter) => Effect.Effect<number, SqlError, Tenant>
  /** The statements, for what builds on the queue. */
  readonly statements: StatementsOf.Statements
  /** Wakes the workers after the commit. */
  readonly wake: (tenantId: string, lanes: Iterable<Lane>) => Effect.Effect<void>
  /** Makes the workers read the definitions after the commit. */
  readonly wakeForDefinitions: Effect.Effect<void>
}

/**
 * The statements that create the tables of a prefix, for a package's migrations.
 *
 * @category migrations
 * @since 0.1.0
 */
export const createStatements: (prefix: string) => ReadonlyArray<string> = TablesOf.createStatements

/**
 * Dead jobs are forgotten after so many days.
 *
 * @category limits
 * @since 0.1.0
 */
export const deadKeepDays = StatementsOf.deadKeepDays

/**
 * The partitioned tables of a prefix: large payloads, and the history. A payload is kept while a job refers to it.
 *
 * @category migrations
 * @since 0.1.0
 */
export const partitions = (prefix: string): ReadonlyArray<Partitions.Partitions> => {
  const tables = TablesOf.tablesOf(prefix)
  return [
    Partitions.make({
      table: tables.body,
      by: "day",
      every: "day",
      keep: "7 days",
      ahead: 7,
      storage: TablesOf.payloadStorage,
      oldestInUse: oldestBody(tables)
    }),
    Partitions.make({ table: tables.history, by: "day", every: "day", keep: "30 days", ahead: 7 })
  ]
}

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

/**
 * Outside of a transaction, calls with at most this many jobs go together with what others enqueue at the same time.
 *
 * @category limits
 * @since 0.1.0
 */
export const gatheredMax = 100

const filterOf = (filter: DeadFilter): StatementsOf.DeadFilter => ({
  type: filter.type ?? null,
  jobIds: filter.jobIds ?? null,
  diedFrom: filter.diedFrom ?? null,
  diedBefore: filter.diedBefore ?? null,
  limit: filter.limit
})

/**
 * The queue with a prefix, such as `hm_event`. Make it once: what is enqueued one by one is gathered in it.
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
    const payloads = new Set<string>()
    for (const { priority, queue } of lanes)
      payloads.add(tenantId + wakeSeparator + queue + wakeSeparator + priority)
    return Effect.forEach(payloads, (payload) => wakeup.signal(options.prefix, payload), { discard: true })
  }

  const insert = Effect.fnUntraced(function* (jobs: ReadonlyArray<NewJobOf.Prepared>) {
    const moment = yield* now
    const plan = NewJobOf.planOf(jobs)
    if (plan._tag === "Alike") yield* statements.enqueueAlike(plan.jobs, moment)
    else if (plan._tag === "Plain") yield* statements.enqueuePlain(plan.jobs, moment)
    else yield* statements.enqueue(plan.jobs, moment)
    const seen = new Set<string>()
    for (const { priority, queue, tenantId } of jobs)
      seen.add([tenantId, queue, priority].join(wakeSeparator))
    yield* Effect.forEach(seen, (payload) => wakeup.signal(options.prefix, payload), { discard: true })
  })

  // Not a caller's fiber: it would end with the caller, and its spans and tenant would be those of the first in line.
  const detached = yield* Effect.context()
  const batcher = BatcherOf.make(insert, (loop) => void Effect.runForkWith(detached)(loop))

  /** In place of the jobs that were duplicates, those that hold their keys. */
  const heldBy = Effect.fnUntraced(function* (prepared: ReadonlyArray<NewJobOf.Prepared>, tenantId: string) {
    const keyed = prepared.filter((job) => job.dedupeKey !== null)
    const held = yield* statements.heldKeys(
      tenantId,
      keyed.map((job) => job.queue),
      keyed.map((job) => job.dedupeKey ?? "")
    )
    const holders = new Map(held.map((row) => [`${row.queue} ${row.dedupeKey}`, row.jobId]))
    return prepared.map((job) =>
      job.dedupeKey === null ? job.jobId : (holders.get(`${job.queue} ${job.dedupeKey}`) ?? job.jobId)
    )
  })

  const enqueueUntraced = Effect.fnUntraced(function* (jobs: ReadonlyArray<NewJob>) {
    const tenant = yield* Tenant
    if (jobs.length === 0) return []
    if (jobs.length > enqueueMax) {
      return yield* new JobInvalid({
        index: enqueueMax,
        field: "",
        message: `Expected at most ${enqueueMax} jobs`
      })
    }
    const moment = yield* now
    const jobIds = yield* Identifier.nextMany(jobs.length)
    const prepared: Array<NewJobOf.Prepared> = []
    for (const [index, job] of jobs.entries()) {
      const payload = JSON.stringify(job.payload)
      const problem = NewJobOf.problemOf(job, payload, moment)
      if (problem !== undefined) {
        return yield* new JobInvalid({ index, field: problem[0], message: problem[1] })
      }
      prepared.push(NewJobOf.prepare(tenant.id, job, jobIds[index] ?? "", payload, moment))
    }
    if (jobs.length > gatheredMax || (yield* isOpen(sql))) yield* insert(prepared)
    else {
      const gathered = batcher.add(prepared)
      if (gathered === undefined) return yield* new QueueOverloaded()
      yield* gathered
    }
    return prepared.some((job) => job.dedupeKey !== null) ? yield* heldBy(prepared, tenant.id) : jobIds
  })
  // Whoever enqueues one by one would pay a tenth for the stack of each call.
  const enqueue = (jobs: ReadonlyArray<NewJob>) =>
    Effect.withSpan(enqueueUntraced(jobs), "WorkQueue.enqueue", { captureStackTrace: false })

  const find = Effect.fn("WorkQueue.find")(function* (queue: string, jobId: string) {
    const tenant = yield* Tenant
    return yield* statements.find(tenant.id, queue, jobId)
  })

  const cancel = Effect.fn("WorkQueue.cancel")(function* (queue: string, jobId: string) {
    const tenant = yield* Tenant
    const cancelled = yield* statements.cancel(tenant.id, queue, jobId)
    return cancelled > 0
  })

  const redrive = Effect.fn("WorkQueue.redrive")(function* (
    queue: string,
    filter: DeadFilter,
    perSecond?: number
  ) {
    const tenant = yield* Tenant
    const { lanes, redriven } = yield* statements.redrive(
      tenant.id,
      queue,
      filterOf(filter),
      perSecond ?? null,
      yield* now
    )
    yield* wake(tenant.id, lanes)
    return redriven
  })

  const discard = Effect.fn("WorkQueue.discard")(function* (queue: string, filter: DeadFilter) {
    const tenant = yield* Tenant
    return yield* statements.discard(tenant.id, queue, filterOf(filter))
  })

  return {
    tables,
    statements,
    enqueue,
    find,
    cancel,
    redrive,
    discard,
    wake,
    wakeForDefinitions: wakeup.signal(options.prefix, "")
  }
})

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
