/**
 * The loop that runs a {@link WorkQueue}'s jobs. Any number of processes may run it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Identifier from "./Identifier.ts"
import { Bell } from "./internal/workQueue/bell.ts"
import { deadlineCheckMillis, make as makeHandling } from "./internal/workQueue/handling.ts"
import { Lanes, type Definition } from "./internal/workQueue/lanes.ts"
import { queueOfLane } from "./internal/workQueue/jobRow.ts"
import { QueueMetrics } from "./internal/workQueue/metrics.ts"
import { make as makePipe, Work } from "./internal/workQueue/pipe.ts"
import { readDefinitions, readDepths } from "./internal/workQueue/readings.ts"
import * as StatementsOf from "./internal/workQueue/statements.ts"
import { now } from "./Now.ts"
import { Wakeup } from "./Wakeup.ts"
import * as WorkQueue from "./WorkQueue.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<R> {
  readonly prefix: string
  readonly handlers: ReadonlyArray<WorkQueue.Handler<R>>
  /**
   * Jobs in one claim at most; 500 by default. Slow handlers get less: as many as they run at the same time, or some 50 ms of
   * work.
   */
  readonly batchMax?: number
  /** Claims at the same time; 2 by default. */
  readonly pipes?: number
  /** How long a claimed job is kept from others without a sign of life; 30 seconds by default. */
  readonly lease?: Duration.Input
  /** Within this time it finds what no wake-up told, by looking more often; 250 ms by default. */
  readonly poll?: Duration.Input
  /** How long it waits for running handlers when it stops; 7 seconds by default: the promise is an exit within 10. */
  readonly stopPatience?: Duration.Input
}

const batchMaxDefault = 500
const pipesDefault = 2
const leaseDefault = "30 seconds"
const pollDefault = "250 millis"
const moveMax = 1_000
const moveInterval = "250 millis"
const reapMax = 50
const reapInterval = "1 second"
const definitionsInterval = "2 seconds"
const pruneMax = 10_000
const pruneInterval = "1 minute"
/** Depths count every job: at most a fiftieth of the time, and not more often than this. */
const depthIntervalMillis = 15_000
const depthShare = 50
/** What was done of a batch that is still worked on is written this often: a crash repeats no more than that. */
const progressMillis = 250
/** What a sweep finds still waits for the claims that run: the time between sweeps leaves room for them. */
const sweepsPerPoll = 2
/** A sweep walks every lane: it may take a tenth of the time at most. */
const sweepShare = 10
/** A stall makes one sweep look long, and many lanes make all of them so: the shortest of so many counts. */
const sweepsJudged = 3
/** A sweep that steps over the dead entries of known lanes is enough between whole ones. */
const wholeSweepMillis = 5_000
/** A lease that is gone is lost when nobody has said by then that its batch had committed. */
const commitPatience = "100 millis"
const stopPatienceDefault = "7 seconds"

