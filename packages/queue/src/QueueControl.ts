/**
 * Operates a queue: depth, history, settings, pause, the state of a job, dead-letter queue and redrive.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import { Wakeup } from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Notifications from "./internal/notifications.ts"
import * as Rows from "./internal/queueRows.ts"
import * as ControlStatements from "./internal/statements/control.ts"
import * as ListingStatements from "./internal/statements/listing.ts"
import * as LookUpStatements from "./internal/statements/lookUp.ts"
import * as OperationStatements from "./internal/statements/operations.ts"
import { tablesOf } from "./internal/tables.ts"
import type { DeadLetterFilter, JobLookUp, ListedState, LookedUpJob } from "./QueueJob.ts"

/**
 * Maximum number of queues that {@link QueueControl.list} returns.
 *
 * @category limits
 * @since 0.1.0
 */
export const queuesMax = 1_000

/**
 * Minutes of history that {@link QueueControl.minutes} returns.
 *
 * @category limits
 * @since 0.1.0
 */
export const minutesMax = 60

/**
 * Depth and settings of one queue of a tenant. Jobs behind an ordering key count as `ready`.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueState = typeof Rows.QueueState.Type

/**
 * Work of all workers on one queue within one minute.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueMinute = typeof Rows.QueueMinute.Type

/**
 * A job in the dead-letter queue.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetter = typeof Rows.DeadLetter.Type

/**
 * Dead-lettered jobs of a queue whose last errors are alike: they differ in ids and numbers only.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetterGroup = typeof Rows.DeadLetterGroup.Type

/**
 * A job that waits or runs.
 *
 * @category models
 * @since 0.1.0
 */
export type ListedJob = typeof Rows.ListedJob.Type

/**
 * Maximum groups of dead letters that {@link QueueControl.deadLetterGroups} returns: the most frequent ones.
 *
 * @category limits
 * @since 0.1.0
 */
export const groupsMax = 100

/**
 * Outcome of a job, so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobOutcome {
  readonly outcome: "waiting" | "running" | "retrying" | "done" | "dead"
  /** The last error of a job that is tried again or dead-lettered. */
  readonly error: string | null
}

/**
 * New settings. Absent fields keep their value; null lifts a limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface SettingsChange {
  readonly weight?: number
  readonly concurrencyMax?: number | null
  readonly rate?: typeof Rows.Rate.Type | null
}

/**
 * The operations on the queues of one prefix. Every operation is on queues of the tenant of the context.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueControl {
  /** Returns the queues that have a job, settings or one of the `names` given to {@link make}, by name. */
  readonly list: Effect.Effect<ReadonlyArray<QueueState>, SqlError, Tenant>
  /** Returns one queue; undefined when it has no job, no settings and is not one of the `names`. */
  readonly get: (queue: string) => Effect.Effect<QueueState | undefined, SqlError, Tenant>
  /** Returns one entry per minute of the last {@link minutesMax} in which a batch ended, newest first. */
  readonly minutes: (queue: string) => Effect.Effect<ReadonlyArray<QueueMinute>, SqlError, Tenant>
  /**
   * Changes weight and limits. Version 0 is a queue without settings. Returns undefined for a queue that `get` does not
   * know.
   */
  readonly configure: (
    queue: string,
    version: number,
    change: SettingsChange
  ) => Effect.Effect<QueueState | undefined, VersionStale | SqlError, Tenant>
  /** Pauses or resumes a queue. Workers follow within 2 seconds; leased jobs are finished. */
  readonly setPaused: (queue: string, paused: boolean) => Effect.Effect<void, SqlError, Tenant>
  /**
   * Looks a job up among the dead and delayed ones by its id, among the leases, and within the first 10,000
   * waiting ones of its queue. For operators, not for loops.
   */
  readonly find: (queue: string, jobId: string) => Effect.Effect<JobLookUp, SqlError, Tenant>
  /**
   * Looks jobs up as `find` does, in their order and in one snapshot. One with an ordering key is looked for behind its
   * key only, however many others wait.
   */
  readonly findAll: (
    jobs: ReadonlyArray<LookedUpJob>
  ) => Effect.Effect<ReadonlyArray<JobLookUp>, SqlError, Tenant>
  /**
   * Cancels a job that has not started. Returns false when there is no such job, or when a worker has leased it or its
   * ordering key. Scans the queue.
   */
  readonly cancel: (queue: string, jobId: string) => Effect.Effect<boolean, SqlError, Tenant>
  /**
   * Returns the outcomes of jobs with an ordering key, by id. A job that is neither unfinished nor dead-lettered is `done`.
   */
  readonly outcomes: (
    queue: string,
    orderingKey: string,
    jobIds: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, JobOutcome>, SqlError, Tenant>
  /** Returns the number of unfinished jobs per ordering key, in the order of the keys. */
  readonly countKeys: (
    keys: ReadonlyArray<{ readonly tenantId: string; readonly queue: string; readonly orderingKey: string }>
  ) => Effect.Effect<ReadonlyArray<number>, SqlError>
  /**
   * Returns the jobs of one state. `ready` ones are in the order of their claim, `ordered` ones by ordering key, and the
   * others oldest first. `after` is the priority or ordering key, and the sequence number, of the last job of the page
   * before.
   */
  readonly jobs: (
    queue: string,
    state: ListedState,
    options: {
      readonly type?: string
      readonly after?: { readonly group: string; readonly seq: string }
      readonly limit: number
    }
  ) => Effect.Effect<ReadonlyArray<ListedJob>, SqlError, Tenant>
  /**
   * Returns the payload of an unfinished job as its JSON text; null when it is no longer kept, undefined when there is no
   * such job. Scans the queue.
   */
  readonly payload: (
    queue: string,
    jobId: string
  ) => Effect.Effect<string | null | undefined, SqlError, Tenant>
  /** Returns the dead-lettered jobs after a sequence number, oldest first. */
  readonly deadLetters: (
    queue: string,
    after: string,
    limit: number,
    filter?: Omit<DeadLetterFilter, "limit">
  ) => Effect.Effect<ReadonlyArray<DeadLetter>, SqlError, Tenant>
  /** Returns the dead-lettered jobs by their last error, at most {@link groupsMax} groups, the most frequent first. */
  readonly deadLetterGroups: (
    queue: string
  ) => Effect.Effect<ReadonlyArray<DeadLetterGroup>, SqlError, Tenant>
  /**
   * Moves dead-lettered jobs back to their queue and returns the count. They get all their attempts again, and lose their
   * ordering key and their expiry. With `perSecond` they become due at that rate; otherwise at once.
   */
  readonly redrive: (
    queue: string,
    filter: DeadLetterFilter,
    perSecond?: number
  ) => Effect.Effect<number, SqlError, Tenant>
  /** Deletes dead-lettered jobs and returns the count. */
  readonly discard: (queue: string, filter: DeadLetterFilter) => Effect.Effect<number, SqlError, Tenant>
}

