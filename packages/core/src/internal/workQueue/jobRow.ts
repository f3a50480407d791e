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

/** What every packed job has, in its place. */
const base = "seq, priority, job_id, type, (date_part('epoch', recorded_at) * 1000)::bigint"
/** What follows where anything of it is set: nearly all jobs do without, and each field costs a third of a microsecond. */
const rest =
  "attempt, lost, attempts_max, ordering_key, headers, options, errors, body_day, body_seq, body_bytes"

/** A row of `ready` as the lease keeps it. */
export const pack = `
  CASE WHEN attempt = 0 AND lost = 0 AND attempts_max IS NULL AND ordering_key IS NULL AND headers IS NULL
            AND options IS NULL AND errors IS NULL AND body_seq IS NULL
       THEN json_build_array(${base})
       ELSE json_build_array(${base}, ${rest}) END`

/** A row of `keyed`, which has a time and no losses of its own. */
export const packKeyed = `json_build_array(${base}, ${rest.replace("lost", "0")}, (date_part('epoch', run_at) * 1000)::bigint)`

const jsonAt = (place: number) => `nullif((e -> ${place})::text, 'null')::json`

/** The fields of a packed job `e` in SQL. */
export const packed = {
  seq: "(e ->> 0)::bigint",
  priority: "(e ->> 1)::smallint",
  jobId: "(e ->> 2)::uuid",
  type: "(e ->> 3)",
  recordedAt: "to_timestamp((e ->> 4)::float8 / 1000)",
  attempt: "coalesce((e ->> 5)::smallint, 0::smallint)",
  lost: "coalesce((e ->> 6)::smallint, 0::smallint)",
  attemptsMax: "(e ->> 7)::smallint",
  orderingKey: "(e ->> 8)",
  headers: jsonAt(9),
  options: jsonAt(10),
  errors: jsonAt(11),
  bodyDay: "(e ->> 12)::date",
  bodySeq: "(e ->> 13)::bigint",
  bodyBytes: "(e ->> 14)::integer"
} as const

/** The columns of a packed job `e` beside its `payload`, but for those that an acknowledgement changes. */
export const unpackedColumns = `
  ${packed.priority} AS priority, ${packed.jobId} AS job_id, ${packed.type} AS type, ${packed.attemptsMax} AS attempts_max,
  ${packed.recordedAt} AS recorded_at, ${packed.headers} AS headers, ${packed.options} AS options, payload,
  ${packed.bodyDay} AS body_day, ${packed.bodySeq} AS body_seq, ${packed.bodyBytes} AS body_bytes`

type Packed = readonly [
  seq: number,
  priority: number,
  jobId: string | null,
  type: string | null,
  recordedAtMillis: number,
  attempt?: number,
  lost?: number,
  attemptsMax?: number | null,
  orderingKey?: string | null,
  headers?: Readonly<Record<string, string>> | null,
  options?: JobOptions | null,
  errors?: ReadonlyArray<unknown> | null,
  bodyDay?: string | null,
  bodySeq?: number | null,
  bodyBytes?: number | null,
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
  const jobsPacked: ReadonlyArray<Packed> = JSON.parse(jobs)
  const inline: ReadonlyArray<unknown> = payloads === null ? [] : JSON.parse(payloads)
  return jobsPacked.map((one, index) => {
    const bodySeq = one[13] ?? undefined
    const body = bodySeq === undefined ? undefined : bodies.get(String(bodySeq))
    return {
      tenantId,
      queue,
      jobId: one[2] ?? "",
      seq: one[0],
      type: one[3] ?? "",
      priority: one[1],
      attempt: one[5] ?? 0,
      attemptsMax: one[7] ?? attemptsMax,
      lost: one[6] ?? 0,
      orderingKey: one[8] ?? undefined,
      recordedAtMillis: one[4],
      headers: one[9] ?? noHeaders,
      options: one[10] ?? noOptions,
      errors: one[11] ?? noErrors,
      payload: body === undefined ? inline[index] : JSON.parse(body),
      bodyBytes: one[14] ?? 0,
      isBodyGone: bodySeq !== undefined && body === undefined,
      runAtMillis: one[15] ?? 0
    }
  })
}
