/** Checks new jobs, and turns them into columns. */
import * as Duration from "effect/Duration"
import { JobInvalid, type NewJob, payloadBytesMax } from "../../QueueJob.ts"
import { inlineBytesMax, type JobOptions } from "../jobRow.ts"
import type { AlikeJobs, NewJobs } from "../statements/enqueue.ts"

const priorityMax = 32_767
const attemptsMaxMax = 1_000
const nameLengthMax = 200
const headersMax = 20
const headerLengthMax = 1_000
const dayMillis = 24 * 60 * 60 * 1_000
const backoffMillisMax = 7 * dayMillis
const dedupeWindowMillisMax = 30 * dayMillis
const delayMillisMax = 366 * dayMillis
const queuePattern = /^[a-z0-9][a-z0-9._-]{0,126}$/

const textEncoder = new TextEncoder()

/** A UTF-16 code unit is at most three bytes of UTF-8: only a text that could be too long is encoded. */
const isLongerThan = (text: string, bytesMax: number): boolean =>
  text.length > bytesMax || (text.length * 3 > bytesMax && textEncoder.encode(text).length > bytesMax)

/** Postgres stores neither NUL nor an unpaired surrogate in text. */
const isStorable = (text: string): boolean => !text.includes("\u0000") && text.isWellFormed()

const isName = (text: string): boolean => text.length > 0 && text.length <= nameLengthMax && isStorable(text)

const isWholeBetween = (value: number, minimum: number, maximum: number): boolean =>
  Number.isInteger(value) && value >= minimum && value <= maximum

const named = `Expected 1 to ${nameLengthMax} characters without NUL`

const millisOf = (input: Duration.Input): number => {
  const parsed = Duration.fromInput(input)
  return parsed._tag === "None" ? Number.NaN : Duration.toMillis(parsed.value)
}

/** Returns the JSON of a payload; undefined for what has none: a function, a cycle, a bigint, thousands of levels. */
const payloadOf = (job: NewJob): string | undefined => {
  try {
    return JSON.stringify(job.payload)
  } catch {
    return undefined
  }
}

/** Callers without types may pass anything. */
const isDate = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime())

/** Earlier is a mistake, and Postgres stores no time of every `Date`. */
const runAtMillisMin = 0

type Problem = readonly [field: string, message: string]

const retryProblem = ({ retry }: NewJob): Problem | undefined => {
  if (retry === undefined) return undefined
  for (const [field, input] of [
    ["retry.base", retry.base],
    ["retry.max", retry.max]
  ] as const) {
    if (input !== undefined && !(millisOf(input) >= 0 && millisOf(input) <= backoffMillisMax)) {
      return [field, "Expected a duration of at most 7 days"]
    }
  }
  return undefined
}

const dedupeProblem = ({ dedupe }: NewJob): Problem | undefined => {
  if (dedupe === undefined) return undefined
  if (!isName(dedupe.key)) return ["dedupe.key", named]
  const window = millisOf(dedupe.window)
  return window >= 1 && window <= dedupeWindowMillisMax
    ? undefined
    : ["dedupe.window", "Expected a duration of at most 30 days"]
}

const headersProblem = ({ headers }: NewJob): Problem | undefined => {
  if (headers === undefined) return undefined
  const entries = Object.entries(headers)
  if (entries.length > headersMax) return ["headers", `Expected at most ${headersMax} headers`]
  for (const [name, value] of entries) {
    if (!isName(name)) return ["headers", named]
    if (typeof value !== "string" || value.length > headerLengthMax || !isStorable(value)) {
      return [`headers.${name}`, `Expected at most ${headerLengthMax} characters without NUL`]
    }
  }
  return undefined
}

/** Returns the first problem of a job; undefined when it is valid. */
const problemOf = (job: NewJob, payload: string, now: Date): Problem | undefined => {
  if (!queuePattern.test(job.queue)) return ["queue", "Expected 1 to 127 of a-z, 0-9, '.', '_' and '-'"]
  if (!isName(job.type)) return ["type", named]
  if (!isWholeBetween(job.priority ?? 0, -priorityMax, priorityMax)) {
    return ["priority", `Expected -${priorityMax} to ${priorityMax}`]
  }
  if (!isWholeBetween(job.attemptsMax ?? 1, 1, attemptsMaxMax)) {
    return ["attemptsMax", `Expected 1 to ${attemptsMaxMax}`]
  }
  if (job.orderingKey !== undefined && !isName(job.orderingKey)) return ["orderingKey", named]
  const { expiresAt, runAt } = job
  if (
    runAt !== undefined &&
    !(isDate(runAt) && runAt.getTime() >= runAtMillisMin && runAt.getTime() - now.getTime() <= delayMillisMax)
  ) {
    return ["runAt", "Expected a time within a year"]
  }
  if (expiresAt !== undefined && !isDate(expiresAt)) return ["expiresAt", "Expected a time"]
  if (isLongerThan(payload, payloadBytesMax))
    return ["payload", `Expected at most ${payloadBytesMax} bytes of JSON`]
  return retryProblem(job) ?? dedupeProblem(job) ?? headersProblem(job)
}

