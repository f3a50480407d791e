/**
 * Runs the jobs of a {@link WorkQueue}. Any number of processes may run a worker.
 *
 * @since 0.1.0
 */
import * as FailureLog from "@hypermarket/core/FailureLog"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import { Wakeup } from "@hypermarket/core/Wakeup"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { ClaimClient } from "./ClaimClient.ts"
import * as BatchRunner from "./internal/claiming/batchRunner.ts"
import * as Claimer from "./internal/claiming/claimer.ts"
import * as ClaimLoop from "./internal/claiming/claimLoop.ts"
import { FairScheduler, type Settings } from "./internal/claiming/fairScheduler.ts"
import { InFlight } from "./internal/claiming/inFlight.ts"
import * as Quarantine from "./internal/claiming/quarantine.ts"
import { Signal } from "./internal/claiming/signal.ts"
import * as JobRunner from "./internal/handling/jobRunner.ts"
import * as Housekeeping from "./internal/housekeeping.ts"
import { queueOfFlow } from "./internal/jobRow.ts"
import { QueueMetrics } from "./internal/metrics.ts"
import * as Statements from "./internal/statements.ts"
import { tablesOf } from "./internal/tables.ts"
import type { Handler } from "./QueueJob.ts"
import { type QueueTablesOutdated, requireLastStep } from "./QueueMigrations.ts"
import * as ServerClock from "./ServerClock.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<R> {
  /** Prefix of the queue's tables, such as `hm_event`. */
  readonly prefix: string
  readonly handlers: ReadonlyArray<Handler<R>>
  /**
   * Maximum jobs per claim. Slow handlers get less: as many as they run concurrently, or about 50 ms of work.
   *
   * @default 500
   */
  readonly batchMax?: number
  /**
   * Concurrent claims of this process.
   *
   * @default 2
   */
  readonly claimConcurrency?: number
  /**
   * Lease of a claimed job without a heartbeat. When it expires, another worker runs the job.
   *
   * @default 30 seconds
   */
  readonly lease?: Duration.Input
  /**
   * Maximum delay of a job whose wake-up was lost. A shorter one looks for jobs more often.
   *
   * @default 250 milliseconds
   */
  readonly poll?: Duration.Input
  /**
   * Maximum wait for running handlers when the scope closes, after which they are interrupted.
   *
   * @default 7 seconds, for an exit within 10
   */
  readonly stopTimeout?: Duration.Input
}

const batchMaxDefault = 500
const claimConcurrencyDefault = 2
const leaseDefault = "30 seconds"
const pollDefault = "250 millis"
const stopTimeoutDefault = "7 seconds"

/** Maximum wait for the interruption of handlers and the release of their jobs: a process must end within 10 seconds. */
const releaseTimeout = "2 seconds"

const settingsDefault: Settings = { paused: false, weight: 1, isLimited: false }

