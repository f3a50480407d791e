/** A lane: the runnable jobs of a tenant's queue with one priority. */
export interface LaneRow {
  readonly tenantId: string
  readonly queue: string
  readonly priority: number
}

export interface ClaimLane extends LaneRow {
  /** Nothing below this sequence number is expected. */
  readonly hint: number
  readonly limit: number
}