const undefinedQueue: Definition = { paused: false, weight: 1, isLimited: false }

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
 * Runs until its scope closes; then it takes no more, waits for what runs, acknowledges what is done and
 * hands back the rest, as if it had not been tried.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* <R>(
  options: Options<R>
): Effect.fn.Return<void, never, R | Scope.Scope | SqlClient.SqlClient | WorkQueue.ClaimClient | Wakeup> {
  const sql = yield* SqlClient.SqlClient
  const claimSql = yield* WorkQueue.ClaimClient
  const wakeup = yield* Wakeup
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<R>()
  const queue = yield* WorkQueue.make({ prefix: options.prefix })
  const claims = StatementsOf.make(claimSql, queue.tables)
  const handlers = new Map(options.handlers.map((handler) => [handler.queue, handler]))
  const metrics = new Map(
    options.handlers.map((handler) => [handler.queue, new QueueMetrics(handler.queue, context)])
  )
  const batchMax = options.batchMax ?? batchMaxDefault
  const pipes = options.pipes ?? pipesDefault
  const leaseMillis = Duration.toMillis(options.lease ?? leaseDefault)
  const pollMillis = Duration.toMillis(options.poll ?? pollDefault)
  const random = randomFrom(yield* Random.nextIntBetween(1, 2 ** 31 - 1))

  const work = new Work(batchMax, pipes, (name) => {
    const handler = handlers.get(name)
    return handler === undefined ? 1 : handler.batchMax * handler.concurrency
  })
  const bell = new Bell()
  const definitions = new Map<string, Definition>()
  const lanes = new Lanes({
    handles: (name) => handlers.has(name),
    definitionOf: (tenantId, name) =>
      definitions.get(`${tenantId}\u0000${queueOfLane(name)}`) ?? undefinedQueue,
    roomOf: (name) => work.roomOf(name),
    random
  })
  const handling = makeHandling({
    sql,
    statements: queue.statements,
    handlers: options.handlers,
    metricsOf: (name) => metrics.get(name) ?? new QueueMetrics(name, context),
    context,
    clock,
    random
  })
  const pipe = makePipe(
    {
      name: options.prefix,
      workerId: yield* Identifier.next,
      claims,
      claimSql,
      lanes,
      handling,
      attemptsMaxOf: (name) => handlers.get(name)?.retry.attempts ?? 1,
      clock,
      bell,
      batchMax,
      pipes,
      leaseMillis,
      pollMillis
    },
    work
  )

  // ------------------------------------------------------------------------------------------------------------------
  // Housekeeping
  // ------------------------------------------------------------------------------------------------------------------

  const tolerant = <A, E>(what: string, self: Effect.Effect<A, E>) =>
    Effect.catchCause(self, (cause) =>
      Effect.logWarning(`Queue ${options.prefix}: ${what} failed; it is tried again`, cause)
    )
  const every = <A, E>(interval: Duration.Input, what: string, self: Effect.Effect<A, E>) =>
    tolerant(what, self).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)

  const noteLanes = (rows: ReadonlyArray<StatementsOf.LaneRow>) => {
    for (const row of rows) lanes.add(row)
    if (rows.length > 0) bell.ring()
  }

  const heartbeat = Effect.gen(function* () {
    const batches = Array.from(work.active.values())
    if (batches.length === 0) return
    const tenants = Array.from(new Set(batches.flatMap((batch) => batch.tenants)))
    const ids = batches.map((batch) => batch.batchId)
    const alive = new Set(yield* claims.extend(tenants, ids, leaseMillis))
    const missing = batches.filter((batch) => !alive.has(batch.batchId))
    if (missing.length === 0) return
    // A batch that was acknowledged meanwhile is not active any more, or all of it committed by itself; the answer to such a
    // commit may still be on its way.
    yield* Effect.sleep(commitPatience)
    for (const batch of missing) {
      if (work.active.has(batch.batchId) && !batch.isGone) batch.lost.openUnsafe()
    }
  })

  const progress = Effect.suspend(() => {
    const before = clock.currentTimeMillisUnsafe() - progressMillis
    const lanesOf = Array.from(work.active.values())
      .filter((batch) => batch.startedAtMillis <= before)
      .flatMap((batch) => batch.takeProgress())
    return lanesOf.length === 0 ? Effect.void : claims.progress(lanesOf)
  })

  const move = Effect.flatMap(now, (moment) => claims.moveDue(moment, moveMax)).pipe(
    Effect.tap((rows) => Effect.sync(() => noteLanes(rows))),
    // A full load: there may be more.
    Effect.repeat({ while: (rows) => rows.reduce((sum, row) => sum + row.count, 0) >= moveMax })
  )
  const reap = Effect.flatMap(now, (moment) => claims.reap(reapMax, moment)).pipe(
    Effect.tap((rows) => Effect.sync(() => noteLanes(rows)))
  )
  const swept = <E>(sweep: Effect.Effect<ReadonlyArray<StatementsOf.LaneRow>, E>) =>
    Effect.suspend(() => {
      const startedAt = clock.currentTimeMillisUnsafe()
      return Effect.map(sweep, (rows) => {
        noteLanes(rows)
        return clock.currentTimeMillisUnsafe() - startedAt
      })
    })
  const wholeSweep = tolerant("a sweep", swept(claims.sweep))
  const sweepBeyondHints = tolerant(
    "a sweep",
    swept(Effect.suspend(() => claims.sweepBeyond(lanes.hinted(clock.currentTimeMillisUnsafe()))))
  )
  const sweepForever = (sweep: Effect.Effect<number | void>, intervalMillis: number) => {
    const taken = Array.from({ length: sweepsJudged }, () => 0)
    return sweep.pipe(
      Effect.flatMap((tookMillis) => {
        taken.shift()
        taken.push(tookMillis ?? 0)
        return Effect.sleep(Duration.millis(Math.max(intervalMillis, Math.min(...taken) * sweepShare)))
      }),
      Effect.forever
    )
  }
  const sweeping = sweepForever(sweepBeyondHints, pollMillis / sweepsPerPoll)
  // What a hint hides, a slow transaction's jobs whose wake-up was lost, only a whole sweep finds. Beside the others: it may
  // take as long as several of them.
  const sweepingAll = sweepForever(wholeSweep, wholeSweepMillis)
  const define = Effect.map(readDefinitions(claimSql, queue.tables), (rows) => {
    definitions.clear()
    for (const row of rows) definitions.set(`${row.tenantId}\u0000${row.queue}`, row)
    bell.ring()
  })
  const measure = Effect.gen(function* () {
    const startedAt = clock.currentTimeMillisUnsafe()
    const rows = yield* readDepths(sql, queue.tables, Array.from(handlers.keys()), yield* now)
    for (const { oldestSeconds, queue: name, ...counts } of rows)
      metrics.get(name)?.stands(counts, oldestSeconds)
    return clock.currentTimeMillisUnsafe() - startedAt
  })
  const measuring = tolerant("measuring", measure).pipe(
    Effect.flatMap((tookMillis) =>
      Effect.sleep(Duration.millis(Math.max(depthIntervalMillis, (tookMillis ?? 0) * depthShare)))
    ),
    Effect.forever
  )
  const prune = Effect.flatMap(now, (moment) => claims.prune(moment, pruneMax)).pipe(
    Effect.repeat({ while: (pruned) => pruned >= pruneMax })
  )

  const listening = Effect.gen(function* () {
    const heard = yield* wakeup.signals
    return yield* PubSub.take(heard).pipe(
      Effect.flatMap((signal) => {
        if (signal === undefined) return wholeSweep
        if (signal.channel !== options.prefix) return Effect.void
        const [tenantId = "", name = "", priority = "0"] = signal.payload.split(WorkQueue.wakeSeparator)
        // The definitions have changed, not the jobs.
        if (tenantId === "") return tolerant("reading definitions", define)
        noteLanes([{ tenantId, queue: name, priority: Number(priority) }])
        return Effect.void
      }),
      Effect.forever
    )
  })

  yield* tolerant("reading definitions", define)
  yield* wholeSweep
  yield* every(definitionsInterval, "reading definitions", define)
  yield* every(moveInterval, "moving due jobs", move)
  yield* every(reapInterval, "reaping", reap)
  yield* every(pruneInterval, "pruning", prune)
  yield* every(Duration.millis(leaseMillis / 3), "a heartbeat", heartbeat)
  yield* every(Duration.millis(progressMillis), "a partial acknowledgement", progress)
  yield* every(
    Duration.millis(deadlineCheckMillis),
    "checking deadlines",
    Effect.sync(handling.checkDeadlines)
  )
  yield* Effect.forkScoped(sweeping)
  yield* Effect.forkScoped(sweepingAll)
  yield* Effect.forkScoped(measuring)
  yield* Effect.forkScoped(listening)
  // Stopped first, as the last that was started: the pipes finish their turn while heartbeats still go out.
  yield* Effect.acquireRelease(
    Effect.forEach(Array.from({ length: pipes }), () => Effect.forkDetach(pipe.run)),
    (running) =>
      Effect.gen(function* () {
        work.isStopping = true
        bell.ringForAll()
        const all = () => [...running, ...work.beside]
        yield* Effect.suspend(() => Fiber.awaitAll(all())).pipe(
          Effect.timeoutOption(options.stopPatience ?? stopPatienceDefault)
        )
        yield* Effect.suspend(() => Fiber.interruptAll(all()))
      })
  )
})
