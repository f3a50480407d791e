/** Calls of one handler that run at the same time in this process, over all batches; in the order of their claims. */
export class Slots {
  private active = 0
  private isPumping = false
  private waiting: Array<() => void> = []
  private next = 0
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  /** Calls `start` when there is a slot, at once or later. It ends with {@link release}. */
  take(start: () => void): void {
    this.waiting.push(start)
    this.pump()
  }

  release(): void {
    this.active--
    this.pump()
  }

  /** A loop and not a recursion: a thousand calls that end at once must not stand on one another's stack. */
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