const notFound: JobLookUp = { job: undefined, unsearched: 0 }

const filterOf = (filter: DeadLetterFilter): OperationStatements.DeadLetterFilter => ({
  type: filter.type ?? null,
  jobIds: filter.jobIds ?? null,
  failure: filter.failure ?? null,
  diedFrom: filter.diedFrom ?? null,
  diedBefore: filter.diedBefore ?? null,
  limit: filter.limit
})

/**
 * Makes the control of the queues with a prefix, such as `hm_event`. `names` is a SELECT of one column `queue`: queues of
 * a tenant that exist although they may be empty and have no settings.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("QueueControl.make")(function* (options: {
  readonly prefix: string
  readonly names?: (tenantId: string) => Fragment
}): Effect.fn.Return<QueueControl, never, SqlClient.SqlClient | Wakeup> {
  const sql = yield* SqlClient.SqlClient
  const notifications = Notifications.make(yield* Wakeup, options.prefix)
  const tables = tablesOf(options.prefix)
  const statements = ControlStatements.make(sql, tables, options.names)
  const operations = OperationStatements.make(sql, tables)
  const lookUps = LookUpStatements.make(sql, tables)
  const decodeStates = Schema.decodeUnknownEffect(Schema.Array(Rows.QueueState))
  const decodeMinutes = Schema.decodeUnknownEffect(Schema.Array(Rows.QueueMinute))
  const listing = ListingStatements.make(sql, tables)
  const decodeJobs = Schema.decodeUnknownEffect(Schema.Array(Rows.ListedJob))
  const decodeGroups = Schema.decodeUnknownEffect(Schema.Array(Rows.DeadLetterGroup))
  const decodeDeadLetters = Schema.decodeUnknownEffect(Schema.Array(Rows.DeadLetter))

  const read = Effect.fnUntraced(function* (tenantId: string, queue: string | null) {
    const now = yield* Now.now
    const since = new Date(now.getTime() - minutesMax * 60_000)
    const rows = yield* statements.states(tenantId, queue, queuesMax, now, since)
    return yield* Effect.orDie(decodeStates(rows))
  })

  const list = Effect.flatMap(Tenant, (tenant) => read(tenant.id, null)).pipe(
    Effect.withSpan("QueueControl.list")
  )

  const get = Effect.fn("QueueControl.get")(function* (queue: string) {
    const tenant = yield* Tenant
    const [state] = yield* read(tenant.id, queue)
    return state
  })

  const minutes = Effect.fn("QueueControl.minutes")(function* (queue: string) {
    const tenant = yield* Tenant
    const since = new Date((yield* Now.now).getTime() - minutesMax * 60_000)
    return yield* Effect.orDie(decodeMinutes(yield* statements.minutes(tenant.id, queue, since, minutesMax)))
  })

  const configure = Effect.fn("QueueControl.configure")(function* (
    queue: string,
    version: number,
    change: SettingsChange
  ) {
    const tenant = yield* Tenant
    const current = yield* get(queue)
    if (current === undefined) return undefined
    const isWritten = yield* statements.configure(
      tenant.id,
      queue,
      version,
      {
        weight: change.weight ?? current.weight,
        concurrencyMax: change.concurrencyMax === undefined ? current.concurrencyMax : change.concurrencyMax,
        rate: change.rate === undefined ? current.rate : change.rate
      },
      yield* Now.now
    )
    if (!isWritten) return yield* new VersionStale({ currentVersion: current.version })
    yield* notifications.settingsChanged
    return yield* get(queue)
  })

  const setPaused = Effect.fn("QueueControl.setPaused")(function* (queue: string, paused: boolean) {
    const tenant = yield* Tenant
    yield* statements.setPaused(tenant.id, queue, paused, yield* Now.now)
    yield* notifications.settingsChanged
  })

  const find = Effect.fn("QueueControl.find")(function* (queue: string, jobId: string) {
    const tenant = yield* Tenant
    const [found] = yield* lookUps.any(tenant.id, queue, jobId)
    return found ?? notFound
  })

  const findAll: QueueControl["findAll"] = Effect.fn("QueueControl.findAll")(function* (looked) {
    const tenant = yield* Tenant
    return looked.length === 0 ? [] : yield* lookUps.all(tenant.id, looked)
  })

  const cancel = Effect.fn("QueueControl.cancel")(function* (queue: string, jobId: string) {
    const tenant = yield* Tenant
    const cancelled = yield* operations.cancel(tenant.id, queue, jobId)
    return cancelled > 0
  })

  const deadLetters = Effect.fn("QueueControl.deadLetters")(function* (
    queue: string,
    after: string,
    limit: number,
    filter: Omit<DeadLetterFilter, "limit"> = {}
  ) {
    const tenant = yield* Tenant
    return yield* Effect.orDie(
      decodeDeadLetters(yield* listing.deadLetters(tenant.id, queue, filterOf({ ...filter, limit }), after))
    )
  })

  const deadLetterGroups = Effect.fn("QueueControl.deadLetterGroups")(function* (queue: string) {
    const tenant = yield* Tenant
    return yield* Effect.orDie(decodeGroups(yield* listing.groups(tenant.id, queue, groupsMax)))
  })

  const jobs: QueueControl["jobs"] = Effect.fn("QueueControl.jobs")(function* (queue, state, options) {
    const tenant = yield* Tenant
    return yield* Effect.orDie(
      decodeJobs(
        yield* listing.jobs(tenant.id, queue, state, options.type ?? null, options.after, options.limit)
      )
    )
  })

  const outcomes = Effect.fn("QueueControl.outcomes")(function* (
    queue: string,
    orderingKey: string,
    jobIds: ReadonlyArray<string>
  ) {
    const tenant = yield* Tenant
    const rows = jobIds.length === 0 ? [] : yield* listing.outcomes(tenant.id, queue, orderingKey, jobIds)
    return new Map(rows.map(({ error, jobId, outcome }) => [jobId, { outcome, error }]))
  })

  const payload = Effect.fn("QueueControl.payload")(function* (queue: string, jobId: string) {
    const tenant = yield* Tenant
    return yield* listing.payload(tenant.id, queue, jobId)
  })

  const redrive = Effect.fn("QueueControl.redrive")(function* (
    queue: string,
    filter: DeadLetterFilter,
    perSecond?: number
  ) {
    const tenant = yield* Tenant
    const { flows, redriven } = yield* operations.redrive(
      tenant.id,
      queue,
      filterOf(filter),
      perSecond ?? null,
      yield* Now.now
    )
    yield* notifications.enqueued(flows)
    return redriven
  })

  const discard = Effect.fn("QueueControl.discard")(function* (queue: string, filter: DeadLetterFilter) {
    const tenant = yield* Tenant
    return yield* operations.discard(tenant.id, queue, filterOf(filter))
  })

  return {
    list,
    get,
    minutes,
    configure,
    setPaused,
    find,
    findAll,
    cancel,
    outcomes,
    countKeys: statements.countKeys,
    jobs,
    payload,
    deadLetters,
    deadLetterGroups,
    redrive,
    discard
  }
})
