/** Traces of attempts: each attempt is a root span that links to the spans in which its jobs were enqueued. */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import type { ClaimedJob } from "../jobRow.ts"

const sampledTraceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f](?:[13579bdf])$/

/** Returns links to the recorded spans in which the jobs were enqueued. */
const linksOf = (jobs: ReadonlyArray<ClaimedJob>): ReadonlyArray<Tracer.SpanLink> => {
  const links: Array<Tracer.SpanLink> = []
  for (const job of jobs) {
    if (job.headers.traceparent === undefined) continue
    const parts = sampledTraceparent.exec(job.headers.traceparent)
    if (parts !== null) {
      const span = Tracer.externalSpan({ traceId: parts[1] ?? "", spanId: parts[2] ?? "", sampled: true })
      links.push({ span, attributes: { "messaging.message.id": job.jobId } })
    }
  }
  return links
}

/** Runs an attempt in its span. Without a recorded span to link to, it has none: a span costs more than a short job. */
export const traced = <A, E, R>(
  jobs: ReadonlyArray<ClaimedJob>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const links = linksOf(jobs)
  const [first] = jobs
  if (links.length === 0 || first === undefined) return self
  return Effect.withSpan(self, `WorkQueue.run ${first.queue}`, {
    root: true,
    kind: "consumer",
    links,
    attributes: {
      "messaging.destination.name": first.queue,
      "messaging.batch.message_count": jobs.length,
      "hm.job.attempt": first.attempt + 1,
      tenant_id: first.tenantId
    }
  })
}
