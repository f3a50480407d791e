/**
 * One search from its plan to its answer, over a version and the changes since. Synchronous: the changes are those of
 * one moment.
 */
import type { Columns } from "./Columns.ts"
import type { Delta, DeltaDocument, DeltaLayer } from "./Delta.ts"
import { Documents, type Place } from "./Documents.ts"
import {
  type Aside,
  type Executor,
  type Lists,
  type Popularity,
  popularityFactor,
  scoreOf
} from "./Executor.ts"
import * as FacetCounter from "./FacetCounter.ts"
import type * as Filter from "./Filter.ts"
import { Groups } from "./Groups.ts"
import { bestLevel, highestLevel, type Level, levelAt } from "./Level.ts"
import type { Plan } from "./Plan.ts"
import * as Ranking from "./Ranking.ts"
import { ScoreHeap } from "./ScoreHeap.ts"
import {
  type Hit,
  type SearchAnswer,
  type SearchRequest,
  windowMax,
  type WordOutcome
} from "./SearchRequest.ts"
import type { VersionSummary } from "./VersionSummary.ts"

export interface View {
  readonly summary: VersionSummary
  readonly lists: Lists
  readonly columns: Columns
  readonly executor: Executor
  readonly delta: Delta | undefined
}

const outcomes = (plan: Plan): ReadonlyArray<WordOutcome> =>
  plan.analysed.words.map(({ end, start, token }, n) => {
    const alternatives = plan.words[n]?.alternatives ?? []
    return {
      word: token,
      start,
      end,
      terms: [...new Set(alternatives.flatMap(({ terms }) => terms))],
      shown: [
        ...new Set(
          alternatives.map(({ how, shown, terms }) => shown ?? (how === "exact" ? token : terms.join(" ")))
        )
      ],
      how: alternatives[0]?.how ?? "unknown"
    }
  })

/** The documents of the version, or of a layer of changes, that were found. */
interface Side {
  readonly executor: Executor
  readonly histogram: Uint32Array
  /** By refinement: the documents that only this one leaves out. */
  readonly aside: ReadonlyArray<Aside>
}

/** Puts the pinned ones at their positions among the others. */
const withPins = (
  ranked: ReadonlyArray<Ranking.Candidate>,
  pinned: ReadonlyArray<Ranking.Candidate>
): ReadonlyArray<Ranking.Candidate> => {
  if (pinned.length === 0) return ranked
  const all: Array<Ranking.Candidate> = []
  let next = 0
  for (const pin of pinned) {
    while (all.length + 1 < (pin.pin ?? 1) && next < ranked.length) {
      const candidate = ranked[next++]
      if (candidate !== undefined) all.push(candidate)
    }
    all.push(pin)
  }
  return [...all, ...ranked.slice(next)]
}

/** Scores are summed in 32 bits: a document may round above the exact sum, by a millionth of it. */
const roundingMargin = 1 + 1e-5

class Execution {
  private readonly view: View
  private readonly plan: Plan
  private readonly request: SearchRequest
  private readonly layers: ReadonlyArray<DeltaLayer>
  private readonly documents: Documents
  private readonly counted: number
  private readonly popularity: Popularity
  private readonly windowSize: number
  private readonly groups: Groups | undefined
  private readonly pinned: ReadonlyArray<Ranking.Candidate>
  /** Ids of documents that have no place of their own among the hits. */
  private readonly removed: ReadonlySet<string>

  constructor(view: View, plan: Plan, request: SearchRequest) {
    const { delta, summary } = view
    this.view = view
    this.plan = plan
    this.request = request
    this.layers = delta === undefined || delta.isEmpty ? [] : delta.layers()
    this.documents = new Documents(view, this.layers, plan, request)
    this.counted = Math.max(1, plan.counted)
    this.popularity = { weight: summary.settings.popularityWeight, steps: summary.popularitySteps }
    this.windowSize = request.explained === undefined ? request.offset + request.limit : windowMax
    this.groups = request.distinct === undefined ? undefined : new Groups(request.distinct, view.columns)
    this.pinned = request.sort.length > 0 ? [] : this.pins()
    this.removed = new Set([...request.hides, ...this.pinned.map(({ docId }) => docId ?? "")])
  }

