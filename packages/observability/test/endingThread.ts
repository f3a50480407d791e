/**
 * The reader's thread with six more bodies: one ends it, one never ends, one fills its memory, one is never answered, one
 * becomes an event that counts those, and one cannot be read.
 */
import type { Job } from "@hypermarket/observability/internal/readerThread"
import { parentPort } from "node:worker_threads"

interface Changed {
  id: number
  readonly received: { body: Job["received"]["body"] }
}

let held = 0
const filling: Array<ReadonlyArray<number>> = []

parentPort?.on("message", (job: Changed) => {
  const text = new TextDecoder().decode(job.received.body)
  if (text.includes("end the thread")) process.exit(1)
  while (text.includes("hang the thread"));
  while (text.includes("fill the memory")) filling.push(Array.from({ length: 10_000 }, (_, n) => n))
  if (text.includes("without context")) Object.assign(job.received, { context: undefined })
  if (text.includes("hold the thread")) {
    held++
    job.id = 0
  }
  job.received.body = new TextEncoder().encode(text.replace("count the held", `${held} held`))
})
await import("@hypermarket/observability/internal/readerThread")
