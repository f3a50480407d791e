/**
 * Decides requests: from remembered denials, from the database within the deadline, or by the process alone while the database is
 * unavailable.
 */
import * as Identifier from "@hypermarket/core/Identifier"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import type * as SqlClient from "effect/sql/SqlClient"
import { type RateDecision, RateLimitsUnavailable, type RateState } from "../RateLimit.ts"
import * as Batcher from "./batcher.ts"
import {
  fullMicros,
  keyOf,
  millisOf,
  roomOf,
  untouched,
  waitMicros,
  type Bound,
  type Measured
} from "./bucket.ts"
import type { DenialLog } from "./denialLog.ts"
import { elapsedMillis } from "./policyCache.ts"
import * as ProcessJudge from "./processJudge.ts"

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

interface Denial {
  readonly cost: number
  readonly measured: Measured
  readonly atMillis: number
  readonly untilMillis: number
  readonly rate: string
}

const rateOf = (bound: Bound): string =>
  `${bound.quota} ${bound.burst} ${bound.periodMicros} ${bound.changedMicros}`

const stateOf = (bound: Bound, measured: Measured, retryMicros: number): RateState => ({
  policy: bound.policy,
  quota: bound.quota,
  burst: bound.burst,
  periodMillis: millisOf(bound.periodMicros),
  remaining: roomOf(bound, measured),
  fullAfterMillis: millisOf(fullMicros(bound, measured)),
  retryAfterMillis: millisOf(retryMicros)
})

const millisPerSecond = 1_000

/** Whole seconds, rounded up, at least 1: after them a lone request passes. */
const retrySeconds = (states: ReadonlyArray<RateState>): number =>
  Math.max(1, ...states.map((state) => Math.ceil(state.retryAfterMillis / millisPerSecond)))

