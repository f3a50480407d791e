/** Periodic work of a worker: leases, due jobs, expired leases, sweeps, settings, depths, pruning. */
import type { FailureLog } from "@hypermarket/core/FailureLog"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Now from "@hypermarket/core/Now"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { FairScheduler, Settings } from "./claiming/fairScheduler.ts"
import type { Batch } from "./claiming/batch.ts"
import * as SweepPace from "./claiming/sweepPace.ts"
import type { InFlight } from "./claiming/inFlight.ts"
import type { Signal } from "./claiming/signal.ts"
import type { JobRunner } from "./handling/jobRunner.ts"
import { deadlineCheckMillis } from "./handling/unitRunner.ts"
import type { QueueMetrics } from "./metrics.ts"
import * as Notifications from "./notifications.ts"
import { readDepths, readSettings } from "./statements/control.ts"
import type { FlowRow } from "./statements/flow.ts"
import type { Statements } from "./statements.ts"
import type { Tables } from "./tables.ts"
import { isolated, tenantsMax } from "./tenantIsolation.ts"

/** Maximum due jobs per statement. A full statement is repeated at once. */
const moveMax = 1_000
const moveInterval = "250 millis"
/** Maximum expired leases per statement: each may hold a whole batch. */
const reapMax = 50
const reapInterval = "1 second"
const settingsInterval = "2 seconds"
/** Maximum rows of one kind per statement. A full statement is repeated at once. */
const pruneMax = 10_000
const pruneInterval = "1 minute"
/** Reading depths counts every job: it may use a fiftieth of the time, and runs at most this often. */
const depthIntervalMillis = 15_000
const depthShare = 50
/** Interval of partial acknowledgements: a crash repeats at most the jobs of this time. */
const progressMillis = 250
/** Sweeps per poll interval. A job that a sweep finds waits for the running claims too, which needs the rest of the time. */
const sweepsPerPoll = 2
/** Interval of complete sweeps. The sweeps in between skip the dead entries of flows in memory. */
const completeSweepMillis = 5_000
/** A batch whose lease is gone has lost it, unless its commit is reported within this time. */
const commitReportTimeout = "100 millis"

export interface Options {
  readonly prefix: string
  readonly sql: SqlClient.SqlClient
  readonly claimSql: SqlClient.SqlClient
  readonly claims: Statements
  readonly tables: Tables
  readonly wakeup: Wakeup["Service"]
  readonly inFlight: InFlight
  readonly scheduler: FairScheduler
  readonly signal: Signal
  readonly jobRunner: JobRunner
  readonly metrics: ReadonlyMap<string, QueueMetrics>
  /** Settings by tenant and queue, which this keeps current. */
  readonly settings: Map<string, Settings>
  readonly clock: Clock.Clock
  readonly leaseMillis: number
  readonly pollMillis: number
  readonly failures: FailureLog
}

export const settingsKey = (tenantId: string, queue: string): string => `${tenantId}\u0000${queue}`