  answer(): SearchAnswer {
    const { plan, request, view } = this
    const { executor } = view
    const sides = [this.versionSide(), ...this.layers.map((layer) => this.layerSide(layer))]
    const histograms = sides.map(({ histogram }) => histogram)
    const best = bestLevel(histograms)
    const found = this.foundLevel(histograms, best)
    const level = found.words
    const own = this.ofVersion(level, sides[0]?.histogram ?? new Uint32Array())
    const isCut = this.groups === undefined && own.length === this.windowSize
    const least = isCut ? (own.at(-1)?.score ?? -Infinity) : -Infinity
    const candidates = [...own, ...this.layers.flatMap((layer, n) => this.ofLayer(layer, n, level, least))]
    const sorted = candidates.toSorted(Ranking.comparator(request.sort))
    const ranked = withPins(this.groups?.limit(sorted, this.pinned) ?? sorted, this.pinned)
    const page = ranked.slice(request.offset, request.offset + request.limit)
    const hits = page.map((candidate) => this.hit(candidate))
    const nbHits = this.groups?.count(executor.select(level), this.changed(level), this.pinned) ?? found.hits
    const isOfBest = request.match === undefined && request.sort.length === 0
    const counted = isOfBest ? best : found
    return {
      hits,
      nbHits: nbHits + this.pinned.length,
      level,
      nbHitsBest: best.hits,
      levelBest: best.words,
      words: outcomes(plan),
      facets: request.facets.length === 0 ? [] : this.facets(sides, counted.words, isOfBest),
      ...(request.explained === undefined
        ? {}
        : { explained: this.explained(request.explained, level, ranked.slice(0, windowMax)) }),
      truncated: plan.analysed.truncated
    }
  }

  private foundLevel(histograms: ReadonlyArray<Uint32Array>, best: Level): Level {
    const { match, sort } = this.request
    switch (match ?? (sort.length > 0 ? "most" : "any")) {
      case "all":
        return levelAt(histograms, this.counted)
      case "most":
        return best
      case "any":
        return levelAt(histograms, 1)
    }
  }

  private run(executor: Executor, lists: Lists): void {
    if (this.plan.analysed.words.length === 0) executor.matchAll()
    else executor.accumulate(this.plan, lists)
    executor.restrict(this.plan, lists)
  }

  private versionSide(): Side {
    const { delta, executor, lists } = this.view
    const { filter, ordinals } = this.request
    this.run(executor, lists)
    for (const hidden of delta?.hiddenOrdinals() ?? []) executor.remove(hidden)
    executor.remove(Array.from(this.removed, (id) => ordinals.get(id)).filter((at) => at !== undefined))
    const passes = filter === undefined ? undefined : this.documents.testOfVersion(filter)
    return this.settle(executor, passes, (wanted) => this.documents.testOfVersion(wanted))
  }

  private layerSide(layer: DeltaLayer): Side {
    const { filter } = this.request
    const executor = layer.delta.executor()
    this.run(executor, (term) => layer.delta.list(term))
    const passes = filter === undefined ? () => true : this.documents.testOfLayer(filter, layer)
    const isKept = (slot: number) => {
      const document = layer.documentAt(slot)
      return document !== undefined && !this.removed.has(document.docId) && passes(slot)
    }
    return this.settle(executor, isKept, (wanted) => this.documents.testOfLayer(wanted, layer))
  }

  private settle(
    executor: Executor,
    passes: ((at: number) => boolean) | undefined,
    testOf: (filter: Filter.Filter) => (at: number) => boolean
  ): Side {
    const { boosts, refinements } = this.request
    const tests = refinements.map(({ column, values }) => testOf({ _tag: "In", column, values }))
    if (tests.length > 0 && passes !== undefined) executor.keep(passes)
    const aside = tests.length === 0 ? [] : executor.setAside(tests)
    const histogram = executor.settle(tests.length === 0 ? passes : undefined)
    for (const { factor, filter } of boosts) executor.boost(testOf(filter), factor)
    return { executor, histogram, aside }
  }

  private ofVersion(level: number, histogram: Uint32Array): ReadonlyArray<Ranking.Candidate> {
    if (this.request.sort.length > 0 || this.groups !== undefined) {
      return this.sorted(this.view.executor.select(level))
    }
    return this.best(level, histogram)
      .sorted()
      .map(({ ordinal, score }) => this.candidate(ordinal, score))
  }

