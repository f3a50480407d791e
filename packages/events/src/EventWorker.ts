/**
 * Runs the domains' subscriptions and jobs, and what else is handled here, from `hm_event_queue`.
 *
 * @since 0.1.0
 */
import * as Actor from "@hypermarket/core/Actor"
import * as Domain from "@hypermarket/core/Domain"
import * as FailureLog from "@hypermarket/core/FailureLog"
import type * as Handler from "@hypermarket/core/Handler"
import * as InputErrors from "@hypermarket/core/InputErrors"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Partitions from "@hypermarket/core/Partitions"
import { Rejected, type Rejection, type Subscription } from "@hypermarket/core/Subscription"
import * as Tenant from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import type { QueueTablesOutdated } from "@hypermarket/queue/QueueMigrations"
import * as ServerClock from "@hypermarket/queue/ServerClock"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { CloudEvent } from "./CloudEvent.ts"
import { partitions } from "./internal/partitions.ts"
import { prefix } from "./internal/prefix.ts"
import * as Registration from "./internal/registration.ts"
import { JobSchedules } from "./JobSchedules.ts"

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

const toEvent = Effect.fnUntraced(function* (job: QueueJob.LeasedJob) {
  const envelope = yield* decode(job.payload)
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

/** Time after which a job of another release is tried again: meanwhile a worker that knows its type may take it. */
const snoozeMillis = 2_000
/** Age from which no release that knows the type of a job is expected: a rolling deployment takes hours at most. */
const otherReleaseMillis = 24 * 60 * 60 * 1_000

const toRejection = (job: QueueJob.LeasedJob, rejected: Rejected): QueueJob.JobRejection => ({
  job,
  rejected: new QueueJob.JobRejected({ message: rejected.message, reason: rejected.reason })
})

/** Runs the handler for the jobs that are events. A stored payload that is none is rejected. */
const handleEvents = Effect.fnUntraced(function* (
  subscription: Subscription<Domain.Base>,
  jobs: ReadonlyArray<QueueJob.LeasedJob>
) {
  const rejections: Array<QueueJob.JobRejection> = []
  const jobsByEvent = new Map<Event, QueueJob.LeasedJob>()
  const types = new Set(subscription.types)
  const now = yield* Now.now
  for (const job of jobs) {
    // Of a release that handles more types: its workers run it.
    if (!types.has(job.type)) {
      const isYoung = now.getTime() - job.recordedAtMillis < otherReleaseMillis
      const message = `this release does not handle ${job.type}`
      rejections.push({
        job,
        rejected: isYoung
          ? new QueueJob.JobSnoozed({ message, millis: snoozeMillis })
          : new QueueJob.JobRejected({ message, reason: "type-unknown" })
      })
      continue
    }
    const event = yield* Effect.result(toEvent(job))
    if (Result.isSuccess(event)) jobsByEvent.set(event.success, job)
    else {
      const errors = InputErrors.errorsOf(event.failure)
      rejections.push(toRejection(job, new Rejected({ reason: "envelope-invalid", errors })))
    }
  }
  if (jobsByEvent.size === 0) return new QueueJob.JobRejections(rejections)
  const rejected = yield* subscription.handler(Array.from(jobsByEvent.keys())).pipe(
    // Of one event alone: the handler was called for no other.
    Effect.catchIf(
      (error): error is Rejected => error instanceof Rejected && jobsByEvent.size === 1,
      (error) =>
        Effect.succeed(Array.from(jobsByEvent.keys(), (event): Rejection => ({ event, rejected: error })))
    )
  )
  for (const { event, rejected: reason } of rejected ?? []) {
    const job = jobsByEvent.get(event)
    if (job === undefined)
      return yield* Effect.die(new Error(`${subscription.name} rejects an event of another call`))
    rejections.push(toRejection(job, reason))
  }
  return new QueueJob.JobRejections(rejections)
})

/** Who acts, for the audit log. */
const acting = (name: string) => Effect.provideService(Actor.Actor, { type: "job", id: name })

/** Transactional: exactly once for what it writes to this database. */
const subscriptionHandler = (
  subscription: Subscription<Domain.Base>
): QueueJob.Handler<SqlClient.SqlClient | Tenant.Tenant> => ({
  queue: handlerQueue(subscription.name),
  batchMax: subscription.batchMax,
  concurrency: 1,
  transactional: true,
  retry: Job.retryDefault,
  deadline: handlerDeadline,
  run: (jobs) =>
    handleEvents(subscription, jobs).pipe(
      Effect.provideService(Tenant.AllTenants, { actor: `subscription ${subscription.name}` }),
      acting(subscription.name)
    )
})

const jobHandler = (
  job: Job.Runnable<Domain.Base>
): QueueJob.Handler<SqlClient.SqlClient | Tenant.Tenant> => ({
  queue: jobQueue(job.name),
  batchMax: 1,
  concurrency: 4,
  transactional: false,
  retry: job.retry,
  deadline: job.deadline,
  run: ([leased]) =>
    Effect.provideService(job.run(leased?.payload), Tenant.AllTenants, { actor: `job ${job.name}` }).pipe(
      acting(job.name)
    )
})

/** Acts outside the database, hence outside a transaction. */
const outsideHandler = (
  handler: Handler.Handler<Domain.Base>
): QueueJob.Handler<SqlClient.SqlClient | Tenant.Tenant> => ({
  ...handler,
  transactional: false,
  run: (jobs) =>
    Effect.provideService(handler.run(jobs), Tenant.AllTenants, { actor: `handler ${handler.queue}` }).pipe(
      acting(handler.queue)
    )
})

/** Of one domain, so that only workers that have the domain maintain its tables. */
const partitionsJobOf = (name: string, tables: ReadonlyArray<Partitions.Partitions>) => ({
  ...Partitions.job(tables),
  name: `${name}.partition.maintain`
})

/** Jobs that maintain partitioned tables: those of the domains, and always those of this package. */
const partitionsJobs = (domains: ReadonlyArray<Domain.Any>) => {
  const tables = new Map(domains.map((domain) => [domain.name, domain.partitions]))
  tables.set("events", partitions)
  return Array.from(tables)
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => partitionsJobOf(name, list))
}

/**
 * Writes what the domains handle and what they schedule. Called by `migrate`, and by every worker when it starts and then
 * every minute. A handler that is added starts from now.
 *
 * Registrations of workers add up, so that workers of two releases run side by side. A type that no worker has registered
 * for 7 days gets no jobs any more. Of two intervals of a job the shorter one counts, until no worker has registered it for
 * a day.
 *
 * @category running
 * @since 0.1.0
 */
export const register = Effect.fn("EventWorker.register")(function* (
  domains: ReadonlyArray<Domain.Any>
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const subscriptions = domains
    .flatMap((domain) => domain.subscriptions)
    .map(({ name, types }) => ({ name, types, queue: handlerQueue(name) }))
  const scheduled = [...domains.flatMap((domain) => domain.jobs), ...partitionsJobs(domains)]
    .filter((job) => job.every !== undefined)
    .map(({ every, name }) => ({ name, every, queue: jobQueue(name) }))
  yield* Registration.register(subscriptions, scheduled)
})

const registerInterval = "1 minute"
const tickInterval = "1 second"
const pruneInterval = "1 minute"
/** Interval of a scrape: more often no one sees the figures. */
const measureInterval = "15 seconds"
const pruneMax = 10_000

/** Names past their window. */
const prune = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  return yield* sql`
    DELETE FROM hm_event_dedupe
     WHERE ctid = ANY (ARRAY (
           SELECT ctid
             FROM hm_event_dedupe
            WHERE expires_at <= ${now}
            ORDER BY expires_at
            LIMIT ${pruneMax}
              FOR UPDATE SKIP LOCKED))
    RETURNING 1
  `
}).pipe(Effect.repeat({ while: (rows) => rows.length >= pruneMax }))

