/**
 * The database's clock, as rate limits read it. A test moves it by an offset that the statements bind.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Returns the microseconds that are added to the database's clock; 0 outside tests. Rate limits never read the clock of a
 * process: a process whose clock is an hour off decides the same.
 *
 * @category services
 * @since 0.1.0
 */
export const RateClock = Context.Reference<{ readonly offsetMicros: () => number }>(
  "@hypermarket/quotas/RateClock",
  { defaultValue: () => ({ offsetMicros: () => 0 }) }
)
