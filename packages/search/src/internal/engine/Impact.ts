/**
 * The weight of a term in a document, in one byte: BM25F's saturated weight `W / (W + k1)` with
 * `W = sum over fields of w * tf / (1 - b + b * length / average)` (Robertson, Zaragoza 2009). The builder and the
 * changes in memory compute it here, so that both order alike.
 */
import type { EngineSettings } from "./EngineSettings.ts"

/** Occurrences in one field count up to this: four bits, and W has saturated long before. */
const frequencyMax = 15

/** A term's occurrences by field, four bits each. */
export type Frequencies = number

export const addOccurrence = (frequencies: Frequencies, field: number): Frequencies => {
  const shift = field * 4
  return ((frequencies >>> shift) & frequencyMax) === frequencyMax
    ? frequencies
    : (frequencies + 2 ** shift) >>> 0
}

export const impactMax = 255

export class Impacts {
  private readonly k1: number
  private readonly fieldCount: number
  private readonly weights: ReadonlyArray<number>
  private readonly bs: ReadonlyArray<number>
  private readonly averages: ReadonlyArray<number>

  /** `averages` of length over the documents that have the field; 0 when none has. */
  constructor(settings: EngineSettings, averages: ReadonlyArray<number>) {
    this.k1 = settings.k1
    this.fieldCount = settings.fields.length
    this.weights = settings.fields.map(({ weight }) => weight)
    this.bs = settings.fields.map(({ b }) => b)
    this.averages = averages
  }

  /** `lengths` by field, from `offset` on. From 1 to 255. */
  of(frequencies: Frequencies, lengths: ArrayLike<number>, offset: number): number {
    let total = 0
    for (let field = 0; field < this.fieldCount; field++) {
      const frequency = (frequencies >>> (field * 4)) & frequencyMax
      if (frequency === 0) continue
      const b = this.bs[field] ?? 0
      const average = this.averages[field] ?? 0
      // A field of stop words alone has length 0, and an empty version no average: neither may divide by zero.
      const length = average === 0 ? 1 : Math.max(1, lengths[offset + field] ?? 0) / average
      total += ((this.weights[field] ?? 0) * frequency) / (1 - b + b * length)
    }
    return Math.max(1, Math.round((impactMax * total) / (total + this.k1)))
  }
}

/** BM25's idf, which is never negative. */
export const inverseFrequency = (documents: number, frequency: number): number =>
  Math.log(1 + (Math.max(documents, frequency) - frequency + 0.5) / (frequency + 0.5))
