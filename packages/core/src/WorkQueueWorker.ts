/**
 * The loop that runs a {@link WorkQueue}'s jobs. Any number of processes may run it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { transactionOf } from "./Transaction.ts"
import * as Identifier from "./Identifier.ts"
import { Lanes, type Picked } from "./internal/workQueue/lanes.ts"
import * as StatementsOf from "./internal/workQueue/statements.ts"
import { now } from "./Now.ts"
import { Tenant, TenantId } from "./Tenant.ts"
import { Wakeup } from "./Wakeup.ts"
import * as WorkQueue from "./WorkQueue.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<R> {
  readonly prefix: string
  readonly handlers: ReadonlyArray<WorkQueue.Handler<R>>
  /** Jobs in one claim; 500 by default. */
  readonly batchMax?: number
  /** Claims worked on at the same time; 2 by default. */
  readonly pipes?: number
  /** How long a claimed job is kept from others without a sign of life; 30 seconds by default. */
  readonly lease?: Duration.Input
  /** How often it looks by itself, for what no wake-up told; 250 ms by default. */
  readonly poll?: Duration.Input
}

const batchMaxDefault = 500
const pipesDefault = 2
const leaseDefault = "30 seconds"
const pollDefault = "250 millis"
/** More lanes make a claim slower than two claims. */
const lanesInClaimMax = 20
const moveMax = 1_000
const reapMax = 50
const definitionsInterval = "2 seconds"
/** A sweep walks every lane: it may take a twentieth of the time at most. */
const sweepShare = 20
/** Errors of a job that are kept: the first ones say what began it, the last ones what it came to. */
const errorsMax = 10
const errorLengthMax = 500

const jobsDone = Metric.counter("hm_queue_jobs_total", {
  description: "Jobs that ran, by queue and outcome",
  incremental: true
})
const jobWait = Metric.histogram("hm_queue_job_wait_seconds", {
  description: "From the enqueueing of a job to its claim, in seconds",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 3600]
})

interface Parsed extends WorkQueue.LeasedJob {
  readonly lost: number
  readonly errors: ReadonlyArray<unknown>
}

/** A job as the claim packs it. */
type Packed = readonly [
  seq: number,
  priority: number,
  jobId: string | null,
  attempt: number,
  attemptsMax: number,
  lost: number,
  orderingKey: string | null,
  type: string | null,
  recordedAtMillis: number,
  headers: Readonly<Record<string, string>> | null,
  errors: ReadonlyArray<unknown> | null,
  payload: unknown,
  bodyDay: string | null,
  bodySeq: number | null
]

const unpack = (
  tenantId: string,
  queue: string,
  packed: Packed,
  bodies: ReadonlyMap<string, string>
): Parsed => {
  const body = packed[13] === null ? undefined : bodies.get(String(packed[13]))
  return {
    tenantId,
    queue,
    seq: packed[0],
    priority: packed[1],
    jobId: packed[2] ?? "",
    attempt: packed[3],
    attemptsMax: packed[4],
    lost: packed[5],
    orderingKey: packed[6] ?? undefined,
    type: packed[7] ?? "",
    recordedAtMillis: Number(packed[8]),
    headers: packed[9] ?? {},
    errors: packed[10] ?? [],
    payload: body === undefined ? packed[11] : JSON.parse(body)
  }
}

/** The jobs of one tenant and queue of a claim. */
interface Group {
  readonly tenantId: string
  /** With the mark of quarantine, as the lease knows it. */
  readonly leasedQueue: string
  readonly queue: string
  readonly plain: ReadonlyArray<Parsed>
  /** The jobs behind each claimed token, in order. */
  readonly keyed: ReadonlyMap<string, ReadonlyArray<Parsed>>
  readonly tokens: ReadonlyArray<Parsed>
}

