/** Outcomes of a job that did not complete: retried, dead-lettered or released. */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import * as FailureText from "@hypermarket/core/FailureText"
import type { Retry } from "@hypermarket/core/Job"
import type { ClaimedJob } from "../jobRow.ts"
import type { FailedJob } from "../statements/claim.ts"

/** Maximum errors per job. The oldest ones are dropped. */
const errorsMax = 10

/** Maximum doublings: every `max` is smaller than that. */
const doublingsMax = 30

/** Returns the rejection that a handler failed with. By its tag: a handler may have another copy of this package. */
export const rejectionOf = (
  cause: Cause.Cause<unknown>
): { readonly reason: string | undefined } | undefined => {
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail" || read(reason.error, "_tag") !== "JobRejected") continue
    const label = read(reason.error, "reason")
    return { reason: typeof label === "string" ? label : undefined }
  }
  return undefined
}

/** Maximum time of a snooze: a day. */
const snoozeMillisMax = 24 * 60 * 60 * 1_000

/** Returns the time for which a handler put the job back; undefined when it did not. */
export const snoozeMillisOf = (cause: Cause.Cause<unknown>): number | undefined => {
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail" || read(reason.error, "_tag") !== "JobSnoozed") continue
    const millis = read(reason.error, "millis")
    return typeof millis === "number" && millis > 0 ? Math.min(millis, snoozeMillisMax) : 0
  }
  return undefined
}

/** Reads a field of what a handler failed with: a getter may throw, and a revoked proxy throws for every access. */
const read = (error: unknown, field: string): unknown =>
  Result.getOrElse(
    Result.try(() => (hasProperty(error, field) ? error[field] : undefined)),
    () => undefined
  )

const waitMillis = (job: ClaimedJob, retry: Retry, attempt: number, random: () => number): number => {
  const base = job.options.baseMillis ?? Duration.toMillis(Duration.fromInputUnsafe(retry.base))
  const max = job.options.maxMillis ?? Duration.toMillis(Duration.fromInputUnsafe(retry.max))
  const backoff = job.options.backoff ?? retry.backoff ?? "exponential"
  const full = backoff === "fixed" ? base : Math.min(max, base * 2 ** Math.min(doublingsMax, attempt - 1))
  return full * (0.5 + random() / 2)
}

const withError = (
  job: ClaimedJob,
  attempt: number,
  message: string,
  atMillis: number,
  rejected: string | undefined = undefined
) =>
  [
    ...job.errors,
    {
      attempt,
      at: new Date(atMillis).toISOString(),
      error: message,
      // Read by a column of the dead-letter queue.
      ...(rejected === undefined ? {} : { rejected: rejected.slice(0, reasonLengthMax) })
    }
  ].slice(-errorsMax)

/** Maximum characters of the reason of a rejection. */
const reasonLengthMax = 100

const identify = (job: ClaimedJob) => ({ tenant_id: job.tenantId, queue: job.queue, seq: job.seq })

/** Returns the outcome of a failed attempt: retried after the backoff, or dead-lettered. */
export const failed = (
  job: ClaimedJob,
  retry: Retry,
  cause: Cause.Cause<unknown>,
  nowMillis: number,
  random: () => number
): FailedJob => {
  const attempt = job.attempt + 1
  const rejected = rejectionOf(cause)
  const isFinal = attempt >= job.attemptsMax || rejected !== undefined
  return {
    ...identify(job),
    attempt,
    errors: withError(job, attempt, FailureText.describe(cause), nowMillis, rejected?.reason),
    run_at: isFinal ? null : new Date(nowMillis + waitMillis(job, retry, attempt, random)).toISOString()
  }
}

/** Returns the outcome of a job that is dead-lettered without an attempt. */
export const discarded = (job: ClaimedJob, message: string, nowMillis: number): FailedJob => ({
  ...identify(job),
  attempt: job.attempt,
  errors: withError(job, job.attempt, message, nowMillis),
  run_at: null
})

/** Returns the outcome of a job that goes back to its queue without an attempt. */
export const released = (job: ClaimedJob, runAtMillis: number): FailedJob => ({
  ...identify(job),
  attempt: job.attempt,
  errors: job.errors.length === 0 ? null : job.errors,
  run_at: new Date(runAtMillis).toISOString()
})

/** Returns the reason not to run a job; undefined when it may run. */
export const discardReason = (job: ClaimedJob, nowMillis: number): string | undefined => {
  if (job.isBodyGone) return "its payload is no longer kept"
  const { expiresAtMillis } = job.options
  return expiresAtMillis !== undefined && expiresAtMillis <= nowMillis
    ? "it expired before it ran"
    : undefined
}
