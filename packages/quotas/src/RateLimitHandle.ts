/**
 * A rate limit at the Promise door: opened once by its numbers, asked with a key per request.
 *
 * @since 0.1.0
 */
import type * as Limits from "@hypermarket/core/Limits"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Limiter } from "./internal/limiter.ts"
import { unavailable, verdictOf } from "./RateLimitHeaders.ts"
import { RateLimit, type RateLimiter } from "./RateLimiter.ts"
import { RateLimits } from "./RateLimits.ts"
import { quotaMax } from "./RatePolicy.ts"

/**
 * Options of a handle: the numbers of its limit.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Options = RateLimit

/**
 * @category models
 * @since 0.1.0
 */
export interface RateLimitHandle {
  /**
   * Charges a key: an address, a user, any text. Resolves with the verdict, its headers and, for a refusal, its
   * problem document; a denial does not reject. Rejects with `RateCostTooHigh` when the cost is above the burst, and with
   * `RateSubjectInvalid` when the key has more than 1,000 characters.
   */
  readonly take: (key: string, options?: typeof TakeOptions.Encoded) => Promise<Limits.Verdict>
}

/**
 * Options of a request: what it costs, 1 by default.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TakeOptions = Schema.Struct({
  cost: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax })))
})

const decodeOptions = Schema.decodeUnknownResult(TakeOptions, { onExcessProperty: "error" })

const costOf = (options: typeof TakeOptions.Encoded | undefined): number => {
  if (options === undefined) return 1
  const decoded = decodeOptions(options)
  if (Result.isFailure(decoded)) throw new TypeError(`limits.take: ${decoded.failure.message}`)
  return decoded.success.cost ?? 1
}

/**
 * Opens a handle. It runs no query: policies are read by the first request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fn("RateLimitHandle.open")(function* (
  options: typeof Options.Type
): Effect.fn.Return<RateLimitHandle, never, RateLimits | Tenant | Scope.Scope> {
  const limiter = yield* Effect.flatMap(RateLimits, (limits) => limits.limiter(options))
  const runPromise = Effect.runPromiseWith(yield* Effect.context<never>())
  return {
    take: async (key, takeOptions) => {
      if (typeof key !== "string") throw new TypeError("limits.take: Expected the key as text")
      const cost = costOf(takeOptions)
      // A decision from memory needs no fiber.
      const decided = limiter instanceof Limiter ? limiter.takeNow(key, cost) : undefined
      if (decided !== undefined && !Effect.isEffect(decided)) return verdictOf(decided)
      const deciding: ReturnType<RateLimiter["take"]> = decided ?? limiter.take(key, cost)
      return runPromise(
        deciding.pipe(
          Effect.map(verdictOf),
          Effect.catchTag("RateLimitsUnavailable", ({ policy }) => Effect.succeed(unavailable(policy)))
        )
      )
    }
  }
})