/** Reads settings and flows once, and then starts the periodic work in the scope. */
export const start = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<void, never, Scope.Scope> {
  const { claims, clock, inFlight, leaseMillis, metrics, pollMillis, prefix, scheduler, signal, tables } =
    options

  const tolerant = <A, E>(name: string, self: Effect.Effect<A, E>) =>
    Effect.catchCause(self, (cause) => options.failures.warn(`${name} failed; it is tried again`, cause))
  const every = <A, E>(interval: Duration.Input, name: string, self: Effect.Effect<A, E>) =>
    tolerant(name, self).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)

  const addFlows = (rows: ReadonlyArray<FlowRow>) => {
    let handled = 0
    for (const row of rows) if (scheduler.add(row)) handled++
    if (handled > 0) signal.notify()
    return handled
  }

  const heartbeat = Effect.gen(function* () {
    const batches = Array.from(inFlight.batches.values())
    if (batches.length === 0) return
    const tenants = Array.from(new Set(batches.flatMap((batch) => batch.tenants)))
    const ids = batches.map((batch) => batch.batchId)
    const alive = new Set(yield* claims.extend(tenants, ids, leaseMillis))
    const missing = batches.filter((batch) => !alive.has(batch.batchId))
    if (missing.length === 0) return
    // A batch that was acknowledged meanwhile is no longer in flight, or its handlers' transactions have committed all of
    // it. The response to such a commit may still be on its way.
    yield* Effect.sleep(commitReportTimeout)
    for (const batch of missing) {
      if (inFlight.batches.has(batch.batchId) && !batch.isGone) batch.lost.openUnsafe()
    }
  })

  /** Writes failures and results of keys of a running batch: their retries must not wait for its slowest job. */
  const settle = Effect.fnUntraced(function* (batch: Batch, unwritten: Batch["outcome"]) {
    const leases = yield* claims.settle({
      tenants: batch.tenants,
      batchId: batch.batchId,
      queue: null,
      ...unwritten,
      now: yield* Now.now
    })
    if (leases > 0) {
      addFlows(
        unwritten.keys.map((key) => ({ tenantId: key.tenant_id, queue: key.queue, priority: key.priority }))
      )
    }
  })

  const acknowledgePartially = Effect.gen(function* () {
    const before = clock.currentTimeMillisUnsafe() - progressMillis
    const batches = Array.from(inFlight.batches.values()).filter((batch) => batch.startedAtMillis <= before)
    // Both are taken at once: the completed jobs of a settled key are in the lease before it is settled.
    const progress = batches.flatMap((batch) => batch.takeProgress())
    const unwritten = batches.flatMap((batch) => {
      const taken = batch.takeUnwritten()
      return taken === undefined ? [] : [{ batch, ...taken }]
    })
    if (progress.length > 0) yield* claims.progress(progress)
    for (const { batch, outcome, written } of unwritten) {
      yield* settle(batch, outcome)
      written()
    }
  })

  const isolatedly = <A>(
    name: keyof Statements["tenants"],
    now: Date,
    run: (tenantId?: string) => Effect.Effect<ReadonlyArray<A>, SqlError>
  ) =>
    isolated({
      loop: `queue.${prefix}.${name}`,
      sql: options.claimSql,
      run,
      tenants: claims.tenants[name](now, tenantsMax)
    })

  const move = Effect.flatMap(Now.now, (now) =>
    isolatedly("moveDue", now, (tenantId) => claims.moveDue(now, moveMax, tenantId))
  ).pipe(
    Effect.tap((rows) => Effect.sync(() => addFlows(rows))),
    Effect.repeat({ while: (rows) => rows.reduce((sum, row) => sum + row.count, 0) >= moveMax })
  )

  const reap = Effect.flatMap(Now.now, (now) =>
    isolatedly("reap", now, (tenantId) => claims.reap(reapMax, now, tenantId))
  ).pipe(Effect.tap((rows) => Effect.sync(() => addFlows(rows))))

  /** Adds the flows that a sweep finds. */
  const timed = <E>(sweep: Effect.Effect<ReadonlyArray<FlowRow>, E>) =>
    Effect.suspend(() => {
      const startedAt = clock.currentTimeMillisUnsafe()
      return Effect.map(sweep, (rows): SweepPace.Sweep => ({
        found: rows.length,
        handled: addFlows(rows),
        tookMillis: clock.currentTimeMillisUnsafe() - startedAt
      }))
    })
  const sweepAll = tolerant("a sweep", timed(claims.sweep))
  const sweepBeyondHints = tolerant(
    "a sweep",
    timed(Effect.suspend(() => claims.sweepBeyond(scheduler.hinted(clock.currentTimeMillisUnsafe()))))
  )
  const sweepForever = (sweep: Effect.Effect<SweepPace.Sweep | void>, intervalMillis: number) => {
    const waitAfter = SweepPace.make(intervalMillis)
    return sweep.pipe(
      Effect.flatMap((swept) => Effect.sleep(Duration.millis(waitAfter(swept ?? undefined)))),
      Effect.forever
    )
  }

  const updateSettings = Effect.map(readSettings(options.claimSql, tables), (rows) => {
    options.settings.clear()
    for (const row of rows) options.settings.set(settingsKey(row.tenantId, row.queue), row)
    signal.notify()
  })

  const measureDepths = Effect.gen(function* () {
    const startedAt = clock.currentTimeMillisUnsafe()
    const rows = yield* readDepths(options.sql, tables, Array.from(metrics.keys()), yield* Now.now)
    for (const { oldestSeconds, queue, ...counts } of rows) metrics.get(queue)?.depths(counts, oldestSeconds)
    return clock.currentTimeMillisUnsafe() - startedAt
  })
  const measureForever = tolerant("measuring", measureDepths).pipe(
    Effect.flatMap((tookMillis) =>
      Effect.sleep(Duration.millis(Math.max(depthIntervalMillis, (tookMillis ?? 0) * depthShare)))
    ),
    Effect.forever
  )

  const prune = Effect.flatMap(Now.now, (now) =>
    isolatedly("prune", now, (tenantId) =>
      Effect.map(claims.prune(now, pruneMax, tenantId), (pruned) => [pruned])
    )
  ).pipe(Effect.repeat({ while: (counts) => Math.max(0, ...counts) >= pruneMax }))

  const listen = Effect.gen(function* () {
    const subscription = yield* options.wakeup.signals
    return yield* PubSub.take(subscription).pipe(
      Effect.flatMap((message) => {
        // The connection was lost: signals may be too.
        if (message === undefined) return sweepAll
        if (message.channel !== prefix) return Effect.void
        const flow = Notifications.parse(message.payload)
        if (flow === "settings") return tolerant("reading settings", updateSettings)
        if (flow === "any") return sweepBeyondHints
        addFlows([flow])
        return Effect.void
      }),
      Effect.forever
    )
  })

  yield* tolerant("reading settings", updateSettings)
  yield* sweepAll
  yield* every(settingsInterval, "reading settings", updateSettings)
  yield* every(moveInterval, "moving due jobs", move)
  yield* every(reapInterval, "reaping", reap)
  yield* every(pruneInterval, "pruning", prune)
  yield* every(Duration.millis(leaseMillis / 3), "a heartbeat", heartbeat)
  yield* every(Duration.millis(progressMillis), "a partial acknowledgement", acknowledgePartially)
  yield* every(
    Duration.millis(deadlineCheckMillis),
    "checking deadlines",
    Effect.sync(options.jobRunner.checkDeadlines)
  )
  yield* Effect.forkScoped(sweepForever(sweepBeyondHints, pollMillis / sweepsPerPoll))
  // Only a complete sweep finds the jobs of a slow transaction whose signal was lost and which a hint has passed. It runs
  // separately: it may take as long as several of the others.
  yield* Effect.forkScoped(sweepForever(sweepAll, completeSweepMillis))
  yield* Effect.forkScoped(measureForever)
  yield* Effect.forkScoped(listen)
})
