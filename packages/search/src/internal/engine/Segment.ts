/**
 * A version in memory: the bytes of its rows one after another, its terms, its columns. About 83 bytes a product in a
 * catalogue of a million. All of it is shared memory.
 */
import { Buffer } from "node:buffer"
import { headerBytes, type PostingChunk, type PostingList } from "./Block.ts"
import { typoColumn } from "./Builder.ts"
import { Columns, type LoadedColumn } from "./Columns.ts"
import type { ColumnChunk } from "./ColumnWriter.ts"
import { byFrequency, type Dictionary } from "./Dictionary.ts"
import { beginningsOf } from "./Surfaces.ts"
import * as Typo from "./Typo.ts"
import type { VersionSummary } from "./VersionSummary.ts"

/** Everything a segment consists of. Posting it to a worker thread copies summary and dictionaries, nothing else. */
export interface SharedSegment {
  readonly summary: VersionSummary
  readonly blocks: Uint8Array
  /** Where a term's blocks begin; one more than there are terms. As are the next. */
  readonly blockStarts: Uint32Array
  readonly terms: Uint8Array
  readonly termStarts: Uint32Array
  readonly frequencies: Uint32Array
  /** For typing mistakes: words as they are written, and beginnings of words. */
  readonly typos: SharedTypos
  readonly beginnings: SharedTypos
  readonly columns: ReadonlyMap<string, LoadedColumn>
}

export interface SharedTypos {
  /** Sorted hashes of words and their deletions, and for each the number of the word. */
  readonly hashes: Uint32Array
  readonly numbers: Uint32Array
  readonly words: Uint8Array
  readonly wordStarts: Uint32Array
  readonly frequencies: Uint32Array
}

export interface SegmentBytes {
  readonly postings: number
  readonly dictionary: number
  readonly typos: number
  readonly columns: number
  readonly total: number
}

const sharedUint32 = (size: number) => new Uint32Array(new SharedArrayBuffer(size * 4))
const sharedUint8 = (size: number) => new Uint8Array(new SharedArrayBuffer(size))

const shareUint32 = (values: Uint32Array): Uint32Array => {
  const shared = sharedUint32(values.length)
  shared.set(values)
  return shared
}

/** Highest possible first byte is 0xf4: sorts after every term with the prefix. */
const afterAll = Buffer.from([0xff])

/** Terms whose place is remembered: about a megabyte. */
const foundMax = 10_000

export class Segment implements Dictionary {
  readonly shared: SharedSegment
  readonly columns: Columns
  private readonly terms: Buffer
  /** Where terms are, -1 for none: a plan asks for each several times, and shoppers for the same words. */
  private found = new Map<string, number>()

  constructor(shared: SharedSegment) {
    this.shared = shared
    this.columns = new Columns(shared.columns)
    const { buffer, byteLength, byteOffset } = shared.terms
    this.terms = Buffer.from(buffer, byteOffset, byteLength)
  }

  get summary(): VersionSummary {
    return this.shared.summary
  }

  get bytes(): SegmentBytes {
    const { beginnings, blockStarts, blocks, frequencies, termStarts, terms, typos: words } = this.shared
    const postings = blocks.byteLength
    const dictionary =
      terms.byteLength + termStarts.byteLength + blockStarts.byteLength + frequencies.byteLength
    const typos = bytesOf(words) + bytesOf(beginnings)
    const columns = this.columns.bytes
    return { postings, dictionary, typos, columns, total: postings + dictionary + typos + columns }
  }

  expect(): void {
    // Everything is here.
  }

  frequency(term: string): number {
    const at = this.find(term)
    return at === -1 ? 0 : (this.shared.frequencies[at] ?? 0)
  }

  list(term: string): PostingList | undefined {
    const at = this.find(term)
    if (at === -1) return undefined
    const { blockStarts, blocks, frequencies } = this.shared
    return {
      df: frequencies[at] ?? 0,
      spans: [{ data: blocks, start: blockStarts[at] ?? 0, end: blockStarts[at + 1] ?? 0 }]
    }
  }

  completions(prefix: string, limit: number): ReadonlyArray<Typo.TermFrequency> {
    const bytes = Buffer.from(prefix)
    const start = this.lowerBound(bytes)
    const end = this.lowerBound(Buffer.concat([bytes, afterAll]))
    const { frequencies } = this.shared
    const best: Array<{ readonly at: number; readonly df: number }> = []
    for (let at = start; at < end; at++) {
      const df = frequencies[at] ?? 0
      if (best.length === limit && df <= (best.at(-1)?.df ?? 0)) continue
      // Equal frequencies stay in order of term, in which they come.
      const place = best.findIndex((other) => other.df < df)
      best.splice(place === -1 ? best.length : place, 0, { at, df })
      if (best.length > limit) best.pop()
    }
    return best.map(({ at, df }) => ({ term: this.termAt(at), df }))
  }

  neighbours(token: string, edits: Typo.Edits): ReadonlyArray<Typo.TermFrequency> {
    return lookUp(this.shared.typos, token, edits)
  }

  beginnings(token: string): ReadonlyArray<Typo.TermFrequency> {
    return lookUp(this.shared.beginnings, token, 1)
  }

  private termAt(at: number): string {
    const { termStarts } = this.shared
    return this.terms.toString("utf8", termStarts[at], termStarts[at + 1])
  }

  private find(term: string): number {
    const known = this.found.get(term)
    if (known !== undefined) return known
    const bytes = Buffer.from(term)
    const bound = this.lowerBound(bytes)
    const at = bound < this.shared.frequencies.length && this.compareAt(bound, bytes) === 0 ? bound : -1
    if (this.found.size >= foundMax) this.found = new Map()
    this.found.set(term, at)
    return at
  }

