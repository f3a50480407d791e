/**
 * Words as they are written, while a version is built: what is typed is compared with these, since the letters that a
 * stem has lost would count as mistakes.
 */
import { compareTerms } from "./Dictionary.ts"
import { GrowingUint32 } from "./Growing.ts"
import type { TermFrequency } from "./Typo.ts"
import * as Typo from "./Typo.ts"

/** A guess at what a word costs in a map, beside its numbers. */
const wordBytes = 112

export class Surfaces {
  private readonly numbers = new Map<string, number>()
  /** By word, side by side: the last document that had it, from 1, and its documents, doubled, with 1 for a first field. */
  private readonly seen = new GrowingUint32()
  /** When all words have been added. */
  private sorted: ReadonlyArray<TermFrequency> | undefined

  /** Returns the number of a word, a new one for a new word. */
  numberOf(word: string): number {
    const known = this.numbers.get(word)
    if (known !== undefined) return known
    const number = this.numbers.size
    this.numbers.set(word, number)
    this.seen.push(0)
    this.seen.push(0)
    return number
  }

  /** Adds the word with this number. A document's first field comes before its others. */
  add(number: number, ordinal: number, field: number): void {
    const place = number * 2
    if (this.seen.get(place) === ordinal + 1) return
    this.seen.set(place, ordinal + 1)
    this.seen.set(place + 1, (this.seen.get(place + 1) + 2) | (field === 0 ? 1 : 0))
  }

  get bytes(): number {
    return this.numbers.size * wordBytes + this.seen.bytes
  }

  /**
   * In order, those of two documents or more, and those of one that has them in its first field. Words of one document in
   * its other fields would double the index, and are mostly mistakes themselves.
   */
  words(): ReadonlyArray<TermFrequency> {
    return (this.sorted ??= this.gather())
  }

  private gather(): ReadonlyArray<TermFrequency> {
    return Array.from(this.numbers, ([term, number]) => ({ term, counted: this.seen.get(number * 2 + 1) }))
      .filter(({ counted }) => counted > 2)
      .map(({ counted, term }) => ({ term, df: counted >>> 1 }))
      .toSorted((a, b) => compareTerms(a.term, b.term))
  }
}

/** A word of one document is mostly no word whose beginning is typed. */
const beginningFrequencyMin = 2

/** Returns each beginning with the number of documents of the commonest word that begins so. */
export const beginningsOf = (words: ReadonlyArray<TermFrequency>): ReadonlyArray<TermFrequency> => {
  const frequencies = new Map<string, number>()
  for (const { df, term } of words) {
    if (df < beginningFrequencyMin) continue
    for (const beginning of Typo.beginningsOf(term)) {
      frequencies.set(beginning, Math.max(df, frequencies.get(beginning) ?? 0))
    }
  }
  return Array.from(frequencies, ([term, df]) => ({ term, df }))
}
