/**
 * Operates the queues of a tenant: depth, history, settings, pause, single jobs, dead-letter queue and redrive.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import type { Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as QueueControl from "@hypermarket/queue/QueueControl"
import type { DeadLetterFilter, JobInvalid, NewJob, QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  DeadGroup,
  DeadJob,
  type DeadRequest,
  type Discard,
  EventQueue,
  JobNotFound,
  type JobPayload,
  type JobRequest,
  JobRunning,
  ListedJob,
  type ListedState,
  type NewQueueJob,
  type QueueChange,
  QueuedJob,
  QueueMinute,
  QueueNotFound,
  type Redrive,
  redriveMax
} from "./EventQueue.ts"
import { prefix } from "./internal/prefix.ts"

const pages = Page.make({
  list: "events.dead",
  key: Schema.Tuple([BoundedInt.Int8Text]),
  keyOf: (job: DeadJob) => [job.seq] as const
})

/** The order of ready jobs begins with the priority, that of ordered ones with the key. */
const jobPagesOf = (state: typeof ListedState.Type) =>
  Page.make({
    list: `events.jobs.${state}`,
    key: Schema.Tuple([state === "ready" ? PriorityText : Schema.String, BoundedInt.Int8Text]),
    keyOf: (job: ListedJob) =>
      [state === "ready" ? String(job.priority) : (job.orderingKey ?? ""), job.seq] as const
  })

const PriorityText = Schema.String.check(Schema.isPattern(/^-?[0-9]{1,5}$/))

const parsePayload = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Json))
const decodeErrors = Schema.decodeUnknownEffect(Schema.NullOr(Schema.Json))

const toConditions = (request: Omit<typeof DeadRequest.Type, "limit" | "cursor">) => ({
  ...(request.type === undefined ? {} : { type: request.type }),
  ...(request.failure === undefined ? {} : { failure: request.failure }),
  ...(request.diedFrom === undefined ? {} : { diedFrom: DateTime.toDateUtc(request.diedFrom) }),
  ...(request.diedBefore === undefined ? {} : { diedBefore: DateTime.toDateUtc(request.diedBefore) })
})

const toFilter = (request: typeof Discard.Type): DeadLetterFilter => ({
  ...toConditions(request),
  ...(request.jobIds === undefined ? {} : { jobIds: request.jobIds }),
  limit: request.limit ?? redriveMax
})

const toJob = (queue: string, { dedupe, expiresAt, runAt, ...job }: NewQueueJob): NewJob => ({
  ...job,
  queue,
  ...(runAt === undefined ? {} : { runAt: DateTime.toDateUtc(runAt) }),
  ...(expiresAt === undefined ? {} : { expiresAt: DateTime.toDateUtc(expiresAt) }),
  ...(dedupe === undefined ? {} : { dedupe: { key: dedupe.key, window: `${dedupe.windowSeconds} seconds` } })
})

/**
 * @category services
 * @since 0.1.0
 */
