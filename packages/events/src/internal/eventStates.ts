/** Looks up the state of an event by the jobs that publishing has noted in the row of its name. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as QueueControl from "@hypermarket/queue/QueueControl"
import type { JobLookUp, JobState } from "@hypermarket/queue/QueueJob"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { type EventHandling, type EventName, PublicationNotFound, EventState } from "../EventState.ts"
import { prefix } from "./prefix.ts"
import { eventQueue } from "./workflow/eventSink.ts"

const sourceDefault = "/"

const decodeJobs = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Schema.String)))

/**
 * Queue, id and ordering key, with spaces between them: only the key may have some itself. For an execution, the place of the
 * key has the subscription.
 */
const toJob = (noted: string) => {
  const [queue = "", jobId = ""] = noted.split(" ", 2)
  const orderingKey = noted.slice(queue.length + jobId.length + 2)
  const isKeyed = orderingKey !== "" && queue !== eventQueue
  return { queue, jobId, orderingKey: isKeyed ? orderingKey : null }
}

const errorsOf = Schema.decodeUnknownOption(Schema.Array(Schema.Struct({ error: Schema.String })))

/** A job that has failed before is tried again, whether it is due or not. */
const stateOf = ({ attempt, state }: JobState): EventHandling["state"] =>
  state === "ready" || state === "delayed" ? (attempt > 0 ? "retrying" : "waiting") : state

const handlingOf = (queue: string, jobId: string, { job, unsearched }: JobLookUp): EventHandling =>
  job === undefined
    ? {
        queue,
        jobId,
        state: unsearched > 0 ? "waiting-or-done" : "done",
        attempt: null,
        nextAt: null,
        error: null,
        unsearched
      }
    : {
        queue,
        jobId,
        state: stateOf(job),
        attempt: job.attempt,
        nextAt: job.runAtMillis === null ? null : DateTime.makeUnsafe(job.runAtMillis),
        error: Option.getOrElse(errorsOf(job.errors), () => []).at(-1)?.error ?? null,
        unsearched: 0
      }

/** `keptDays` is how long the row of a name is kept after publishing. */
export const make = Effect.fnUntraced(function* (keptDays: number) {
  const sql = yield* SqlClient.SqlClient
  const control = yield* QueueControl.make({ prefix })

  return Effect.fn("Events.state")(function* ({ id, source = sourceDefault }: typeof EventName.Type) {
    const tenant = yield* Tenant
    const [row] = yield* sql<{ readonly publishedAtMillis: number; readonly jobs: string | null }>`
      SELECT (1000 * extract(epoch FROM expires_at - ${keptDays}::int * interval '1 day'))::float8 AS "publishedAtMillis",
             to_json(jobs)::text AS jobs
        FROM hm_event_dedupe
       WHERE tenant_id = ${tenant.id}
         AND source = ${source}
         AND event_id = ${id}
         AND expires_at > ${yield* Now.now}
    `
    if (row === undefined) return yield* new PublicationNotFound({ source, id })
    const noted = row.jobs === null ? [] : yield* Effect.orDie(decodeJobs(row.jobs))
    // Publishing leaves the order to the reader.
    const jobs = noted.map(toJob).toSorted((a, b) => (a.queue < b.queue ? -1 : a.queue > b.queue ? 1 : 0))
    const found = yield* control.findAll(jobs)
    return new EventState({
      source,
      id,
      publishedAt: DateTime.makeUnsafe(row.publishedAtMillis),
      handlers: found.map((lookUp, index) => {
        const { jobId = "", queue = "" } = jobs[index] ?? {}
        return handlingOf(queue, jobId, lookUp)
      })
    })
  })
})