const groupsOf = (rows: ReadonlyArray<StatementsOf.ClaimedRow>): ReadonlyArray<Group> => {
  const bodies = new Map<string, string>()
  for (const row of rows) if (row.bodySeq !== null && row.body !== null) bodies.set(row.bodySeq, row.body)
  const groups: Array<Group> = []
  for (const row of rows) {
    if (row.jobs === null) continue
    const queue = row.queue.replace(StatementsOf.quarantinePrefix, "")
    // Our own statement packed them.
    const jobs: ReadonlyArray<Packed> = JSON.parse(row.jobs)
    const behind: ReadonlyArray<Packed> = row.keyed === null ? [] : JSON.parse(row.keyed)
    const keyed = new Map<string, Array<Parsed>>()
    for (const packed of behind) {
      const job = unpack(row.tenantId, queue, packed, bodies)
      const list = keyed.get(job.orderingKey ?? "")
      if (list === undefined) keyed.set(job.orderingKey ?? "", [job])
      else list.push(job)
    }
    const all = jobs.map((packed) => unpack(row.tenantId, queue, packed, bodies))
    groups.push({
      tenantId: row.tenantId,
      leasedQueue: row.queue,
      queue,
      plain: all.filter((job) => job.orderingKey === undefined),
      tokens: all.filter((job) => job.orderingKey !== undefined),
      keyed
    })
  }
  return groups
}

interface Outcome {
  readonly failed: ReadonlyArray<StatementsOf.FailedJob>
  readonly keys: ReadonlyArray<StatementsOf.KeyResult>
}

const noFailures: Outcome = { failed: [], keys: [] }

interface Batch {
  readonly batchId: string
  readonly tenants: ReadonlyArray<string>
  readonly lost: Latch.Latch
}

class LeaseLost extends Error {
  readonly _tag = "LeaseLost"
}

const describe = (cause: Cause.Cause<unknown>): string =>
  (Cause.hasInterruptsOnly(cause) ? "interrupted" : Cause.pretty(cause)).slice(0, errorLengthMax)

const isRejected = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof WorkQueue.JobRejected)

