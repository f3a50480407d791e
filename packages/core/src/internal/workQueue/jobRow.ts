/**
 * What a job is on its way: its columns, how a claim packs it into its lease, and how it is read from there.
 *
 * Payloads travel beside the packed jobs, in their order: a payload may hold what Postgres cannot turn into text
 * (`"\u0000"`, a lone surrogate), and a statement that looks into the jobs must not fail on it.
 */

/** Payloads above it go to the body table, in bytes: a copy in the lease wins below about 1 KiB and loses above 2. */
export const inlineBytesMax = 1024

/** Lanes of quarantined jobs begin with it: a name that no queue can have. */
export const quarantinePrefix = "!"

/** From this many lost leases on a job runs alone in its process, so that it cannot take its neighbours along. */
export const lostUntilQuarantine = 2

/** A job that took its worker down this often is dead. */
export const lostMax = 4

/** Jobs behind one key that a claim takes along at most: they run one after the other and hold the batch open. */
export const keyedBatchMax = 20

/** The queue that a lane belongs to. */
export const queueOfLane = (lane: string): string =>
  lane.startsWith(quarantinePrefix) ? lane.slice(quarantinePrefix.length) : lane

/** The columns that a job takes along from table to table. */
export const jobColumns =
  "job_id, type, attempt, attempts_max, lost, recorded_at, headers, options, errors, payload, body_day, body_seq, body_bytes"

/** A row of `ready` as the lease keeps it. */
export const pack =
  "json_build_array(seq, priority, job_id, attempt, attempts_max, lost, ordering_key, type, (extract(epoch FROM recorded_at) * 1000)::bigint, headers, options, errors, body_day, body_seq, body_bytes)"

/** A row of `keyed`, which has a time and no losses of its own. */
export const packKeyed =
  "json_build_array(seq, priority, job_id, attempt, attempts_max, 0, ordering_key, type, (extract(epoch FROM recorded_at) * 1000)::bigint, headers, options, errors, body_day, body_seq, body_bytes, (extract(epoch FROM run_at) * 1000)::bigint)"

/** The columns of a packed job `e` beside its `payload`, but for those that an acknowledgement changes. */
export const unpackedColumns = `
  (e ->> 1)::smallint AS priority, (e ->> 2)::uuid AS job_id, e ->> 7 AS type, (e ->> 4)::smallint AS attempts_max,
  to_timestamp((e ->> 8)::float8 / 1000) AS recorded_at, nullif((e -> 9)::text, 'null')::json AS headers,
  nullif((e -> 10)::text, 'null')::json AS options, payload, (e ->> 12)::date AS body_day, (e ->> 13)::bigint AS body_seq,
  (e ->> 14)::integer AS body_bytes`

type Packed = readonly [
  seq: number,
  priority: number,
  jobId: string | null,
  attempt: number,
  attemptsMax: number | null,
  lost: number,
  orderingKey: string | null,
  type: string | null,
  recordedAtMillis: number,
  headers: Readonly<Record<string, string>> | null,
  options: JobOptions | null,
  errors: ReadonlyArray<unknown> | null,
  bodyDay: string | null,
  bodySeq: number | null,
  bodyBytes: number | null,
  runAtMillis?: number | null
]

/** A job's own backoff and expiry, as the column `options` holds them. */
export interface JobOptions {
  readonly backoff?: "exponential" | "fixed"
  readonly baseMillis?: number
  readonly maxMillis?: number
  readonly expiresAtMillis?: number
}

export interface ClaimedJob {
  readonly tenantId: string
  readonly queue: string
  readonly jobId: string
  readonly seq: number
  readonly type: string
  readonly priority: number
  readonly attempt: number
  readonly attemptsMax: number
  readonly lost: number
  readonly orderingKey: string | undefined
  readonly recordedAtMillis: number
  readonly headers: Readonly<Record<string, string>>
  readonly options: JobOptions
  readonly errors: ReadonlyArray<unknown>
  readonly payload: unknown
  /** Of a payload that does not stand in the row; else 0. */
  readonly bodyBytes: number
  /** Its payload stood in a partition that is gone. */
  readonly isBodyGone: boolean
  /** Of a job in a key: not before. */
  readonly runAtMillis: number
}

const noHeaders = {}
const noOptions = {}
const noErrors: ReadonlyArray<unknown> = []

/** Our own statement packed them: the texts are trusted. */
export const unpackAll = (
  tenantId: string,
  queue: string,
  jobs: string | null,
  payloads: string | null,
  bodies: ReadonlyMap<string, string>,
  /** Of the handler, for jobs without a number of their own. */
  attemptsMax: number
): ReadonlyArray<ClaimedJob> => {
  if (jobs === null) return []
  const packed: ReadonlyArray<Packed> = JSON.parse(jobs)
  const inline: ReadonlyArray<unknown> = payloads === null ? [] : JSON.parse(payloads)
  return packed.map((one, index) => {
    const body = one[13] === null ? undefined : bodies.get(String(one[13]))
    return {
      tenantId,
      queue,
      jobId: one[2] ?? "",
      seq: one[0],
      type: one[7] ?? "",
      priority: one[1],
      attempt: one[3],
      attemptsMax: one[4] ?? attemptsMax,
      lost: one[5],
      orderingKey: one[6] ?? undefined,
      recordedAtMillis: one[8],
      headers: one[9] ?? noHeaders,
      options: one[10] ?? noOptions,
      errors: one[11] ?? noErrors,
      payload: body === undefined ? inline[index] : JSON.parse(body),
      bodyBytes: one[14] ?? 0,
      isBodyGone: one[13] !== null && body === undefined,
      runAtMillis: one[15] ?? 0
    }
  })
}