export class EventQueues extends Context.Service<
  EventQueues,
  {
    /**
     * Returns the queues of the tenant that have a job, settings, a subscription or a schedule, and those of the domains'
     * handlers, by name; 1,000 at most.
     */
    readonly list: Effect.Effect<ReadonlyArray<EventQueue>, SqlError, Tenant>
    readonly get: (queue: string) => Effect.Effect<EventQueue, QueueNotFound | SqlError, Tenant>
    /** Returns the work of the last hour, one entry per minute with work, newest first. */
    readonly minutes: (
      queue: string
    ) => Effect.Effect<ReadonlyArray<QueueMinute>, QueueNotFound | SqlError, Tenant>
    /** Changes weight and limits. Version 0 is a queue without settings. */
    readonly change: (
      queue: string,
      version: number,
      change: typeof QueueChange.Type
    ) => Effect.Effect<EventQueue, QueueNotFound | VersionStale | SqlError, Tenant>
    /** Pauses or resumes a queue. Workers follow within 2 seconds; leased jobs are finished. */
    readonly setPaused: (
      queue: string,
      paused: boolean
    ) => Effect.Effect<void, QueueNotFound | SqlError, Tenant>
    /**
     * Enqueues jobs in a queue of the tenant, all or nothing, in the caller's transaction. Returns their ids, in order; for
     * a job that is within the window of its `dedupe` key, the id of the job that holds the key.
     */
    readonly enqueue: (
      queue: string,
      jobs: ReadonlyArray<NewQueueJob>
    ) => Effect.Effect<ReadonlyArray<string>, JobInvalid | QueueOverloaded | SqlError, Tenant>
    readonly job: (queue: string, jobId: string) => Effect.Effect<QueuedJob, JobNotFound | SqlError, Tenant>
    /** Cancels a job that has not started. */
    readonly cancel: (
      queue: string,
      jobId: string
    ) => Effect.Effect<void, JobNotFound | JobRunning | SqlError, Tenant>
    /** Returns the jobs of one state. */
    readonly jobs: (
      queue: string,
      request: typeof JobRequest.Type
    ) => Effect.Effect<Page.Page<ListedJob>, QueueNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Returns the payload of a job that is not done. */
    readonly payload: (
      queue: string,
      jobId: string
    ) => Effect.Effect<typeof JobPayload.Type, JobNotFound | SqlError, Tenant>
    /** Returns the dead jobs by their last error, the most frequent first; 100 groups at most. */
    readonly deadGroups: (
      queue: string
    ) => Effect.Effect<ReadonlyArray<DeadGroup>, QueueNotFound | SqlError, Tenant>
    readonly dead: (
      queue: string,
      request: typeof DeadRequest.Type
    ) => Effect.Effect<Page.Page<DeadJob>, QueueNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Moves dead-lettered jobs back with all their attempts, oldest first. Returns the count. */
    readonly redrive: (
      queue: string,
      redrive: typeof Redrive.Type
    ) => Effect.Effect<number, QueueNotFound | SqlError, Tenant>
    /** Deletes dead-lettered jobs. Returns the count. */
    readonly discard: (
      queue: string,
      discard: typeof Discard.Type
    ) => Effect.Effect<number, QueueNotFound | SqlError, Tenant>
  }
