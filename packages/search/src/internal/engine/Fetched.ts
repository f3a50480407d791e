/**
 * The rows of a version that one search on demand has fetched, and the terms that it asked for and that do not exist.
 */
import type { PostingChunk, PostingList } from "./Block.ts"
import { beginningColumn, typoColumn } from "./Builder.ts"
import { Columns } from "./Columns.ts"
import type { ColumnChunk } from "./ColumnWriter.ts"
import { byFrequency, type Dictionary } from "./Dictionary.ts"
import * as Typo from "./Typo.ts"
import type { VersionSummary } from "./VersionSummary.ts"

export interface Need {
  /** Terms of which to fetch all chunks. */
  readonly postings: ReadonlyArray<string>
  /** Terms of which only the number of documents is needed. */
  readonly frequencies: ReadonlyArray<string>
  /** The most frequent terms with each prefix: by number of documents, the highest first, then by term. */
  readonly completions: ReadonlyArray<{ readonly prefix: string; readonly limit: number }>
  /** Chunks of the columns for typing mistakes, by name. */
  readonly typoBuckets: Readonly<Record<string, ReadonlyArray<number>>>
  /** Columns of which to fetch all chunks. */
  readonly columns: ReadonlyArray<string>
}

/** The answer to a need, to all of it. What does not exist is left out. */
export interface Supplied {
  readonly postings?: Iterable<Pick<PostingChunk, "term" | "chunk" | "df" | "data">>
  readonly frequencies?: Iterable<Typo.TermFrequency>
  readonly completions?: Iterable<{
    readonly prefix: string
    readonly terms: ReadonlyArray<Typo.TermFrequency>
  }>
  /** Of columns, and the buckets. */
  readonly columns?: Iterable<ColumnChunk>
}

/** The buckets of one index for typing mistakes. */
class FetchedBuckets {
  private readonly buckets = new Map<number, ReadonlyArray<Typo.BucketEntry>>()
  private readonly wanted = new Set<number>()

  get isComplete(): boolean {
    return this.wanted.size === 0
  }

  need(): ReadonlyArray<number> {
    return [...this.wanted]
  }

  supply(chunks: ReadonlyArray<ColumnChunk>): void {
    for (const { chunk, data } of chunks) this.buckets.set(chunk, Typo.decodeBucket(data))
    for (const bucket of this.wanted) if (!this.buckets.has(bucket)) this.buckets.set(bucket, [])
    this.wanted.clear()
  }

  lookUp(token: string, edits: Typo.Edits): ReadonlyArray<Typo.TermFrequency> | undefined {
    const found = new Map<string, number>()
    let isKnown = true
    for (const hash of Typo.neighbourhood(token, edits)) {
      const bucket = this.buckets.get(Typo.bucketOf(hash))
      if (bucket === undefined) {
        this.wanted.add(Typo.bucketOf(hash))
        isKnown = false
      }
      for (const entry of bucket ?? []) if (entry.hash === hash) found.set(entry.term, entry.df)
    }
    return isKnown ? Array.from(found, ([term, df]) => ({ term, df })).toSorted(byFrequency) : undefined
  }
}

export class Fetched implements Dictionary {
  columns: Columns
  private readonly summary: VersionSummary
  /** By term: undefined when the version does not have it. */
  private readonly lists = new Map<string, PostingList | undefined>()
  private readonly frequencies = new Map<string, number>()
  private readonly completed = new Map<string, ReadonlyArray<Typo.TermFrequency>>()
  private readonly typos = new FetchedBuckets()
  private readonly begun = new FetchedBuckets()
  private readonly wantedPostings = new Set<string>()
  private readonly wantedFrequencies = new Set<string>()
  private readonly wantedColumns = new Set<string>()
  private readonly wantedCompletions = new Map<string, number>()

  constructor(summary: VersionSummary, columns: Columns) {
    this.summary = summary
    this.columns = columns
  }

  get isComplete(): boolean {
    return (
      this.wantedPostings.size === 0 &&
      this.wantedFrequencies.size === 0 &&
      this.typos.isComplete &&
      this.begun.isComplete &&
      this.wantedColumns.size === 0 &&
      this.wantedCompletions.size === 0
    )
  }

