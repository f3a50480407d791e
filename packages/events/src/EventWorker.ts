/**
 * Runs the domains' subscriptions and jobs, and what else is handled here, from `hm_event_queue`.
 *
 * @since 0.1.0
 */
import type * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import { now } from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Partitions from "@hypermarket/core/Partitions"
import type { Subscription } from "@hypermarket/core/Subscription"
import { AllTenants, type Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/core/WorkQueueWorker"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { CloudEvent } from "./CloudEvent.ts"
import { prefix } from "./internal/prefix.ts"
import { JobSchedules } from "./JobScheduler.ts"

/**
 * The queue of a domain's subscription.
 *
 * @category accessors
 * @since 0.1.0
 */
export const handlerQueue = (name: string): string => `handler.${name}`

/**
 * The queue of a domain's job.
 *
 * @category accessors
 * @since 0.1.0
 */
export const jobQueue = (name: string): string => `job.${name}`

const decode = Schema.decodeUnknownEffect(CloudEvent)

const toEvent = Effect.fnUntraced(function* (job: WorkQueue.LeasedJob) {
  const envelope = yield* Effect.orDie(decode(job.payload))
  const event: Event = {
    id: envelope.id,
    source: envelope.source,
    type: envelope.type,
    ...(envelope.subject === undefined ? {} : { subject: envelope.subject }),
    time: envelope.time === undefined ? new Date(job.recordedAtMillis) : DateTime.toDateUtc(envelope.time),
    data: envelope.data ?? null
  }
  return event
})

const handlerDeadline = "60 seconds"

/** In batches, exactly once for what it writes to this database. */
const subscriptionHandler = <R>(subscription: Subscription<R>): WorkQueue.Handler<R> => ({
  queue: handlerQueue(subscription.name),
  batchMax: subscription.batchMax,
  concurrency: 1,
  transactional: true,
  retry: Job.retryDefault,
  deadline: handlerDeadline,
  run: (jobs) => Effect.flatMap(Effect.forEach(jobs, toEvent), subscription.handler)
})

const jobHandler = <R>(job: Job.Runnable<R>): WorkQueue.Handler<Exclude<R, AllTenants>> => ({
  queue: jobQueue(job.name),
  batchMax: 1,
  concurrency: 4,
  transactional: false,
  retry: job.retry,
  deadline: job.deadline,
  run: ([leased]) =>
    Effect.provideService(job.run(leased?.payload), AllTenants, {
      actor: `job ${job.name}`
    }) as Effect.Effect<void, unknown, Exclude<R, AllTenants>>
})

/** The domains' jobs, and the one that maintains their partitioned tables. */
const jobsOf = <R>(
  domains: ReadonlyArray<Domain.Domain<R>>
): ReadonlyArray<Job.Runnable<R | SqlClient.SqlClient>> => [
  ...domains.flatMap((domain) => domain.jobs),
  Partitions.job(domains.flatMap((domain) => domain.partitions))
]

/** Rows of the installation itself: an id that no tenant can have. */
const systemTenant = "_system"

const secondsOf = (every: NonNullable<Job.Runnable<unknown>["every"]>): number =>
  Math.max(1, Math.round(Duration.toSeconds(Duration.fromInputUnsafe(every))))

/**
 * Writes what the domains handle and what they schedule. Called by `migrate` and by every worker that starts; a handler
 * that is added starts from now.
 *
 * @category running
 * @since 0.1.0
 */
export const register = Effect.fn("EventWorker.register")(function* <R>(
  domains: ReadonlyArray<Domain.Domain<R>>
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const moment = yield* now
  const subscriptions = domains.flatMap((domain) => domain.subscriptions)
  const scheduled = jobsOf(domains).filter((job) => job.every !== undefined)
  yield* sql`
    INSERT INTO hm_event_handler AS h (handler, queue, types, updated_at)
    SELECT x.handler, x.queue, ARRAY (SELECT json_array_elements_text(x.types)), ${moment}
      FROM json_to_recordset(${JSON.stringify(
        subscriptions.map(({ name, types }) => ({ handler: name, queue: handlerQueue(name), types }))
      )}::text::json) AS x (handler text, queue text, types json)
        ON CONFLICT (handler) DO UPDATE SET queue = excluded.queue, types = excluded.types, updated_at = excluded.updated_at
            WHERE h.types <> excluded.types OR h.queue <> excluded.queue
  `
  yield* sql`
    INSERT INTO hm_job_scheduler AS s (tenant_id, schedule_id, name, queue, type, payload, time_zone, every_seconds, overlap,
                                       catch_up, next_at, recorded_at, updated_at)
    SELECT ${systemTenant}, gen_random_uuid(), x.name, x.queue, x.name, 'null', 'UTC', x.every_seconds, 'skip', 'one',
           ${moment}, ${moment}, ${moment}
      FROM json_to_recordset(${JSON.stringify(
        scheduled.map(({ every, name }) => ({
          name,
          queue: jobQueue(name),
          every_seconds: secondsOf(every ?? "1 hour")
        }))
      )}::text::json) AS x (name text, queue text, every_seconds integer)
        ON CONFLICT (tenant_id, name) DO UPDATE SET every_seconds = excluded.every_seconds, updated_at = excluded.updated_at
            WHERE s.every_seconds <> excluded.every_seconds
  `
})

const tickInterval = "1 second"
const pruneInterval = "1 minute"
const pruneMax = 10_000

/** Names past their window. */
const prune = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const moment = yield* now
  return yield* sql`
    DELETE FROM hm_event_dedupe
     WHERE ctid = ANY (ARRAY (
             SELECT ctid FROM hm_event_dedupe WHERE expires_at <= ${moment} ORDER BY expires_at LIMIT ${pruneMax}
                FOR UPDATE SKIP LOCKED))
    RETURNING 1
  `
}).pipe(Effect.repeat({ while: (rows) => rows.length >= pruneMax }))

