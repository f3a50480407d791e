/** Metrics of a queue. Labels are the queues that this process handles, and outcomes: a bounded number. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const secondsBoundaries = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 3600]

const jobsTotal = Metric.counter("hm_queue_jobs_total", {
  description: "Jobs that ended an attempt, by queue and outcome",
  incremental: true
})
const rejectedTotal = Metric.counter("hm_queue_rejected_jobs_total", {
  description: "Jobs that their handler rejected, by queue and reason",
  incremental: true
})
const stuckTotal = Metric.counter("hm_queue_stuck_calls_total", {
  description: "Calls of handlers that ignored the interruption at their deadline, by queue",
  incremental: true
})
const waitSeconds = Metric.histogram("hm_queue_job_wait_seconds", {
  description:
    "Time from the enqueueing of a job to its first claim; one job per claim and queue is measured",
  boundaries: secondsBoundaries
})
const runSeconds = Metric.histogram("hm_queue_job_run_seconds", {
  description: "Duration of a call of a handler; one call in sixteen is measured",
  boundaries: secondsBoundaries
})
const depthJobs = Metric.gauge("hm_queue_depth_jobs", {
  description: "Jobs in a queue, of all tenants, by state"
})
const oldestSeconds = Metric.gauge("hm_queue_oldest_seconds", {
  description: "Age of the oldest runnable job of a queue, of all tenants"
})

/** The metrics of one queue. */
export class QueueMetrics {
  private readonly done: Metric.Counter<number>
  private readonly failed: Metric.Counter<number>
  private readonly rejections: (reason: string) => Metric.Counter<number>
  private readonly wait: Metric.Histogram<number>
  private readonly run: Metric.Histogram<number>
  private readonly depth: (state: string) => Metric.Gauge<number>
  private readonly oldest: Metric.Gauge<number>
  private readonly context: Context.Context<never>
  private readonly queue: string
  private calls = 0

  constructor(queue: string, context: Context.Context<never>) {
    this.context = context
    this.queue = queue
    this.done = Metric.withAttributes(jobsTotal, { queue, outcome: "done" })
    this.failed = Metric.withAttributes(jobsTotal, { queue, outcome: "failed" })
    this.rejections = (reason) => Metric.withAttributes(rejectedTotal, { queue, reason })
    this.wait = Metric.withAttributes(waitSeconds, { queue })
    this.run = Metric.withAttributes(runSeconds, { queue })
    this.depth = (state) => Metric.withAttributes(depthJobs, { queue, state })
    this.oldest = Metric.withAttributes(oldestSeconds, { queue })
  }

  claimed(waitedMillis: number): void {
    this.wait.updateUnsafe(Math.max(0, waitedMillis) / 1000, this.context)
  }

  rejected(reason: string): void {
    this.rejections(reason).updateUnsafe(1, this.context)
  }

  stuck(): void {
    Metric.withAttributes(stuckTotal, { queue: this.queue }).updateUnsafe(1, this.context)
  }

  /** True for one call in sixteen: reading the clock and the registry costs more than a short job. */
  get isSampled(): boolean {
    this.calls = (this.calls + 1) & 15
    return this.calls === 1
  }

  ran(tookMillis: number): void {
    this.run.updateUnsafe(tookMillis / 1000, this.context)
  }

  ended(done: number, failed: number): void {
    if (done > 0) this.done.updateUnsafe(done, this.context)
    if (failed > 0) this.failed.updateUnsafe(failed, this.context)
  }

  depths(counts: Readonly<Record<string, number>>, oldestSecondsNow: number): void {
    for (const [state, count] of Object.entries(counts)) this.depth(state).updateUnsafe(count, this.context)
    this.oldest.updateUnsafe(oldestSecondsNow, this.context)
  }
}