/**
 * Runs until its scope closes; then it takes no more, finishes what it has claimed or leaves it to its lease, and
 * acknowledges what is done.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fn("WorkQueueWorker.run")(function* <R>(
  options: Options<R>
): Effect.fn.Return<void, never, R | Scope.Scope | SqlClient.SqlClient | WorkQueue.ClaimClient | Wakeup> {
  const sql = yield* SqlClient.SqlClient
  const claimSql = yield* WorkQueue.ClaimClient
  const wakeup = yield* Wakeup
  const clock = yield* Clock.Clock
  const workerId = yield* Identifier.next
  const queue = yield* WorkQueue.make({ prefix: options.prefix })
  const claims = StatementsOf.make(claimSql, queue.tables)
  const handlers = new Map(options.handlers.map((handler) => [handler.queue, handler]))
  const batchMax = options.batchMax ?? batchMaxDefault
  const pipes = options.pipes ?? pipesDefault
  const leaseMillis = Duration.toMillis(options.lease ?? leaseDefault)
  const pollMillis = Duration.toMillis(options.poll ?? pollDefault)
  const seed = yield* Random.nextIntBetween(1, 2 ** 31 - 1)

  // ------------------------------------------------------------------------------------------------------------------
  // What lanes there are
  // ------------------------------------------------------------------------------------------------------------------

  let randomState = seed
  const random = () => {
    // xorshift32: ties need chance, not quality.
    randomState ^= randomState << 13
    randomState ^= randomState >>> 17
    randomState ^= randomState << 5
    return (randomState >>> 0) / 2 ** 32
  }
  const definitions = new Map<string, { readonly paused: boolean; readonly weight: number }>()
  const definitionOf = (tenantId: string, name: string) =>
    definitions.get(`${tenantId}\u0000${name.replace(StatementsOf.quarantinePrefix, "")}`)
  const lanes = new Lanes({
    handles: (name) => handlers.has(name),
    isPaused: (tenantId, name) => definitionOf(tenantId, name)?.paused === true,
    weightOf: (tenantId, name) => definitionOf(tenantId, name)?.weight ?? 1,
    random
  })
  const kick = yield* Latch.make(false)
  const noteLanes = (rows: ReadonlyArray<StatementsOf.LaneRow>) => {
    for (const row of rows) lanes.add(row)
    if (rows.length > 0) kick.openUnsafe()
  }

  const readDefinitions = claimSql<{
    readonly tenantId: string
    readonly queue: string
    readonly paused: boolean
    readonly weight: number
  }>`
    SELECT tenant_id AS "tenantId", queue, paused, weight FROM ${claimSql(queue.tables.definition)}
  `.pipe(
    Effect.map((rows) => {
      definitions.clear()
      for (const row of rows) definitions.set(`${row.tenantId}\u0000${row.queue}`, row)
      kick.openUnsafe()
    })
  )

  const tolerant = <A, E>(what: string, self: Effect.Effect<A, E>) =>
    Effect.catchCause(self, (cause) =>
      Effect.logWarning(`Queue ${options.prefix}: ${what} failed; it is tried again`, cause)
    )

  // ------------------------------------------------------------------------------------------------------------------
  // Leases
  // ------------------------------------------------------------------------------------------------------------------

  const active = new Map<string, Batch>()
  const heartbeat = Effect.suspend(() => {
    if (active.size === 0) return Effect.void
    const batches = Array.from(active.values())
    const tenants = Array.from(new Set(batches.flatMap((batch) => batch.tenants)))
    return claims
      .extend(
        tenants,
        batches.map((batch) => batch.batchId),
        leaseMillis
      )
      .pipe(
        Effect.map((kept) => {
          const alive = new Set(kept)
          // A batch that was acknowledged meanwhile is not active any more.
          for (const batch of batches) {
            if (!alive.has(batch.batchId) && active.has(batch.batchId)) batch.lost.openUnsafe()
          }
        })
      )
  })

  // ------------------------------------------------------------------------------------------------------------------
  // Running
  // ------------------------------------------------------------------------------------------------------------------

  const errorsWith = (job: Parsed, message: string, atMillis: number) => {
    const entry = { attempt: job.attempt + 1, at: new Date(atMillis).toISOString(), error: message }
    return [...job.errors, entry].slice(-errorsMax)
  }

  const runAtOf = (
    handler: WorkQueue.Handler<R>,
    job: Parsed,
    cause: Cause.Cause<unknown>,
    nowMillis: number
  ) => {
    const attempt = job.attempt + 1
    if (attempt >= Math.min(job.attemptsMax, handler.retry.attempts) || isRejected(cause)) return null
    const base = Duration.toMillis(handler.retry.base) * 2 ** Math.min(30, attempt - 1)
    const capped = Math.min(base, Duration.toMillis(handler.retry.max))
    // Full jitter over the upper half: retries of a burst spread out.
    return new Date(nowMillis + capped * (0.5 + random() / 2)).toISOString()
  }

  const call = (handler: WorkQueue.Handler<R>, tenantId: string, jobs: ReadonlyArray<Parsed>) =>
    handler
      .run(jobs)
      .pipe(
        Effect.timeout(handler.deadline),
        Effect.provideService(Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) }),
        Effect.exit
      )

  const failureOf = (
    handler: WorkQueue.Handler<R>,
    job: Parsed,
    cause: Cause.Cause<unknown>,
    nowMillis: number
  ) => ({
    tenant_id: job.tenantId,
    queue: job.queue,
    seq: job.seq,
    attempt: job.attempt + 1,
    errors: errorsWith(job, describe(cause), nowMillis),
    run_at: runAtOf(handler, job, cause, nowMillis)
  })

  /** Runs jobs together; when that fails each by itself, so that one bad job does not fail its neighbours. */
  const runTogether = Effect.fnUntraced(function* (
    handler: WorkQueue.Handler<R>,
    tenantId: string,
    jobs: ReadonlyArray<Parsed>,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>
  ) {
    const failed: Array<{ readonly job: Parsed; readonly cause: Cause.Cause<unknown> }> = []
    const together = yield* isolateExit(isolate, call(handler, tenantId, jobs))
    if (Exit.isSuccess(together)) return failed
    if (jobs.length === 1) {
      for (const job of jobs) failed.push({ job, cause: together.cause })
      return failed
    }
    for (const job of jobs) {
      const alone = yield* isolateExit(isolate, call(handler, tenantId, [job]))
      if (Exit.isFailure(alone)) failed.push({ job, cause: alone.cause })
    }
    return failed
  })

  const chunksOf = (jobs: ReadonlyArray<Parsed>, size: number): ReadonlyArray<ReadonlyArray<Parsed>> => {
    if (jobs.length <= size) return jobs.length === 0 ? [] : [jobs]
    const chunks: Array<ReadonlyArray<Parsed>> = []
    for (let start = 0; start < jobs.length; start += size) chunks.push(jobs.slice(start, start + size))
    return chunks
  }

  const runPlain = Effect.fnUntraced(function* (
    handler: WorkQueue.Handler<R>,
    group: Group,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>
  ) {
    const failures = yield* Effect.forEach(
      chunksOf(group.plain, handler.batchMax),
      (jobs) => runTogether(handler, group.tenantId, jobs, isolate),
      // Statements of one transaction share a connection: they run one after the other.
      { concurrency: handler.transactional ? 1 : handler.concurrency }
    )
    const moment = yield* now
    return failures.flat().map(({ cause, job }) => failureOf(handler, job, cause, moment.getTime()))
  })

  /** The jobs of one key, one after the other; it stops at the first failure. */
  const runKey = Effect.fnUntraced(function* (
    handler: WorkQueue.Handler<R>,
    token: Parsed,
    jobs: ReadonlyArray<Parsed>,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>
  ): Effect.fn.Return<StatementsOf.KeyResult, SqlError, R> {
    const result = {
      tenant_id: token.tenantId,
      queue: token.queue,
      ordering_key: token.orderingKey ?? "",
      priority: token.priority
    }
    const done: Array<number> = []
    for (const job of jobs) {
      const exit = yield* isolateExit(isolate, call(handler, token.tenantId, [job]))
      if (Exit.isSuccess(exit)) {
        done.push(job.seq)
        continue
      }
      const moment = yield* now
      const runAt = runAtOf(handler, job, exit.cause, moment.getTime())
      return {
        ...result,
        done,
        failed: job.seq,
        buried: runAt === null,
        attempt: job.attempt + 1,
        errors: errorsWith(job, describe(exit.cause), moment.getTime()),
        run_at: runAt
      }
    }
    return { ...result, done, failed: null, buried: false, attempt: 0, errors: null, run_at: null }
  })

  const runGroup = Effect.fnUntraced(function* (
    handler: WorkQueue.Handler<R>,
    group: Group,
    isolate: <A, E, R2>(self: Effect.Effect<A, E, R2>) => Effect.Effect<A, E | SqlError, R2>
  ): Effect.fn.Return<Outcome, SqlError, R> {
    const failed = yield* runPlain(handler, group, isolate)
    const keys = yield* Effect.forEach(
      group.tokens,
      (token) => runKey(handler, token, group.keyed.get(token.orderingKey ?? "") ?? [], isolate),
      { concurrency: handler.transactional ? 1 : handler.concurrency }
    )
    const jobs = group.plain.length + keys.reduce((sum, key) => sum + key.done.length, 0)
    const failures = failed.length + keys.filter((key) => key.failed !== null).length
    yield* Metric.update(
      Metric.withAttributes(jobsDone, { queue: group.queue, outcome: "done" }),
      jobs - failed.length
    )
    if (failures > 0) {
      yield* Metric.update(
        Metric.withAttributes(jobsDone, { queue: group.queue, outcome: "failed" }),
        failures
      )
    }
    return { failed, keys }
  })

  /**
   * Handler and acknowledgement in one transaction. Within it each call has a savepoint: a failed one leaves nothing, and
   * commits its retry together with its neighbours' effects.
   */
  const runTransactional = (handler: WorkQueue.Handler<R>, group: Group, batch: Batch) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const outcome = yield* runGroup(handler, group, sql.withTransaction)
        const lanesLeft = yield* queue.statements.acknowledge({
          tenants: [group.tenantId],
          batchId: batch.batchId,
          queue: group.leasedQueue,
          ...outcome,
          now: yield* now
        })
        if (lanesLeft === 0) return yield* Effect.die(new LeaseLost())
      })
    )

  const joined = <A, E, R2>(self: Effect.Effect<A, E, R2>): Effect.Effect<A, E | SqlError, R2> => self

  const ackRetry = Schedule.exponential("50 millis").pipe(
    Schedule.upTo({ duration: Duration.millis(leaseMillis) })
  )

  /** An error here is tried again and never ends the loop: that would burn every lease this worker holds. */
  const acknowledgeNow = (batch: Batch, outcome: Outcome) =>
    Effect.flatMap(now, (moment) =>
      claims.acknowledge({
        tenants: batch.tenants,
        batchId: batch.batchId,
        queue: null,
        ...outcome,
        now: moment
      })
    ).pipe(
      Effect.retry(ackRetry),
      Effect.asVoid,
      (self) => tolerant("an acknowledgement", self),
      Effect.ensuring(Effect.sync(() => active.delete(batch.batchId)))
    )

  /** Runs a claimed batch. True when a plain deletion of its leases acknowledges what is left of it. */
  const work = Effect.fnUntraced(function* (batch: Batch, groups: ReadonlyArray<Group>) {
    const outcomes = yield* Effect.forEach(
      groups,
      (group): Effect.Effect<Outcome, SqlError, R> => {
        const handler = handlers.get(group.queue)
        if (handler === undefined) return Effect.succeed(noFailures)
        return handler.transactional
          ? Effect.as(runTransactional(handler, group, batch), noFailures)
          : runGroup(handler, group, joined)
      },
      { concurrency: "unbounded" }
    )
    return {
      failed: outcomes.flatMap((outcome) => outcome.failed),
      keys: outcomes.flatMap((outcome) => outcome.keys)
    }
  })

  // ------------------------------------------------------------------------------------------------------------------
  // Pipes
  // ------------------------------------------------------------------------------------------------------------------

  const countFound = (picked: ReadonlyArray<Picked>, groups: ReadonlyArray<Group>, nowMillis: number) => {
    for (const one of picked) {
      let count = 0
      let highest = 0
      for (const group of groups) {
        if (group.tenantId !== one.lane.tenantId || group.leasedQueue !== one.lane.queue) continue
        for (const job of [...group.plain, ...group.tokens]) {
          if (job.priority !== one.lane.priority) continue
          count++
          if (job.seq > highest) highest = job.seq
        }
      }
      lanes.found(one, count, highest, nowMillis)
    }
  }

  let isStopping = false
  const pipe = Effect.gen(function* () {
    let previous: Batch | undefined
    const settle = Effect.suspend(() => {
      const batch = previous
      previous = undefined
      return batch === undefined ? Effect.void : acknowledgeNow(batch, noFailures)
    })
    const turn = Effect.gen(function* () {
      const nowMillis = clock.currentTimeMillisUnsafe()
      const picked = lanes.pick(batchMax, lanesInClaimMax, active.size === 0, nowMillis)
      if (picked.length === 0) {
        yield* settle
        kick.closeUnsafe()
        // What arrived between the look and the closing is seen here.
        if (!lanes.hasReady()) yield* kick.await.pipe(Effect.timeoutOption(Duration.millis(pollMillis)))
        return
      }
      const batchId = yield* Identifier.next
      const done = previous
      const rows = yield* claims.claim({
        previous: done,
        lanes: picked.map((one) => one.lane),
        batchId,
        workerId,
        leaseMillis,
        now: yield* now
      })
      if (done !== undefined) active.delete(done.batchId)
      previous = undefined
      const groups = groupsOf(rows)
      countFound(picked, groups, clock.currentTimeMillisUnsafe())
      if (groups.length === 0) return
      const batch: Batch = {
        batchId,
        tenants: Array.from(new Set(groups.map((group) => group.tenantId))),
        lost: Latch.makeUnsafe(false)
      }
      active.set(batchId, batch)
      const claimedAt = clock.currentTimeMillisUnsafe()
      for (const group of groups) {
        const [first] = group.plain
        if (first !== undefined)
          yield* Metric.update(jobWait, Math.max(0, claimedAt - first.recordedAtMillis) / 1000)
      }
      const outcome = yield* Effect.raceFirst(
        work(batch, groups),
        Effect.as(batch.lost.await, undefined)
      ).pipe(Effect.exit)
      if (Exit.isFailure(outcome)) {
        // The lease runs out and the batch is run again, with one more loss on its jobs.
        active.delete(batchId)
        if (!Cause.hasInterruptsOnly(outcome.cause)) {
          yield* Effect.logWarning(`Queue ${options.prefix}: a batch is left to its lease`, outcome.cause)
        }
        return
      }
      if (outcome.value === undefined) {
        active.delete(batchId)
        return yield* Effect.logWarning(`Queue ${options.prefix}: a lease was lost; its jobs run elsewhere`)
      }
      if (outcome.value.failed.length === 0 && outcome.value.keys.length === 0) previous = batch
      else yield* acknowledgeNow(batch, outcome.value)
    })
    yield* turn.pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.andThen(
              Effect.logWarning(`Queue ${options.prefix}: a claim failed; it is tried again`, cause),
              Effect.sleep("200 millis")
            )
      ),
      Effect.repeat({ while: () => !isStopping }),
      Effect.ensuring(settle)
    )
  })

  // ------------------------------------------------------------------------------------------------------------------
  // Housekeeping
  // ------------------------------------------------------------------------------------------------------------------

  const every = <A, E>(interval: Duration.Input, what: string, self: Effect.Effect<A, E>) =>
    tolerant(what, self).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)

  const move = Effect.flatMap(now, (moment) => claims.moveDue(moment, moveMax)).pipe(
    Effect.tap((rows) => Effect.sync(() => noteLanes(rows))),
    // A full load: there may be more.
    Effect.repeat({ while: (rows) => rows.length >= moveMax })
  )
  const reap = Effect.flatMap(now, (moment) => claims.reap(reapMax, moment)).pipe(
    Effect.tap((rows) => Effect.sync(() => noteLanes(rows)))
  )
  const sweepOnce = Effect.suspend(() => {
    const startedAt = clock.currentTimeMillisUnsafe()
    return claims.sweep.pipe(
      Effect.tap((rows) => Effect.sync(() => noteLanes(rows))),
      Effect.map(() => clock.currentTimeMillisUnsafe() - startedAt)
    )
  })
  const sweeping = tolerant("a sweep", sweepOnce).pipe(
    Effect.flatMap((tookMillis) =>
      Effect.sleep(Duration.millis(Math.max(pollMillis, (tookMillis ?? 0) * sweepShare)))
    ),
    Effect.forever
  )
  const listening = Effect.gen(function* () {
    const heard = yield* wakeup.signals
    return yield* PubSub.take(heard).pipe(
      Effect.flatMap((signal) => {
        if (signal === undefined) return tolerant("a sweep", sweepOnce)
        if (signal.channel !== options.prefix) return Effect.void
        const [tenantId = "", name = "", priority = "0"] = signal.payload.split(WorkQueue.wakeSeparator)
        // A publisher that does not know the queues names none: each of ours is looked at.
        const names = name === "" ? Array.from(handlers.keys()) : [name]
        noteLanes(names.map((queue) => ({ tenantId, queue, priority: Number(priority) })))
        return Effect.void
      }),
      Effect.forever
    )
  })

  yield* tolerant("reading definitions", readDefinitions)
  yield* tolerant("a sweep", sweepOnce)
  yield* every(definitionsInterval, "reading definitions", readDefinitions)
  yield* every("250 millis", "moving due jobs", move)
  yield* every("1 second", "reaping", reap)
  yield* every(Duration.millis(leaseMillis / 3), "a heartbeat", heartbeat)
  yield* Effect.forkScoped(sweeping)
  yield* Effect.forkScoped(listening)
  // Stopped first, as the last that was started: the pipes finish their turn while heartbeats still go out.
  yield* Effect.acquireRelease(
    Effect.forEach(Array.from({ length: pipes }), () => Effect.forkDetach(pipe)),
    (running) =>
      Effect.gen(function* () {
        isStopping = true
        kick.openUnsafe()
        yield* Effect.forEach(running, Fiber.await, { concurrency: "unbounded" }).pipe(
          Effect.timeoutOption(stopPatience)
        )
        yield* Fiber.interruptAll(running)
      })
  )
})

/** Handlers in flight have this long when the worker stops; the promise is an exit within 10 seconds. */
const stopPatience = "7 seconds"

const isolateExit = <A, E, R>(
  isolate: <A2, E2, R2>(self: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2 | SqlError, R2>,
  self: Effect.Effect<Exit.Exit<A, E>, never, R>
): Effect.Effect<Exit.Exit<A, E | SqlError>, never, R> => Effect.exit(isolate(Effect.flatten(self)))