/** A valid job as a row. */
export interface PreparedJob {
  readonly tenantId: string
  readonly queue: string
  readonly priority: number
  readonly jobId: string
  readonly type: string
  readonly payload: string
  readonly attemptsMax: number | null
  readonly headers: string | null
  readonly options: string | null
  readonly orderingKey: string | null
  readonly runAt: Date | null
  readonly dedupeKey: string | null
  readonly dedupeUntil: Date | null
}

const optionsOf = ({ expiresAt, retry }: NewJob): string | null => {
  if (expiresAt === undefined && retry === undefined) return null
  const options: JobOptions = {
    ...(retry?.backoff === undefined || retry.backoff === "none" ? {} : { backoff: retry.backoff }),
    ...(retry?.base === undefined ? {} : { baseMillis: millisOf(retry.base) }),
    ...(retry?.max === undefined ? {} : { maxMillis: millisOf(retry.max) }),
    ...(expiresAt === undefined ? {} : { expiresAtMillis: expiresAt.getTime() })
  }
  return JSON.stringify(options)
}

const prepare = (tenantId: string, job: NewJob, jobId: string, payload: string, now: Date): PreparedJob => ({
  tenantId,
  queue: job.queue,
  priority: job.priority ?? 0,
  jobId,
  type: job.type,
  payload,
  attemptsMax: job.retry?.backoff === "none" ? 1 : (job.attemptsMax ?? null),
  headers: job.headers === undefined ? null : JSON.stringify(job.headers),
  options: optionsOf(job),
  orderingKey: job.orderingKey ?? null,
  runAt: job.runAt ?? null,
  dedupeKey: job.dedupe?.key ?? null,
  dedupeUntil: job.dedupe === undefined ? null : new Date(now.getTime() + millisOf(job.dedupe.window))
})

/** Returns the rows of jobs, or the first problem of the first job that is invalid. */
export const prepareAll = (
  tenantId: string,
  jobs: ReadonlyArray<NewJob>,
  jobIds: ReadonlyArray<string>,
  now: Date
): ReadonlyArray<PreparedJob> | JobInvalid => {
  const prepared: Array<PreparedJob> = []
  for (const [index, job] of jobs.entries()) {
    const payload = payloadOf(job)
    if (payload === undefined) return new JobInvalid({ index, field: "payload", message: "Expected JSON" })
    const problem = problemOf(job, payload, now)
    if (problem !== undefined) return new JobInvalid({ index, field: problem[0], message: problem[1] })
    prepared.push(prepare(tenantId, job, jobIds[index] ?? "", payload, now))
  }
  return prepared
}

/** True when the jobs differ only in id and payload. */
const areAlike = (jobs: ReadonlyArray<PreparedJob>, first: PreparedJob): boolean =>
  jobs.every(
    (job) =>
      job.tenantId === first.tenantId &&
      job.queue === first.queue &&
      job.type === first.type &&
      job.priority === first.priority &&
      job.attemptsMax === null &&
      job.headers === null &&
      job.options === null
  )

const isPlain = (job: PreparedJob): boolean =>
  job.orderingKey === null &&
  job.runAt === null &&
  job.dedupeKey === null &&
  !isLongerThan(job.payload, inlineBytesMax)

const column = <A>(values: ReadonlyArray<A | null>): ReadonlyArray<A | null> | null =>
  values.every((value) => value === null) ? null : values

const columnsOf = (jobs: ReadonlyArray<PreparedJob>): NewJobs => ({
  tenants: jobs.map((job) => job.tenantId),
  queues: jobs.map((job) => job.queue),
  priorities: jobs.map((job) => job.priority),
  jobIds: jobs.map((job) => job.jobId),
  types: jobs.map((job) => job.type),
  payloads: jobs.map((job) => job.payload),
  attemptsMax: column(jobs.map((job) => job.attemptsMax)),
  headers: column(jobs.map((job) => job.headers)),
  options: column(jobs.map((job) => job.options)),
  orderingKeys: column(jobs.map((job) => job.orderingKey)),
  runAts: column(jobs.map((job) => job.runAt)),
  dedupeKeys: column(jobs.map((job) => job.dedupeKey)),
  dedupeUntils: column(jobs.map((job) => job.dedupeUntil))
})

/** The cheapest statement for a list of jobs, with its parameters. */
export type Plan =
  | { readonly _tag: "Alike"; readonly jobs: AlikeJobs }
  | { readonly _tag: "Plain" | "Full"; readonly jobs: NewJobs }

/** Returns the cheapest statement for the jobs. */
export const planOf = (jobs: ReadonlyArray<PreparedJob>): Plan => {
  const [first] = jobs
  if (first === undefined || !jobs.every(isPlain)) return { _tag: "Full", jobs: columnsOf(jobs) }
  if (!areAlike(jobs, first)) return { _tag: "Plain", jobs: columnsOf(jobs) }
  return {
    _tag: "Alike",
    jobs: {
      tenantId: first.tenantId,
      queue: first.queue,
      priority: first.priority,
      type: first.type,
      jobIds: jobs.map((job) => job.jobId),
      payloads: jobs.map((job) => job.payload)
    }
  }
}
