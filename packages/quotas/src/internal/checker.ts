/**
 * Decides requests: from remembered denials and leased tokens, from the database within the deadline, or by the process alone while
 * the database is unavailable.
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"
import { type RateDecision, RateLimitsUnavailable, type RateState } from "../RateLimit.ts"
import * as Batcher from "./batcher.ts"
import {
  costMaxOf,
  isSameRate,
  millisOf,
  untouched,
  waitMicros,
  type Bound,
  type Measured
} from "./bucket.ts"
import type { DenialLog } from "./denialLog.ts"
import * as Leases from "./leases.ts"
import * as ProcessJudge from "./processJudge.ts"
import { retrySeconds, stateOf, stateOfTaken } from "./rateStates.ts"
import { giveBack, leftoversPerStatement, releaseAll } from "./repairStatements.ts"

/** After this number of late checks in a row the database is unavailable, and only one check per interval asks it. */
const lateChecksMax = 3
const trialIntervalMillis = 250

/** A denial is remembered until it can change, and never longer: a raised limit admits everywhere within 500 ms. */
const rememberedMillisMax = 500

/** Denials remembered per process, some 200 bytes each. All are forgotten at the limit: the database decides again. */
const rememberedMax = 10_000

const checksTotal = Metric.counter("hm_rate_checks_total", {
  description: "Checks of rate limits, by outcome",
  incremental: true
})
const allowedTotal = Metric.withAttributes(checksTotal, { outcome: "allowed" })
const deniedTotal = Metric.withAttributes(checksTotal, { outcome: "denied" })
const unavailableTotal = Metric.counter("hm_rate_checks_unavailable_total", {
  description: "Checks that the database did not decide in time",
  incremental: true
})

/** Ended leases are given back, and counts of decisions are added to the metric, at this interval. */
const sweepInterval = "100 millis"

interface Denial {
  readonly bound: Bound
  readonly cost: number
  readonly measured: Measured
  readonly atMillis: number
  readonly untilMillis: number
}

/** A decision of this process, or an effect that asks the database. */
export type Decided = RateDecision | Effect.Effect<RateDecision, RateLimitsUnavailable>

const nanosPerMilli = 1_000_000