  /**
   * The best documents with at least `level` words. Where enough documents have more words, those with fewer are mostly
   * out of reach, and their scores are not looked at.
   */
  private best(level: number, histogram: Uint32Array): ScoreHeap {
    const above = Math.max(level, highestLevel(histogram, this.windowSize))
    const heap = this.bestFrom(above)
    return above === level || this.scoreMax(above - 1) < heap.least ? heap : this.bestFrom(level)
  }

  private bestFrom(level: number): ScoreHeap {
    const heap = new ScoreHeap(this.windowSize)
    const { executor } = this.view
    executor.best(executor.select(level), this.counted, this.popularity, heap)
    return heap
  }

  /** No document with at most so many words scores higher: its words have their highest impact, as have joined forms. */
  private scoreMax(words: number): number {
    const { steps, weight } = this.popularity
    const most = this.plan.words.map(({ alternatives, idf, isCounted }) => ({
      isCounted,
      score: idf * Math.max(0, ...alternatives.map((alternative) => alternative.weight))
    }))
    const counted = most.filter(({ isCounted }) => isCounted).map(({ score }) => score)
    const highest = counted.toSorted((a, b) => b - a).slice(0, words)
    const extras = most.filter(({ isCounted }) => !isCounted).map(({ score }) => score)
    const boost = this.request.boosts.reduce((product, { factor }) => product * Math.max(1, factor), 1)
    const sum = [...highest, ...extras].reduce((total, score) => total + score, 0) * boost
    // The most popular documents come first.
    const popularity = popularityFactor(weight, steps[0]?.level ?? 0)
    return scoreOf(sum, words, this.counted, popularity) * roundingMargin
  }

  private sorted(selected: Uint32Array): ReadonlyArray<Ranking.Candidate> {
    if (this.windowSize === 0) return []
    const { columns, executor } = this.view
    const byKeys = Ranking.ordinalComparator(columns, this.request.sort)
    const score = (ordinal: number) =>
      scoreOf(
        executor.scoreAt(ordinal),
        executor.wordsAt(ordinal),
        this.counted,
        this.documents.popularityOf(ordinal)
      )
    const compare = (a: number, b: number) => byKeys(a, b) || score(b) - score(a) || a - b
    const ordinals = this.groups?.first(selected, this.windowSize, compare)
    if (ordinals !== undefined) return ordinals.map((ordinal) => this.candidate(ordinal, score(ordinal)))
    const first = new Ranking.FirstOf(this.windowSize, compare)
    for (const ordinal of selected) first.offer(ordinal)
    return first.sorted().map((ordinal) => this.candidate(ordinal, score(ordinal)))
  }

  private candidate(
    ordinal: number,
    score: number,
    words = this.view.executor.wordsAt(ordinal)
  ): Ranking.Candidate {
    return {
      at: { _tag: "Version", ordinal },
      docId: undefined,
      score,
      words,
      place: ordinal,
      group: this.groups?.ofOrdinal(ordinal),
      keys: Ranking.keysOfOrdinal(this.view.columns, this.request.sort, ordinal)
    }
  }

  private changedCandidate(
    at: Extract<Place, { _tag: "Change" }>,
    score: number,
    words: number
  ): Ranking.Candidate {
    const { document } = at
    return {
      at,
      docId: document.docId,
      score,
      words,
      place: document.ordinal ?? Infinity,
      group: this.groups?.ofDocument(document),
      keys: Ranking.keysOfDocument(this.request.sort, document)
    }
  }

