/**
 * Wakes one waiting fiber at a time: two claim loops that claim for one job are in each other's way. A woken loop that
 * sees more work notifies again.
 */
import * as Effect from "effect/Effect"

export class Signal {
  private readonly waiting = new Set<() => void>()
  private isSet = false

  /** Wakes the fiber that has waited longest. With no fiber waiting, the next one to wait does not block. */
  notify(): void {
    const [wake] = this.waiting
    if (wake === undefined) this.isSet = true
    else wake()
  }

  notifyAll(): void {
    this.isSet = true
    for (const wake of this.waiting) wake()
  }

  /** Clears a pending notification, for a loop that is about to look for work. */
  reset(): void {
    this.isSet = false
  }

  readonly wait: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.isSet) return resume(Effect.void)
    const wake = () => {
      this.waiting.delete(wake)
      resume(Effect.void)
    }
    this.waiting.add(wake)
    return Effect.sync(() => this.waiting.delete(wake))
  })
}
