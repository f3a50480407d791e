/** The turn of a worker's pipe: pick lanes, claim, run, acknowledge. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Identifier from "../../Identifier.ts"
import { now } from "../../Now.ts"
import { Batch, countOf, groupsOf, type Group } from "./batch.ts"
import type { Bell } from "./bell.ts"
import type { Handling } from "./handling.ts"
import { queueOfLane } from "./jobRow.ts"
import type { Lanes, Pick, Picked } from "./lanes.ts"
import { Pace } from "./pace.ts"
import type { ClaimLane } from "./statements/lane.ts"
import type { Statements } from "./statements.ts"

/** More lanes make a claim slower than two claims. */
const lanesInClaimMax = 20
/** Large payloads of one claim: they are parsed and held in memory at once. */
const claimBytesMax = 1024 * 1024
/** A batch that takes longer is worked on beside its pipe, so that a slow handler does not hold up other queues. */
const pipePatience = "100 millis"
/** Batches that stand beside the pipes at most. */
const batchesBesideMax = 32
/** Jobs that took workers down before run by themselves for this long, this often. */
const aloneSliceMillis = 250
const aloneIntervalMillis = 1_000
/** So long other jobs are waited for to finish; then the suspects run beside them. */
const aloneDrainMillis = 1_000
/** A queue at its concurrency limit is looked at again after this long, or when a job of this process ends. */
const limitedRetryMillis = 50
const failureDelay = "200 millis"

export interface Options {
  readonly name: string
  readonly workerId: string
  readonly claims: Statements
  readonly claimSql: SqlClient.SqlClient
  readonly lanes: Lanes
  readonly handling: Handling
  readonly attemptsMaxOf: (queue: string) => number
  readonly clock: Clock.Clock
  readonly bell: Bell
  readonly batchMax: number
  readonly pipes: number
  readonly leaseMillis: number
  readonly pollMillis: number
}

/** What the pipes of a process share. */
export class Work {
  /** Claimed and not acknowledged, by id. */
  readonly active = new Map<string, Batch>()
  isStopping = false
  /** Batches whose pipe has gone on. */
  readonly beside = new Set<Fiber.Fiber<void>>()
  private readonly paces = new Map<string, Pace>()
  private readonly batchMax: number
  private readonly pipes: number
  private readonly atOnceOf: (queue: string) => number

  /** `atOnceOf` gives the jobs of a queue that its handler runs at the same time. */
  constructor(batchMax: number, pipes: number, atOnceOf: (queue: string) => number) {
    this.batchMax = batchMax
    this.pipes = pipes
    this.atOnceOf = atOnceOf
  }

  paceOf(queue: string): Pace {
    const known = this.paces.get(queue)
    if (known !== undefined) return known
    const made = new Pace(this.atOnceOf(queue), this.batchMax)
    this.paces.set(queue, made)
    return made
  }

  /** How many more jobs of a queue this process takes. */
  roomOf(queue: string): number {
    let unfinished = 0
    for (const batch of this.active.values()) unfinished += batch.unfinished.get(queue) ?? 0
    const { jobsMax } = this.paceOf(queue)
    return Math.min(jobsMax, jobsMax * this.pipes - unfinished)
  }
}

export interface Pipe {
  readonly run: Effect.Effect<void>
  /** Ends a batch that was interrupted: what is done is acknowledged, the rest handed back. */
  readonly handBack: (batch: Batch) => Effect.Effect<void>
}