  private lowerBound(bytes: Buffer): number {
    let low = 0
    let high = this.shared.frequencies.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compareAt(middle, bytes) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  private compareAt(at: number, bytes: Buffer): number {
    const { termStarts } = this.shared
    return this.terms.compare(bytes, 0, bytes.length, termStarts[at], termStarts[at + 1])
  }
}

const bytesOf = ({ frequencies, hashes, numbers, wordStarts, words }: SharedTypos): number =>
  frequencies.byteLength + hashes.byteLength + numbers.byteLength + wordStarts.byteLength + words.byteLength

/** Words of which a deletion has the hash of one of the token's. */
const lookUp = (shared: SharedTypos, token: string, edits: Typo.Edits): ReadonlyArray<Typo.TermFrequency> => {
  const { frequencies, hashes, numbers, words, wordStarts } = shared
  const found = new Set<number>()
  for (const hash of Typo.neighbourhood(token, edits)) {
    let low = 0
    let high = hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((hashes[middle] ?? 0) < hash) low = middle + 1
      else high = middle
    }
    for (; hashes[low] === hash; low++) found.add(numbers[low] ?? 0)
  }
  const text = Buffer.from(words.buffer, words.byteOffset, words.byteLength)
  return Array.from(found, (number) => ({
    term: text.toString("utf8", wordStarts[number], wordStarts[number + 1]),
    df: frequencies[number] ?? 0
  })).toSorted(byFrequency)
}

/** An index for typing mistakes of words. */
const typosOf = (words: ReadonlyArray<Typo.TermFrequency>): SharedTypos => {
  const { hashes, numbers } = Typo.sortedPairs(words.map(({ term }, number) => [number, term] as const))
  const texts = words.map(({ term }) => Buffer.from(term))
  const bytes = sharedUint8(texts.reduce((sum, text) => sum + text.length, 0))
  const wordStarts = sharedUint32(words.length + 1)
  let at = 0
  texts.forEach((text, number) => {
    bytes.set(text, at)
    at += text.length
    wordStarts[number + 1] = at
  })
  return {
    hashes: shareUint32(hashes),
    numbers: shareUint32(numbers),
    words: bytes,
    wordStarts,
    frequencies: shareUint32(Uint32Array.from(words, ({ df }) => df))
  }
}

/** Loads a version's rows, posting chunks in the order of their key, into a segment. */
export class SegmentLoader {
  private readonly summary: VersionSummary
  private readonly blocks: Uint8Array
  private readonly blockStarts: Uint32Array
  private readonly terms: Uint8Array
  private readonly termStarts: Uint32Array
  private readonly frequencies: Uint32Array
  private readonly columnChunks: Array<ColumnChunk> = []
  private readonly wordChunks: Array<ColumnChunk> = []
  private readonly encoder = new TextEncoder()
  private termCount = 0
  private termBytes = 0
  private blockBytes = 0

  constructor(summary: VersionSummary) {
    this.summary = summary
    this.blocks = sharedUint8(summary.postingBytes)
    this.blockStarts = sharedUint32(summary.termCount + 1)
    this.terms = sharedUint8(summary.termBytes)
    this.termStarts = sharedUint32(summary.termCount + 1)
    this.frequencies = sharedUint32(summary.termCount)
  }

  postings(chunks: Iterable<Pick<PostingChunk, "term" | "chunk" | "df" | "data">>): void {
    for (const { chunk, data, df, term } of chunks) {
      if (chunk === 0) this.addTerm(term, df)
      if (data.length < headerBytes || this.blockBytes + data.length > this.blocks.length) {
        throw new RangeError(`chunk ${chunk} of ${term} does not belong to the version`)
      }
      this.blocks.set(data, this.blockBytes)
      this.blockBytes += data.length
      this.blockStarts[this.termCount] = this.blockBytes
    }
  }

  columns(chunks: Iterable<ColumnChunk>): void {
    for (const chunk of chunks) {
      if (chunk.part === "typo") continue
      if (chunk.name === typoColumn) this.wordChunks.push(chunk)
      else this.columnChunks.push(chunk)
    }
  }

  finish(): Segment {
    const { postingBytes, termBytes, termCount } = this.summary
    const isWhole =
      this.termCount === termCount && this.termBytes === termBytes && this.blockBytes === postingBytes
    if (!isWhole) {
      throw new RangeError(
        `a version of ${termCount} terms and ${postingBytes} bytes of postings has ${this.termCount} and ${this.blockBytes}`
      )
    }
    const columns = Columns.load(this.summary, this.columnChunks)
    const missing = this.summary.columns.find(({ name }) => !columns.names.has(name))
    if (missing !== undefined) throw new RangeError(`column ${missing.name} has no values`)
    const words = this.wordChunks
      .toSorted((a, b) => a.chunk - b.chunk)
      .flatMap(({ data }) => Typo.decodeBucket(data))
    if (words.length !== this.summary.surfaceCount) {
      throw new RangeError(`a version of ${this.summary.surfaceCount} written words has ${words.length}`)
    }
    return new Segment({
      summary: this.summary,
      blocks: this.blocks,
      blockStarts: this.blockStarts,
      terms: this.terms,
      termStarts: this.termStarts,
      frequencies: this.frequencies,
      typos: typosOf(words),
      beginnings: typosOf(beginningsOf(words)),
      columns: columns.entries()
    })
  }

  private addTerm(term: string, df: number): void {
    if (this.termCount === this.summary.termCount) throw new RangeError("more terms than the version has")
    const at = this.termCount++
    const { read, written } = this.encoder.encodeInto(term, this.terms.subarray(this.termBytes))
    if (read < term.length) throw new RangeError("more bytes of terms than the version has")
    this.termBytes += written
    this.termStarts[at + 1] = this.termBytes
    this.frequencies[at] = df
  }
}
