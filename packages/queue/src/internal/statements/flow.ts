/** A flow: the runnable jobs of one tenant, queue and priority. */
export interface FlowRow {
  readonly tenantId: string
  readonly queue: string
  readonly priority: number
}

export interface ClaimFlow extends FlowRow {
  /** Lowest sequence number at which a job is expected. */
  readonly hint: number
  readonly limit: number
}
