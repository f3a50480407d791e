/**
 * Postings while a version is built: gathered in runs of a few million, each sorted by term and compressed to about 4
 * bytes a posting; merged term by term at the end.
 */
import { GrowingUint32 } from "./Growing.ts"
import { addOccurrence } from "./Impact.ts"
import { compareTerms } from "./Dictionary.ts"

/** Postings gathered before a run is compressed: 12 bytes each, and as much again while it is. */
const runPostingsMax = 1 << 20
/** A gap and the occurrences by field, each a varint of 32 bits. */
const encodedBytesMax = 10
/** A guess at what a term costs in a map, beside its three numbers. */
const termBytes = 112

interface Run {
  readonly bytes: Uint8Array
  /** Where a term's postings begin, by number of the term; one more than there were terms then. */
  readonly starts: Uint32Array
}

export class PostingRuns {
  private readonly numbers = new Map<string, number>()
  /** By number of term, side by side: the last document that had it, from 1, and the position of its posting in the open run. */
  private readonly seen = new GrowingUint32()
  /** By number of term, its postings in the runs that have ended. */
  private readonly frequencies = new GrowingUint32()
  private readonly runTerms = new Uint32Array(runPostingsMax)
  private readonly runOrdinals = new Uint32Array(runPostingsMax)
  private readonly runFrequencies = new Uint32Array(runPostingsMax)
  private size = 0
  private readonly runs: Array<Run> = []

  /** Between documents only: a document's postings are in one run. */
  reserve(postings: number): void {
    if (this.size + postings > runPostingsMax) this.endRun()
  }

  /** Returns the number of a term, a new one for a new term. */
  numberOf(term: string): number {
    const known = this.numbers.get(term)
    if (known !== undefined) return known
    const number = this.numbers.size
    this.numbers.set(term, number)
    this.seen.push(0)
    this.seen.push(0)
    this.frequencies.push(0)
    return number
  }

  /** Adds an occurrence of the term with this number. */
  add(number: number, ordinal: number, field: number): void {
    const place = number * 2
    if (this.seen.get(place) === ordinal + 1) {
      const at = this.seen.get(place + 1)
      this.runFrequencies[at] = addOccurrence(this.runFrequencies[at] ?? 0, field)
      return
    }
    this.seen.set(place, ordinal + 1)
    this.seen.set(place + 1, this.size)
    this.runTerms[this.size] = number
    this.runOrdinals[this.size] = ordinal
    this.runFrequencies[this.size] = addOccurrence(0, field)
    this.size++
  }

  /** All terms, in order. */
  terms(): ReadonlyArray<{ readonly term: string; readonly number: number; readonly df: number }> {
    this.endRun()
    return [...this.numbers.keys()].toSorted(compareTerms).map((term) => {
      const number = this.numbers.get(term) ?? 0
      return { term, number, df: this.frequencies.get(number) }
    })
  }

  get bytes(): number {
    const runs = this.runs.reduce((sum, { bytes, starts }) => sum + bytes.byteLength + starts.byteLength, 0)
    return runs + this.numbers.size * termBytes + runPostingsMax * 12
  }

  /** A term's postings from all runs, by ascending ordinal. After {@link terms}. */
  read(number: number, visit: (ordinal: number, frequencies: number) => void): void {
    for (const { bytes, starts } of this.runs) {
      if (number + 1 >= starts.length) continue
      const end = starts[number + 1] ?? 0
      let at = starts[number] ?? 0
      let ordinal = -1
      while (at < end) {
        let byte = bytes[at++] ?? 0
        let gap = byte & 127
        for (let shift = 7; byte > 127; shift += 7) {
          byte = bytes[at++] ?? 0
          gap |= (byte & 127) << shift
        }
        byte = bytes[at++] ?? 0
        let frequencies = byte & 127
        for (let shift = 7; byte > 127; shift += 7) {
          byte = bytes[at++] ?? 0
          frequencies |= (byte & 127) << shift
        }
        ordinal += gap + 1
        visit(ordinal, frequencies >>> 0)
      }
    }
  }

  private endRun(): void {
    if (this.size === 0) return
    const { order, ends } = this.byTerm()
    const bytes = new Uint8Array(this.size * encodedBytesMax)
    const starts = new Uint32Array(this.numbers.size + 1)
    let at = 0
    let n = 0
    for (let term = 0; term < this.numbers.size; term++) {
      starts[term] = at
      let last = -1
      const end = ends[term] ?? 0
      this.frequencies.set(term, this.frequencies.get(term) + end - n)
      for (; n < end; n++) {
        const posting = order[n] ?? 0
        const ordinal = this.runOrdinals[posting] ?? 0
        let gap = ordinal - last - 1
        for (; gap > 127; gap >>>= 7) bytes[at++] = (gap & 127) | 128
        bytes[at++] = gap
        let frequencies = this.runFrequencies[posting] ?? 0
        for (; frequencies > 127; frequencies >>>= 7) bytes[at++] = (frequencies & 127) | 128
        bytes[at++] = frequencies
        last = ordinal
      }
    }
    starts[this.numbers.size] = at
    this.runs.push({ bytes: bytes.slice(0, at), starts })
    this.size = 0
  }

  /** A counting sort, which keeps the order of documents. */
  private byTerm(): { readonly order: Uint32Array; readonly ends: Uint32Array } {
    const ends = new Uint32Array(this.numbers.size)
    for (let n = 0; n < this.size; n++) {
      const term = this.runTerms[n] ?? 0
      ends[term] = (ends[term] ?? 0) + 1
    }
    let total = 0
    for (let term = 0; term < ends.length; term++) {
      const count = ends[term] ?? 0
      ends[term] = total
      total += count
    }
    const order = new Uint32Array(this.size)
    for (let n = 0; n < this.size; n++) {
      const term = this.runTerms[n] ?? 0
      const at = ends[term] ?? 0
      order[at] = n
      ends[term] = at + 1
    }
    return { order, ends }
  }
}