/**
 * Builds the domains' services and runs their subscriptions, jobs and handlers, and the adopter's own handlers, until
 * the scope closes.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <R = never>(options: {
  readonly domains: ReadonlyArray<Domain.Any>
  /** Handlers of the adopter's own queues. */
  readonly handlers?: ReadonlyArray<QueueJob.Handler<R>>
  /** Options of the worker of the queue, with the defaults of {@link WorkQueueWorker.Options}. */
  readonly queue?: Pick<WorkQueueWorker.Options<R>, "batchMax" | "claimConcurrency" | "lease" | "poll">
}): Effect.Effect<
  void,
  SqlError | Config.ConfigError | QueueTablesOutdated,
  Exclude<R, Tenant.Tenant> | Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup
> => ServerClock.corrected(start(options))

type RunOptions<R> = Parameters<typeof run<R>>[0]

const start = Effect.fn("EventWorker.run")(function* <R>(
  options: RunOptions<R>
): Effect.fn.Return<
  void,
  SqlError | Config.ConfigError | QueueTablesOutdated,
  Exclude<R, Tenant.Tenant> | Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup
> {
  const schedules = Context.get(yield* Layer.build(JobSchedules.layer), JobSchedules)
  const started = yield* Domain.start(options.domains)
  yield* register(options.domains)
  const handlers: ReadonlyArray<QueueJob.Handler<R | SqlClient.SqlClient | Tenant.Tenant>> = [
    ...started.flatMap((domain) => [
      ...domain.subscriptions.map(subscriptionHandler),
      ...domain.jobs.map(jobHandler),
      ...domain.handlers.map(outsideHandler)
    ]),
    ...partitionsJobs(options.domains).map(jobHandler),
    ...(options.handlers ?? [])
  ]
  const failures = yield* FailureLog.make
  const repeatedly = <A, E, R2>(
    interval: Schedule.Schedule<number>,
    name: string,
    self: Effect.Effect<A, E, R2>
  ) =>
    self.pipe(
      Effect.catchCause((cause) => failures.warn(`${name} failed; it is tried again`, cause)),
      Effect.repeat(interval),
      Effect.forkScoped
    )
  yield* repeatedly(
    Schedule.spaced(tickInterval),
    "The scheduler's tick",
    Effect.provideService(schedules.tick, Tenant.AllTenants, { actor: "scheduler" })
  )
  yield* repeatedly(Schedule.spaced(pruneInterval), "Pruning", prune)
  for (const { measure, name } of options.domains) {
    if (measure !== undefined)
      yield* repeatedly(Schedule.spaced(measureInterval), `Measuring ${name}`, measure)
  }
  const queues = handlers.map(({ queue }) => queue)
  yield* repeatedly(
    Schedule.spaced(registerInterval),
    "Registering",
    Effect.andThen(register(options.domains), Registration.refresh(queues))
  )
  // The queue's worker provides the tenant of each batch.
  yield* WorkQueueWorker.run({ ...options.queue, prefix, handlers }) as Effect.Effect<
    void,
    QueueTablesOutdated,
    Exclude<R, Tenant.Tenant> | Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup
  >
})
