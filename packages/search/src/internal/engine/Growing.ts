/** Typed arrays that grow, for what is counted in millions while a version is built. */

export class GrowingUint32 {
  size = 0
  private values = new Uint32Array(1_024)

  push(value: number): void {
    this.reserve(this.size + 1)
    this.values[this.size++] = value
  }

  get(at: number): number {
    return this.values[at] ?? 0
  }

  set(at: number, value: number): void {
    this.values[at] = value
  }

  clear(): void {
    this.size = 0
  }

  /** A view, until the next push. */
  view(): Uint32Array {
    return this.values.subarray(0, this.size)
  }

  get bytes(): number {
    return this.values.byteLength
  }

  private reserve(size: number): void {
    if (size <= this.values.length) return
    const larger = new Uint32Array(this.values.length * 2)
    larger.set(this.values)
    this.values = larger
  }
}

export class GrowingUint16 {
  size = 0
  private values = new Uint16Array(1_024)

  push(value: number): void {
    if (this.size === this.values.length) {
      const larger = new Uint16Array(this.size * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.size++] = value
  }

  /** A view, until the next push. */
  view(): Uint16Array {
    return this.values.subarray(0, this.size)
  }

  get bytes(): number {
    return this.values.byteLength
  }
}

export class GrowingFloat64 {
  size = 0
  private values = new Float64Array(1_024)

  push(value: number): void {
    if (this.size === this.values.length) {
      const larger = new Float64Array(this.size * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.size++] = value
  }

  /** A view, until the next push. */
  view(): Float64Array {
    return this.values.subarray(0, this.size)
  }

  get bytes(): number {
    return this.values.byteLength
  }
}
