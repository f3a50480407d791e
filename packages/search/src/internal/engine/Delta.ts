/**
 * Changes since a version was built, in memory: documents that replace or join those of the version, and documents that
 * are gone. They are analysed and scored as the version's own, with its average lengths and the frequencies of the terms
 * that it knows. So a document scores the same before and after the next build, except for the change of the averages.
 *
 * Documents have slots, as those of a version have ordinals, and the same executor scores them.
 */
import { Analyser } from "./Analyser.ts"
import { ChunkWriter, type PostingList } from "./Block.ts"
import { byFrequency, type Dictionary } from "./Dictionary.ts"
import { Executor } from "./Executor.ts"
import { addOccurrence, Impacts } from "./Impact.ts"
import * as IndexDocument from "./IndexDocument.ts"
import type { Edits, TermFrequency } from "./Typo.ts"
import type { VersionSummary } from "./VersionSummary.ts"

export interface Change {
  readonly docId: string
  /** Of the version's own document with this id, if it has one. */
  readonly ordinal: number | undefined
  /** The whole document as it is now; undefined when it is gone. */
  readonly document: IndexDocument.IndexDocument | undefined
}

/** The part of a document that is kept beside its postings. */
export interface DeltaDocument {
  readonly docId: string
  readonly ordinal: number | undefined
  readonly popularityLevel: number
  readonly keywords: Readonly<Record<string, ReadonlyArray<string>>>
  readonly numbers: Readonly<Record<string, number>>
}

interface Postings {
  readonly slots: Array<number>
  readonly impacts: Array<number>
  /** Encoded when first read after a change. */
  list: PostingList | undefined
}

/** Replaced documents are forgotten when they are this many and more than the others. */
const replacedMin = 1_000
/** Of the changes' terms that begin as the word being typed, this many join the version's own. */
const completionsMax = 8
/** Guesses for the account of memory: a posting is two small integers in arrays that grow. */
const postingBytes = 20
const documentBytes = 500
const hiddenBytes = 8

const encode = ({ impacts, slots }: Postings): PostingList => {
  const writer = new ChunkWriter()
  slots.forEach((slot, n) => writer.add(slot, impacts[n] ?? 0))
  const spans = writer.end("").map(({ data }) => ({ data, start: 0, end: data.length }))
  return { df: slots.length, spans }
}

export class Delta {
  readonly summary: VersionSummary
  private readonly parent: Delta | undefined
  private readonly analyser: Analyser
  private readonly impacts: Impacts
  /** Ordinals of the version's documents that have been replaced or are gone. */
  private readonly hidden: Array<number> = []
  /** Undefined where a document has been replaced since. */
  private documents: Array<DeltaDocument | undefined> = []
  private readonly slots = new Map<string, number | undefined>()
  private terms = new Map<string, Postings>()
  private postingCount = 0
  private scratch = new Executor(0)

  constructor(summary: VersionSummary, parent?: Delta) {
    this.summary = summary
    this.parent = parent
    this.analyser = parent?.analyser ?? new Analyser(summary.settings.analyser)
    this.impacts = new Impacts(summary.settings, summary.fieldAverages)
  }

  /**
   * The later of two changes of a document wins; the same change again changes nothing. A document that cannot be
   * indexed is not found any more, and is returned.
   */
  apply(changes: Iterable<Change>): ReadonlyArray<IndexDocument.DocumentRefused> {
    const refused: Array<IndexDocument.DocumentRefused> = []
    for (const { docId, document, ordinal } of changes) {
      const replaced = this.slots.get(docId)
      if (ordinal !== undefined && !this.slots.has(docId)) this.hidden.push(ordinal)
      if (replaced !== undefined) this.documents[replaced] = undefined
      const reason = document === undefined ? undefined : IndexDocument.problemOf(document)
      if (reason !== undefined) refused.push({ docId, reason })
      const isKept = document !== undefined && reason === undefined
      this.slots.set(docId, isKept ? this.add(document, docId, ordinal) : undefined)
    }
    const live = this.size
    if (this.documents.length > live + Math.max(live, replacedMin)) this.compact()
    return refused
  }

  /** Returns these changes with a caller's own, which are not committed yet and which no other search sees. */
  overlay(changes: Iterable<Change>): Delta {
    const overlay = new Delta(this.summary, this)
    overlay.apply(changes)
    return overlay
  }

  /** Ids that changed, of gone documents too. */
  get size(): number {
    return this.slots.size
  }

  /** True without changes in any layer: an overlay of none still lies on the shared changes. */
  get isEmpty(): boolean {
    return this.size === 0 && (this.parent === undefined || this.parent.size === 0)
  }

  get bytes(): number {
    return (
      this.postingCount * postingBytes +
      this.documents.length * documentBytes +
      this.hidden.length * hiddenBytes +
      this.scratch.bytes
    )
  }

  /** Returns the version's documents that searches with these changes do not find, in one list or two. */
  hiddenOrdinals(): ReadonlyArray<ReadonlyArray<number>> {
    return this.parent === undefined ? [this.hidden] : [this.hidden, this.parent.hidden]
  }

  /** This and what it lies on, each with the documents that still stand. */
  layers(): ReadonlyArray<DeltaLayer> {
    const own = new DeltaLayer(this, () => false)
    const { parent } = this
    if (parent === undefined) return [own]
    // An overlay lies on the shared changes; it is not laid on another overlay.
    return [own, new DeltaLayer(parent, (docId) => this.slots.has(docId))]
  }