/**
 * Runs until the scope closes: the queue's loop and the scheduler's tick.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("EventWorker.run")(function* <R = never>(options: {
  readonly domains: ReadonlyArray<Domain.Domain<R>>
  /** Handlers of the adopter's own queues. */
  readonly handlers?: ReadonlyArray<WorkQueue.Handler<R>>
  /** How the queue is worked; its defaults are those of {@link WorkQueueWorker.Options}. */
  readonly queue?: Pick<WorkQueueWorker.Options<R>, "batchMax" | "pipes" | "lease" | "poll">
}): Effect.fn.Return<
  void,
  SqlError,
  | Exclude<R, Tenant | AllTenants>
  | Scope.Scope
  | SqlClient.SqlClient
  | WorkQueue.ClaimClient
  | Wakeup
  | JobSchedules
> {
  const schedules = yield* JobSchedules
  yield* register(options.domains)
  const handlers: ReadonlyArray<WorkQueue.Handler<R | SqlClient.SqlClient | Exclude<R, AllTenants>>> = [
    ...options.domains.flatMap((domain) => domain.subscriptions.map(subscriptionHandler)),
    ...jobsOf(options.domains).map(jobHandler),
    ...(options.handlers ?? [])
  ]
  const often = <A, E, R2>(
    interval: Schedule.Schedule<number>,
    what: string,
    self: Effect.Effect<A, E, R2>
  ) =>
    self.pipe(
      Effect.catchCause((cause) => Effect.logWarning(`${what} failed; it is tried again`, cause)),
      Effect.repeat(interval),
      Effect.forkScoped
    )
  yield* often(
    Schedule.spaced(tickInterval),
    "The scheduler's tick",
    Effect.provideService(schedules.tick, AllTenants, { actor: "scheduler" })
  )
  yield* often(Schedule.spaced(pruneInterval), "Pruning", prune)
  yield* WorkQueueWorker.run({ ...options.queue, prefix, handlers }) as Effect.Effect<
    void,
    never,
    Exclude<R, Tenant | AllTenants> | Scope.Scope | SqlClient.SqlClient | WorkQueue.ClaimClient | Wakeup
  >
})
