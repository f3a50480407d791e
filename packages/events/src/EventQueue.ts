/**
 * Queues from outside: depth, age, rates, limits, pause, where a job is, the dead and their redrive.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { prefix } from "./internal/prefix.ts"

/**
 * The name of a queue, of the tenant's own or of a domain's handler or job.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AnyQueueName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9._-]{0,126}$/, {
    message: "Expected 1 to 127 of a-z, 0-9, '.', '_' and '-'"
  })
)

const Weight = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))
const LimitMax = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const RatePeriod = Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 86_400_000 }))

/** At most so many starts in a period: a burst of all of them, and then evenly. */
const Rate = Schema.Struct({ max: LimitMax, periodMillis: RatePeriod })

/**
 * What stands in a queue of the tenant, and how it is set. Jobs behind an ordering key count as `ready`.
 *
 * @category models
 * @since 0.1.0
 */
export class EventQueue extends Schema.Class<EventQueue>("@hypermarket/events/EventQueue")({
  queue: Schema.String,
  ready: Schema.Int,
  leased: Schema.Int,
  delayed: Schema.Int,
  dead: Schema.Int,
  /** Of the oldest runnable job; null when there is none. */
  oldestAgeSeconds: Schema.NullOr(Schema.Finite),
  paused: Schema.Boolean,
  /** The share of the workers' time, against the tenant's other queues and other tenants. */
  weight: Weight,
  /** Jobs leased at a time, over all workers; null is no limit. */
  concurrencyMax: Schema.NullOr(LimitMax),
  rate: Schema.NullOr(Rate),
  /** Of its settings; 0 while they are the defaults. */
  version: Schema.Int
}) {}

/**
 * What workers did in a minute.
 *
 * @category models
 * @since 0.1.0
 */
export class QueueMinute extends Schema.Class<QueueMinute>("@hypermarket/events/QueueMinute")({
  at: Schema.DateTimeUtcFromString,
  jobs: Schema.Int,
  failed: Schema.Int,
  /** From the claim of a batch to its end, the mean over batches. */
  batchMillis: Schema.Finite
}) {}

/**
 * Absent fields stay; null lifts a limit.
 *
 * @category models
 * @since 0.1.0
 */
export const QueueChange = Schema.Struct({
  weight: Schema.optionalKey(Weight),
  concurrencyMax: Schema.optionalKey(Schema.NullOr(LimitMax)),
  rate: Schema.optionalKey(Schema.NullOr(Rate))
})

/**
 * A job that is not tried any more.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadJob extends Schema.Class<DeadJob>("@hypermarket/events/DeadJob")({
  queue: Schema.String,
  /** Its place among the dead. */
  seq: Schema.String,
  jobId: Schema.String,
  type: Schema.String,
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  /** One entry a failed attempt, the last ten. */
  errors: Schema.NullOr(Schema.Json),
  diedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * Where a job is. `ready` also stands for one that waits behind its key.
 *
 * @category models
 * @since 0.1.0
 */
export class QueuedJob extends Schema.Class<QueuedJob>("@hypermarket/events/QueuedJob")({
  queue: Schema.String,
  jobId: Schema.String,
  state: Schema.Literals(["ready", "delayed", "running", "dead"]),
  type: Schema.String,
  priority: Schema.Int,
  /** Failed attempts so far. */
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  recordedAt: Schema.DateTimeUtcFromString,
  runAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  errors: Schema.NullOr(Schema.Json)
}) {}

/**
 * The most jobs that one call redrives or discards: call it again for more.
 *
 * @category limits
 * @since 0.1.0
 */
export const redriveMax = 10_000

/**
 * The most jobs a second that a redrive spreads itself to.
 *
 * @category limits
 * @since 0.1.0
 */
export const redrivePerSecondMax = 10_000

const jobIdsMax = 1_000

const filter = {
  type: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))),
  jobIds: Schema.optionalKey(Schema.Array(Identifier.Uuid).check(Schema.isMaxLength(jobIdsMax))),
  diedFrom: Schema.optionalKey(Schema.DateTimeUtcFromString),
  diedBefore: Schema.optionalKey(Schema.DateTimeUtcFromString),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: redriveMax })))
}

/**
 * Which of the dead; without a filter the oldest `limit`.
 *
 * @category models
 * @since 0.1.0
 */
export const Discard = Schema.Struct(filter)

/**
 * Which of the dead to bring back, and how fast: all at once without `perSecond`.
 *
 * @category models
 * @since 0.1.0
 */
export const Redrive = Schema.Struct({
  ...filter,
  perSecond: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: redrivePerSecondMax }))
  )
})

