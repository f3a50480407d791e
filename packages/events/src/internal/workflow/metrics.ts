/** Metrics of workflows. Labels are the workflows that this process has registered, and outcomes: a bounded number. */
import * as Metric from "effect/Metric"

const runsTotal = Metric.counter("hm_workflow_runs_total", {
  description: "Runs of workflows that ended, by workflow and outcome",
  incremental: true
})

/** How a run ended: its execution is finished, waits, or continues in another run. */
export type Outcome = "succeeded" | "failed" | "cancelled" | "suspended" | "lost"

export const runEnded = (workflow: string, outcome: Outcome) =>
  Metric.update(Metric.withAttributes(runsTotal, { workflow, outcome }), 1)
