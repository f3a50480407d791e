/**
 * Representation of a job: its columns, how a claim packs it into a lease, and how a worker unpacks it.
 *
 * Payloads are separate from the packed jobs, in the same order. A payload may hold text that Postgres cannot store
 * (`"\u0000"`, an unpaired surrogate), and a statement that looks into the jobs must not fail on it.
 */

/** Maximum inline payload, in bytes. Larger ones go to the body table: a copy in the lease is faster up to about 1 KiB, and slower above 2 KiB. */
export const inlineBytesMax = 1024

/** Prefix of the queue of quarantined jobs in tables of jobs: no queue can have such a name. */
export const quarantinePrefix = "!"

/** Lost leases from which a job is quarantined: it runs alone in its process, so that it cannot take other jobs along. */
export const lostUntilQuarantine = 2

/** Lost leases at which a job goes to the dead-letter queue. */
export const lostMax = 4

/** Maximum jobs per ordering key and claim: they run one after the other and keep the batch open. */
export const keyedBatchMax = 20

/** Returns the queue of a flow, without the prefix of the quarantine. */
export const queueOfFlow = (flow: string): string =>
  flow.startsWith(quarantinePrefix) ? flow.slice(quarantinePrefix.length) : flow

/** Columns of a job that every table of jobs has. */
export const jobColumns =
  "job_id, type, attempt, attempts_max, lost, recorded_at, headers, options, errors, payload, body_day, body_seq, body_bytes"

/** Fields of every packed job, by position. */
const base = "seq, priority, job_id, type, (date_part('epoch', recorded_at) * 1000)::bigint"
/** Further fields, if any of them is set: few jobs have them, and each field costs a third of a microsecond. */
const rest =
  "attempt, lost, attempts_max, ordering_key, headers, options, errors, body_day, body_seq, body_bytes"

/** Packs a row of `ready` for the lease. */
export const pack = `
  CASE WHEN attempt = 0 AND lost = 0 AND attempts_max IS NULL AND ordering_key IS NULL AND headers IS NULL
            AND options IS NULL AND errors IS NULL AND body_seq IS NULL
       THEN json_build_array(${base})
       ELSE json_build_array(${base}, ${rest}) END`

/** Packs a row of `keyed`, which has a due time and no lost leases. */
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

/** Columns of a packed job `e` and its `payload`, except those that an acknowledgement changes. */
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

/** Backoff and expiry of a job: the column `options`. */
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
  /** Bytes of a large payload; otherwise 0. */
  readonly bodyBytes: number
  /** True when its payload was in a dropped partition. */
  readonly isBodyGone: boolean
  /** Earliest time of the attempt of a job with an ordering key; otherwise 0. */
  readonly runAtMillis: number
}

const noHeaders = {}
const noOptions = {}
const noErrors: ReadonlyArray<unknown> = []

/** Unpacks the jobs of a claim. The statement of the claim has packed them, so they are not validated. */
export const unpackAll = (
  tenantId: string,
  queue: string,
  jobs: string | null,
  payloads: string | null,
  bodies: ReadonlyMap<string, string>,
  /** Attempts of the handler, for jobs without their own number. */
  attemptsMax: number
): ReadonlyArray<ClaimedJob> => {
  if (jobs === null) return []
  const jobsPacked: ReadonlyArray<Packed> = JSON.parse(jobs)
  const inline: ReadonlyArray<unknown> = payloads === null ? [] : JSON.parse(payloads)
  return jobsPacked.map((job, index) => {
    const bodySeq = job[13] ?? undefined
    const body = bodySeq === undefined ? undefined : bodies.get(String(bodySeq))
    return {
      tenantId,
      queue,
      jobId: job[2] ?? "",
      seq: job[0],
      type: job[3] ?? "",
      priority: job[1],
      attempt: job[5] ?? 0,
      attemptsMax: job[7] ?? attemptsMax,
      lost: job[6] ?? 0,
      orderingKey: job[8] ?? undefined,
      recordedAtMillis: job[4],
      headers: job[9] ?? noHeaders,
      options: job[10] ?? noOptions,
      errors: job[11] ?? noErrors,
      payload: body === undefined ? inline[index] : JSON.parse(body),
      bodyBytes: job[14] ?? 0,
      isBodyGone: bodySeq !== undefined && body === undefined,
      runAtMillis: job[15] ?? 0
    }
  })
}
