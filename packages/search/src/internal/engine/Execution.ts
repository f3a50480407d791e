/**
 * One search from its plan to its answer, over a version and the changes since. Synchronous: the changes are those of
 * one moment.
 */
import { impactOf } from "./Block.ts"
import type { Columns } from "./Columns.ts"
import type { Delta, DeltaDocument, DeltaLayer } from "./Delta.ts"
import { type Executor, type Lists, type Popularity, popularityFactor, scoreOf } from "./Executor.ts"
import * as FacetCounter from "./FacetCounter.ts"
import * as Filter from "./Filter.ts"
import { impactMax } from "./Impact.ts"
import type { Plan } from "./Plan.ts"
import * as Ranking from "./Ranking.ts"
import { ScoreHeap } from "./ScoreHeap.ts"
import type { Explanation, Hit, Matched, SearchAnswer, SearchRequest, WordOutcome } from "./SearchRequest.ts"
import type { VersionSummary } from "./VersionSummary.ts"

/** A level with fewer documents is too narrow to count and filter by: the next lower one is taken. */
export const levelHitsMin = 100

export interface View {
  readonly summary: VersionSummary
  readonly lists: Lists
  readonly columns: Columns
  readonly executor: Executor
  readonly delta: Delta | undefined
}

const deltaReader: Filter.Reader<DeltaDocument> = {
  isIn: (column, values) => {
    const texts = new Set(values)
    const numbers = new Set(values.map(Number))
    return (document) => {
      const number = document.numbers[column]
      return number === undefined
        ? (document.keywords[column] ?? []).some((value) => texts.has(value))
        : numbers.has(number)
    }
  },
  number: (column) => (document) => document.numbers[column] ?? Number.NaN,
  exists: (column) => (document) =>
    document.numbers[column] !== undefined || (document.keywords[column] ?? []).length > 0
}

/** The highest number of words that enough documents have. */
const levelOf = (
  histograms: ReadonlyArray<Uint32Array>
): { readonly level: number; readonly hits: number } => {
  const size = Math.max(...histograms.map(({ length }) => length))
  let hits = 0
  for (let words = size - 1; words > 0; words--) {
    for (const histogram of histograms) hits += histogram[words] ?? 0
    if (hits >= levelHitsMin || words === 1) return { level: words, hits }
  }
  return { level: 1, hits }
}

const explain = (
  plan: Plan,
  words: number,
  popularity: number,
  impact: (term: string) => number
): Explanation => {
  const matched = plan.words.flatMap((word): ReadonlyArray<Matched> => {
    for (const { how, terms, weight } of word.alternatives) {
      const least = Math.min(...terms.map(impact))
      if (least > 0) return [{ word: word.word, terms, how, score: (word.idf * weight * least) / impactMax }]
    }
    return []
  })
  const counted = Math.max(1, plan.counted)
  const sum = plan.words.length === 0 ? 1 : matched.reduce((total, { score }) => total + score, 0)
  return {
    words: matched,
    share: words / counted,
    popularity,
    score: scoreOf(sum, words, counted, popularity)
  }
}

const outcomes = (plan: Plan): ReadonlyArray<WordOutcome> =>
  plan.analysed.words.map(({ end, start, term }, n) => {
    const alternatives = plan.words[n]?.alternatives ?? []
    return {
      word: term,
      start,
      end,
      terms: [...new Set(alternatives.flatMap(({ terms }) => terms))],
      how: alternatives[0]?.how ?? "unknown"
    }
  })

class Execution {
  private readonly view: View
  private readonly plan: Plan
  private readonly request: SearchRequest
  private readonly layers: ReadonlyArray<DeltaLayer>
  private readonly counted: number
  private readonly popularity: Popularity
  private readonly windowSize: number

  constructor(view: View, plan: Plan, request: SearchRequest) {
    const { delta, summary } = view
    this.view = view
    this.plan = plan
    this.request = request
    this.layers = delta === undefined || delta.size === 0 ? [] : delta.layers()
    this.counted = Math.max(1, plan.counted)
    this.popularity = { weight: summary.settings.popularityWeight, steps: summary.popularitySteps }
    this.windowSize = request.offset + request.limit
  }

  answer(): SearchAnswer {
    const { plan, request, view } = this
    const { delta, executor } = view
    const { filter } = request
    const isEverything = request.query.trim() === ""
    const run = (on: Executor, lists: Lists) => (isEverything ? on.matchAll() : on.accumulate(plan, lists))
    run(executor, view.lists)
    for (const ordinals of delta?.hiddenOrdinals() ?? []) executor.remove(ordinals)
    const passes = filter === undefined ? undefined : Filter.compile(filter, view.columns.reader)
    const histograms = [executor.settle(passes), ...this.layers.map((layer) => this.settle(layer, run))]
    const { hits: nbHits, level } = levelOf(histograms)
    const selected = executor.select(level)
    const own = this.ofVersion(selected)
    const least = own.length < this.windowSize ? -Infinity : (own.at(-1)?.score ?? -Infinity)
    const candidates = [...own, ...this.layers.flatMap((layer, n) => this.ofLayer(layer, n, level, least))]
    const page = candidates.toSorted(Ranking.comparator(request.sort)).slice(request.offset, this.windowSize)
    return {
      hits: page.map((candidate) => this.hit(candidate)),
      nbHits,
      level,
      words: outcomes(plan),
      facets: this.facets(selected, level),
      truncated: plan.analysed.truncated
    }
  }

