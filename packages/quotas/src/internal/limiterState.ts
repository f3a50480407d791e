/** The state of Effect's `RateLimiter` for one key, and how a request changes it: as its store in memory does. */
import * as Duration from "effect/Duration"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import type { Step } from "./keyedState.ts"

type Store = RateLimiter.RateLimiterStore["Service"]
type Options<Method extends keyof Store> = Parameters<Store[Method]>[0]

export const Window = Schema.Struct({ count: Schema.Finite, expiresMillis: Schema.Finite })

export const window = (
  before: typeof Window.Type | undefined,
  { limit, refillRate, tokens }: Options<"fixedWindow">,
  now: number
): Step<typeof Window.Type, readonly [count: number, ttl: number]> => {
  const current =
    before === undefined || before.expiresMillis <= now ? { count: 0, expiresMillis: now } : before
  const count = current.count + tokens
  if (limit !== undefined && limit !== 0 && count > limit) {
    const { expiresMillis } = current
    return { state: current, expiresMillis, answer: [count, expiresMillis - now] }
  }
  const expiresMillis = current.expiresMillis + Duration.toMillis(refillRate) * tokens
  return { state: { count, expiresMillis }, expiresMillis, answer: [count, expiresMillis - now] }
}

export const Bucket = Schema.Struct({ tokens: Schema.Finite, refilledMillis: Schema.Finite })

export const bucket = (
  before: typeof Bucket.Type | undefined,
  { allowOverflow, limit, refillRate, tokens }: Options<"tokenBucket">,
  now: number
): Step<typeof Bucket.Type, readonly [remaining: number, elapsedMillis: number]> => {
  const rateMillis = Duration.toMillis(refillRate)
  const current = before ?? { tokens: limit, refilledMillis: now }
  const added = Math.max(0, Math.floor((now - current.refilledMillis) / rateMillis))
  const filled = added === 0 ? current.tokens : Math.min(limit, current.tokens + added)
  const refilledMillis = filled >= limit ? now : current.refilledMillis + added * rateMillis
  const remaining = filled - tokens
  const kept = allowOverflow || remaining >= 0 ? remaining : filled
  return {
    state: { tokens: kept, refilledMillis },
    expiresMillis: refilledMillis + Math.max(0, limit - kept) * rateMillis,
    answer: [remaining, Math.max(0, now - refilledMillis)]
  }
}

export const Adaptive = Schema.Struct({
  phase: Schema.Literals(["cooldown", "learning", "learned"]),
  epoch: Schema.Int,
  cooldownMillis: Schema.Finite,
  learningMillis: Schema.Finite,
  observed: Schema.Finite,
  limit: Schema.Finite,
  windowMillis: Schema.Finite,
  expiresMillis: Schema.Finite
})
type Adaptive = typeof Adaptive.Type

const graceMillis = 60_000
const windowMillisMax = 3_600_000

const clamped = (millis: number): number =>
  Number.isNaN(millis) || millis <= 0 ? 1 : Math.min(millis, windowMillisMax)

const living = (before: Adaptive | undefined, now: number): Adaptive | undefined =>
  before === undefined || before.expiresMillis <= now ? undefined : before

type Consumed = RateLimiter.AdaptiveConsumeResult

const keep = <Answer>(state: Adaptive, answer: Answer): Step<Adaptive, Answer> => ({
  state,
  expiresMillis: state.expiresMillis,
  answer
})

const consumed = (state: Adaptive, delayMillis: number): Step<Adaptive, Consumed> =>
  keep(state, { delay: Duration.millis(Math.max(0, delayMillis)), epoch: state.epoch, phase: state.phase })

export const consume = (
  before: Adaptive | undefined,
  { fallbackWindow, tokens }: RateLimiter.AdaptiveConsumeOptions,
  now: number
): Step<Adaptive, Consumed> => {
  const state = living(before, now)
  if (state === undefined) {
    const answer: Consumed = { delay: Duration.zero, epoch: 0, phase: "inactive" }
    return { state: undefined, expiresMillis: now, answer }
  }
  if (state.phase === "learning") return consumed({ ...state, observed: state.observed + tokens }, 0)
  if (state.phase === "cooldown") {
    if (state.cooldownMillis > now) return consumed(state, state.cooldownMillis - now)
    const expiresMillis = now + Duration.toMillis(fallbackWindow) + graceMillis
    const learning = {
      phase: "learning",
      epoch: state.epoch + 1,
      learningMillis: now,
      observed: tokens
    } as const
    return consumed({ ...state, ...learning, expiresMillis }, 0)
  }
  const rateMillis = state.windowMillis / state.limit
  const isOver = state.cooldownMillis <= now
  const observed = (isOver ? 0 : state.observed) + tokens
  const cooldownMillis = (isOver ? now : state.cooldownMillis) + rateMillis * tokens
  const elapsed = observed * rateMillis - (cooldownMillis - now)
  const delay = Math.floor((observed - 1) / state.limit) * state.windowMillis - elapsed
  return consumed({ ...state, observed, cooldownMillis }, delay)
}

const coolingDown = (state: Pick<Adaptive, "epoch">, cooldownMillis: number): Step<Adaptive, void> =>
  keep(
    {
      phase: "cooldown",
      epoch: state.epoch,
      cooldownMillis,
      learningMillis: 0,
      observed: 0,
      limit: 0,
      windowMillis: 0,
      expiresMillis: cooldownMillis + graceMillis
    },
    undefined
  )

export const feedback = (
  before: Adaptive | undefined,
  { epoch, retryAfter, status, tokens }: RateLimiter.AdaptiveFeedbackOptions,
  now: number
): Step<Adaptive, void> => {
  const state = living(before, now)
  const unchanged = { state, expiresMillis: state?.expiresMillis ?? now, answer: undefined }
  if (status !== 429 || retryAfter === undefined) return unchanged
  const retryMillis = clamped(Duration.toMillis(retryAfter))
  const cooldownMillis = now + retryMillis
  if (state === undefined) return epoch === 0 ? coolingDown({ epoch: 0 }, cooldownMillis) : unchanged
  if (state.epoch !== epoch) return unchanged
  if (state.phase === "learned") return coolingDown(state, cooldownMillis)
  if (state.phase === "cooldown") {
    const longer = Math.max(state.cooldownMillis, cooldownMillis)
    return keep({ ...state, cooldownMillis: longer, expiresMillis: longer + graceMillis }, undefined)
  }
  const accepted = state.observed - tokens
  if (accepted <= 0) return coolingDown(state, cooldownMillis)
  const windowMillis = clamped(now - state.learningMillis + retryMillis)
  return keep(
    {
      ...state,
      phase: "learned",
      epoch: state.epoch + 1,
      cooldownMillis: state.learningMillis + windowMillis,
      observed: accepted,
      limit: accepted,
      windowMillis,
      expiresMillis: now + windowMillis + graceMillis
    },
    undefined
  )
}
