/**
 * Limiters with the methods and answers of rate-limiter-flexible, over Postgres, for programs that move from it.
 *
 * Points are counted in a fixed window that begins with a key's first request. Requests of a key take turns by the database's
 * clock, outside the caller's transaction. New code opens `limits` instead, which is batched and leased.
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as FlexibleState from "./internal/flexibleState.ts"
import * as KeyedState from "./internal/keyedState.ts"
import { RateClock } from "./RateClock.ts"
import { RateLimitClient } from "./RateLimitClient.ts"
import { periodMillisMax, quotaMax } from "./RatePolicy.ts"

/** With the prefix it fits the column. */
const keyLengthMax = 900

const secondsMax = periodMillisMax / 1_000

const Seconds = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: secondsMax }))

/**
 * Options of a limiter, named as there.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = Schema.Struct({
  points: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quotaMax })),
  /** Seconds of a window; 0 for points that never expire. */
  duration: Seconds,
  /**
   * Keeps limiters apart.
   *
   * @default "rlflx"
   */
  keyPrefix: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[ -~]{0,64}$/, { message: "Expected at most 64 printable ASCII characters" })
    )
  ),
  /**
   * Seconds for which a key that has used more than its points is refused; 0 for the rest of its window.
   *
   * @default 0
   */
  blockDuration: Schema.optionalKey(Seconds)
})

/**
 * The answer of all methods. `consume` rejects with it, which is no error, when a key has used more than its points.
 *
 * @category models
 * @since 0.1.0
 */
export class RateLimiterRes {
  readonly remainingPoints: number
  /** Milliseconds until the window or the block ends; -1 for points that never expire. */
  readonly msBeforeNext: number
  readonly consumedPoints: number
  readonly isFirstInDuration: boolean

  constructor(pointsMax: number, { consumed, isFirst, millisBeforeNext }: FlexibleState.Counted) {
    this.remainingPoints = Math.max(0, pointsMax - consumed)
    this.msBeforeNext = millisBeforeNext
    this.consumedPoints = consumed
    this.isFirstInDuration = isFirst
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface RateLimiterFlexible {
  readonly points: number
  readonly duration: number
  /** Resolves when the key has points left, and rejects with a {@link RateLimiterRes} when it has none. */
  readonly consume: (key: string | number, points?: number) => Promise<RateLimiterRes>
  /** Adds used points, without a refusal. */
  readonly penalty: (key: string | number, points?: number) => Promise<RateLimiterRes>
  /** Returns points to the key. */
  readonly reward: (key: string | number, points?: number) => Promise<RateLimiterRes>
  /** Refuses the key for some seconds; 0 refuses it until it is deleted. */
  readonly block: (key: string | number, seconds: number) => Promise<RateLimiterRes>
  /** Sets the used points of a key for some seconds. */
  readonly set: (key: string | number, points: number, seconds: number) => Promise<RateLimiterRes>
  /** Resolves with null for a key that is not counted. */
  readonly get: (key: string | number) => Promise<RateLimiterRes | null>
  /** Forgets a key. Resolves with false when it was not counted. */
  readonly delete: (key: string | number) => Promise<boolean>
}

const pointsOf = (method: string, points: number): number => {
  if (Number.isFinite(points) && points >= 0 && points <= quotaMax) return points
  throw new TypeError(`${method}: Expected points from 0 to below 10^15`)
}

const secondsOf = (method: string, seconds: number): number => {
  if (seconds >= 0 && seconds <= secondsMax) return seconds
  throw new TypeError(`${method}: Expected seconds from 0 to 366 days`)
}

/**
 * Opens a limiter of a tenant.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fn("RateLimiterFlexible.open")(function* (
  options: typeof Options.Type
): Effect.fn.Return<RateLimiterFlexible, never, Tenant | SqlClient.SqlClient> {
  const shared = yield* SqlClient.SqlClient
  const sql = (yield* RateLimitClient) ?? shared
  const { id } = yield* Tenant
  const { offsetMicros } = yield* RateClock
  const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
  const { blockDuration = 0, duration, keyPrefix = "rlflx", points: pointsMax } = options
  const change = KeyedState.make(sql, id, offsetMicros)("flexible", FlexibleState.Points, FlexibleState.step)

  const counted = async (method: string, key: string | number, request: FlexibleState.Change) => {
    const text = String(key)
    if (text.length > keyLengthMax || !text.isWellFormed() || text.includes("\u0000")) {
      throw new TypeError(`${method}: Expected a key of at most ${keyLengthMax} characters, without U+0000`)
    }
    const stored = `${keyPrefix}:${text}`
    if (Buffer.byteLength(stored) > KeyedState.keyBytesMax) {
      throw new TypeError(
        `${method}: Expected a key that has, with its prefix, at most ${KeyedState.keyBytesMax} bytes of UTF-8`
      )
    }
    return runPromise(change({ key: stored, change: request }))
  }
  const resOf = async (method: string, key: string | number, request: FlexibleState.Change) =>
    new RateLimiterRes(
      pointsMax,
      (await counted(method, key, request)) ?? { consumed: 0, isFirst: false, millisBeforeNext: 0 }
    )

  return {
    points: pointsMax,
    duration,
    consume: async (key, points = 1) => {
      const res = await resOf("consume", key, {
        type: "consume",
        points: pointsOf("consume", points),
        seconds: duration,
        pointsMax,
        blockSeconds: blockDuration
      })
      // As there: the refusal is a value, and not an error.
      return res.consumedPoints > pointsMax ? Promise.reject(res) : res
    },
    penalty: async (key, points = 1) =>
      resOf("penalty", key, { type: "add", points: pointsOf("penalty", points), seconds: duration }),
    reward: async (key, points = 1) =>
      resOf("reward", key, { type: "add", points: -pointsOf("reward", points), seconds: duration }),
    block: async (key, seconds) =>
      resOf("block", key, { type: "set", points: pointsMax + 1, seconds: secondsOf("block", seconds) }),
    set: async (key, points, seconds) =>
      resOf("set", key, {
        type: "set",
        points: pointsOf("set", points),
        seconds: secondsOf("set", seconds)
      }),
    get: async (key) => {
      const current = await counted("get", key, { type: "get" })
      return current === undefined ? null : new RateLimiterRes(pointsMax, current)
    },
    delete: async (key) => (await counted("delete", key, { type: "delete" })) !== undefined
  }
})