/** xorshift32: ties and jitter need chance, not quality. */
const randomFrom = (seed: number) => {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/**
 * Runs jobs until the scope closes. Then it claims nothing more, waits for running handlers, acknowledges what is done and
 * releases the rest without counting an attempt. Time is the database's when the clock of the process differs by more than a
 * second. Fails when the tables of the queue lack a step of
 * {@link QueueMigrations}.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <R>(
  options: Options<R>
): Effect.Effect<void, QueueTablesOutdated, R | Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup> =>
  ServerClock.corrected(start(options))

const start = Effect.fnUntraced(function* <R>(
  options: Options<R>
): Effect.fn.Return<void, QueueTablesOutdated, R | Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup> {
  // A wrong setting is a mistake of the program: it ends here, and not when the first job fails.
  for (const handler of options.handlers) yield* Effect.orDie(Job.checkRun(handler.queue, handler))
  const sql = yield* SqlClient.SqlClient
  const claimSql = yield* ClaimClient
  const wakeup = yield* Wakeup
  const offset = yield* ServerClock.Offset
  const clock = ServerClock.shifted(yield* Clock.Clock, offset ?? (() => 0))
  const context = yield* Effect.context<R>()
  // An unavailable database is waited for; tables of an older release are not.
  yield* requireLastStep(options.prefix).pipe(
    Effect.catchTag("SqlError", (error) =>
      Effect.logWarning(`Queue ${options.prefix}: the step of its tables is not known`, error)
    )
  )
  const tables = tablesOf(options.prefix)
  const claims = Statements.make(claimSql, tables)
  const handlers = new Map(options.handlers.map((handler) => [handler.queue, handler]))
  const metrics = new Map(
    options.handlers.map((handler) => [handler.queue, new QueueMetrics(handler.queue, context)])
  )
  const batchMax = options.batchMax ?? batchMaxDefault
  const claimConcurrency = options.claimConcurrency ?? claimConcurrencyDefault
  const leaseMillis = Duration.toMillis(options.lease ?? leaseDefault)
  const pollMillis = Duration.toMillis(options.poll ?? pollDefault)
  const random = randomFrom(yield* Random.nextIntBetween(1, 2 ** 31 - 1))

  const failureLog = yield* FailureLog.make
  const failures: FailureLog.FailureLog = {
    warn: (what, cause) => failureLog.warn(`Queue ${options.prefix}: ${what}`, cause)
  }
  const inFlight = new InFlight(batchMax, claimConcurrency, (name) => {
    const handler = handlers.get(name)
    return handler === undefined ? 1 : handler.batchMax * handler.concurrency
  })
  const signal = new Signal()
  const settings = new Map<string, Settings>()
  const scheduler = new FairScheduler({
    handles: (name) => handlers.has(name),
    settingsOf: (tenantId, name) =>
      settings.get(Housekeeping.settingsKey(tenantId, queueOfFlow(name))) ?? settingsDefault,
    capacityOf: (name) => inFlight.capacityOf(name),
    random
  })
  const jobRunner = JobRunner.make({
    sql,
    statements: Statements.make(sql, tables),
    handlers: options.handlers,
    metricsOf: (name) => metrics.get(name) ?? new QueueMetrics(name, context),
    context,
    clock,
    random
  })
  const batchRunner = BatchRunner.make(
    { name: options.prefix, claims, jobRunner, clock, signal, leaseMillis, failures },
    inFlight
  )
  const claimer = Claimer.make(
    {
      workerId: yield* Identifier.next,
      claims,
      claimSql,
      scheduler,
      attemptsMaxOf: (name) => handlers.get(name)?.retry.attempts ?? 1,
      clock,
      signal,
      batchMax,
      leaseMillis
    },
    inFlight
  )
  const quarantine = Quarantine.make({ scheduler, claimer, batchRunner, clock }, inFlight)
  const loop = ClaimLoop.run(
    {
      scheduler,
      claimer,
      batchRunner,
      quarantine,
      clock,
      signal,
      batchMax,
      pollMillis,
      failures
    },
    inFlight
  )

  yield* Housekeeping.start({
    prefix: options.prefix,
    sql,
    claimSql,
    claims,
    tables,
    wakeup,
    inFlight,
    scheduler,
    signal,
    jobRunner,
    metrics,
    settings,
    clock,
    leaseMillis,
    pollMillis,
    failures
  })
  // Started last, so that they stop first: they finish their batches while heartbeats still go out.
  yield* Effect.acquireRelease(
    Effect.forEach(Array.from({ length: claimConcurrency }), () => Effect.forkDetach(loop)),
    (running) =>
      Effect.gen(function* () {
        inFlight.isStopping = true
        signal.notifyAll()
        const fibers = () => [...running, ...inFlight.detached]
        yield* Effect.suspend(() => Fiber.awaitAll(fibers())).pipe(
          Effect.timeoutOption(options.stopTimeout ?? stopTimeoutDefault)
        )
        const left = fibers()
        for (const fiber of left) fiber.interruptUnsafe()
        const ended = yield* Effect.timeoutOption(Fiber.awaitAll(left), releaseTimeout)
        if (Option.isNone(ended)) {
          yield* Effect.logWarning(
            `Queue ${options.prefix}: some jobs were not released; their leases expire`
          )
        }
      })
  )
})
