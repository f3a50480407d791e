/** Bounds of requests to the store of Effect's `RateLimiter`, whose interface takes any number and any duration. */
import * as Duration from "effect/Duration"
import { periodMillisMax, quotaMax } from "../RatePolicy.ts"
import { keyBytesMax } from "./keyedState.ts"

/** As the column has it. */
const keyLengthMax = 1_000

const isAmount = (value: number): boolean => value >= 0 && value <= quotaMax

const isPeriod = (duration: Duration.Duration): boolean => {
  const millis = Duration.toMillis(duration)
  return millis > 0 && millis <= periodMillisMax
}

/** The fields of all methods of the store. */
interface Options {
  readonly key: string
  readonly tokens: number
  readonly limit?: number | undefined
  readonly refillRate?: Duration.Duration
  readonly fallbackLimit?: number
  readonly fallbackWindow?: Duration.Duration
}

/** Returns why a request is refused, beginning with the field. Undefined when it is not. */
export const refusalOf = (options: Options): string | undefined => {
  const { fallbackLimit, fallbackWindow, key, limit, refillRate, tokens } = options
  if (key.length === 0 || key.length > keyLengthMax || !key.isWellFormed() || key.includes("\u0000")) {
    return `key: Expected 1 to ${keyLengthMax} characters, none of them U+0000 or a lone surrogate`
  }
  if (Buffer.byteLength(key) > keyBytesMax) return `key: Expected at most ${keyBytesMax} bytes of UTF-8`
  if (!isAmount(tokens)) return "tokens: Expected a number from 0 to below 10^15"
  if (limit !== undefined && !isAmount(limit)) return "limit: Expected a number from 0 to below 10^15"
  if (refillRate !== undefined && !isPeriod(refillRate)) {
    return "refillRate: Expected a window that, divided by its limit, is above 0 and at most 366 days"
  }
  if (fallbackLimit !== undefined && !isAmount(fallbackLimit)) {
    return "fallbackLimit: Expected a number from 0 to below 10^15"
  }
  if (fallbackWindow !== undefined && !isPeriod(fallbackWindow)) {
    return "fallbackWindow: Expected a duration above 0 and at most 366 days"
  }
  return undefined
}