/** Starts the batches of a process. They end with the scope. */
export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  offsetMicros: () => number,
  denials: DenialLog,
  deadline: Duration.Duration
) {
  const batcher = yield* Batcher.make(sql, offsetMicros)
  const judge = ProcessJudge.make()
  const remembered = new Map<string, Denial>()
  let lateChecks = 0
  let nextTrialMillis = 0

  const isUnavailable = (nowMillis: number): boolean => {
    if (lateChecks < lateChecksMax) return false
    if (nowMillis < nextTrialMillis) return true
    nextTrialMillis = nowMillis + trialIntervalMillis
    return false
  }

  const recall = (bound: Bound, cost: number, nowMillis: number): RateState | undefined => {
    const denial = remembered.get(keyOf(bound))
    if (denial === undefined || denial.untilMillis <= nowMillis || denial.rate !== rateOf(bound))
      return undefined
    if (cost < denial.cost) return undefined
    const elapsedMicros = Math.floor(nowMillis - denial.atMillis) * 1_000
    const wait = waitMicros(bound, denial.measured, cost) - elapsedMicros
    return wait <= 0 ? undefined : stateOf(bound, denial.measured, wait)
  }

  const remember = (
    bound: Bound,
    cost: number,
    measured: Measured,
    waitMillis: number,
    nowMillis: number
  ) => {
    // A lease may be released at any time.
    if (bound.kind === "concurrency") return
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(keyOf(bound), {
      cost,
      measured,
      atMillis: nowMillis,
      untilMillis: nowMillis + Math.min(rememberedMillisMax, waitMillis),
      rate: rateOf(bound)
    })
  }

  const allowed = (
    states: ReadonlyArray<RateState>,
    lease: string | null,
    decidedBy: "database" | "process"
  ) =>
    Effect.as(Metric.update(allowedTotal, 1), {
      allowed: true,
      states,
      lease,
      retryAfterSeconds: null,
      decidedBy
    } satisfies RateDecision)

  const denied = Effect.fnUntraced(function* (
    bounds: ReadonlyArray<Bound>,
    states: ReadonlyArray<RateState>,
    decidedBy: "database" | "process"
  ) {
    yield* Metric.update(deniedTotal, 1)
    for (const bound of bounds) {
      const violated = states.some((state) => state.policy === bound.policy && state.retryAfterMillis > 0)
      if (violated) denials.denied(bound.owner, bound.policy)
    }
    return {
      allowed: false,
      states,
      lease: null,
      retryAfterSeconds: retrySeconds(states),
      decidedBy
    } satisfies RateDecision
  })

  /** The decision of this process alone, for policies that open. */
  const alone = Effect.fnUntraced(function* (bounds: ReadonlyArray<Bound>, cost: number) {
    yield* Metric.update(unavailableTotal, 1)
    const closed = bounds.find(({ whenUnavailable }) => whenUnavailable === "closed")
    if (closed !== undefined) return yield* new RateLimitsUnavailable({ policy: closed.policy })
    const waitMillis = judge.decide(bounds, cost, yield* elapsedMillis)
    if (waitMillis === 0) return yield* allowed([], null, "process")
    const states = bounds.map((bound) => stateOf(bound, untouched, waitMillis * 1_000))
    return yield* denied(bounds, states, "process")
  })

  /** Counts what policies in shadow would deny. They charge like others and deny nothing. */
  const shadow = (bounds: ReadonlyArray<Bound>, cost: number) =>
    Effect.forEach(
      bounds,
      (bound) =>
        Identifier.next.pipe(
          Effect.flatMap((token) => batcher.decide([bound], cost, token)),
          Effect.tap((charged) =>
            Effect.sync(() => {
              if (!charged.granted) denials.shadowed(bound.owner, bound.policy)
            })
          ),
          Effect.timeoutOption(deadline),
          Effect.catch((error) => Effect.logDebug("A policy in shadow was not checked", error))
        ),
      { discard: true, concurrency: "unbounded" }
    )

  /** Durations of this process, moved where a test moves the database's clock. */
  const movedMillis = Effect.map(elapsedMillis, (millis) => millis + offsetMicros() / 1_000)

  const decide = Effect.fnUntraced(function* (
    requested: ReadonlyArray<Bound>,
    cost: number
  ): Effect.fn.Return<RateDecision, RateLimitsUnavailable> {
    const nowMillis = yield* movedMillis
    const bounds = requested.filter((bound) => !bound.shadow)
    const recalled = bounds.flatMap((bound) => recall(bound, cost, nowMillis) ?? [])
    if (recalled.length > 0) return yield* denied(bounds, recalled, "database")
    if (isUnavailable(nowMillis)) return yield* alone(bounds, cost)
    const inShadow = requested.filter((bound) => bound.shadow)
    if (inShadow.length > 0) yield* shadow(inShadow, cost)
    if (bounds.length === 0) return yield* allowed([], null, "database")

    const token = yield* Identifier.next
    const outcome = yield* batcher
      .decide(bounds, cost, token)
      .pipe(Effect.result, Effect.timeoutOption(deadline))
    const result = outcome._tag === "Some" ? outcome.value : undefined
    if (result === undefined || Result.isFailure(result)) {
      lateChecks++
      if (result !== undefined) yield* Effect.logDebug("A check failed", result.failure)
      if (lateChecks === lateChecksMax) {
        yield* Effect.logWarning("Rate limits are decided by this process alone: the database is unavailable")
      }
      return yield* alone(bounds, cost)
    }
    if (lateChecks >= lateChecksMax) yield* Effect.logInfo("Rate limits are decided by the database again")
    lateChecks = 0
    judge.forget()
    const { granted, measured } = result.success
    if (granted) {
      const states = bounds.map((bound, index) => stateOf(bound, measured[index] ?? untouched, 0))
      const lease = bounds.some(({ kind }) => kind === "concurrency") ? token : null
      return yield* allowed(states, lease, "database")
    }
    const states = bounds.map((bound, index) => {
      const seen = measured[index] ?? untouched
      const wait = waitMicros(bound, seen, cost)
      if (wait > 0) remember(bound, cost, seen, millisOf(wait), nowMillis)
      return stateOf(bound, seen, wait)
    })
    return yield* denied(bounds, states, "database")
  })

  return {
    decide,
    stateOf,
    /** Forgets that a bucket was denied: something was given back to it. */
    forget: (bound: Bound) => {
      remembered.delete(keyOf(bound))
    }
  }
})
