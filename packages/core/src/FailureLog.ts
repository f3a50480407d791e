/**
 * Logs the failures of loops. In an outage every loop of a process fails several times per second. A reason is logged when it
 * begins and then at most once per minute with its count, in one line without stack frames.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FailureText from "./FailureText.ts"

/** Interval of the lines of one reason. */
const repeatMillis = 60_000
/** Maximum reasons in memory: labels of errors, of which a process sees a few. At the limit they are forgotten. */
const reasonsMax = 100

interface Entry {
  loggedAtMillis: number
  suppressed: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FailureLog {
  /** Logs that something failed and is tried again, unless its reason was logged within the last minute. */
  readonly warn: (what: string, cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

/**
 * Makes the log of the loops that share their reasons.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<FailureLog> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const entries = new Map<string, Entry>()
  const log: FailureLog = {
    warn: (what, cause) =>
      Effect.suspend(() => {
        const reason = FailureText.reasonOf(cause)
        const nowMillis = clock.currentTimeMillisUnsafe()
        const entry = entries.get(reason)
        if (entry !== undefined && nowMillis - entry.loggedAtMillis < repeatMillis) {
          entry.suppressed++
          return Effect.void
        }
        if (entries.size >= reasonsMax) entries.clear()
        entries.set(reason, { loggedAtMillis: nowMillis, suppressed: 0 })
        return Effect.logWarning(what, {
          detail: FailureText.describe(cause),
          // Failures for this reason, of any loop, since its last line.
          suppressed: entry?.suppressed ?? 0
        })
      })
  }
  return log
})
