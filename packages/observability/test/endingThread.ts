/** The reader's thread with three more bodies: one ends it, one never ends, and one is never answered. */
import type { Job } from "@hypermarket/observability/internal/readerThread"
import { parentPort } from "node:worker_threads"

parentPort?.on("message", (job: { -readonly [Name in keyof Job]: Job[Name] }) => {
  const text = new TextDecoder().decode(job.received.body)
  if (text.includes("hold the thread")) job.id = 0
  if (text.includes("end the thread")) process.exit(1)
  while (text.includes("hang the thread"));
})
await import("@hypermarket/observability/internal/readerThread")
