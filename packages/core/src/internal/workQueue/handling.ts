/** Runs the jobs of a claim through their handlers, and notes in the batch what became of each. */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Tracer from "effect/Tracer"
import { now } from "../../Now.ts"
import * as Storage from "../../Storage.ts"
import { Tenant, TenantId } from "../../Tenant.ts"
import { transactionOf } from "../../Transaction.ts"
import type { Handler } from "../../WorkQueue.ts"
import { type Batch, type ClaimedKey, type Group, keyDone } from "./batch.ts"
import type { ClaimedJob } from "./jobRow.ts"
import type { QueueMetrics } from "./metrics.ts"
import * as Retry from "./retry.ts"
import { Slots } from "./slots.ts"
import type { FailedJob, KeyResult } from "./statements/claim.ts"
import type { Statements } from "./statements.ts"

/** An overrun deadline is seen this late at most: a timer for each job would cost more than a short job. */
export const deadlineCheckMillis = 250

/** A handler in this process. */
interface Registered<R> {
  readonly handler: Handler<R>
  readonly slots: Slots
  readonly deadlineMillis: number
  readonly metrics: QueueMetrics
}

export interface Options<R> {
  readonly sql: SqlClient.SqlClient
  readonly statements: Statements
  readonly handlers: ReadonlyArray<Handler<R>>
  readonly metricsOf: (queue: string) => QueueMetrics
  readonly context: Context.Context<R>
  readonly clock: Clock.Clock
  readonly random: () => number
}

export interface Handling {
  /** Runs what a group holds. Ends when all of it has, and never fails: what failed is noted in the batch. */
  readonly run: (batch: Batch, group: Group) => Effect.Effect<void>
  /** Interrupts calls that are past their deadline. */
  readonly checkDeadlines: () => void
}

const sampledTraceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f](?:[13579bdf])$/

/** The spans in which the jobs were enqueued, where they are recorded. */
const linksOf = (jobs: ReadonlyArray<ClaimedJob>): ReadonlyArray<Tracer.SpanLink> => {
  const links: Array<Tracer.SpanLink> = []
  for (const job of jobs) {
    if (job.headers.traceparent === undefined) continue
    const parts = sampledTraceparent.exec(job.headers.traceparent)
    if (parts !== null) {
      const span = Tracer.externalSpan({ traceId: parts[1] ?? "", spanId: parts[2] ?? "", sampled: true })
      links.push({ span, attributes: { "messaging.message.id": job.jobId } })
    }
  }
  return links
}

/** An attempt is a trace of its own, linked to where its jobs come from; without such a place it has none. */
const traced = <A, E, R>(
  jobs: ReadonlyArray<ClaimedJob>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const links = linksOf(jobs)
  const [first] = jobs
  if (links.length === 0 || first === undefined) return self
  return Effect.withSpan(self, `WorkQueue.run ${first.queue}`, {
    root: true,
    kind: "consumer",
    links,
    attributes: {
      "messaging.destination.name": first.queue,
      "messaging.batch.message_count": jobs.length,
      "hm.job.attempt": first.attempt + 1,
      tenant_id: first.tenantId
    }
  })
}

const chunksOf = (
  jobs: ReadonlyArray<ClaimedJob>,
  size: number
): ReadonlyArray<ReadonlyArray<ClaimedJob>> => {
  if (jobs.length <= size) return jobs.length === 0 ? [] : [jobs]
  const chunks: Array<ReadonlyArray<ClaimedJob>> = []
  for (let start = 0; start < jobs.length; start += size) chunks.push(jobs.slice(start, start + size))
  return chunks
}

class DeadlineExceeded extends Error {
  readonly _tag = "DeadlineExceeded"
  constructor(millis: number) {
    super(`no end within ${millis} ms`)
  }
}

class LeaseLost extends Error {
  readonly _tag = "LeaseLost"
}

const isLeaseLost = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Die" && reason.defect instanceof LeaseLost)

/** The database was away: no fault of the jobs. */
const isStorageAway = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) => reason._tag === "Fail" && isSqlError(reason.error) && Storage.isRetryable(reason.error)
  )

const awayRetryMillis = 1_000

/** Work that takes one slot of its handler. */
interface Unit<R> {
  readonly effect: Effect.Effect<unknown, unknown, R>
  /** Gets the exit, unless the whole group was interrupted. */
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
  /** Whether its deadline is looked after from outside; else it does so itself. */
  readonly isTimed: boolean
}

