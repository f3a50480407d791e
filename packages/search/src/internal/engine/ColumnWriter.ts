/**
 * Documents' values as chunks of 32,768 ordinals, for filters, facets and sorting.
 */
import { GrowingFloat64, GrowingUint32 } from "./Growing.ts"
import type { ColumnSummary } from "./VersionSummary.ts"

export interface ColumnChunk {
  readonly name: string
  readonly part: "values" | "dictionary" | "typo"
  readonly chunk: number
  readonly data: Uint8Array
}

export const ordinalsPerChunk = 32_768
const dictionaryValuesPerChunk = 1_000
/** Stands for no value. Only a column that does not have it as a value is stored as int32. */
export const missingInt32 = -(2 ** 31)

const bytesOf = (array: Uint32Array | Uint16Array | Int32Array | Float64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

export class NumberColumnWriter {
  private readonly values = new GrowingFloat64()
  private isInt32 = true
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  add(value: number | undefined): void {
    this.values.push(value ?? Number.NaN)
    if (value !== undefined && (value !== (value | 0) || value === missingInt32)) this.isInt32 = false
  }

  get bytes(): number {
    return this.values.bytes
  }

  summary(): ColumnSummary {
    return { name: this.name, kind: "number", width: this.isInt32 ? "int32" : "float64" }
  }

  *chunks(): Generator<ColumnChunk> {
    const values = this.values.view()
    for (let chunk = 0; chunk * ordinalsPerChunk < values.length; chunk++) {
      const part = values.slice(chunk * ordinalsPerChunk, (chunk + 1) * ordinalsPerChunk)
      const data = this.isInt32
        ? Int32Array.from(part, (value) => (Number.isNaN(value) ? missingInt32 : value))
        : part
      yield { name: this.name, part: "values", chunk, data: bytesOf(data) }
    }
  }
}

/** Of numbers of values, in the order the values were first seen. */
export class KeywordColumnWriter {
  private readonly numbers = new Map<string, number>()
  private readonly values = new GrowingUint32()
  /** Where a document's values begin; one more than there are documents. */
  private readonly starts = new GrowingUint32()
  private isMulti = false
  readonly name: string

  constructor(name: string) {
    this.name = name
    this.starts.push(0)
  }

  add(values: ReadonlyArray<string>): void {
    const before = this.values.size
    for (const value of values.length < 2 ? values : new Set(values)) {
      const number = this.numbers.get(value) ?? this.numbers.size
      if (number === this.numbers.size) this.numbers.set(value, number)
      this.values.push(number)
    }
    if (this.values.size - before > 1) this.isMulti = true
    this.starts.push(this.values.size)
  }

  /** The dictionary at a guess of 100 bytes a value. */
  get bytes(): number {
    return this.values.bytes + this.starts.bytes + this.numbers.size * 100
  }

  summary(): ColumnSummary {
    return {
      name: this.name,
      kind: "keyword",
      distinct: this.numbers.size,
      values: this.values.size,
      isMulti: this.isMulti,
      // One number more than there are values: 0 stands for none.
      width: this.numbers.size < 0xffff ? "uint16" : "uint32"
    }
  }

  *chunks(): Generator<ColumnChunk> {
    const dictionary = [...this.numbers.keys()]
    for (let chunk = 0; chunk * dictionaryValuesPerChunk < dictionary.length; chunk++) {
      const part = dictionary.slice(chunk * dictionaryValuesPerChunk, (chunk + 1) * dictionaryValuesPerChunk)
      yield { name: this.name, part: "dictionary", chunk, data: Buffer.from(JSON.stringify(part)) }
    }
    const documents = this.starts.size - 1
    for (let chunk = 0; chunk * ordinalsPerChunk < documents; chunk++) {
      const first = chunk * ordinalsPerChunk
      const end = Math.min(documents, first + ordinalsPerChunk)
      yield {
        name: this.name,
        part: "values",
        chunk,
        data: this.isMulti ? this.multiple(first, end) : this.single(first, end)
      }
    }
  }

  private packed(values: ArrayLike<number>): Uint8Array {
    return bytesOf(this.numbers.size < 0xffff ? Uint16Array.from(values) : Uint32Array.from(values))
  }

  /** A number a document: 0 for no value, else the value's number + 1. */
  private single(first: number, end: number): Uint8Array {
    return this.packed(
      Array.from({ length: end - first }, (_, n) => {
        const at = this.starts.get(first + n)
        return at === this.starts.get(first + n + 1) ? 0 : this.values.get(at) + 1
      })
    )
  }

  /** A u32 of values a document, then all values' numbers + 1. */
  private multiple(first: number, end: number): Uint8Array {
    const counts = Uint32Array.from(
      { length: end - first },
      (_, n) => this.starts.get(first + n + 1) - this.starts.get(first + n)
    )
    const values = this.values.view().subarray(this.starts.get(first), this.starts.get(end))
    return Buffer.concat([bytesOf(counts), this.packed(values.map((number) => number + 1))])
  }
}