  private settle(layer: DeltaLayer, run: (on: Executor, lists: Lists) => void): Uint32Array {
    const { filter } = this.request
    const passes = filter === undefined ? () => true : Filter.compile(filter, deltaReader)
    const executor = layer.delta.executor()
    run(executor, (term) => layer.delta.list(term))
    return executor.settle((slot) => {
      const document = layer.documentAt(slot)
      return document !== undefined && passes(document)
    })
  }

  private ofVersion(selected: Uint32Array): ReadonlyArray<Ranking.Candidate> {
    const { executor } = this.view
    const { sort } = this.request
    if (sort.length > 0) return this.sorted(selected)
    const heap = new ScoreHeap(this.windowSize)
    executor.best(selected, this.counted, this.popularity, heap)
    return heap.sorted().map(({ ordinal, score }) => this.candidate(ordinal, score))
  }

  private sorted(selected: Uint32Array): ReadonlyArray<Ranking.Candidate> {
    const { columns, executor } = this.view
    const byKeys = Ranking.ordinalComparator(columns, this.request.sort)
    const score = (ordinal: number) =>
      scoreOf(executor.scoreAt(ordinal), executor.wordsAt(ordinal), this.counted, this.popularityAt(ordinal))
    const first = new Ranking.FirstOf(this.windowSize, (a, b) => byKeys(a, b) || score(b) - score(a) || a - b)
    if (this.windowSize > 0) for (const ordinal of selected) first.offer(ordinal)
    return first.sorted().map((ordinal) => this.candidate(ordinal, score(ordinal)))
  }

  private candidate(ordinal: number, score: number): Ranking.Candidate {
    return {
      ordinal,
      layer: -1,
      slot: -1,
      docId: undefined,
      score,
      words: this.view.executor.wordsAt(ordinal),
      place: ordinal,
      keys: Ranking.keysOfOrdinal(this.view.columns, this.request.sort, ordinal)
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
    const isSorted = this.request.sort.length > 0
    if (!isSorted) for (const slot of selected) heap.offer(scoreAt(slot), slot)
    const bound = isSorted ? -Infinity : Math.max(least, heap.least)
    const candidates: Array<Ranking.Candidate> = []
    for (const slot of selected) {
      const score = scoreAt(slot)
      const document = score < bound ? undefined : layer.documentAt(slot)
      if (document === undefined) continue
      const words = executor.wordsAt(slot)
      candidates.push({
        ordinal: undefined,
        layer: n,
        slot,
        docId: document.docId,
        score,
        words,
        place: document.ordinal ?? Infinity,
        keys: Ranking.keysOfDocument(this.request.sort, document)
      })
    }
    return candidates
  }

  private popularityAt(ordinal: number): number {
    const { steps, weight } = this.popularity
    let low = 0
    let high = steps.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((steps[middle]?.ordinal ?? 0) <= ordinal) low = middle + 1
      else high = middle
    }
    return popularityFactor(weight, steps[low - 1]?.level ?? 0)
  }

  private hit(candidate: Ranking.Candidate): Hit {
    const { docId, ordinal, score } = candidate
    if (!this.request.explain) return { ordinal, docId, score }
    return { ordinal, docId, score, explanation: this.explanation(candidate) }
  }

  private explanation({ layer, ordinal, slot, words }: Ranking.Candidate): Explanation {
    const { lists } = this.view
    if (ordinal !== undefined) {
      return explain(this.plan, words, this.popularityAt(ordinal), (term) => {
        const list = lists(term)
        return list === undefined ? 0 : impactOf(list, ordinal)
      })
    }
    const changed = this.layers[layer]
    const level = changed?.documentAt(slot)?.popularityLevel ?? 0
    return explain(this.plan, words, popularityFactor(this.popularity.weight, level), (term) => {
      const list = changed?.delta.list(term)
      return list === undefined ? 0 : impactOf(list, slot)
    })
  }

  private facets(selected: Uint32Array, level: number): SearchAnswer["facets"] {
    const kinds = new Map(this.view.summary.settings.columns.map(({ kind, name }) => [name, kind]))
    return this.request.facets.map((request) => {
      const counter = FacetCounter.make(request, kinds.get(request.column) ?? "keyword", this.view.columns)
      counter.countVersion(selected)
      for (const layer of this.layers) {
        for (const slot of layer.delta.executor().select(level)) {
          const document = layer.documentAt(slot)
          if (document !== undefined) counter.countDocument(document)
        }
      }
      return counter.facet()
    })
  }
}

export const execute = (view: View, plan: Plan, request: SearchRequest): SearchAnswer =>
  new Execution(view, plan, request).answer()