export const make = <R>(options: Options<R>): Handling => {
  const { clock, context, random, sql, statements } = options
  const registered = new Map<string, Registered<R>>(
    options.handlers.map((handler) => [
      handler.queue,
      {
        handler,
        slots: new Slots(Math.max(1, handler.concurrency)),
        deadlineMillis: Duration.toMillis(Duration.fromInputUnsafe(handler.deadline)),
        metrics: options.metricsOf(handler.queue)
      }
    ])
  )

  // ------------------------------------------------------------------------------------------------------------------
  // Calls
  // ------------------------------------------------------------------------------------------------------------------

  const overdue = new Map<
    Fiber.Fiber<unknown, unknown>,
    { readonly atMillis: number; readonly mark: () => void }
  >()

  const checkDeadlines = () => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    for (const [fiber, { atMillis, mark }] of overdue) {
      if (atMillis > nowMillis) continue
      overdue.delete(fiber)
      mark()
      fiber.interruptUnsafe()
    }
  }

  const call = (handler: Handler<R>, jobs: ReadonlyArray<ClaimedJob>) =>
    traced(
      jobs,
      Effect.suspend(() => handler.run(jobs))
    )

  const callInTime = (entry: Registered<R>, jobs: ReadonlyArray<ClaimedJob>) =>
    Effect.timeoutOrElse(call(entry.handler, jobs), {
      duration: Duration.millis(entry.deadlineMillis),
      orElse: () => Effect.fail(new DeadlineExceeded(entry.deadlineMillis))
    })

  /**
   * Runs units in the handler's slots. Fibers are started by hand: for jobs that end at once, forking, racing a timer and
   * collecting results by combinators costs several times the job.
   */
  const runUnits = (
    entry: Registered<R>,
    forTenant: Context.Context<R>,
    units: ReadonlyArray<Unit<R>>
  ): Effect.Effect<void> => {
    if (units.length === 0) return Effect.void
    const fork = Effect.runForkWith(forTenant)
    return Effect.callback<void>((resume) => {
      const live = new Set<Fiber.Fiber<unknown, unknown>>()
      let left = units.length
      let isInterrupted = false
      const ended = () => {
        entry.slots.release()
        left--
        if (left === 0) resume(Effect.void)
      }
      const start = (unit: Unit<R>) => {
        if (isInterrupted) return ended()
        const isSampled = entry.metrics.isSampled
        const startedAtMillis = isSampled ? clock.currentTimeMillisUnsafe() : 0
        const finish = (exit: Exit.Exit<unknown, unknown>) => {
          if (isSampled) entry.metrics.ran(clock.currentTimeMillisUnsafe() - startedAtMillis)
          unit.end(exit)
          ended()
        }
        const fiber = fork(unit.effect)
        const exit = fiber.pollUnsafe()
        // What ends at once needs neither a deadline nor an observer.
        if (exit !== undefined) return finish(exit)
        live.add(fiber)
        let isOverdue = false
        if (unit.isTimed) {
          overdue.set(fiber, {
            atMillis: clock.currentTimeMillisUnsafe() + entry.deadlineMillis,
            mark: () => {
              isOverdue = true
            }
          })
        }
        fiber.addObserver((last) => {
          live.delete(fiber)
          overdue.delete(fiber)
          if (isOverdue) finish(Exit.fail(new DeadlineExceeded(entry.deadlineMillis)))
          else if (isInterrupted) ended()
          else finish(last)
        })
      }
      for (const unit of units) entry.slots.take(() => start(unit))
      return Effect.suspend(() => {
        isInterrupted = true
        return Fiber.interruptAll(live)
      })
    })
  }

  /** Runs jobs together; when that fails each by itself, so that one bad job does not fail its neighbours. */
  const runTogether = Effect.fnUntraced(function* (
    entry: Registered<R>,
    jobs: ReadonlyArray<ClaimedJob>,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>,
    done: (job: ClaimedJob) => void,
    fail: (job: ClaimedJob, cause: Cause.Cause<unknown>) => void
  ) {
    const together = yield* Effect.exit(isolate(callInTime(entry, jobs)))
    if (Exit.isSuccess(together)) return jobs.forEach(done)
    if (jobs.length === 1) return jobs.forEach((job) => fail(job, together.cause))
    for (const job of jobs) {
      const alone = yield* Effect.exit(isolate(callInTime(entry, [job])))
      if (Exit.isSuccess(alone)) done(job)
      else fail(job, alone.cause)
    }
  })

  /** The jobs of one key, one after the other; it stops at the first failure that is tried again. */
  const runKey = Effect.fnUntraced(function* (
    entry: Registered<R>,
    key: ClaimedKey,
    attempt: (job: ClaimedJob) => Effect.Effect<Exit.Exit<unknown, unknown>, never, R>,
    tally: Tally
  ): Effect.fn.Return<KeyResult, never, R> {
    const done: Array<number> = []
    const buried: Array<KeyResult["buried"][number]> = []
    const bury = ({ attempt, errors, seq }: FailedJob) => {
      tally.failed++
      buried.push({ seq, attempt, errors })
    }
    for (const job of key.jobs) {
      const before = yield* now
      const why = Retry.whyDropped(job, before.getTime())
      if (why !== undefined) {
        bury(Retry.dropped(job, why, before.getTime()))
        continue
      }
      if (job.runAtMillis > before.getTime()) {
        return { ...keyDone(key, done, buried), run_at: new Date(job.runAtMillis).toISOString() }
      }
      const exit = yield* attempt(job)
      if (Exit.isSuccess(exit)) {
        tally.done++
        done.push(job.seq)
        continue
      }
      const failure = Retry.failed(job, entry.handler.retry, exit.cause, (yield* now).getTime(), random)
      if (failure.run_at === null) {
        bury(failure)
        continue
      }
      tally.failed++
      const { attempt: attempts, errors, run_at, seq: failed } = failure
      return { ...keyDone(key, done, buried), failed, attempt: attempts, errors, run_at }
    }
    return keyDone(key, done, buried)
  })

  // ------------------------------------------------------------------------------------------------------------------
  // Groups
  // ------------------------------------------------------------------------------------------------------------------

  /** Parts with what cannot be run any more; gives the rest. */
  const drop = (
    jobs: ReadonlyArray<ClaimedJob>,
    nowMillis: number,
    dropped: (failure: FailedJob, job: ClaimedJob) => void
  ) =>
    jobs.filter((job) => {
      const why = Retry.whyDropped(job, nowMillis)
      if (why !== undefined) dropped(Retry.dropped(job, why, nowMillis), job)
      return why === undefined
    })

  const failedNow = (entry: Registered<R>, job: ClaimedJob, cause: Cause.Cause<unknown>) =>
    Retry.failed(job, entry.handler.retry, cause, clock.currentTimeMillisUnsafe(), random)

  const runGroup = Effect.fnUntraced(function* (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    tally: Tally
  ) {
    const moment = yield* now
    const runnable = drop(group.plain, moment.getTime(), (failure, job) => {
      tally.failed++
      batch.fail(job, failure)
    })
    const done = (job: ClaimedJob) => {
      tally.done++
      batch.done(group, job)
    }
    const fail = (job: ClaimedJob, cause: Cause.Cause<unknown>) => {
      tally.failed++
      batch.fail(job, failedNow(entry, job, cause))
    }
    const { batchMax } = entry.handler
    const units = chunksOf(runnable, batchMax).map((jobs): Unit<R> => {
      const [job] = jobs
      return jobs.length === 1 && job !== undefined
        ? {
            effect: call(entry.handler, jobs),
            isTimed: true,
            end: (exit) => (Exit.isSuccess(exit) ? done(job) : fail(job, exit.cause))
          }
        : { effect: runTogether(entry, jobs, joined, done, fail), isTimed: false, end: ignoreExit }
    })
    const keys = group.keys.map((key): Unit<R> => {
      const attempt = (job: ClaimedJob) =>
        Effect.exit(Effect.tap(callInTime(entry, [job]), () => Effect.sync(() => batch.done(group, job))))
      return {
        effect: Effect.map(runKey(entry, key, attempt, tally), (result) => batch.settleKey(key, result)),
        isTimed: false,
        end: ignoreExit
      }
    })
    yield* runUnits(entry, contextOf(group.tenantId), [...units, ...keys])
  })

  /**
   * Handler and acknowledgement in one transaction. Within it each call has a savepoint: a failed one leaves nothing, and
   * commits its retry together with its neighbours' effects.
   */
  const runInOneTransaction = (entry: Registered<R>, batch: Batch, group: Group) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const tally = { done: 0, failed: 0 }
        const failed: Array<FailedJob> = []
        const moment = yield* now
        const runnable = drop(group.plain, moment.getTime(), (failure) => failed.push(failure))
        for (const jobs of chunksOf(runnable, entry.handler.batchMax)) {
          yield* runTogether(
            entry,
            jobs,
            sql.withTransaction,
            () => tally.done++,
            (job, cause) => failed.push(failedNow(entry, job, cause))
          )
        }
        const keys: Array<KeyResult> = []
        const attempt = (job: ClaimedJob) => Effect.exit(sql.withTransaction(callInTime(entry, [job])))
        for (const key of group.keys) keys.push(yield* runKey(entry, key, attempt, tally))
        const lanes = yield* statements.acknowledge({
          tenants: [group.tenantId],
          batchId: batch.batchId,
          queue: group.lane,
          failed,
          keys,
          now: yield* now
        })
        if (lanes === 0) return yield* Effect.die(new LeaseLost())
        return { done: tally.done, failed: tally.failed + failed.length }
      })
    )

  /**
   * The transaction of all did not commit, for a reason that no savepoint caught, such as a constraint that is checked at
   * the commit: each job in a transaction of its own, together with its partial acknowledgement.
   */
  const runOneByOne = Effect.fnUntraced(function* (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    tally: Tally
  ) {
    const attempt = (job: ClaimedJob) =>
      transactionOf(sql)(
        Effect.gen(function* () {
          yield* callInTime(entry, [job])
          const progress = {
            tenant_id: group.tenantId,
            queue: group.lane,
            batch_id: batch.batchId,
            done: [job.seq]
          }
          if ((yield* statements.progress([progress])) === 0) return yield* Effect.die(new LeaseLost())
        })
      ).pipe(
        Effect.tap(() => Effect.sync(() => batch.doneAlready(job))),
        Effect.exit
      )
    const moment = yield* now
    const runnable = drop(group.plain, moment.getTime(), (failure, job) => {
      tally.failed++
      batch.fail(job, failure)
    })
    for (const job of runnable) {
      const exit = yield* attempt(job)
      if (Exit.isSuccess(exit)) tally.done++
      else {
        tally.failed++
        batch.fail(job, failedNow(entry, job, exit.cause))
      }
    }
    for (const key of group.keys) batch.settleKey(key, yield* runKey(entry, key, attempt, tally))
  })

  const handBack = (batch: Batch, group: Group, runAtMillis: number) => {
    for (const job of group.plain) batch.fail(job, Retry.released(job, runAtMillis))
    const run_at = new Date(runAtMillis).toISOString()
    for (const key of group.keys) batch.settleKey(key, { ...keyDone(key, [], []), run_at })
  }

  const runTransactional = Effect.fnUntraced(function* (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    tally: Tally
  ) {
    const exit = yield* Effect.exit(runInOneTransaction(entry, batch, group))
    if (Exit.isSuccess(exit)) {
      tally.done += exit.value.done
      tally.failed += exit.value.failed
      return batch.commit(group)
    }
    if (isLeaseLost(exit.cause)) return batch.lost.openUnsafe()
    if (isStorageAway(exit.cause)) {
      return handBack(batch, group, clock.currentTimeMillisUnsafe() + awayRetryMillis)
    }
    yield* Effect.logWarning(
      `${group.queue}: a batch's transaction did not commit; its jobs run one by one`,
      exit.cause
    )
    yield* runOneByOne(entry, batch, group, tally)
  })

  const run = Effect.fnUntraced(function* (batch: Batch, group: Group) {
    const entry = registered.get(group.queue)
    if (entry === undefined) return yield* Effect.die(new Error(`no handler for the queue ${group.queue}`))
    const tally = { done: 0, failed: 0 }
    const [first] = group.plain
    if (first !== undefined && first.attempt === 0) {
      entry.metrics.claimed(batch.startedAtMillis - first.recordedAtMillis)
    }
    yield* entry.handler.transactional
      ? // The whole group is one unit: statements of one transaction share a connection.
        runUnits(entry, contextOf(group.tenantId), [
          { effect: runTransactional(entry, batch, group, tally), isTimed: false, end: ignoreExit }
        ])
      : runGroup(entry, batch, group, tally)
    entry.metrics.ended(tally.done, tally.failed)
  })

  const contextOf = (tenantId: string): Context.Context<R> =>
    Context.add(context, Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) })

  return { run, checkDeadlines }
}

interface Tally {
  done: number
  failed: number
}

const joined = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> => self

/** The unit has noted what became of its jobs. */
const ignoreExit = () => undefined