  documentAt(slot: number): DeltaDocument | undefined {
    return this.documents[slot]
  }

  /** True for the id of a changed document, of a gone one too. */
  has(docId: string): boolean {
    return this.slots.has(docId)
  }

  /** Undefined for a document that is gone or has not changed. */
  slotOf(docId: string): number | undefined {
    return this.slots.get(docId)
  }

  list(term: string): PostingList | undefined {
    const postings = this.terms.get(term)
    if (postings === undefined) return undefined
    postings.list ??= encode(postings)
    return postings.list
  }

  /** Sized for all slots; for one search at a time. */
  executor(): Executor {
    if (this.scratch.documentCount < this.documents.length) {
      this.scratch = new Executor(Math.max(64, this.documents.length * 2))
    }
    return this.scratch
  }

  get slotCount(): number {
    return this.documents.length
  }

  slotsOf(term: string): ReadonlyArray<number> {
    return this.terms.get(term)?.slots ?? []
  }

  *termsWith(prefix: string): Generator<string> {
    for (const term of this.terms.keys()) if (term.startsWith(prefix)) yield term
  }

  private add(document: IndexDocument.IndexDocument, docId: string, ordinal: number | undefined): number {
    const slot = this.documents.length
    const { settings } = this.summary
    const frequencies = new Map<string, number>()
    const lengths = settings.fields.map(({ name }, field) => {
      const { length, terms } = this.analyser.field(document.text[name] ?? "", field === 0)
      for (const term of terms) frequencies.set(term, addOccurrence(frequencies.get(term) ?? 0, field))
      return length
    })
    for (const [term, frequency] of frequencies) {
      const postings = this.terms.get(term) ?? { slots: [], impacts: [], list: undefined }
      if (postings.slots.length === 0) this.terms.set(term, postings)
      postings.slots.push(slot)
      postings.impacts.push(this.impacts.of(frequency, lengths, 0))
      postings.list = undefined
    }
    this.postingCount += frequencies.size
    const { keywords, numbers, popularity } = document
    const popularityLevel = IndexDocument.popularityLevel(popularity)
    this.documents.push({ docId, ordinal, popularityLevel, keywords, numbers })
    return slot
  }

  private compact(): void {
    const moved = new Map<number, number>()
    this.documents.forEach((document, slot) => {
      if (document !== undefined) moved.set(slot, moved.size)
    })
    const terms = new Map<string, Postings>()
    this.postingCount = 0
    for (const [term, { impacts, slots }] of this.terms) {
      const kept: Postings = { slots: [], impacts: [], list: undefined }
      slots.forEach((slot, n) => {
        const to = moved.get(slot)
        if (to === undefined) return
        kept.slots.push(to)
        kept.impacts.push(impacts[n] ?? 0)
      })
      if (kept.slots.length > 0) terms.set(term, kept)
      this.postingCount += kept.slots.length
    }
    this.terms = terms
    this.documents = this.documents.filter((document) => document !== undefined)
    this.documents.forEach((document, slot) => {
      if (document !== undefined) this.slots.set(document.docId, slot)
    })
  }
}

/** A delta with those of its documents that nothing above replaces. */
export class DeltaLayer {
  readonly delta: Delta
  private readonly isReplaced: (docId: string) => boolean

  constructor(delta: Delta, isReplaced: (docId: string) => boolean) {
    this.delta = delta
    this.isReplaced = isReplaced
  }

  documentAt(slot: number): DeltaDocument | undefined {
    const document = this.delta.documentAt(slot)
    return document === undefined || this.isReplaced(document.docId) ? undefined : document
  }

  frequency(term: string): number {
    let total = 0
    for (const slot of this.delta.slotsOf(term)) if (this.documentAt(slot) !== undefined) total++
    return total
  }
}

/** A version's terms and those of the changes. The version's own frequency stands where it has one. */
export class DictionaryWithDelta implements Dictionary {
  private readonly base: Dictionary
  private readonly layers: ReadonlyArray<DeltaLayer>

  constructor(base: Dictionary, layers: ReadonlyArray<DeltaLayer>) {
    this.base = base
    this.layers = layers
  }

  expect(terms: ReadonlyArray<string>): void {
    this.base.expect(terms)
  }

  frequency(term: string): number {
    return this.base.frequency(term) || this.changed(term)
  }

  completions(prefix: string, limit: number): ReadonlyArray<TermFrequency> {
    const own = this.base.completions(prefix, limit)
    const known = new Set(own.map(({ term }) => term))
    const changed = new Set(this.layers.flatMap(({ delta }) => [...delta.termsWith(prefix)]))
    const most = [...changed]
      .filter((term) => !known.has(term))
      .map((term) => ({ term, df: this.changed(term) }))
      .filter(({ df }) => df > 0)
      .toSorted(byFrequency)
      .slice(0, completionsMax)
      .filter(({ term }) => this.base.frequency(term) === 0)
    return [...own, ...most].toSorted(byFrequency).slice(0, limit)
  }

  /** Corrections come from the version alone: what few documents have may be a mistake itself. */
  neighbours(token: string, edits: Edits): ReadonlyArray<TermFrequency> | undefined {
    return this.base.neighbours(token, edits)
  }

  beginnings(token: string): ReadonlyArray<TermFrequency> | undefined {
    return this.base.beginnings(token)
  }

  private changed(term: string): number {
    return this.layers.reduce((sum, layer) => sum + layer.frequency(term), 0)
  }
}
