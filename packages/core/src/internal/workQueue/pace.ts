/**
 * How many jobs of a queue a process holds at a time. Fast handlers get whole batches; slow ones as many as they run at the
 * same time, or some ten milliseconds of work: what is held stands before a newcomer, and is hidden from other workers and from
 * more urgent jobs.
 */
const startJobs = 64
/** Batches that take half as long or twice as long change the pace. */
const targetMillis = 50

export class Pace {
  private limit: number
  private readonly least: number
  private readonly batchMax: number

  /** `least` is what the handler runs at the same time: with less some of its calls would stand still. */
  constructor(least: number, batchMax: number) {
    this.batchMax = batchMax
    this.least = Math.max(1, Math.min(least, batchMax))
    this.limit = Math.max(this.least, Math.min(batchMax, startJobs))
  }

  /** Jobs in one claim. */
  get jobsMax(): number {
    return this.limit
  }

  /** A claim's jobs took that long. */
  note(jobs: number, tookMillis: number): void {
    if (tookMillis > targetMillis * 2) {
      this.limit = Math.max(this.least, Math.min(this.limit, Math.floor((jobs * targetMillis) / tookMillis)))
    } else if (tookMillis < targetMillis / 2 && jobs >= this.limit / 2) {
      this.limit = Math.min(this.batchMax, this.limit * 2)
    }
  }
}
