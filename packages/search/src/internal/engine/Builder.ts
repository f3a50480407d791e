/**
 * From documents to the rows of a version. The same documents in the same order give the same bytes.
 */
import * as Result from "effect/Result"
import { Analyser, type Sink } from "./Analyser.ts"
import { ChunkWriter, type PostingChunk } from "./Block.ts"
import { type ColumnChunk, KeywordColumnWriter, NumberColumnWriter } from "./ColumnWriter.ts"
import * as EngineSettings from "./EngineSettings.ts"
import { GrowingUint16, GrowingUint32 } from "./Growing.ts"
import { Impacts } from "./Impact.ts"
import * as IndexDocument from "./IndexDocument.ts"
import { PostingRuns } from "./PostingRuns.ts"
import { beginningsOf, Surfaces } from "./Surfaces.ts"
import * as Typo from "./Typo.ts"
import type { VersionSummary } from "./VersionSummary.ts"

/** Names of the columns whose chunks are the buckets of the indexes for typing mistakes: of words, and of beginnings. */
export const typoColumn = "$typo"
export const beginningColumn = "$beginning"

export class Builder {
  readonly settings: EngineSettings.EngineSettings
  private readonly analyser: Analyser
  private readonly runs = new PostingRuns()
  private readonly surfaces = new Surfaces()
  /** Of the document that is added: the numbers of its terms, and where the terms of each field end. */
  private readonly terms = new GrowingUint32()
  private readonly fieldEnds: Array<number> = []
  private field = 0
  private readonly sink: Sink = {
    // Its analyser is of no other builder: tokens keep the numbers that they have here.
    token: (token) => {
      if (token.termNumber === -1) token.termNumber = this.runs.numberOf(token.term)
      this.terms.push(token.termNumber)
      if (!token.isCorrectable || token.isStop) return
      if (token.surfaceNumber === -1) token.surfaceNumber = this.surfaces.numberOf(token.text)
      this.surfaces.add(token.surfaceNumber, this.documentCount - 1, this.field)
    },
    term: (term) => this.terms.push(this.runs.numberOf(term))
  }
  private readonly lengths = new GrowingUint16()
  private readonly columnWriters: ReadonlyArray<KeywordColumnWriter | NumberColumnWriter>
  private readonly popularitySteps: Array<{ level: number; ordinal: number }> = []
  private lastPopularity = 1
  private documentCount = 0
  private truncatedFields = 0

  constructor(settings: EngineSettings.EngineSettings) {
    const problem = EngineSettings.problemOf(settings)
    if (problem !== undefined) throw new RangeError(problem)
    this.settings = settings
    this.analyser = new Analyser(settings.analyser)
    this.columnWriters = settings.columns.map(({ kind, name }) =>
      kind === "keyword" ? new KeywordColumnWriter(name) : new NumberColumnWriter(name)
    )
  }

  /** Its ordinal. Documents come with the highest popularity first. */
  add(document: IndexDocument.IndexDocument): Result.Result<number, IndexDocument.DocumentRefused> {
    const { docId, popularity } = document
    const reason =
      IndexDocument.problemOf(document) ??
      (popularity > this.lastPopularity ? "documents come by popularity, the highest first" : undefined)
    if (reason !== undefined) return Result.fail({ docId, reason })
    const ordinal = this.documentCount++
    this.lastPopularity = popularity
    const level = IndexDocument.popularityLevel(popularity)
    if (this.popularitySteps.at(-1)?.level !== level) this.popularitySteps.push({ level, ordinal })
    this.index(document, ordinal)
    for (const column of this.columnWriters) {
      if (column instanceof KeywordColumnWriter) column.add(document.keywords[column.name] ?? [])
      else column.add(document.numbers[column.name])
    }
    return Result.succeed(ordinal)
  }

  /** About what is held now. */
  get memoryBytes(): number {
    const columns = this.columnWriters.reduce((sum, { bytes }) => sum + bytes, 0)
    return this.runs.bytes + this.surfaces.bytes + columns + this.lengths.bytes
  }

  finish(): Built {
    return new Built({
      settings: this.settings,
      documentCount: this.documentCount,
      truncatedFields: this.truncatedFields,
      popularitySteps: this.popularitySteps,
      fieldAverages: this.averages(),
      runs: this.runs,
      surfaces: this.surfaces,
      lengths: this.lengths.view(),
      columnWriters: this.columnWriters
    })
  }

  private index(document: IndexDocument.IndexDocument, ordinal: number): void {
    const { fieldEnds, runs, terms } = this
    terms.clear()
    this.settings.fields.forEach(({ name }, field) => {
      this.field = field
      const { length, truncated } = this.analyser.visit(document.text[name] ?? "", field === 0, this.sink)
      if (truncated) this.truncatedFields++
      this.lengths.push(length)
      fieldEnds[field] = terms.size
    })
    runs.reserve(terms.size)
    let at = 0
    fieldEnds.forEach((end, field) => {
      for (; at < end; at++) runs.add(terms.get(at), ordinal, field)
    })
  }

