/** Rows that the statements of a claim loop return and take. */

/** One row per tenant and queue, and one per large payload. */
export interface ClaimedRow {
  readonly tenantId: string
  readonly queue: string
  readonly count: number
  readonly jobs: string | null
  readonly payloads: string | null
  readonly keyed: string | null
  readonly keyedPayloads: string | null
  readonly bodySeq: string | null
  readonly body: string | null
}

/** A failed job. Its other columns are taken from the lease, byte for byte. */
export interface FailedJob {
  readonly tenant_id: string
  readonly queue: string
  readonly seq: number
  readonly attempt: number
  readonly errors: unknown
  /** Time of the next attempt; null moves it to the dead-letter queue. */
  readonly run_at: string | null
}

/** Outcome of the jobs of one ordering key. */
export interface KeyResult {
  readonly tenant_id: string
  readonly queue: string
  readonly ordering_key: string
  /** Sequence number of the claimed token. */
  readonly token: number
  readonly priority: number
  readonly done: ReadonlyArray<number>
  readonly buried: ReadonlyArray<{
    readonly seq: number
    readonly attempt: number
    readonly errors: unknown
  }>
  /** The failed job, which stays at the head. */
  readonly failed: number | null
  readonly attempt: number
  readonly errors: unknown
  /** Earliest time of the key's next attempt; null is at once. */
  readonly run_at: string | null
  /** State of the key's next token: its lost leases, and the number of jobs still to run one at a time. */
  readonly token_lost: number
  readonly token_singly: number
}