/**
 * The tenant has nothing in a queue of this name, no settings for it, and nothing that would put something in.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueNotFound extends HttpApiError.Problem<QueueNotFound>()(
  "QueueNotFound",
  { type: "urn:hypermarket:problem:events:queue-not-found", status: 404, title: "No such queue" },
  { queue: Schema.String }
) {}

/**
 * It is done, or never was.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobNotFound extends HttpApiError.Problem<JobNotFound>()(
  "JobNotFound",
  { type: "urn:hypermarket:problem:events:job-not-found", status: 404, title: "No such job" },
  { queue: Schema.String, jobId: Schema.String }
) {}

/**
 * A worker has the job, or the key that it waits behind: it cannot be taken back now.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobRunning extends HttpApiError.Problem<JobRunning>()(
  "JobRunning",
  { type: "urn:hypermarket:problem:events:job-running", status: 409, title: "The job is being worked on" },
  { queue: Schema.String, jobId: Schema.String }
) {}

const queuesMax = 1_000
const minutesMax = 60

const Row = Schema.Struct({
  ...EventQueue.fields,
  rate: Schema.NullOr(Schema.Struct({ max: Schema.Int, periodMillis: Schema.Int }))
})
const DeadRow = Schema.Struct({ ...DeadJob.fields, diedAt: Column.Timestamp })
const MinuteRow = Schema.Struct({ ...QueueMinute.fields, at: Column.Timestamp })
const pages = Page.make({ key: Schema.Tuple([Schema.String]), keyOf: (job: DeadJob) => [job.seq] as const })

const toFilter = (which: typeof Discard.Type): WorkQueue.DeadFilter => ({
  ...(which.type === undefined ? {} : { type: which.type }),
  ...(which.jobIds === undefined ? {} : { jobIds: which.jobIds }),
  ...(which.diedFrom === undefined ? {} : { diedFrom: DateTime.toDateUtc(which.diedFrom) }),
  ...(which.diedBefore === undefined ? {} : { diedBefore: DateTime.toDateUtc(which.diedBefore) }),
  limit: which.limit ?? redriveMax
})

/**
 * @category services
 * @since 0.1.0
 */