/** Starts the batches of a process. They end with the scope. */
export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  offsetMicros: () => number,
  denials: DenialLog,
  deadline: Duration.Duration
) {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  /** Durations of this process. */
  const clockMillis = () => Number(clock.monotonicTimeNanosUnsafe()) / nanosPerMilli
  /** The same, moved where a test moves the database's clock. */
  const movedMillis = (millis: number) => millis + offsetMicros() / 1_000
  const nowMillis = () => movedMillis(clockMillis())
  const batcher = yield* Batcher.make(sql, offsetMicros, nowMillis, deadline)
  const leases = Leases.make(nowMillis, batcher.lease)
  const judge = ProcessJudge.make()
  const remembered = new Map<string, Denial>()
  const counts = { allowed: 0, denied: 0 }
  let lateChecks = 0
  let nextTrialMillis = 0

  const isUnavailable = (now: number): boolean => {
    if (lateChecks < lateChecksMax) return false
    if (now < nextTrialMillis) return true
    nextTrialMillis = now + trialIntervalMillis
    return false
  }

  /** Counts a check that the database did not decide in time. */
  const late = Effect.suspend(() => {
    lateChecks++
    return lateChecks === lateChecksMax
      ? Effect.logWarning("Rate limits are decided by this process alone: the database is unavailable")
      : Effect.void
  })

  /**
   * Reads policies within the deadline of a check; none while the database is unavailable. After a trial that is answered the
   * check itself asks the database.
   */
  const reading = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
    Effect.suspend(() => {
      if (isUnavailable(nowMillis())) return Effect.undefined
      return self.pipe(
        Effect.timeout(deadline),
        Effect.tap(() =>
          Effect.sync(() => {
            lateChecks = Math.min(lateChecks, lateChecksMax - 1)
          })
        ),
        Effect.catch((error) =>
          Effect.logDebug("Policies were not read", error).pipe(Effect.andThen(late), Effect.as(undefined))
        )
      )
    })

  const recall = (bound: Bound, cost: number, now: number): RateState | undefined => {
    const denial = remembered.get(bound.key)
    if (denial === undefined || denial.untilMillis <= now || !isSameRate(denial.bound, bound))
      return undefined
    if (cost < denial.cost) return undefined
    const elapsedMicros = Math.floor(now - denial.atMillis) * 1_000
    const wait = waitMicros(bound, denial.measured, cost) - elapsedMicros
    return wait <= 0 ? undefined : stateOf(bound, denial.measured, wait)
  }

  const remember = (bound: Bound, cost: number, measured: Measured, waitMillis: number, now: number) => {
    // A lease may be released at any time.
    if (bound.kind === "concurrency") return
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(bound.key, {
      bound,
      cost,
      measured,
      atMillis: now,
      untilMillis: now + Math.min(rememberedMillisMax, waitMillis)
    })
  }

  const allowed = (
    states: ReadonlyArray<RateState>,
    lease: string | null,
    decidedBy: "database" | "process"
  ): RateDecision => {
    counts.allowed++
    return { allowed: true, states, lease, retryAfterSeconds: null, decidedBy }
  }

  const denied = (
    bounds: ReadonlyArray<Bound>,
    states: ReadonlyArray<RateState>,
    decidedBy: "database" | "process"
  ): RateDecision => {
    counts.denied++
    for (const bound of bounds) {
      const violated = states.some((state) => state.policy === bound.policy && state.retryAfterMillis > 0)
      if (violated) denials.denied(bound.owner, bound.policy)
    }
    return { allowed: false, states, lease: null, retryAfterSeconds: retrySeconds(states), decidedBy }
  }

  /** The decision of this process alone, for policies that open. */
  const alone = Effect.fnUntraced(function* (bounds: ReadonlyArray<Bound>, cost: number) {
    yield* Metric.update(unavailableTotal, 1)
    const closed = bounds.find(({ whenUnavailable }) => whenUnavailable === "closed")
    if (closed !== undefined) return yield* new RateLimitsUnavailable({ policy: closed.policy })
    const waitMillis = judge.decide(bounds, cost, clockMillis())
    if (waitMillis === 0) return allowed([], null, "process")
    const states = bounds.map((bound) => stateOf(bound, untouched, waitMillis * 1_000))
    return denied(bounds, states, "process")
  })

  /** Counts what policies in shadow would deny. They charge like others and deny nothing. */
  const shadow = (bounds: ReadonlyArray<Bound>, cost: number, token: string) =>
    Effect.forEach(
      bounds,
      (bound) =>
        batcher.decide([bound], Math.min(cost, costMaxOf(bound)), token).pipe(
          Effect.tap((charged) =>
            Effect.sync(() => {
              if (charged?.granted === false) denials.shadowed(bound.owner, bound.policy)
            })
          ),
          Effect.catch((error) => Effect.logDebug("A policy in shadow was not checked", error))
        ),
      { discard: true, concurrency: "unbounded" }
    )

  /** Frees what a request that does not run may hold, outside the caller's transaction. Its answer does not wait for it. */
  const free = (bounds: ReadonlyArray<Bound>, token: string) =>
    Effect.forEach(bounds, (bound) => releaseAll(sql, bound, [token]), { discard: true }).pipe(
      Effect.updateContext((context: Context.Context<never>) =>
        Context.omit(sql.transactionService)(context)
      ),
      Effect.catchCause((cause) => Effect.logDebug("A slot was not released", cause)),
      Effect.forkIn(scope),
      Effect.asVoid
    )

  /**
   * Decides beside policies in shadow, which are charged at the same time. Their slots are of the decision's lease, and are freed
   * with it: of a policy that stops being in shadow, only requests that run hold one.
   */
  const besideShadow = Effect.fnUntraced(function* (
    requested: ReadonlyArray<Bound>,
    cost: number,
    isLate: boolean
  ): Effect.fn.Return<RateDecision, RateLimitsUnavailable> {
    const inShadow = requested.filter((bound) => bound.shadow)
    const bounds = requested.filter((bound) => !bound.shadow)
    const slots = requested.filter(({ kind }) => kind === "concurrency")
    const token = slots.length > 0 ? yield* Identifier.next : ""
    const [, result] = yield* Effect.all(
      [shadow(inShadow, cost, token), Effect.result(decide(bounds, cost, isLate, token))],
      { concurrency: 2 }
    ).pipe(Effect.onInterrupt(() => (slots.length > 0 ? free(slots, token) : Effect.void)))
    const shadowSlots = inShadow.filter(({ kind }) => kind === "concurrency")
    if (shadowSlots.length > 0 && !(Result.isSuccess(result) && result.success.allowed)) {
      yield* free(shadowSlots, token)
    }
    const decision = yield* Effect.fromResult(result)
    return decision.allowed && shadowSlots.length > 0 ? { ...decision, lease: token } : decision
  })

  const putBack = (taken: ReadonlyArray<Leases.Taken | undefined>) => {
    const now = nowMillis()
    for (const each of taken) if (each !== undefined) leases.putBack(each, now)
  }

  /** Decides what this process has not leased, and puts leased tokens back when the request is denied. */
  const ask = Effect.fnUntraced(function* (
    bounds: ReadonlyArray<Bound>,
    cost: number,
    taken: ReadonlyArray<Leases.Taken | undefined>,
    now: number,
    tokenOfShadow: string
  ): Effect.fn.Return<RateDecision, RateLimitsUnavailable> {
    const asked = bounds.filter((_, index) => taken[index] === undefined)
    const needsToken = asked.some(({ kind }) => kind === "concurrency")
    const token = needsToken && tokenOfShadow === "" ? yield* Identifier.next : tokenOfShadow
    const deciding = batcher.decide(asked, cost, token)
    for (const bound of asked) leases.prepare(bound, now)
    const result = yield* deciding.pipe(
      Effect.result,
      Effect.onInterrupt(() => Effect.sync(() => putBack(taken)))
    )
    const charged = Result.isSuccess(result) ? result.success : undefined
    if (charged === undefined) {
      putBack(taken)
      if (Result.isFailure(result)) yield* Effect.logDebug("A check failed", result.failure)
      yield* late
      return yield* alone(bounds, cost)
    }
    if (lateChecks >= lateChecksMax) yield* Effect.logInfo("Rate limits are decided by the database again")
    lateChecks = 0
    const { granted, measured } = charged
    const seen = new Map(asked.map((bound, index) => [bound, measured[index] ?? untouched]))
    for (const [bound, each] of seen) leases.observe(bound, each)
    if (granted) {
      const states = bounds.map((bound, index) => {
        const leased = taken[index]
        return leased === undefined ? stateOf(bound, seen.get(bound) ?? untouched, 0) : stateOfTaken(leased)
      })
      const lease = needsToken ? token : null
      return allowed(states, lease, "database")
    }
    putBack(taken)
    const states = bounds.map((bound, index) => {
      const leased = taken[index]
      if (leased !== undefined) return stateOfTaken(leased)
      const each = seen.get(bound) ?? untouched
      const wait = waitMicros(bound, each, cost)
      if (wait > 0) remember(bound, cost, each, millisOf(wait), now)
      return stateOf(bound, each, wait)
    })
    return denied(bounds, states, "database")
  })

  const recalled = (bounds: ReadonlyArray<Bound>, cost: number, now: number): RateDecision | undefined => {
    if (remembered.size === 0) return undefined
    const states = bounds.flatMap((bound) => recall(bound, cost, now) ?? [])
    return states.length === 0 ? undefined : denied(bounds, states, "database")
  }

  /** {@link decideNow} for one policy out of shadow, as most requests have it. */
  const decideOne = (bounds: readonly [Bound], cost: number, isLate: boolean, now: number): Decided => {
    const [bound] = bounds
    const denial = remembered.size === 0 ? undefined : recall(bound, cost, now)
    if (denial !== undefined) return denied(bounds, [denial], "database")
    const taken = leases.take(bound, cost, now)
    if (taken !== undefined) return allowed([stateOfTaken(taken)], null, "database")
    return isLate || isUnavailable(now) ? alone(bounds, cost) : ask(bounds, cost, [undefined], now, "")
  }

  /** {@link decideNow} for several policies, or such as are in shadow. */
  const decideAll = (
    requested: ReadonlyArray<Bound>,
    cost: number,
    isLate: boolean,
    token: string,
    now: number
  ): Decided => {
    const isShadowed = requested.some(({ shadow }) => shadow)
    const bounds = isShadowed ? requested.filter((bound) => !bound.shadow) : requested
    const denial = recalled(bounds, cost, now)
    if (denial !== undefined) return denial
    const unavailable = isLate || isUnavailable(now)
    if (isShadowed && !unavailable) return besideShadow(requested, cost, isLate)
    const taken = bounds.map((bound) => leases.take(bound, cost, now))
    if (taken.every((each) => each !== undefined)) {
      return allowed(taken.map(stateOfTaken), null, "database")
    }
    if (!unavailable) return ask(bounds, cost, taken, now, token)
    putBack(taken)
    return alone(bounds, cost)
  }

  /**
   * Returns the decision when this process can make it, or an effect that asks the database. A request that has waited for its
   * policies in vain does not ask.
   */
  const decideNow = (
    requested: ReadonlyArray<Bound>,
    cost: number,
    isLate = false,
    token = "",
    now = nowMillis()
  ): Decided => {
    const only = requested[0]
    return requested.length === 1 && only !== undefined && !only.shadow && token === ""
      ? decideOne([only], cost, isLate, now)
      : decideAll(requested, cost, isLate, token, now)
  }

  const decide = (bounds: ReadonlyArray<Bound>, cost: number, isLate = false, token = "") =>
    Effect.suspend(() => {
      const decided = decideNow(bounds, cost, isLate, token)
      return Effect.isEffect(decided) ? decided : Effect.succeed(decided)
    })

  const sweep = Effect.fnUntraced(
    function* (leftovers: ReadonlyArray<Leases.Leftover>) {
      const { allowed, denied } = counts
      counts.allowed = 0
      counts.denied = 0
      if (allowed > 0) yield* Metric.update(allowedTotal, allowed)
      if (denied > 0) yield* Metric.update(deniedTotal, denied)
      for (let from = 0; from < leftovers.length; from += leftoversPerStatement) {
        yield* giveBack(sql, leftovers.slice(from, from + leftoversPerStatement), offsetMicros())
      }
    },
    Effect.catchCause((cause) => Effect.logDebug("Ended leases were not given back", cause))
  )

  yield* Effect.addFinalizer(() => Effect.suspend(() => sweep(leases.close())))
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.suspend(() => sweep(leases.expire(nowMillis()))),
      Schedule.spaced(sweepInterval)
    )
  )

  return {
    decide,
    decideNow,
    reading,
    stateOf,
    clockMillis,
    movedMillis,
    /** Forgets that a bucket was denied: something was given back to it. */
    forget: (bound: Bound) => {
      remembered.delete(bound.key)
    },
    /** Forgets all of a bucket: it was reset. */
    drop: (bound: Bound) => {
      remembered.delete(bound.key)
      leases.drop(bound)
    }
  }
})
