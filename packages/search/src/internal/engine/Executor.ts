/**
 * Scores all documents of a version for a plan, term at a time: every list is read once from end to end, into one score
 * and one count of words a document. Nothing is pruned. On 1,000,000 products block-max pruning was up to twice as fast
 * for common queries and seven times as slow for queries of frequent words, and it cannot count facets.
 *
 * Scratch memory of 10 bytes a document; one search at a time.
 */
import { decode, headerBytes, postingsPerBlock, type PostingList } from "./Block.ts"
import { impactMax } from "./Impact.ts"
import type { Alternative, Plan, PlannedWord } from "./Plan.ts"
import type { ScoreHeap } from "./ScoreHeap.ts"

export type Lists = (term: string) => PostingList | undefined

/** In a document's count: something was added that counts no word. */
const extraFlag = 0x80
/** In one place for all documents: an empty query. */
const everything = 1

/** A joined form alone is as good as one word. */
const wordsOf = (count: number): number => (count < extraFlag ? count : Math.max(1, count - extraFlag))

/** Documents that fail one refinement and pass the others, with their number of words. */
export interface Aside {
  readonly ordinals: Array<number>
  readonly words: Array<number>
}

/** The factor of a document's score for its popularity. */
export interface Popularity {
  readonly weight: number
  readonly steps: ReadonlyArray<{ readonly level: number; readonly ordinal: number }>
}

export const popularityFactor = (weight: number, level: number): number => 1 + (weight * level) / 255

/** The one formula of a score; changes in memory use it too. */
export const scoreOf = (sum: number, words: number, counted: number, popularity: number): number =>
  sum * (words / counted) * popularity

/** Documents that have all of the terms. */
const withAll = (terms: ReadonlyArray<string>, lists: Lists): Iterable<number> => {
  const found = terms.map(lists).filter((list) => list !== undefined)
  if (found.length < terms.length) return []
  const [first = new Uint32Array(), ...others] = found
    .toSorted((a, b) => a.df - b.df)
    .map((list) => decode(list).ordinals)
  if (others.length === 0) return first
  const sets = others.map((ordinals) => new Set(ordinals))
  return first.filter((ordinal) => sets.every((set) => set.has(ordinal)))
}

export class Executor {
  readonly documentCount: number
  private readonly scores: Float32Array
  /** Of words by document; padded to be read four at a time. */
  private readonly counts: Uint8Array
  private readonly fours: Uint32Array
  /** By document, the last word with several alternatives that it had. */
  private readonly marks: Uint8Array
  private readonly selected: Uint32Array
  private readonly block = new Uint32Array(postingsPerBlock)
  private readonly table = new Float64Array(impactMax + 1)
  /** A table for each place of a document in its four, so that no counter waits for the one before. */
  private readonly tables = new Uint32Array(4 * 256)
  private readonly histogram = new Uint32Array(extraFlag)

  constructor(documentCount: number) {
    const padded = Math.ceil(documentCount / 4) * 4
    this.documentCount = documentCount
    this.scores = new Float32Array(padded)
    this.counts = new Uint8Array(padded)
    this.fours = new Uint32Array(this.counts.buffer)
    this.marks = new Uint8Array(padded)
    // The last four may be written one past what is counted.
    this.selected = new Uint32Array(padded + 4)
  }

  get bytes(): number {
    return this.scores.byteLength + this.counts.byteLength + this.marks.byteLength + this.selected.byteLength
  }

  /** Every document with the same score: what an empty query finds. */
  matchAll(): void {
    this.scores.fill(1)
    this.counts.fill(everything)
    this.counts.fill(0, this.documentCount)
  }

  accumulate(plan: Plan, lists: Lists): void {
    this.counts.fill(0)
    if (
      plan.words.some(({ alternatives }) => alternatives.length > 1 || this.isConjunction(alternatives[0]))
    ) {
      this.marks.fill(0)
    }
    plan.words.forEach((word, n) => this.addWord(word, n + 1, lists))
  }

  /** Removes documents without a word that is required, and those with all terms of what is excluded. */
  restrict({ excluded, words }: Plan, lists: Lists): void {
    const { counts } = this
    for (const { alternatives } of words.filter(({ isRequired }) => isRequired)) {
      const kept = new Uint8Array(this.documentCount)
      for (const { terms } of alternatives) for (const ordinal of withAll(terms, lists)) kept[ordinal] = 1
      for (let ordinal = 0; ordinal < kept.length; ordinal++) if (kept[ordinal] === 0) counts[ordinal] = 0
    }
    for (const terms of excluded) for (const ordinal of withAll(terms, lists)) counts[ordinal] = 0
  }

  remove(ordinals: ReadonlyArray<number>): void {
    const { counts } = this
    for (const ordinal of ordinals) counts[ordinal] = 0
  }

