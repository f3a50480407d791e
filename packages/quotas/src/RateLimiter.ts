/**
 * A rate limit whose numbers are the program's: a burst, then a rate per period, for any number of keys.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type {
  RateCostTooHigh,
  RateDecision,
  RateLimitsUnavailable,
  RateState,
  RateSubjectInvalid
} from "./RateLimit.ts"
import { periodMillisMax, quotaMax, RatePolicyName } from "./RatePolicy.ts"

const periodPattern = /^\d{1,12} (?:milli|second|minute|hour|day)s?$/

const millisIn = (text: string): number =>
  Option.match(Duration.fromInput(text as Duration.Input), { onNone: () => 0, onSome: Duration.toMillis })

/**
 * A period such as `1 minute` or `500 millis`, up to 366 days.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RatePeriod = Schema.String.check(
  Schema.makeFilter(
    (text: string) => {
      const millis = periodPattern.test(text) ? millisIn(text) : 0
      return millis >= 1 && millis <= periodMillisMax
        ? undefined
        : "Expected a period such as 1 minute or 500 millis, at most 366 days"
    },
    { expected: "a period such as 1 minute", toJsonSchema: () => ({ pattern: periodPattern.source }) }
  )
)

const Tokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax }))

/**
 * The numbers of a limit. They hold until the tenant has a policy of this name: an operator changes a limit without a release.
 *
 * @category models
 * @since 0.1.0
 */
export const RateLimit = Schema.Struct({
  name: RatePolicyName,
  /** Tokens that come back per period. */
  rate: Tokens,
  per: RatePeriod,
  /**
   * Tokens that a key has after a pause.
   *
   * @default `rate`
   */
  burst: Schema.optionalKey(Tokens),
  /**
   * How a request is decided while the database is unavailable: by this process alone, or refused with 503.
   *
   * @default "open"
   */
  whenUnavailable: Schema.optionalKey(Schema.Literals(["open", "closed"]))
})

/**
 * @category models
 * @since 0.1.0
 */
export type RateLimit = typeof RateLimit.Type

/**
 * Returns the period of a limit in milliseconds.
 *
 * @category conversions
 * @since 0.1.0
 */
export const periodMillisOf = (limit: Pick<RateLimit, "per">): number => millisIn(limit.per)

/**
 * A limit of one tenant. Each key has its own bucket.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimiter {
  /**
   * Charges a key, 1 token by default, or tells when to try again. It commits by itself, also inside a transaction of the
   * caller.
   */
  readonly take: (
    key: string,
    cost?: number
  ) => Effect.Effect<RateDecision, RateSubjectInvalid | RateCostTooHigh | RateLimitsUnavailable>
  /** Reads the bucket of a key and charges nothing. */
  readonly peek: (key: string) => Effect.Effect<RateState, RateSubjectInvalid | SqlError>
  /** Refunds tokens, at most what is used: what has drained since is not refunded. It is not idempotent. */
  readonly refund: (key: string, cost: number) => Effect.Effect<RateState, RateSubjectInvalid | SqlError>
  /** Empties the bucket of a key: the next requests find all of it. */
  readonly reset: (key: string) => Effect.Effect<RateState, RateSubjectInvalid | SqlError>
}
