/**
 * Logs the failures of a worker's loops. In an outage every loop fails several times per second: a reason is logged when it
 * begins and then at most once per minute with its count, in one line without stack frames.
 */
import * as FailureText from "@hypermarket/core/FailureText"
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Interval of the lines of one reason. */
const repeatMillis = 60_000
/** Maximum reasons in memory: labels of errors, of which a process sees a few. At the limit they are forgotten. */
const reasonsMax = 100

interface Entry {
  loggedAtMillis: number
  suppressed: number
}

export class FailureLog {
  private readonly entries = new Map<string, Entry>()
  private readonly prefix: string
  private readonly clock: Clock.Clock

  constructor(prefix: string, clock: Clock.Clock) {
    this.prefix = prefix
    this.clock = clock
  }

  /** Logs that something failed and is tried again, unless its reason was logged within the last minute. */
  warn(what: string, cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reason = FailureText.reasonOf(cause)
      const nowMillis = this.clock.currentTimeMillisUnsafe()
      const entry = this.entries.get(reason)
      if (entry !== undefined && nowMillis - entry.loggedAtMillis < repeatMillis) {
        entry.suppressed++
        return Effect.void
      }
      if (this.entries.size >= reasonsMax) this.entries.clear()
      this.entries.set(reason, { loggedAtMillis: nowMillis, suppressed: 0 })
      return Effect.logWarning(`Queue ${this.prefix}: ${what}`, {
        detail: FailureText.describe(cause),
        // Failures for this reason, of any loop, since its last line.
        suppressed: entry?.suppressed ?? 0
      })
    })
  }
}
