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
  private readonly frequencies = new GrowingUint32()
  /** By word, the last document that had it, from 1. */
  private readonly seenIn = new GrowingUint32()
  /** By word, 1 when some document has it in its first field. */
  private readonly isInFirst = new GrowingUint32()
  /** When all words have been added. */
  private sorted: ReadonlyArray<TermFrequency> | undefined

  add(word: string, ordinal: number, field: number): void {
    let number = this.numbers.get(word)
    if (number === undefined) {
      number = this.numbers.size
      this.numbers.set(word, number)
      this.frequencies.push(0)
      this.seenIn.push(0)
      this.isInFirst.push(0)
    }
    if (field === 0) this.isInFirst.set(number, 1)
    if (this.seenIn.get(number) === ordinal + 1) return
    this.seenIn.set(number, ordinal + 1)
    this.frequencies.increment(number)
  }

  get bytes(): number {
    return this.numbers.size * wordBytes + this.frequencies.bytes + this.seenIn.bytes + this.isInFirst.bytes
  }

  /**
   * In order, those of two documents or more, and those of one that has them in its first field. Words of one document in
   * its other fields would double the index, and are mostly mistakes themselves.
   */
  words(): ReadonlyArray<TermFrequency> {
    return (this.sorted ??= this.gather())
  }

  private gather(): ReadonlyArray<TermFrequency> {
    return Array.from(this.numbers, ([term, number]) => ({
      term,
      number,
      df: this.frequencies.get(number)
    }))
      .filter(({ df, number }) => df > 1 || this.isInFirst.get(number) === 1)
      .map(({ df, term }) => ({ term, df }))
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
