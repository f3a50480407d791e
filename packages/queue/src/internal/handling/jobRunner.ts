/** Runs the jobs of a claim through their handlers, and records the outcome of each in the batch. */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Now from "@hypermarket/core/Now"
import { Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { Handler } from "../../QueueJob.ts"
import type { Batch, Group } from "../claiming/batch.ts"
import type { ClaimedJob } from "../jobRow.ts"
import type { QueueMetrics } from "../metrics.ts"
import type { Statements } from "../statements.ts"
import * as Attempts from "./attempts.ts"
import { ConcurrencyLimit } from "./concurrencyLimit.ts"
import * as Transactional from "./transactional.ts"
import * as UnitRunner from "./unitRunner.ts"

export interface Options<R> {
  readonly sql: SqlClient.SqlClient
  readonly statements: Statements
  readonly handlers: ReadonlyArray<Handler<R>>
  readonly metricsOf: (queue: string) => QueueMetrics
  readonly context: Context.Context<R>
  readonly clock: Clock.Clock
  readonly random: () => number
}

export interface JobRunner {
  /** Runs a group, and ends when all its jobs have ended or were left behind. Failures of jobs are recorded in the batch. */
  readonly run: (batch: Batch, group: Group) => Effect.Effect<void>
  /** Interrupts calls that are past their deadline. */
  readonly checkDeadlines: () => void
}

const joined = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> => self

/** Such a unit has recorded the outcome of its jobs when it ends. */
const untimed = { isTimed: false, end: () => undefined, jobIds: [] } as const

export const make = <R>(options: Options<R>): JobRunner => {
  const { clock, context, random, sql, statements } = options
  const fork = Effect.runForkWith(context)
  const unitRunner = UnitRunner.make<R>(clock, fork)
  const attempts = Attempts.make(unitRunner, clock, random, fork)
  const runTransactional = Transactional.make({ sql, statements, clock, unitRunner, attempts })
  const registered = new Map<string, UnitRunner.Registered<R>>(
    options.handlers.map((handler) => [
      handler.queue,
      {
        handler,
        limit: new ConcurrencyLimit(Math.max(1, handler.concurrency)),
        deadlineMillis: Duration.toMillis(Duration.fromInputUnsafe(handler.deadline)),
        metrics: options.metricsOf(handler.queue)
      }
    ])
  )

  const contextOf = (tenantId: string): Context.Context<R> =>
    Context.add(context, Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) })

  const runGroup = Effect.fnUntraced(function* (
    entry: UnitRunner.Registered<R>,
    batch: Batch,
    group: Group,
    counts: Attempts.Counts
  ) {
    const now = yield* Now.now
    const jobs = Attempts.runnable(group.plain, now.getTime(), (failure, job) => {
      counts.failed++
      batch.fail(job, failure)
    })
    const done = (job: ClaimedJob) => {
      counts.done++
      batch.done(group, job)
    }
    const fail = (job: ClaimedJob, cause: Cause.Cause<unknown>) => {
      counts.failed++
      batch.fail(job, attempts.failed(entry, job, cause))
    }
    const units = Attempts.chunksOf(jobs, entry.handler.batchMax).map((chunk): UnitRunner.Unit<R> => {
      const [job] = chunk
      return chunk.length === 1 && job !== undefined
        ? {
            effect: unitRunner.call(entry, chunk),
            isTimed: true,
            jobIds: [job.jobId],
            end: (exit) => (Exit.isSuccess(exit) ? done(job) : fail(job, exit.cause))
          }
        : { effect: attempts.together(entry, chunk, joined, done, fail), ...untimed }
    })
    const keys = group.keys.map((key): UnitRunner.Unit<R> => {
      const attempt = (job: ClaimedJob) =>
        Effect.exit(
          Effect.tap(unitRunner.callInTime(entry, [job]), () => Effect.sync(() => batch.done(group, job)))
        )
      return {
        effect: Effect.map(attempts.inOrder(entry, key, attempt, counts), (result) =>
          batch.settleKey(key, result)
        ),
        ...untimed
      }
    })
    yield* unitRunner.run(entry, contextOf(group.tenantId), [...units, ...keys])
  })

  const run: JobRunner["run"] = Effect.fnUntraced(function* (batch, group) {
    const entry = registered.get(group.queue)
    if (entry === undefined) return yield* Effect.die(new Error(`no handler for the queue ${group.queue}`))
    const counts = { done: 0, failed: 0 }
    const [first] = group.plain
    if (first !== undefined && first.attempt === 0) {
      entry.metrics.claimed(batch.startedAtMillis - first.recordedAtMillis)
    }
    yield* entry.handler.transactional
      ? // The whole group is one unit: the statements of a transaction share a connection.
        unitRunner.run(entry, contextOf(group.tenantId), [
          { effect: runTransactional(entry, batch, group, counts), ...untimed }
        ])
      : runGroup(entry, batch, group, counts)
    entry.metrics.ended(counts.done, counts.failed)
  })

  return { run, checkDeadlines: unitRunner.checkDeadlines }
}