export const make = (options: Options, work: Work): Pipe => {
  const { bell, claims, clock, handling, lanes, leaseMillis, name } = options
  const { active } = work

  // ------------------------------------------------------------------------------------------------------------------
  // Acknowledging
  // ------------------------------------------------------------------------------------------------------------------

  const ackRetry = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
    Schedule.upTo({ duration: Duration.millis(leaseMillis) })
  )

  /** An error here is tried again and never ends the loop: that would burn every lease this worker holds. */
  const acknowledge = (batch: Batch, outcome: Batch["outcome"]) =>
    Effect.flatMap(now, (moment) =>
      claims.acknowledge({
        tenants: batch.tenants,
        batchId: batch.batchId,
        queue: null,
        failed: outcome.failed,
        keys: outcome.keys,
        now: moment
      })
    ).pipe(
      Effect.retry(ackRetry),
      Effect.asVoid,
      Effect.catchCause((cause) => Effect.logWarning(`Queue ${name}: a batch is left to its lease`, cause)),
      Effect.ensuring(Effect.sync(() => active.delete(batch.batchId)))
    )

  const handBack = (batch: Batch) => acknowledge(batch, batch.outcomeNow(clock.currentTimeMillisUnsafe()))

  const forget = (batch: Batch, message: string) => {
    active.delete(batch.batchId)
    return Effect.logWarning(`Queue ${name}: ${message}`)
  }

  // ------------------------------------------------------------------------------------------------------------------
  // Running
  // ------------------------------------------------------------------------------------------------------------------

  const runGroup = (batch: Batch, group: Group) =>
    Effect.tap(handling.run(batch, group), () => Effect.sync(() => bell.ring()))

  /** All that a claim brought of a queue, of however many tenants: the pace is the queue's. */
  const runQueue = (batch: Batch, queue: string, groups: ReadonlyArray<Group>) =>
    Effect.suspend(() => {
      const startedAtMillis = clock.currentTimeMillisUnsafe()
      return Effect.map(
        Effect.forEach(groups, (group) => runGroup(batch, group), {
          concurrency: "unbounded",
          discard: true
        }),
        () => {
          const jobs = groups.reduce((sum, group) => sum + countOf(group), 0)
          work.paceOf(queue).note(jobs, clock.currentTimeMillisUnsafe() - startedAtMillis)
          // There may be more room now.
          bell.ring()
        }
      )
    })

  /** True when all of it ran; false when its lease was lost on the way. */
  const runBatch = (batch: Batch) =>
    Effect.raceFirst(
      Effect.as(
        Effect.forEach(
          Map.groupBy(batch.groups, (group) => group.queue),
          ([queue, groups]) => runQueue(batch, queue, groups),
          { concurrency: "unbounded", discard: true }
        ),
        true
      ),
      Effect.as(batch.lost.await, false)
    )

  /** What a batch that has ended still needs; gives it back when deleting its leases, in the next claim, is enough. */
  const conclude = (batch: Batch, exit: Exit.Exit<boolean>): Effect.Effect<Batch | undefined> => {
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return Effect.as(handBack(batch), undefined)
      return Effect.as(
        Effect.andThen(
          Effect.logError(`Queue ${name}: a batch broke; what is left of it runs again`, exit.cause),
          handBack(batch)
        ),
        undefined
      )
    }
    if (!exit.value) return Effect.as(forget(batch, "a lease was lost; its jobs run elsewhere"), undefined)
    if (batch.isGone) {
      active.delete(batch.batchId)
      return Effect.succeed(undefined)
    }
    return batch.isClean ? Effect.succeed(batch) : Effect.as(acknowledge(batch, batch.outcome), undefined)
  }

  /** Waits for a batch; interrupted, it stops the batch, and hands back what has not ended. */
  const awaitOr = <A>(batch: Batch, fiber: Fiber.Fiber<boolean>, waiting: Effect.Effect<A>) =>
    Effect.interruptible(waiting).pipe(
      Effect.onInterrupt(() => Effect.andThen(Fiber.interrupt(fiber), handBack(batch)))
    )

  /** Acknowledges a batch beside its pipe, when it ends. */
  const concludeBeside = (batch: Batch, fiber: Fiber.Fiber<boolean>) =>
    Effect.gen(function* () {
      const exit = yield* awaitOr(batch, fiber, Fiber.await(fiber))
      const clean = yield* conclude(batch, exit)
      if (clean !== undefined) yield* acknowledge(clean, clean.outcome)
    })

  const runBeside = Effect.fnUntraced(function* (batch: Batch, fiber: Fiber.Fiber<boolean>) {
    const beside = yield* Effect.forkDetach(concludeBeside(batch, fiber), {
      startImmediately: true,
      uninterruptible: true
    })
    work.beside.add(beside)
    beside.addObserver(() => {
      work.beside.delete(beside)
      bell.ring()
    })
  })

  /** Gives the batch back when the next claim may acknowledge it. No moment in it at which an interruption loses it. */
  const runClaimed = (batch: Batch) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        active.set(batch.batchId, batch)
        const fiber = yield* Effect.forkDetach(runBatch(batch), { startImmediately: true })
        const exit =
          fiber.pollUnsafe() ??
          Option.getOrUndefined(
            yield* awaitOr(batch, fiber, Effect.timeoutOption(Fiber.await(fiber), pipePatience))
          )
        if (exit !== undefined) return yield* conclude(batch, exit)
        yield* runBeside(batch, fiber)
        return undefined
      })
    )

  // ------------------------------------------------------------------------------------------------------------------
  // Claiming
  // ------------------------------------------------------------------------------------------------------------------

  const claim = Effect.fnUntraced(function* (
    claimed: ReadonlyArray<ClaimLane>,
    keyedMax: number,
    previous: Batch | undefined
  ) {
    const batchId = yield* Identifier.next
    const rows = yield* claims.claim({
      previous,
      lanes: claimed,
      batchId,
      workerId: options.workerId,
      leaseMillis,
      keyedMax,
      laneBytesMax: Math.ceil(claimBytesMax / claimed.length),
      now: yield* now
    })
    if (previous !== undefined) active.delete(previous.batchId)
    return new Batch(batchId, groupsOf(rows, options.attemptsMaxOf), clock.currentTimeMillisUnsafe())
  })

  const noteFound = (picked: ReadonlyArray<Picked>, batch: Batch, bytesMax: number) => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    for (const one of picked) {
      let count = 0
      let highest = 0
      let bytes = 0
      for (const group of batch.groups) {
        if (group.tenantId !== one.lane.tenantId || group.lane !== one.lane.queue) continue
        bytes = group.bytes
        for (const { priority, seq } of group.plain) {
          if (priority !== one.lane.priority) continue
          count++
          if (seq > highest) highest = seq
        }
        for (const { token } of group.keys) {
          if (token.priority !== one.lane.priority) continue
          count++
          if (token.seq > highest) highest = token.seq
        }
      }
      if (lanes.found(one, count, highest, bytes >= bytesMax, nowMillis)) bell.ring()
    }
  }

  /** Counting and claiming in one transaction, behind the lock of the queue's definition. */
  const claimLimited = Effect.fnUntraced(function* (one: Picked) {
    const { tenantId } = one.lane
    const queue = queueOfLane(one.lane.queue)
    const moment = yield* now
    return yield* options.claimSql.withTransaction(
      Effect.gen(function* () {
        const allowance = yield* claims.allowance(tenantId, queue, moment)
        if (allowance.jobs < 1) return allowance.waitMillis
        const lane = { ...one.lane, limit: Math.min(one.lane.limit, allowance.jobs) }
        // One job a key: what a claim takes must be known before it.
        const batch = yield* claim([lane], 1, undefined)
        const count = batch.groups.reduce((sum, group) => sum + group.plain.length + group.keys.length, 0)
        if (count > 0) yield* claims.pay(tenantId, queue, count, moment)
        return { batch, lane }
      })
    )
  })

  const claimPicked = Effect.fnUntraced(function* ({ isLimited, picked }: Pick, previous: Batch | undefined) {
    const [first] = picked
    if (!isLimited || first === undefined) {
      const batch = yield* claim(
        picked.map((one) => one.lane),
        options.batchMax,
        previous
      )
      noteFound(picked, batch, Math.ceil(claimBytesMax / Math.max(1, picked.length)))
      return batch
    }
    const claimed = yield* claimLimited(first)
    if (typeof claimed === "number") {
      const waitMillis = Math.max(limitedRetryMillis, claimed)
      lanes.block(first, clock.currentTimeMillisUnsafe() + waitMillis)
      return undefined
    }
    noteFound([{ ...first, lane: claimed.lane }], claimed.batch, claimBytesMax)
    return claimed.batch
  })

  // ------------------------------------------------------------------------------------------------------------------
  // Suspects
  // ------------------------------------------------------------------------------------------------------------------

  /** Closed while suspects run: the other pipes claim nothing. */
  const gate = Latch.makeUnsafe(true)
  let isAlone = false
  let lastAloneMillis = 0
  /** It runs beside its pipe. Another suspect that ran now could take it down, and it would be blamed. */
  let slowSuspect: Batch | undefined

  const untilNothingElseRuns = Effect.gen(function* () {
    const untilMillis = clock.currentTimeMillisUnsafe() + aloneDrainMillis
    while (active.size > 0 && clock.currentTimeMillisUnsafe() < untilMillis && !work.isStopping) {
      yield* Effect.sleep("5 millis")
    }
  })

  const runSuspects = Effect.gen(function* () {
    yield* untilNothingElseRuns
    const untilMillis = clock.currentTimeMillisUnsafe() + aloneSliceMillis
    while (!work.isStopping && clock.currentTimeMillisUnsafe() < untilMillis) {
      const suspects = lanes.quarantined(clock.currentTimeMillisUnsafe())
      if (suspects === undefined) break
      const batch = yield* claimPicked(suspects, undefined)
      if (batch === undefined || batch.groups.length === 0) continue
      const clean = yield* runClaimed(batch)
      if (clean !== undefined) yield* acknowledge(clean, clean.outcome)
      else if (active.has(batch.batchId)) {
        slowSuspect = batch
        break
      }
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        lastAloneMillis = clock.currentTimeMillisUnsafe()
        isAlone = false
        gate.openUnsafe()
      })
    )
  )

  // ------------------------------------------------------------------------------------------------------------------
  // The loop
  // ------------------------------------------------------------------------------------------------------------------

  const run = Effect.suspend(() => {
    let previous: Batch | undefined
    const settle = Effect.suspend(() => {
      const batch = previous
      previous = undefined
      return batch === undefined ? Effect.void : acknowledge(batch, batch.outcome)
    })

    /** Waits for news, or for the first thing that becomes possible by itself. */
    const idle = Effect.suspend(() => {
      const nowMillis = clock.currentTimeMillisUnsafe()
      const patienceMillis = Math.max(
        1,
        Math.min(options.pollMillis, lanes.nextMillis(nowMillis) - nowMillis)
      )
      return Effect.timeoutOption(bell.rung, Duration.millis(patienceMillis))
    })

    const turn = Effect.gen(function* () {
      if (isAlone) {
        yield* settle
        yield* gate.await
      }
      // Before the look: what arrives during it rings again.
      bell.hush()
      const nowMillis = clock.currentTimeMillisUnsafe()
      if (
        !isAlone &&
        (slowSuspect === undefined || !active.has(slowSuspect.batchId)) &&
        nowMillis - lastAloneMillis >= aloneIntervalMillis &&
        lanes.quarantined(nowMillis) !== undefined
      ) {
        isAlone = true
        gate.closeUnsafe()
        yield* settle
        return yield* runSuspects
      }
      const pick =
        work.beside.size >= batchesBesideMax
          ? undefined
          : lanes.pick(options.batchMax, lanesInClaimMax, nowMillis)
      if (pick === undefined) {
        yield* settle
        return yield* idle
      }
      // Its own last batch must not count against the limit.
      if (pick.isLimited) yield* settle
      if (pick.isMore) bell.ring()
      const batch = yield* claimPicked(pick, previous)
      if (batch === undefined) return
      if (!pick.isLimited) previous = undefined
      if (batch.groups.length === 0) return
      previous = yield* runClaimed(batch)
    })

    return turn.pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.andThen(
              Effect.logWarning(`Queue ${name}: a claim failed; it is tried again`, cause),
              Effect.sleep(failureDelay)
            )
      ),
      Effect.repeat({ while: () => !work.isStopping }),
      Effect.asVoid,
      Effect.ensuring(settle)
    )
  })

  return { run, handBack }
}
