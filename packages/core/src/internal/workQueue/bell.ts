/**
 * Wakes one of those that wait, not all: two pipes that claim for one job are in each other's way. Who is woken and sees
 * work for more rings again.
 */
import * as Effect from "effect/Effect"

export class Bell {
  private readonly waiting = new Set<() => void>()
  private isRung = false

  /** Wakes the one that has waited longest; when nobody waits, the next that would. */
  ring(): void {
    const [wake] = this.waiting
    if (wake === undefined) this.isRung = true
    else wake()
  }

  ringForAll(): void {
    this.isRung = true
    for (const wake of this.waiting) wake()
  }

  /** Forgets a ring: for one who looks now. */
  hush(): void {
    this.isRung = false
  }

  readonly rung: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.isRung) return resume(Effect.void)
    const wake = () => {
      this.waiting.delete(wake)
      resume(Effect.void)
    }
    this.waiting.add(wake)
    return Effect.sync(() => this.waiting.delete(wake))
  })
}