export class EventQueues extends Context.Service<
  EventQueues,
  {
    /** The tenant's queues that hold anything or are set, by name; 1,000 at most. */
    readonly list: Effect.Effect<ReadonlyArray<EventQueue>, SqlError, Tenant>
    readonly get: (queue: string) => Effect.Effect<EventQueue, QueueNotFound | SqlError, Tenant>
    /** What workers did with it in the last hour, newest first. */
    readonly minutes: (
      queue: string
    ) => Effect.Effect<ReadonlyArray<QueueMinute>, QueueNotFound | SqlError, Tenant>
    /** Sets its weight and limits. Version 0 is a queue that was not set before. */
    readonly change: (
      queue: string,
      version: number,
      change: typeof QueueChange.Type
    ) => Effect.Effect<EventQueue, QueueNotFound | VersionStale | SqlError, Tenant>
    /** Workers take nothing more from it within 2 seconds; what is leased is finished. */
    readonly setPaused: (
      queue: string,
      paused: boolean
    ) => Effect.Effect<void, QueueNotFound | SqlError, Tenant>
    readonly job: (queue: string, jobId: string) => Effect.Effect<QueuedJob, JobNotFound | SqlError, Tenant>
    /** Takes back a job that does not run yet. */
    readonly cancel: (
      queue: string,
      jobId: string
    ) => Effect.Effect<void, JobNotFound | JobRunning | SqlError, Tenant>
    readonly dead: (
      queue: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<DeadJob>, QueueNotFound | Page.CursorInvalid | SqlError, Tenant>
    /** Brings dead jobs back with all their attempts, oldest first. Tells how many. */
    readonly redrive: (
      queue: string,
      redrive: typeof Redrive.Type
    ) => Effect.Effect<number, QueueNotFound | SqlError, Tenant>
    /** Removes dead jobs for good. Tells how many. */
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
      const workQueue = yield* WorkQueue.make({ prefix })
      const decode = Schema.decodeUnknownEffect(Row)
      const decodeDead = Schema.decodeUnknownEffect(DeadRow)
      const decodeMinute = Schema.decodeUnknownEffect(MinuteRow)

      /** All queues of a tenant, or the one named. */
      const read = Effect.fnUntraced(function* (tenantId: string, queue: string | null) {
        const moment = yield* now
        const quarantined = queue === null ? null : `!${queue}`
        const rows = yield* sql`
          WITH counted AS (
            SELECT ltrim(queue, '!') AS queue, count(*) AS ready, 0 AS leased, 0 AS delayed, 0 AS dead,
                   min(recorded_at) AS oldest
              FROM hm_event_queue
             WHERE tenant_id = ${tenantId} AND ordering_key IS NULL
               AND (${queue}::text IS NULL OR queue IN (${queue}, ${quarantined}))
             GROUP BY 1
            UNION ALL
            SELECT queue, count(*), 0, 0, 0, min(recorded_at) FROM hm_event_keyed
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue = ${queue}) GROUP BY 1
            UNION ALL
            SELECT ltrim(queue, '!'), 0, sum(jobs_count - cardinality(done)), 0, 0, NULL FROM hm_event_lease
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue IN (${queue}, ${quarantined})) GROUP BY 1
            UNION ALL
            SELECT queue, 0, 0, count(*), 0, NULL FROM hm_event_delayed
             WHERE tenant_id = ${tenantId} AND ordering_key IS NULL AND (${queue}::text IS NULL OR queue = ${queue})
             GROUP BY 1
            UNION ALL
            SELECT queue, 0, 0, 0, count(*), NULL FROM hm_event_dead
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue = ${queue}) GROUP BY 1
            UNION ALL
            -- Queues that are empty, but known.
            SELECT queue, 0, 0, 0, 0, NULL FROM hm_event_definition
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue = ${queue})
            UNION ALL
            SELECT queue, 0, 0, 0, 0, NULL FROM hm_event_subscription
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue = ${queue})
            UNION ALL
            SELECT queue, 0, 0, 0, 0, NULL FROM hm_job_scheduler
             WHERE tenant_id = ${tenantId} AND (${queue}::text IS NULL OR queue = ${queue})),
          summed AS (
            SELECT queue, sum(ready)::int AS ready, sum(leased)::int AS leased, sum(delayed)::int AS delayed,
                   sum(dead)::int AS dead, min(oldest) AS oldest
              FROM counted GROUP BY queue ORDER BY queue LIMIT ${queuesMax})
          SELECT s.queue, s.ready, s.leased, s.delayed, s.dead,
                 greatest(0, extract(epoch FROM ${moment}::timestamptz - s.oldest))::float8 AS "oldestAgeSeconds",
                 coalesce(d.paused, false) AS paused, coalesce(d.weight, 1)::int AS weight,
                 d.concurrency_max AS "concurrencyMax",
                 CASE WHEN d.rate_max IS NOT NULL
                      THEN json_build_object('max', d.rate_max, 'periodMillis', d.rate_period_millis) END AS rate,
                 coalesce(d.version, 0) AS version
            FROM summed s
            LEFT JOIN hm_event_definition d ON d.tenant_id = ${tenantId} AND d.queue = s.queue
           ORDER BY s.queue
        `
        return yield* Effect.forEach(rows, (row) =>
          Effect.orDie(Effect.map(decode(row), (decoded) => new EventQueue(decoded)))
        )
      })

      const list = Effect.flatMap(Tenant, (tenant) => read(tenant.id, null)).pipe(
        Effect.withSpan("EventQueues.list")
      )

      const get = Effect.fn("EventQueues.get")(function* (queue: string) {
        const tenant = yield* Tenant
        const [found] = yield* read(tenant.id, queue)
        if (found === undefined) return yield* new QueueNotFound({ queue })
        return found
      })

      /** What is asked of a queue is asked of a known one. */
      const known = <A, E, R>(queue: string, self: Effect.Effect<A, E, R>) => Effect.andThen(get(queue), self)

      const minutes = Effect.fn("EventQueues.minutes")(function* (queue: string) {
        const tenant = yield* Tenant
        yield* get(queue)
        const since = new Date((yield* now).getTime() - minutesMax * 60_000)
        const rows = yield* sql`
          SELECT date_trunc('minute', done_at) AS at, sum(jobs_count)::int AS jobs, sum(failed_count)::int AS failed,
                 (1000 * avg(extract(epoch FROM done_at - claimed_at)))::float8 AS "batchMillis"
            FROM hm_event_history
           WHERE tenant_id = ${tenant.id} AND queue IN (${queue}, ${`!${queue}`})
             AND done_at >= ${since} AND day >= ${since}::timestamptz::date
           GROUP BY 1 ORDER BY 1 DESC
           LIMIT ${minutesMax}
        `
        return yield* Effect.forEach(rows, (row) =>
          Effect.orDie(Effect.map(decodeMinute(row), (decoded) => new QueueMinute(decoded)))
        )
      })

      const change = Effect.fn("EventQueues.change")(function* (
        queue: string,
        version: number,
        changed: typeof QueueChange.Type
      ) {
        const tenant = yield* Tenant
        const current = yield* get(queue)
        const weight = changed.weight ?? current.weight
        const concurrencyMax =
          changed.concurrencyMax === undefined ? current.concurrencyMax : changed.concurrencyMax
        const rate = changed.rate === undefined ? current.rate : changed.rate
        // The first settings insert; all later ones find the version that they expect, or write nothing.
        const written = yield* sql`
          INSERT INTO hm_event_definition AS d (tenant_id, queue, weight, concurrency_max, rate_max, rate_period_millis,
                                                updated_at)
          SELECT ${tenant.id}::text, ${queue}::text, ${weight}::smallint, ${concurrencyMax}::int, ${rate?.max ?? null}::int,
                 ${rate?.periodMillis ?? null}::int, ${yield* now}::timestamptz
           WHERE ${version}::int = 0
              OR EXISTS (SELECT 1 FROM hm_event_definition WHERE tenant_id = ${tenant.id} AND queue = ${queue})
              ON CONFLICT (tenant_id, queue) DO UPDATE SET
                 weight = excluded.weight, concurrency_max = excluded.concurrency_max, rate_max = excluded.rate_max,
                 rate_period_millis = excluded.rate_period_millis, version = d.version + 1,
                 updated_at = excluded.updated_at
              WHERE d.version = ${version}
          RETURNING 1
        `
        if (written.length === 0) return yield* new VersionStale({ currentVersion: current.version })
        yield* workQueue.wakeForDefinitions
        return yield* get(queue)
      })

      const setPaused = Effect.fn("EventQueues.setPaused")(function* (queue: string, paused: boolean) {
        const tenant = yield* Tenant
        const moment = yield* now
        yield* known(
          queue,
          sql`
            INSERT INTO hm_event_definition AS d (tenant_id, queue, paused, updated_at)
            VALUES (${tenant.id}, ${queue}, ${paused}, ${moment})
                ON CONFLICT (tenant_id, queue)
                DO UPDATE SET paused = excluded.paused, version = d.version + 1, updated_at = excluded.updated_at
          `
        )
        yield* workQueue.wakeForDefinitions
      })

      const job = Effect.fn("EventQueues.job")(function* (queue: string, jobId: string) {
        const place = yield* workQueue.find(queue, jobId)
        if (place === undefined) return yield* new JobNotFound({ queue, jobId })
        return new QueuedJob({
          queue,
          jobId,
          state: place.state,
          type: place.type,
          priority: place.priority,
          attempt: place.attempt,
          orderingKey: place.orderingKey,
          recordedAt: DateTime.makeUnsafe(place.recordedAtMillis),
          runAt: place.runAtMillis === null ? null : DateTime.makeUnsafe(place.runAtMillis),
          errors: yield* Effect.orDie(decodeErrors(place.errors))
        })
      })

      const cancel = Effect.fn("EventQueues.cancel")(function* (queue: string, jobId: string) {
        if (yield* workQueue.cancel(queue, jobId)) return
        const { state } = yield* job(queue, jobId)
        // The dead are discarded, not cancelled.
        if (state === "dead") return yield* new JobNotFound({ queue, jobId })
        return yield* new JobRunning({ queue, jobId })
      })

      const dead = Effect.fn("EventQueues.dead")(function* (queue: string, request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => ["0"] as const)
        const rows = yield* known(
          queue,
          sql`
            SELECT queue, seq::text AS seq, job_id::text AS "jobId", type, attempt, ordering_key AS "orderingKey", errors,
                   died_at AS "diedAt"
              FROM hm_event_dead
             WHERE tenant_id = ${tenant.id} AND queue = ${queue} AND seq > ${after}::text::bigint
             ORDER BY seq
             LIMIT ${Page.limitOf(request) + 1}
          `
        )
        const jobs = yield* Effect.forEach(rows, (row) =>
          Effect.orDie(Effect.map(decodeDead(row), (decoded) => new DeadJob(decoded)))
        )
        return yield* pages.page(jobs, request)
      })

      const redrive = (queue: string, which: typeof Redrive.Type) =>
        known(queue, workQueue.redrive(queue, toFilter(which), which.perSecond))

      const discard = (queue: string, which: typeof Discard.Type) =>
        known(queue, workQueue.discard(queue, toFilter(which)))

      return EventQueues.of({ list, get, minutes, change, setPaused, job, cancel, dead, redrive, discard })
    })
  )
}

const decodeErrors = Schema.decodeUnknownEffect(Schema.NullOr(Schema.Json))