  /** Removes documents that `isKept` refuses. */
  keep(isKept: (ordinal: number) => boolean): void {
    const { counts, fours } = this
    for (let n = 0; n < fours.length; n++) {
      if (fours[n] === 0) continue
      for (let ordinal = n * 4; ordinal < n * 4 + 4; ordinal++) {
        if (counts[ordinal] !== 0 && !isKept(ordinal)) counts[ordinal] = 0
      }
    }
  }

  /**
   * Removes documents that fail a test. Returns, by test, those that fail this one alone: what would be found without it.
   */
  setAside(tests: ReadonlyArray<(ordinal: number) => boolean>): ReadonlyArray<Aside> {
    const aside = tests.map((): Aside => ({ ordinals: [], words: [] }))
    this.keep((ordinal) => {
      let failed = -1
      for (let n = 0; n < tests.length; n++) {
        if (tests[n]?.(ordinal) !== false) continue
        if (failed !== -1) return false
        failed = n
      }
      if (failed === -1) return true
      aside[failed]?.ordinals.push(ordinal)
      aside[failed]?.words.push(wordsOf(this.counts[ordinal] ?? 0))
      return false
    })
    return aside
  }

  /** Multiplies the scores of documents. */
  boost(isBoosted: (ordinal: number) => boolean, factor: number): void {
    const { counts, scores } = this
    for (let ordinal = 0; ordinal < this.documentCount; ordinal++) {
      if (counts[ordinal] !== 0 && isBoosted(ordinal)) scores[ordinal] = (scores[ordinal] ?? 0) * factor
    }
  }

  /** Removes documents that `isKept` refuses, and counts the rest by their number of words. Of this search alone. */
  settle(isKept: ((ordinal: number) => boolean) | undefined): Uint32Array {
    if (isKept !== undefined) this.keep(isKept)
    const { fours, histogram, tables } = this
    tables.fill(0)
    histogram.fill(0)
    for (let n = 0; n < fours.length; n++) {
      const four = fours[n] ?? 0
      if (four === 0) continue
      const second = 256 + ((four >>> 8) & 255)
      const third = 512 + ((four >>> 16) & 255)
      const fourth = 768 + (four >>> 24)
      tables[four & 255] = (tables[four & 255] ?? 0) + 1
      tables[second] = (tables[second] ?? 0) + 1
      tables[third] = (tables[third] ?? 0) + 1
      tables[fourth] = (tables[fourth] ?? 0) + 1
    }
    let flagged = 0
    for (let count = 1; count < 256; count++) {
      const documents =
        (tables[count] ?? 0) +
        (tables[256 + count] ?? 0) +
        (tables[512 + count] ?? 0) +
        (tables[768 + count] ?? 0)
      const words = wordsOf(count)
      histogram[words] = (histogram[words] ?? 0) + documents
      if (count >= extraFlag) flagged += documents
    }
    if (flagged > 0) this.unflag()
    return histogram
  }

  /** Ordinals of the documents with at least `level` words, ascending. A view, until the next call. */
  select(level: number): Uint32Array {
    const { fours, selected } = this
    // Added to a count of at least so many words, it sets the highest bit of its byte: flags are gone by now.
    const lacking = Math.imul(extraFlag - level, 0x01010101)
    let size = 0
    for (let n = 0; n < fours.length; n++) {
      const four = fours[n] ?? 0
      if (((four + lacking) & 0x80808080) === 0) continue
      // Written always and counted when meant: which documents are meant is not predictable.
      selected[size] = n * 4
      size += (four & 255) >= level ? 1 : 0
      selected[size] = n * 4 + 1
      size += ((four >>> 8) & 255) >= level ? 1 : 0
      selected[size] = n * 4 + 2
      size += ((four >>> 16) & 255) >= level ? 1 : 0
      selected[size] = n * 4 + 3
      size += four >>> 24 >= level ? 1 : 0
    }
    return selected.subarray(0, size)
  }

  /** The best of the documents selected. */
  best(selected: Uint32Array, counted: number, popularity: Popularity, heap: ScoreHeap): void {
    const { counts, scores } = this
    const { steps, weight } = popularity
    let step = -1
    let stepEnd = 0
    let factor = 1
    let least = heap.least
    for (let n = 0; n < selected.length; n++) {
      const ordinal = selected[n] ?? 0
      while (ordinal >= stepEnd) {
        step++
        stepEnd = steps[step + 1]?.ordinal ?? this.documentCount
        factor = popularityFactor(weight, steps[step]?.level ?? 0)
      }
      const score = scoreOf(scores[ordinal] ?? 0, counts[ordinal] ?? 0, counted, factor)
      if (score <= least) continue
      heap.offer(score, ordinal)
      least = heap.least
    }
  }

  scoreAt(ordinal: number): number {
    return this.scores[ordinal] ?? 0
  }

  wordsAt(ordinal: number): number {
    return this.counts[ordinal] ?? 0
  }

