/** Runs a group whose handler's writes commit together with the acknowledgement. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Now from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import { transactionOf } from "@hypermarket/core/Transaction"
import { type Batch, type Group, keyDone } from "../claiming/batch.ts"
import type { JobRejection } from "../../QueueJob.ts"
import type { ClaimedJob } from "../jobRow.ts"
import type { FailedJob, KeyResult } from "../statements/claim.ts"
import type { Statements } from "../statements.ts"
import { type Attempts, chunksOf, type Counts, runnable } from "./attempts.ts"
import * as Retry from "./retry.ts"
import { DeadlineExceeded, type Registered, type UnitRunner } from "./unitRunner.ts"

/** Delay before jobs are retried that could not run because the database was unavailable. */
const unavailableRetryMillis = 1_000

class LeaseLost extends Error {
  readonly _tag = "LeaseLost"
}

const isLeaseLost = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Die" && reason.defect instanceof LeaseLost)

/** True when the database was unavailable: the jobs are not at fault. */
const isUnavailable = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) => reason._tag === "Fail" && isSqlError(reason.error) && Storage.isRetryable(reason.error)
  )

/** A call of a handler within a transaction, with its deadline. */
type Call<R> = (
  entry: Registered<R>,
  jobs: ReadonlyArray<ClaimedJob>
) => Effect.Effect<ReadonlyArray<JobRejection>, unknown, R>

/**
 * Returns a runner of groups. What fails is recorded in the batch. A call that ignores the interruption at its deadline keeps
 * its transaction and connection, which roll back when it ends; the group ends without it.
 */
