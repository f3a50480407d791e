/**
 * The reader's thread with five more bodies: one ends it, one never ends, one is never answered, one becomes an event that
 * counts those, and one cannot be read.
 */
import type { Job } from "@hypermarket/observability/internal/readerThread"
import { parentPort } from "node:worker_threads"

interface Changed {
  id: number
  readonly received: { body: Job["received"]["body"] }
}

let held = 0

parentPort?.on("message", (job: Changed) => {
  const text = new TextDecoder().decode(job.received.body)
  if (text.includes("end the thread")) process.exit(1)
  while (text.includes("hang the thread"));
  if (text.includes("without context")) Object.assign(job.received, { context: undefined })
  if (text.includes("hold the thread")) {
    held++
    job.id = 0
  }
  job.received.body = new TextEncoder().encode(text.replace("count the held", `${held} held`))
})
await import("@hypermarket/observability/internal/readerThread")