  private unflag(): void {
    const { counts } = this
    for (let ordinal = 0; ordinal < counts.length; ordinal++) {
      const count = counts[ordinal] ?? 0
      if (count >= extraFlag) counts[ordinal] = wordsOf(count)
    }
  }

  private isConjunction(alternative: Alternative | undefined): boolean {
    return alternative !== undefined && alternative.terms.length > 1
  }

  private addWord(word: PlannedWord, mark: number, lists: Lists): void {
    const { alternatives, idf, isCounted } = word
    for (const alternative of alternatives) {
      const found = alternative.terms.map(lists).filter((list) => list !== undefined)
      const [list] = found
      if (list === undefined || found.length < alternative.terms.length) continue
      this.fillTable(idf * alternative.weight)
      if (found.length > 1) this.addConjunction(found, mark)
      else if (!isCounted) this.addExtra(list)
      else if (alternatives.length > 1) this.addMarked(list, mark)
      else this.addPlain(list)
    }
  }

  /** Fills the table of scores by impact, for the list that is read. */
  private fillTable(weight: number): void {
    for (let impact = 0; impact <= impactMax; impact++) this.table[impact] = (weight * impact) / impactMax
  }

  private addPlain(list: PostingList): void {
    const { block, counts, scores, table } = this
    let last = -1
    for (const { data, end, start } of list.spans) {
      let at = start
      while (at < end) {
        const count = (data[at] ?? 0) + 1
        const impactAt = this.readBlock(data, at, count, last)
        for (let n = 0; n < count; n++) {
          const ordinal = block[n] ?? 0
          const words = counts[ordinal] ?? 0
          const score = table[data[impactAt + n] ?? 0] ?? 0
          scores[ordinal] = words === 0 ? score : (scores[ordinal] ?? 0) + score
          counts[ordinal] = words + 1
        }
        last = block[count - 1] ?? 0
        at = impactAt + count
      }
    }
  }

  private addMarked(list: PostingList, mark: number): void {
    const { block } = this
    let last = -1
    for (const { data, end, start } of list.spans) {
      let at = start
      while (at < end) {
        const count = (data[at] ?? 0) + 1
        const impactAt = this.readBlock(data, at, count, last)
        for (let n = 0; n < count; n++) this.addOnce(block[n] ?? 0, data[impactAt + n] ?? 0, mark)
        last = block[count - 1] ?? 0
        at = impactAt + count
      }
    }
  }

  private addOnce(ordinal: number, impact: number, mark: number): void {
    if (this.marks[ordinal] === mark) return
    this.marks[ordinal] = mark
    const words = this.counts[ordinal] ?? 0
    const score = this.table[impact] ?? 0
    this.scores[ordinal] = words === 0 ? score : (this.scores[ordinal] ?? 0) + score
    this.counts[ordinal] = words + 1
  }

  private addExtra(list: PostingList): void {
    const { impacts, ordinals } = decode(list)
    for (let n = 0; n < ordinals.length; n++) {
      const ordinal = ordinals[n] ?? 0
      const words = this.counts[ordinal] ?? 0
      const score = this.table[impacts[n] ?? 0] ?? 0
      this.scores[ordinal] = words === 0 ? score : (this.scores[ordinal] ?? 0) + score
      this.counts[ordinal] = words | extraFlag
    }
  }

  /** Documents in all lists, with the least of their impacts. */
  private addConjunction(lists: ReadonlyArray<PostingList>, mark: number): void {
    const [shortest, ...others] = lists.toSorted((a, b) => a.df - b.df).map(decode)
    if (shortest === undefined) return
    const places = others.map(() => 0)
    shortest.ordinals.forEach((ordinal, n) => {
      let impact = shortest.impacts[n] ?? 0
      for (let other = 0; other < others.length; other++) {
        const { impacts, ordinals } = others[other] ?? shortest
        let place = places[other] ?? 0
        while (place < ordinals.length && (ordinals[place] ?? 0) < ordinal) place++
        places[other] = place
        if (ordinals[place] !== ordinal) return
        impact = Math.min(impact, impacts[place] ?? 0)
      }
      this.addOnce(ordinal, impact, mark)
    })
  }

  /** Ordinals of the block at `at` into `this.block`. Returns where its impacts begin. */
  private readBlock(data: Uint8Array, at: number, count: number, last: number): number {
    const { block } = this
    const gapBytes = (data[at + 2] ?? 0) | ((data[at + 3] ?? 0) << 8)
    let gapAt = at + headerBytes
    let ordinal = last
    if (gapBytes === count) {
      for (let n = 0; n < count; n++) {
        ordinal += (data[gapAt + n] ?? 0) + 1
        block[n] = ordinal
      }
      return gapAt + count
    }
    for (let n = 0; n < count; n++) {
      let byte = data[gapAt++] ?? 0
      let gap = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        byte = data[gapAt++] ?? 0
        gap |= (byte & 127) << shift
      }
      ordinal += gap + 1
      block[n] = ordinal
    }
    return gapAt
  }
}
