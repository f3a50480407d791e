/**
 * How many jobs of a queue a process holds at a time. Fast handlers get whole batches; slow ones get about a second of
 * work, so that the rest stays where other workers, and more urgent jobs, can be seen.
 */
const startJobs = 64
const targetMillis = 1_000

export class Pace {
  private limit: number
  private readonly batchMax: number

  constructor(batchMax: number) {
    this.batchMax = batchMax
    this.limit = Math.min(batchMax, startJobs)
  }

  /** Jobs in one claim. */
  get jobsMax(): number {
    return this.limit
  }

  /** A claim's jobs took that long. */
  note(jobs: number, tookMillis: number): void {
    if (tookMillis > targetMillis) {
      this.limit = Math.max(1, Math.min(this.limit, Math.floor((jobs * targetMillis) / tookMillis)))
    } else if (tookMillis < targetMillis / 2 && jobs >= this.limit / 2) {
      this.limit = Math.min(this.batchMax, this.limit * 2)
    }
  }
}