  need(): Need {
    return {
      postings: [...this.wantedPostings],
      frequencies: [...this.wantedFrequencies],
      completions: Array.from(this.wantedCompletions, ([prefix, limit]) => ({ prefix, limit })),
      typoBuckets: { [typoColumn]: this.typos.need(), [beginningColumn]: this.begun.need() },
      columns: [...this.wantedColumns]
    }
  }

  supply({ columns = [], completions = [], frequencies = [], postings = [] }: Supplied): void {
    this.supplyPostings(postings)
    this.supplyFrequencies(frequencies)
    const chunks = [...columns]
    this.typos.supply(chunks.filter(({ name }) => name === typoColumn))
    this.begun.supply(chunks.filter(({ name }) => name === beginningColumn))
    for (const { prefix, terms } of completions) {
      this.completed.set(prefix, terms.toSorted(byFrequency))
      for (const { df, term } of terms) this.frequencies.set(term, df)
    }
    for (const prefix of this.wantedCompletions.keys()) {
      if (!this.completed.has(prefix)) this.completed.set(prefix, [])
    }
    this.wantedCompletions.clear()
    if (this.wantedColumns.size === 0) return
    const wanted = chunks.filter(({ name }) => this.wantedColumns.has(name))
    this.columns = this.columns.with(Columns.load(this.summary, wanted))
    this.wantedColumns.clear()
  }

  expect(terms: ReadonlyArray<string>): void {
    for (const term of terms) if (!this.lists.has(term)) this.wantedPostings.add(term)
  }

  expectLists(terms: Iterable<string>): void {
    for (const term of terms) {
      if (!this.lists.has(term) && this.frequency(term) > 0) this.wantedPostings.add(term)
    }
  }

  expectColumns(names: Iterable<string>): void {
    if (this.summary.documentCount === 0) return
    for (const name of names) if (!this.columns.names.has(name)) this.wantedColumns.add(name)
  }

  frequency(term: string): number {
    const known = this.frequencies.get(term)
    if (known !== undefined) return known
    if (!this.wantedPostings.has(term)) this.wantedFrequencies.add(term)
    return 0
  }

  list(term: string): PostingList | undefined {
    return this.lists.get(term)
  }

  completions(prefix: string, limit: number): ReadonlyArray<Typo.TermFrequency> {
    const known = this.completed.get(prefix)
    if (known === undefined) this.wantedCompletions.set(prefix, limit)
    return known ?? []
  }

  neighbours(token: string, edits: Typo.Edits): ReadonlyArray<Typo.TermFrequency> | undefined {
    return this.isWaiting ? undefined : this.typos.lookUp(token, edits)
  }

  beginnings(token: string): ReadonlyArray<Typo.TermFrequency> | undefined {
    return this.isWaiting ? undefined : this.begun.lookUp(token, 1)
  }

  /** A word is not known to be unknown while its list, or what it may begin, is still to come. */
  private get isWaiting(): boolean {
    return this.wantedPostings.size > 0 || this.wantedCompletions.size > 0
  }

  private supplyPostings(chunks: NonNullable<Supplied["postings"]>): void {
    for (const [term, parts] of Map.groupBy(chunks, (chunk) => chunk.term)) {
      const ordered = parts.toSorted((a, b) => a.chunk - b.chunk)
      const df = ordered[0]?.df ?? 0
      this.lists.set(term, { df, spans: ordered.map(({ data }) => ({ data, start: 0, end: data.length })) })
      this.frequencies.set(term, df)
    }
    for (const term of this.wantedPostings) {
      if (this.lists.has(term)) continue
      this.lists.set(term, undefined)
      this.frequencies.set(term, 0)
    }
    this.wantedPostings.clear()
  }

  private supplyFrequencies(frequencies: Iterable<Typo.TermFrequency>): void {
    for (const { df, term } of frequencies) this.frequencies.set(term, df)
    for (const term of this.wantedFrequencies) {
      if (!this.frequencies.has(term)) this.frequencies.set(term, 0)
    }
    this.wantedFrequencies.clear()
  }
}
