/** Attempts of jobs: several together, or the jobs of one ordering key in order. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Now from "@hypermarket/core/Now"
import type { JobRejection } from "../../QueueJob.ts"
import { type ClaimedKey, keyDone } from "../claiming/batch.ts"
import type { ClaimedJob } from "../jobRow.ts"
import type { FailedJob, KeyResult } from "../statements/claim.ts"
import * as Retry from "./retry.ts"
import type { Registered, UnitRunner } from "./unitRunner.ts"

/** Number of completed and failed jobs of a group. */
export interface Counts {
  done: number
  failed: number
}

export const chunksOf = (
  jobs: ReadonlyArray<ClaimedJob>,
  size: number
): ReadonlyArray<ReadonlyArray<ClaimedJob>> => {
  const chunks: Array<ReadonlyArray<ClaimedJob>> = []
  for (let start = 0; start < jobs.length; start += size) chunks.push(jobs.slice(start, start + size))
  return chunks
}

/** Returns the jobs that may run. The others are expired or have lost their payload, and go to `discard`. */
export const runnable = (
  jobs: ReadonlyArray<ClaimedJob>,
  nowMillis: number,
  discard: (failure: FailedJob, job: ClaimedJob) => void
): ReadonlyArray<ClaimedJob> =>
  jobs.filter((job) => {
    const reason = Retry.discardReason(job, nowMillis)
    if (reason !== undefined) discard(Retry.discarded(job, reason, nowMillis), job)
    return reason === undefined
  })

export interface Attempts<R> {
  readonly failed: (entry: Registered<R>, job: ClaimedJob, cause: Cause.Cause<unknown>) => FailedJob
  /** Returns the result of a key whose job failed, after others that are done. */
  readonly failedKey: (
    entry: Registered<R>,
    key: ClaimedKey,
    done: ReadonlyArray<number>,
    job: ClaimedJob,
    cause: Cause.Cause<unknown>
  ) => KeyResult
  /** Runs jobs together. When that fails each runs alone, so that a bad job does not fail the others. */
  readonly together: (
    entry: Registered<R>,
    jobs: ReadonlyArray<ClaimedJob>,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>,
    done: (job: ClaimedJob) => void,
    fail: (job: ClaimedJob, cause: Cause.Cause<unknown>) => void
  ) => Effect.Effect<void, never, R>
  /** Runs the jobs of one key in order, up to the first failure that is retried. */
  readonly inOrder: (
    entry: Registered<R>,
    key: ClaimedKey,
    attempt: (job: ClaimedJob) => Effect.Effect<Exit.Exit<unknown, unknown>, never, R>,
    counts: Counts
  ) => Effect.Effect<KeyResult, never, R>
}

/** Completes the jobs of a call, except those that it rejected. */
const settle = (
  jobs: ReadonlyArray<ClaimedJob>,
  rejections: ReadonlyArray<JobRejection>,
  done: (job: ClaimedJob) => void,
  fail: (job: ClaimedJob, cause: Cause.Cause<unknown>) => void
): void => {
  if (rejections.length === 0) return jobs.forEach(done)
  const rejected = new Map(rejections.map((rejection) => [rejection.job.jobId, rejection.rejected]))
  for (const job of jobs) {
    const error = rejected.get(job.jobId)
    if (error === undefined) done(job)
    else fail(job, Cause.fail(error))
  }
}

/** Failures of a job that are logged: the first and each tenth. */
const loggedAttempts = 10

export const make = <R>(
  unitRunner: UnitRunner<R>,
  clock: Clock.Clock,
  random: () => number,
  log: (entry: Effect.Effect<void>) => void
): Attempts<R> => {
  const { callInTime } = unitRunner

  const failed: Attempts<R>["failed"] = (entry, job, cause) => {
    const snoozeMillis = Retry.snoozeMillisOf(cause)
    if (snoozeMillis !== undefined) {
      // By chance, so that workers of two releases do not meet the same jobs in step.
      return Retry.released(job, clock.currentTimeMillisUnsafe() + snoozeMillis * (0.5 + random() / 2))
    }
    const failure = Retry.failed(job, entry.handler.retry, cause, clock.currentTimeMillisUnsafe(), random)
    const rejected = Retry.rejectionOf(cause)
    if (rejected?.reason !== undefined) entry.metrics.rejected(rejected.reason)
    const { attempt } = failure
    if (rejected === undefined && (attempt === 1 || attempt % loggedAttempts === 0)) {
      log(
        Effect.logWarning(`A job of ${job.queue} failed`, {
          queue: job.queue,
          job_id: job.jobId,
          tenant_id: job.tenantId,
          attempt,
          detail: FailureText.describe(cause)
        })
      )
    }
    return failure
  }

  const together: Attempts<R>["together"] = Effect.fnUntraced(function* (entry, jobs, isolate, done, fail) {
    const exit = yield* Effect.exit(isolate(callInTime(entry, jobs)))
    if (Exit.isSuccess(exit)) return settle(jobs, exit.value, done, fail)
    if (jobs.length === 1) return jobs.forEach((job) => fail(job, exit.cause))
    for (const job of jobs) {
      const alone = yield* Effect.exit(isolate(callInTime(entry, [job])))
      if (Exit.isSuccess(alone)) done(job)
      else fail(job, alone.cause)
    }
  })

  const inOrder: Attempts<R>["inOrder"] = Effect.fnUntraced(function* (entry, key, attempt, counts) {
    const done: Array<number> = []
    const buried: Array<KeyResult["buried"][number]> = []
    const bury = ({ attempt, errors, seq }: FailedJob) => {
      counts.failed++
      buried.push({ seq, attempt, errors })
    }
    for (const job of key.jobs) {
      const before = yield* Now.now
      const reason = Retry.discardReason(job, before.getTime())
      if (reason !== undefined) {
        bury(Retry.discarded(job, reason, before.getTime()))
        continue
      }
      if (job.runAtMillis > before.getTime()) {
        return { ...keyDone(key, done, buried), run_at: new Date(job.runAtMillis).toISOString() }
      }
      const exit = yield* attempt(job)
      if (Exit.isSuccess(exit)) {
        counts.done++
        done.push(job.seq)
        continue
      }
      const failure = failed(entry, job, exit.cause)
      if (failure.run_at === null) {
        bury(failure)
        continue
      }
      counts.failed++
      const { attempt: attempts, errors, run_at, seq } = failure
      return { ...keyDone(key, done, buried), failed: seq, attempt: attempts, errors, run_at }
    }
    return keyDone(key, done, buried)
  })

  const failedKey: Attempts<R>["failedKey"] = (entry, key, done, job, cause) => {
    const { attempt, errors, run_at, seq } = failed(entry, job, cause)
    return run_at === null
      ? keyDone(key, done, [{ seq, attempt, errors }])
      : { ...keyDone(key, done, []), failed: seq, attempt, errors, run_at }
  }

  return { failed, failedKey, together, inOrder }
}