export const make = <R>(options: {
  readonly sql: SqlClient.SqlClient
  readonly statements: Statements
  readonly clock: Clock.Clock
  readonly unitRunner: UnitRunner<R>
  readonly attempts: Attempts<R>
}): ((entry: Registered<R>, batch: Batch, group: Group, counts: Counts) => Effect.Effect<void, never, R>) => {
  const { attempts, clock, sql, statements } = options
  const { unitRunner } = options

  /**
   * Runs a group and its acknowledgement in one transaction. Each call has a savepoint: a failed call leaves nothing, and
   * its retry commits together with the effects of the others.
   */
  const runInOneTransaction = (entry: Registered<R>, batch: Batch, group: Group, callInTime: Call<R>) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const counts = { done: 0, failed: 0 }
        const failed: Array<FailedJob> = []
        const now = yield* Now.now
        const jobs = runnable(group.plain, now.getTime(), (failure) => failed.push(failure))
        for (const chunk of chunksOf(jobs, entry.handler.batchMax)) {
          yield* attempts.together(
            entry,
            chunk,
            sql.withTransaction,
            () => counts.done++,
            (job, cause) => failed.push(attempts.failed(entry, job, cause))
          )
        }
        const keys: Array<KeyResult> = []
        const attempt = (job: ClaimedJob) => Effect.exit(sql.withTransaction(callInTime(entry, [job])))
        for (const key of group.keys) keys.push(yield* attempts.inOrder(entry, key, attempt, counts))
        const acknowledged = yield* statements.acknowledge({
          tenants: [group.tenantId],
          batchId: batch.batchId,
          queue: group.leasedQueue,
          failed,
          keys,
          now: yield* Now.now
        })
        if (acknowledged === 0) return yield* Effect.die(new LeaseLost())
        return { done: counts.done, failed: counts.failed + failed.length }
      })
    )

  /**
   * Runs each job in a separate transaction together with its partial acknowledgement. Used when the transaction of the
   * whole group did not commit for a reason that no savepoint catches, such as a constraint that is checked at the commit.
   */
  const runOneByOne = Effect.fnUntraced(function* (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    counts: Counts,
    callInTime: Call<R>
  ) {
    const attempt = (job: ClaimedJob) =>
      transactionOf(sql)(
        Effect.gen(function* () {
          yield* callInTime(entry, [job])
          const progress = {
            tenant_id: group.tenantId,
            queue: group.leasedQueue,
            batch_id: batch.batchId,
            done: [job.seq]
          }
          if ((yield* statements.progress([progress])) === 0) return yield* Effect.die(new LeaseLost())
        })
      ).pipe(
        Effect.tap(() => Effect.sync(() => batch.doneAlready(job))),
        Effect.exit
      )
    const now = yield* Now.now
    const jobs = runnable(group.plain, now.getTime(), (failure, job) => {
      counts.failed++
      batch.fail(job, failure)
    })
    for (const job of jobs) {
      const exit = yield* attempt(job)
      if (Exit.isSuccess(exit)) counts.done++
      else {
        counts.failed++
        batch.fail(job, attempts.failed(entry, job, exit.cause))
      }
    }
    for (const key of group.keys) batch.settleKey(key, yield* attempts.inOrder(entry, key, attempt, counts))
  })

  /** Releases a group without an attempt. */
  const release = (batch: Batch, group: Group, runAtMillis: number) => {
    for (const job of group.plain) batch.fail(job, Retry.released(job, runAtMillis))
    const run_at = new Date(runAtMillis).toISOString()
    for (const key of group.keys) batch.settleKey(key, { ...keyDone(key, [], []), run_at })
  }

  const runGroup = Effect.fnUntraced(function* (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    counts: Counts,
    callInTime: Call<R>
  ) {
    const exit = yield* Effect.exit(runInOneTransaction(entry, batch, group, callInTime))
    if (Exit.isSuccess(exit)) {
      counts.done += exit.value.done
      counts.failed += exit.value.failed
      return batch.commit(group)
    }
    if (isLeaseLost(exit.cause)) return batch.lost.openUnsafe()
    if (isUnavailable(exit.cause)) {
      return release(batch, group, clock.currentTimeMillisUnsafe() + unavailableRetryMillis)
    }
    yield* Effect.logWarning(
      `${group.queue}: the transaction of a batch did not commit; its jobs run one by one`,
      { detail: FailureText.describe(exit.cause) }
    )
    yield* runOneByOne(entry, batch, group, counts, callInTime)
  })

  /** The jobs of the call that is stuck have failed, and the others of the group are released. */
  const leaveBehind = (
    entry: Registered<R>,
    batch: Batch,
    group: Group,
    counts: Counts,
    stuck: ReadonlyArray<ClaimedJob>
  ) => {
    const seqs = new Set(stuck.map((job) => job.seq))
    const cause = Cause.fail(new DeadlineExceeded(entry.deadlineMillis, false))
    const nowMillis = clock.currentTimeMillisUnsafe()
    const { keys, plain } = batch.unsettledOf(group)
    for (const job of plain) {
      const isStuck = seqs.has(job.seq)
      if (isStuck) counts.failed++
      batch.fail(job, isStuck ? attempts.failed(entry, job, cause) : Retry.released(job, nowMillis))
    }
    for (const { done, key } of keys) {
      const job = key.jobs.find(({ seq }) => seqs.has(seq))
      if (job !== undefined) counts.failed++
      batch.settleKey(
        key,
        job === undefined ? keyDone(key, done, []) : attempts.failedKey(entry, key, done, job, cause)
      )
    }
  }

  return (entry, batch, group, counts) =>
    Effect.gen(function* () {
      const stuck = yield* Deferred.make<ReadonlyArray<ClaimedJob>>()
      const running: { fiber: Fiber.Fiber<unknown> | undefined } = { fiber: undefined }
      const callInTime: Call<R> = (called, jobs) =>
        unitRunner.callInTime(called, jobs, (left) => {
          // At once: the transaction must not go on when the call ends after all. It is rolled back then.
          running.fiber?.interruptUnsafe()
          Deferred.doneUnsafe(stuck, Exit.succeed(left))
        })
      const fiber = yield* Effect.forkDetach(runGroup(entry, batch, group, counts, callInTime), {
        startImmediately: true
      })
      running.fiber = fiber
      const left = yield* Effect.raceFirst(
        Effect.as(Fiber.join(fiber), undefined),
        Deferred.await(stuck)
      ).pipe(Effect.onInterrupt(() => Fiber.interrupt(fiber)))
      if (left !== undefined) leaveBehind(entry, batch, group, counts, left)
    })
}
