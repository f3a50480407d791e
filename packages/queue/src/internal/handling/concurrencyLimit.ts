/**
 * Limits the concurrent calls of one handler in this process, over all batches, in the order of their claims. Not Effect's
 * `Semaphore`: it starts a fiber that waits per call, and most jobs are shorter than that.
 */
export class ConcurrencyLimit {
  private active = 0
  private isPumping = false
  private waiting: Array<() => void> = []
  private next = 0
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  /** Calls `start` as soon as the limit allows, at once or later. The call ends with {@link release}. */
  acquire(start: () => void): void {
    this.waiting.push(start)
    this.pump()
  }

  release(): void {
    this.active--
    this.pump()
  }

  /** A loop instead of a recursion: a thousand calls that end at once would overflow the stack. */
  private pump(): void {
    if (this.isPumping) return
    this.isPumping = true
    while (this.active < this.max) {
      const start = this.waiting[this.next]
      if (start === undefined) break
      this.next++
      this.active++
      start()
    }
    if (this.next > 1_024 || this.next === this.waiting.length) {
      this.waiting = this.waiting.slice(this.next)
      this.next = 0
    }
    this.isPumping = false
  }
}
