/**
 * A leased job queue on Postgres, fair over tenants: enqueued in the caller's transaction, run at least once, never lost.
 *
 * Guarantees. A job exists if and only if the transaction that enqueued it commits. A claimed job is leased to one worker.
 * When that worker dies or loses its lease, another worker runs the job, and the first one cannot acknowledge it: each
 * acknowledgement is fenced by the id of the batch. Jobs with the same ordering key of a queue run one at a time, in the
 * order in which they were enqueued, also under retries. The writes of a transactional handler commit together with the
 * acknowledgement: its effects in this database happen exactly once.
 *
 * The measurements behind the design are in docs/benchmarks.md. Compare River, Oban and graphile-worker.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen } from "@hypermarket/core/Transaction"
import { Wakeup } from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Batcher from "./internal/enqueueing/batcher.ts"
import * as PreparedJob from "./internal/enqueueing/preparedJob.ts"
import * as Notifications from "./internal/notifications.ts"
import * as EnqueueStatements from "./internal/statements/enqueue.ts"
import { tablesOf } from "./internal/tables.ts"
import { enqueueMax, JobInvalid, type NewJob, QueueOverloaded } from "./QueueJob.ts"

/**
 * The queues of one prefix.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkQueue {
  /**
   * Enqueues for the tenant of the context, all or nothing. Inside a transaction of the client it writes there. Otherwise
   * the jobs are committed when the effect succeeds, and up to {@link gatheredMax} jobs share a statement with concurrent
   * calls. Returns the ids of the jobs, in order; for a duplicate, the id of the job that holds its key.
   */
  readonly enqueue: (
    jobs: ReadonlyArray<NewJob>
  ) => Effect.Effect<ReadonlyArray<string>, JobInvalid | QueueOverloaded | SqlError, Tenant>
  /**
   * Enqueues the rows of a SELECT, which yields {@link sourceColumns}, in the order of `n`. A payload that several rows
   * share, which have the same `share`, is stored once. The rows are not validated.
   */
  readonly enqueueFrom: (source: Fragment) => Effect.Effect<void, SqlError>
}

/**
 * Columns that the source of {@link WorkQueue.enqueueFrom} yields, by name.
 *
 * @category constants
 * @since 0.1.0
 */
export const sourceColumns = EnqueueStatements.sourceColumns

/**
 * Outside of a transaction, a call with at most this many jobs shares a statement with concurrent calls.
 *
 * @category limits
 * @since 0.1.0
 */
export const gatheredMax = 100

/**
 * Makes the queue with a prefix, such as `hm_event`. Make it once per process: concurrent calls are gathered in it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("WorkQueue.make")(function* (options: {
  readonly prefix: string
}): Effect.fn.Return<WorkQueue, never, SqlClient.SqlClient | Wakeup> {
  const sql = yield* SqlClient.SqlClient
  const notifications = Notifications.make(yield* Wakeup, options.prefix)
  const statements = EnqueueStatements.make(sql, tablesOf(options.prefix))

  const insert = Effect.fnUntraced(function* (jobs: ReadonlyArray<PreparedJob.PreparedJob>) {
    const now = yield* Now.now
    const plan = PreparedJob.planOf(jobs)
    if (plan._tag === "Alike") yield* statements.enqueueAlike(plan.jobs, now)
    else if (plan._tag === "Plain") yield* statements.enqueuePlain(plan.jobs, now)
    else yield* statements.enqueue(plan.jobs, now)
    yield* notifications.enqueued(jobs)
  })

  // Not in the fiber of a caller: the loop would end with it, and its spans and tenant would be those of the first caller.
  const detached = yield* Effect.context()
  const batcher = Batcher.make(insert, (loop) => void Effect.runForkWith(detached)(loop))

  /** Returns the ids, with the holder of its key in place of a duplicate. */
  const idsOf = Effect.fnUntraced(function* (
    prepared: ReadonlyArray<PreparedJob.PreparedJob>,
    tenantId: string
  ) {
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
    const now = yield* Now.now
    const jobIds = yield* Identifier.nextMany(jobs.length)
    const prepared = PreparedJob.prepareAll(tenant.id, jobs, jobIds, now)
    if (prepared instanceof JobInvalid) return yield* prepared
    if (jobs.length > gatheredMax || (yield* isOpen(sql))) yield* insert(prepared)
    else {
      const gathered = batcher.add(prepared)
      if (gathered === undefined) return yield* new QueueOverloaded()
      yield* gathered
    }
    return prepared.some((job) => job.dedupeKey !== null) ? yield* idsOf(prepared, tenant.id) : jobIds
  })
  // A stack trace per call would cost a tenth of an enqueue of one job.
  const enqueue: WorkQueue["enqueue"] = (jobs) =>
    Effect.withSpan(enqueueUntraced(jobs), "WorkQueue.enqueue", { captureStackTrace: false })

  const enqueueFrom: WorkQueue["enqueueFrom"] = Effect.fnUntraced(function* (source) {
    yield* notifications.enqueued(yield* statements.enqueueFrom(source, yield* Now.now))
  })

  return { enqueue, enqueueFrom }
})