>()("@hypermarket/events/EventQueues") {
  static readonly layer: Layer.Layer<EventQueues, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    EventQueues,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const control = yield* QueueControl.make({
        prefix,
        // A queue exists while a subscription, a schedule or a published event may enqueue into it.
        names: (tenantId) => sql`
          SELECT queue
            FROM hm_event_subscription
           WHERE tenant_id = ${tenantId}
          UNION ALL
          SELECT queue
            FROM hm_job_scheduler
           WHERE tenant_id = ${tenantId}
          UNION ALL
          SELECT queue
            FROM hm_event_handler
        `
      })

      const jobs = yield* WorkQueue.make({ prefix })

      const enqueue = Effect.fn("EventQueues.enqueue")((queue: string, added: ReadonlyArray<NewQueueJob>) =>
        jobs.enqueue(added.map((job) => toJob(queue, job)))
      )

      const list = Effect.map(control.list, (states) => states.map((state) => new EventQueue(state))).pipe(
        Effect.withSpan("EventQueues.list")
      )

      const get = Effect.fn("EventQueues.get")(function* (queue: string) {
        const state = yield* control.get(queue)
        return state === undefined ? yield* new QueueNotFound({ queue }) : new EventQueue(state)
      })

      /** Fails for a queue that does not exist. */
      const existing = <A, E, R>(queue: string, self: Effect.Effect<A, E, R>) =>
        Effect.andThen(get(queue), self)

      const minutes = Effect.fn("EventQueues.minutes")(function* (queue: string) {
        const rows = yield* existing(queue, control.minutes(queue))
        return rows.map((row) => new QueueMinute(row))
      })

      const change = Effect.fn("EventQueues.change")(function* (
        queue: string,
        version: number,
        changed: typeof QueueChange.Type
      ) {
        const state = yield* control.configure(queue, version, changed)
        return state === undefined ? yield* new QueueNotFound({ queue }) : new EventQueue(state)
      })

      const setPaused = Effect.fn("EventQueues.setPaused")((queue: string, paused: boolean) =>
        existing(queue, control.setPaused(queue, paused))
      )

      const job = Effect.fn("EventQueues.job")(function* (queue: string, jobId: string) {
        const { job: state, unsearched } = yield* control.find(queue, jobId)
        if (state === undefined) return yield* new JobNotFound({ queue, jobId, unsearched })
        return new QueuedJob({
          queue,
          jobId,
          state: state.state,
          type: state.type,
          priority: state.priority,
          attempt: state.attempt,
          orderingKey: state.orderingKey,
          recordedAt: DateTime.makeUnsafe(state.recordedAtMillis),
          runAt: state.runAtMillis === null ? null : DateTime.makeUnsafe(state.runAtMillis),
          errors: yield* Effect.orDie(decodeErrors(state.errors))
        })
      })

      const cancel = Effect.fn("EventQueues.cancel")(function* (queue: string, jobId: string) {
        if (yield* control.cancel(queue, jobId)) return
        const { job: found } = yield* control.find(queue, jobId)
        // A dead-lettered job is discarded, not cancelled. Cancelling has read the whole queue.
        if (found === undefined || found.state === "dead") {
          return yield* new JobNotFound({ queue, jobId, unsearched: 0 })
        }
        return yield* new JobRunning({ queue, jobId })
      })

      const listed = Effect.fn("EventQueues.jobs")(function* (
        queue: string,
        request: typeof JobRequest.Type
      ) {
        const state = request.state ?? "ready"
        const jobPages = jobPagesOf(state)
        const after = Option.getOrUndefined(yield* jobPages.after(request))
        const rows = yield* existing(
          queue,
          control.jobs(queue, state, {
            ...(request.type === undefined ? {} : { type: request.type }),
            ...(after === undefined ? {} : { after: { group: after[0], seq: after[1] } }),
            limit: Page.limitOf(request) + 1
          })
        )
        return yield* jobPages.page(
          rows.map((row) => new ListedJob({ ...row, queue })),
          request
        )
      })

      const payload = Effect.fn("EventQueues.payload")(function* (queue: string, jobId: string) {
        const text = yield* control.payload(queue, jobId)
        if (text === undefined) return yield* new JobNotFound({ queue, jobId, unsearched: 0 })
        return { payload: text === null ? null : yield* Effect.orDie(parsePayload(text)) }
      })

      const deadGroups = Effect.fn("EventQueues.deadGroups")(function* (queue: string) {
        const groups = yield* existing(queue, control.deadLetterGroups(queue))
        return groups.map((group) => new DeadGroup(group))
      })

      const dead = Effect.fn("EventQueues.dead")(function* (queue: string, request: typeof DeadRequest.Type) {
        const [after] = Option.getOrElse(yield* pages.after(request), () => ["0"] as const)
        const rows = yield* existing(
          queue,
          control.deadLetters(queue, after, Page.limitOf(request) + 1, toConditions(request))
        )
        return yield* pages.page(
          rows.map((row) => new DeadJob(row)),
          request
        )
      })

      const redrive = (queue: string, request: typeof Redrive.Type) =>
        existing(queue, control.redrive(queue, toFilter(request), request.perSecond))

      const discard = (queue: string, request: typeof Discard.Type) =>
        existing(queue, control.discard(queue, toFilter(request)))

      const targetOf = (queue: string) => ({ type: "queue", id: queue })
      /** The depth is no setting, and changes all the time. */
      const settingsOf = ({ concurrencyMax, paused, rate, version, weight }: EventQueue) => ({
        concurrencyMax,
        paused,
        rate,
        version,
        weight
      })

      return EventQueues.of({
        list,
        get,
        minutes,
        change: (queue, version, changed) =>
          AuditedChange.change(sql, change(queue, version, changed), {
            action: "queue.changed",
            target: targetOf(queue),
            before: Effect.map(get(queue), settingsOf),
            after: settingsOf
          }),
        setPaused: (queue, paused) =>
          AuditedChange.change(sql, setPaused(queue, paused), {
            action: paused ? "queue.paused" : "queue.resumed",
            target: targetOf(queue)
          }),
        enqueue,
        job,
        jobs: listed,
        payload,
        cancel: (queue, jobId) =>
          AuditedChange.change(sql, cancel(queue, jobId), {
            action: "job.cancelled",
            target: { type: "job", id: jobId },
            after: () => ({ queue })
          }),
        dead,
        deadGroups,
        redrive: (queue, request) =>
          AuditedChange.change(sql, redrive(queue, request), {
            action: "queue.redriven",
            target: targetOf(queue),
            after: (redriven) => ({ ...request, redriven })
          }),
        discard: (queue, request) =>
          AuditedChange.change(sql, discard(queue, request), {
            action: "queue.discarded",
            target: targetOf(queue),
            after: (discarded) => ({ ...request, discarded })
          })
      })
    })
  )
}
