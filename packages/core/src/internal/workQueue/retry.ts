/** What becomes of a job that failed. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import { hasProperty } from "effect/Predicate"
import type { Retry } from "../../Job.ts"
import type { ClaimedJob } from "./jobRow.ts"
import type { FailedJob } from "./statements/claim.ts"

/** Errors of a job that are kept: the last ones say what it came to. */
const errorsMax = 10
const errorLengthMax = 500

/** Doubling further says nothing: every `max` is smaller. */
const doublingsMax = 30

/** Postgres refuses NUL in text, and half a surrogate pair in what it reads from JSON. */
const storable = (text: string): string =>
  text.slice(0, errorLengthMax).replaceAll("\u0000", "\uFFFD").toWellFormed()

const describe = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "interrupted" : storable(Cause.pretty(cause))

const isRejected = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" && hasProperty(reason.error, "_tag") && reason.error._tag === "JobRejected"
  )

const waitMillis = (job: ClaimedJob, retry: Retry, attempt: number, random: () => number): number => {
  const base = job.options.baseMillis ?? Duration.toMillis(Duration.fromInputUnsafe(retry.base))
  const max = job.options.maxMillis ?? Duration.toMillis(Duration.fromInputUnsafe(retry.max))
  const backoff = job.options.backoff ?? retry.backoff ?? "exponential"
  const full = backoff === "fixed" ? base : Math.min(max, base * 2 ** Math.min(doublingsMax, attempt - 1))
  return full * (0.5 + random() / 2)
}

const withError = (job: ClaimedJob, attempt: number, message: string, atMillis: number) =>
  [...job.errors, { attempt, at: new Date(atMillis).toISOString(), error: message }].slice(-errorsMax)

const named = (job: ClaimedJob) => ({ tenant_id: job.tenantId, queue: job.queue, seq: job.seq })

/** After an attempt that failed: when it runs again, or never. */
export const failed = (
  job: ClaimedJob,
  retry: Retry,
  cause: Cause.Cause<unknown>,
  nowMillis: number,
  random: () => number
): FailedJob => {
  const attempt = job.attempt + 1
  const isOver = attempt >= job.attemptsMax || isRejected(cause)
  return {
    ...named(job),
    attempt,
    errors: withError(job, attempt, describe(cause), nowMillis),
    run_at: isOver ? null : new Date(nowMillis + waitMillis(job, retry, attempt, random)).toISOString()
  }
}

/** Never run, and not to be run any more. */
export const dropped = (job: ClaimedJob, message: string, nowMillis: number): FailedJob => ({
  ...named(job),
  attempt: job.attempt,
  errors: withError(job, job.attempt, message, nowMillis),
  run_at: null
})

/** Handed back without having been tried. */
export const released = (job: ClaimedJob, runAtMillis: number): FailedJob => ({
  ...named(job),
  attempt: job.attempt,
  errors: job.errors.length === 0 ? null : job.errors,
  run_at: new Date(runAtMillis).toISOString()
})

/** Why a job is not run at all; undefined when it is. */
export const whyDropped = (job: ClaimedJob, nowMillis: number): string | undefined => {
  if (job.isBodyGone) return "its payload is no longer kept"
  const { expiresAtMillis } = job.options
  return expiresAtMillis !== undefined && expiresAtMillis <= nowMillis
    ? "it expired before it ran"
    : undefined
}
