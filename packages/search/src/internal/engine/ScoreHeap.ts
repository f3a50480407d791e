/**
 * The best of many scores: a binary heap with the worst of the kept at its root. Among equal scores the lower ordinal is
 * better; ordinals are offered in ascending order.
 */
export class ScoreHeap {
  private readonly scores: Float64Array
  private readonly ordinals: Uint32Array
  private size = 0

  constructor(capacity: number) {
    this.scores = new Float64Array(capacity)
    this.ordinals = new Uint32Array(capacity)
  }

  /** The score that another one must exceed to enter. */
  get least(): number {
    return this.size < this.scores.length ? -Infinity : (this.scores[0] ?? Infinity)
  }

  offer(score: number, ordinal: number): void {
    if (this.size < this.scores.length) {
      this.scores[this.size] = score
      this.ordinals[this.size] = ordinal
      this.rise(this.size++)
    } else if (this.size > 0 && score > (this.scores[0] ?? 0)) {
      this.scores[0] = score
      this.ordinals[0] = ordinal
      this.sink()
    }
  }

  /** The best first. */
  sorted(): ReadonlyArray<{ readonly ordinal: number; readonly score: number }> {
    return Array.from({ length: this.size }, (_, n) => ({
      ordinal: this.ordinals[n] ?? 0,
      score: this.scores[n] ?? 0
    })).toSorted((a, b) => b.score - a.score || a.ordinal - b.ordinal)
  }

  private isWorse(a: number, b: number): boolean {
    const left = this.scores[a] ?? 0
    const right = this.scores[b] ?? 0
    return left < right || (left === right && (this.ordinals[a] ?? 0) > (this.ordinals[b] ?? 0))
  }

  private swap(a: number, b: number): void {
    const { ordinals, scores } = this
    const score = scores[a] ?? 0
    const ordinal = ordinals[a] ?? 0
    scores[a] = scores[b] ?? 0
    ordinals[a] = ordinals[b] ?? 0
    scores[b] = score
    ordinals[b] = ordinal
  }

  private rise(from: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!this.isWorse(at, parent)) return
      this.swap(at, parent)
      at = parent
    }
  }

  private sink(): void {
    let at = 0
    for (;;) {
      const left = at * 2 + 1
      const right = left + 1
      let worst = at
      if (left < this.size && this.isWorse(left, worst)) worst = left
      if (right < this.size && this.isWorse(right, worst)) worst = right
      if (worst === at) return
      this.swap(at, worst)
      at = worst
    }
  }
}