  /** By relevance, documents that score below `least` are on no page. */
  private ofLayer(
    layer: DeltaLayer,
    n: number,
    level: number,
    least: number
  ): ReadonlyArray<Ranking.Candidate> {
    const executor = layer.delta.executor()
    const selected = executor.select(level)
    const scoreAt = (slot: number) => {
      const popularity = layer.delta.documentAt(slot)?.popularityLevel ?? 0
      const factor = popularityFactor(this.popularity.weight, popularity)
      return scoreOf(executor.scoreAt(slot), executor.wordsAt(slot), this.counted, factor)
    }
    const heap = new ScoreHeap(this.windowSize)
    const isWhole = this.request.sort.length > 0 || this.groups !== undefined
    if (!isWhole) for (const slot of selected) heap.offer(scoreAt(slot), slot)
    const bound = isWhole ? -Infinity : Math.max(least, heap.least)
    const candidates: Array<Ranking.Candidate> = []
    for (const slot of selected) {
      const score = scoreAt(slot)
      const document = score < bound ? undefined : layer.documentAt(slot)
      if (document === undefined) continue
      const at = { _tag: "Change", layer: n, slot, document } as const
      candidates.push(this.changedCandidate(at, score, executor.wordsAt(slot)))
    }
    return candidates
  }

  /** The changed documents that are found. */
  private changed(level: number): ReadonlyArray<DeltaDocument> {
    return this.layers.flatMap((layer) =>
      Array.from(layer.delta.executor().select(level), (slot) => layer.documentAt(slot)).filter(
        (document) => document !== undefined
      )
    )
  }

  /** Pinned documents that are in the index, not hidden and in the filter, whether they have the words or not. */
  private pins(): ReadonlyArray<Ranking.Candidate> {
    return this.request.pins.flatMap(({ docId, position }) => {
      const at = this.request.hides.includes(docId) ? undefined : this.documents.find(docId)
      if (at === undefined || !this.documents.isWanted(at)) return []
      const { explanation, words } = this.documents.explain(at)
      const candidate =
        at._tag === "Version"
          ? this.candidate(at.ordinal, explanation.score, words)
          : this.changedCandidate(at, explanation.score, words)
      return [{ ...candidate, docId, pin: position }]
    })
  }

  private hit({ at, docId, pin, score, words }: Ranking.Candidate): Hit {
    return {
      ordinal: at._tag === "Version" ? at.ordinal : undefined,
      docId,
      score,
      missingWords: Math.max(0, this.plan.counted - words),
      ...(pin === undefined ? {} : { pinned: true }),
      ...(this.request.explain ? { explanation: this.documents.explain(at).explanation } : {})
    }
  }

  private explained(
    docId: string,
    level: number,
    ranked: ReadonlyArray<Ranking.Candidate>
  ): SearchAnswer["explained"] {
    const place = this.documents.find(docId)
    const n = ranked.findIndex(({ at, docId: id }) =>
      place?._tag === "Version" && at._tag === "Version" ? at.ordinal === place.ordinal : id === docId
    )
    return this.documents.explained(docId, level, n === -1 ? undefined : n + 1)
  }

  private facets(sides: ReadonlyArray<Side>, level: number, isOfBest: boolean): SearchAnswer["facets"] {
    // A selection is a view until the next one: the hits were made already.
    const selected = this.view.executor.select(level)
    const kinds = new Map(this.view.summary.settings.columns.map(({ kind, name }) => [name, kind]))
    return this.request.facets.map((request) => {
      const refinement = this.request.refinements.findIndex(({ column }) => column === request.column)
      const asideOf = (side: Side | undefined): ReadonlyArray<number> => {
        const aside = side?.aside[refinement]
        return aside === undefined ? [] : aside.ordinals.filter((_, n) => (aside.words[n] ?? 0) >= level)
      }
      const [version, ...changed] = sides
      const counter = FacetCounter.make(request, kinds.get(request.column) ?? "keyword", this.view.columns)
      counter.countVersion(selected)
      const others = asideOf(version)
      if (others.length > 0) counter.countVersion(Uint32Array.from(others))
      this.layers.forEach((layer, n) => {
        const side = changed[n]
        const slots = side === undefined ? [] : [...side.executor.select(level), ...asideOf(side)]
        for (const slot of slots) {
          const document = layer.documentAt(slot)
          if (document !== undefined) counter.countDocument(document)
        }
      })
      for (const { at } of this.pinned) {
        if (at._tag === "Version") counter.countVersion(Uint32Array.of(at.ordinal))
        else counter.countDocument(at.document)
      }
      return { ...counter.facet(), of: isOfBest ? ("best" as const) : ("found" as const) }
    })
  }
}

export const execute = (view: View, plan: Plan, request: SearchRequest): SearchAnswer =>
  new Execution(view, plan, request).answer()