  private averages(): ReadonlyArray<number> {
    const lengths = this.lengths.view()
    const fieldCount = this.settings.fields.length
    return this.settings.fields.map((_, field) => {
      let total = 0
      let count = 0
      for (let at = field; at < lengths.length; at += fieldCount) {
        const length = lengths[at] ?? 0
        total += length
        if (length > 0) count++
      }
      return count === 0 ? 0 : total / count
    })
  }
}

interface Gathered extends Pick<
  VersionSummary,
  "settings" | "documentCount" | "truncatedFields" | "popularitySteps" | "fieldAverages"
> {
  readonly runs: PostingRuns
  readonly surfaces: Surfaces
  readonly lengths: Uint16Array
  readonly columnWriters: ReadonlyArray<KeywordColumnWriter | NumberColumnWriter>
}

/** A version's rows, made while they are read. */
export class Built {
  private readonly gathered: Gathered
  private readonly terms: ReturnType<PostingRuns["terms"]>
  private postingCount = 0
  private postingBytes = 0
  private hasEnded = false

  constructor(gathered: Gathered) {
    this.gathered = gathered
    this.terms = gathered.runs.terms()
  }

  /** In order of term (by UTF-8 bytes) and chunk. To be read once. */
  *postings(): Generator<PostingChunk> {
    const { fieldAverages, lengths, runs, settings } = this.gathered
    const impacts = new Impacts(settings, fieldAverages)
    const fieldCount = settings.fields.length
    const writer = new ChunkWriter()
    const write = (ordinal: number, frequencies: number) =>
      writer.add(ordinal, impacts.of(frequencies, lengths, ordinal * fieldCount))
    for (const { df, number, term } of this.terms) {
      runs.read(number, write)
      this.postingCount += df
      for (const chunk of writer.end(term)) {
        this.postingBytes += chunk.data.length
        yield chunk
      }
    }
    this.hasEnded = true
  }

  *columns(): Generator<ColumnChunk> {
    for (const writer of this.gathered.columnWriters) yield* writer.chunks()
    const words = this.gathered.surfaces.words()
    yield* typoBuckets(typoColumn, words)
    yield* typoBuckets(beginningColumn, beginningsOf(words))
    yield* wordChunks(words)
  }

  /** When all postings have been read: their bytes are not known before. */
  summary(): VersionSummary {
    if (!this.hasEnded) throw new RangeError("the summary of a version follows its postings")
    const { columnWriters, documentCount, fieldAverages, popularitySteps, settings, truncatedFields } =
      this.gathered
    return {
      settings,
      documentCount,
      surfaceCount: this.gathered.surfaces.words().length,
      termCount: this.terms.length,
      termBytes: this.terms.reduce((sum, { term }) => sum + Buffer.byteLength(term), 0),
      postingCount: this.postingCount,
      postingBytes: this.postingBytes,
      fieldAverages,
      popularitySteps,
      columns: columnWriters.map((writer) => writer.summary()),
      truncatedFields
    }
  }
}

function* typoBuckets(name: string, words: ReadonlyArray<Typo.TermFrequency>): Generator<ColumnChunk> {
  const { hashes, numbers } = Typo.sortedPairs(words.map(({ term }, n) => [n, term] as const))
  const texts = words.map(({ term }) => Typo.textOf(term))
  let entries: Array<Typo.EncodedEntry> = []
  for (let n = 0; n < hashes.length; n++) {
    const hash = hashes[n] ?? 0
    const number = numbers[n] ?? 0
    const text = texts[number]
    if (text !== undefined) entries.push({ hash, text, df: words[number]?.df ?? 0 })
    const bucket = Typo.bucketOf(hash)
    if (n + 1 < hashes.length && Typo.bucketOf(hashes[n + 1] ?? 0) === bucket) continue
    yield { name, part: "typo", chunk: bucket, data: Typo.encodeBucket(entries) }
    entries = []
  }
}

/** Words of a chunk: 4,096 are about 70 kB. */
const wordsPerChunk = 4_096

/** The words once each, for a process that loads them all and makes the buckets itself. */
function* wordChunks(words: ReadonlyArray<Typo.TermFrequency>): Generator<ColumnChunk> {
  for (let at = 0; at < words.length; at += wordsPerChunk) {
    const entries = words
      .slice(at, at + wordsPerChunk)
      .map(({ df, term }) => ({ df, text: Typo.textOf(term), hash: 0 }))
    yield {
      name: typoColumn,
      part: "dictionary",
      chunk: at / wordsPerChunk,
      data: Typo.encodeBucket(entries)
    }
  }
}
