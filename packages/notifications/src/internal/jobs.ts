/** The jobs of this domain in the queue of the events domain. */
import type * as WorkQueue from "@hypermarket/queue/WorkQueue"
import { enqueueMax, type JobInvalid, type NewJob, type QueueOverloaded } from "@hypermarket/queue/QueueJob"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/** The tables of the events domain's queue. */
export const prefix = "hm_event"
export const triggerQueue = "notifications.trigger"
export const emailQueue = "notifications.email"

/** Messages per job. A chunk that is cut short goes back as a new job. */
const chunkMax = 100

export const TriggerJob = Schema.Struct({ triggerId: Schema.String })

export const triggerJob = (triggerId: string, runAt: Date | undefined): NewJob => ({
  queue: triggerQueue,
  type: "notifications.trigger.expand",
  payload: { triggerId },
  ...(runAt === undefined ? {} : { runAt })
})

/** Jobs for messages, in chunks. */
export const emailJobs = (ids: ReadonlyArray<string>, runAt?: Date): ReadonlyArray<NewJob> =>
  Arr.chunksOf(ids, chunkMax).map((chunk) => ({
    queue: emailQueue,
    type: "notifications.email.send",
    payload: { ids: chunk },
    ...(runAt === undefined ? {} : { runAt })
  }))

/** Enqueues any number of jobs. A job of ours that is invalid is a defect. */
export const enqueue = (
  queue: WorkQueue.WorkQueue,
  jobs: ReadonlyArray<NewJob>
): Effect.Effect<void, QueueOverloaded | SqlError, Tenant> =>
  Effect.forEach(Arr.chunksOf(jobs, enqueueMax), (chunk) => queue.enqueue(chunk), { discard: true }).pipe(
    Effect.catchTag("JobInvalid", (error: JobInvalid) => Effect.die(error))
  )
