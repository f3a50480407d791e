/**
 * Adapts the batch size of a queue to the speed of its handler. Fast handlers get whole batches. Slow ones get as many jobs
 * as they run concurrently, or {@link targetMillis} of work: a leased job is hidden from other workers, and it delays
 * newcomers and more urgent jobs. A queue whose speed is not known counts as slow: it doubles with each fast batch.
 */
/** Aimed duration of a batch. One that takes less than half or more than twice as long changes the size. */
const targetMillis = 50

export class BatchSizeController {
  private limit: number
  private readonly minimum: number
  private readonly batchMax: number

  /** `concurrency` is the number of jobs that the handler runs concurrently: with fewer, some of its calls would idle. */
  constructor(concurrency: number, batchMax: number) {
    this.batchMax = batchMax
    this.minimum = Math.max(1, Math.min(concurrency, batchMax))
    this.limit = this.minimum
  }

  /** Maximum jobs per claim. */
  get jobsMax(): number {
    return this.limit
  }

  /** Records how long the jobs of one claim took. */
  record(jobs: number, tookMillis: number): void {
    if (tookMillis > targetMillis * 2) {
      this.limit = Math.max(
        this.minimum,
        Math.min(this.limit, Math.floor((jobs * targetMillis) / tookMillis))
      )
    } else if (tookMillis < targetMillis / 2 && jobs >= this.limit / 2) {
      this.limit = Math.min(this.batchMax, this.limit * 2)
    }
  }
}
