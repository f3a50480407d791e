/**
 * Searches by looking at every document for every query: no blocks, no lists, no levels kept while reading, no index for
 * typing mistakes. What the engine answers is compared with this. It shares the analyser and the rules that choose a
 * word's alternatives, which it asks of plain maps.
 */
import { Analyser } from "@hypermarket/search/internal/engine/Analyser"
import type { Change } from "@hypermarket/search/internal/engine/Delta"
import type { Dictionary } from "@hypermarket/search/internal/engine/Dictionary"
import type { EngineSettings } from "@hypermarket/search/internal/engine/EngineSettings"
import type { Filter } from "@hypermarket/search/internal/engine/Filter"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import * as Plan from "@hypermarket/search/internal/engine/Plan"
import type { SearchRequest } from "@hypermarket/search/internal/engine/SearchRequest"
import { Synonyms } from "@hypermarket/search/internal/engine/Synonyms"
import * as Typo from "@hypermarket/search/internal/engine/Typo"

interface Indexed {
  readonly surfaces: ReadonlyArray<ReadonlySet<string>>
  readonly document: IndexDocument
  readonly terms: ReadonlyArray<ReadonlyMap<string, number>>
  readonly lengths: ReadonlyArray<number>
}

interface Candidate {
  readonly document: IndexDocument
  readonly pin?: number
  readonly place: number
  readonly words: number
  readonly score: number
}

export interface Answer {
  readonly hits: ReadonlyArray<{
    readonly docId: string
    readonly score?: number
    readonly missingWords?: number
    readonly pin?: boolean
  }>
  readonly nbHits: number
  readonly nbHitsBest: number
  readonly level: number
  readonly facets: Readonly<Record<string, ReadonlyArray<readonly [string | number, number]>>>
}

const compareText = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0)

const holds = (filter: Filter, document: IndexDocument): boolean => {
  const { keywords, numbers } = document
  switch (filter._tag) {
    case "And":
      return filter.filters.every((part) => holds(part, document))
    case "Or":
      return filter.filters.some((part) => holds(part, document))
    case "Not":
      return !holds(filter.filter, document)
    case "In":
      if (filter.column === "$id") return filter.values.includes(document.docId)
      return filter.values.some(
        (value) =>
          keywords[filter.column]?.includes(value) === true || numbers[filter.column] === Number(value)
      )
    case "Exists":
      return (keywords[filter.column]?.length ?? 0) > 0 || filter.column in numbers
    case "Range": {
      const value = numbers[filter.column]
      if (value === undefined) return false
      const { exclusive, maximum = Infinity, minimum = -Infinity } = filter
      return exclusive ? value > minimum && value < maximum : value >= minimum && value <= maximum
    }
  }
}

export class BruteForce {
  private readonly settings: EngineSettings
  private readonly analyser: Analyser
  private readonly synonyms: Synonyms
  private readonly base: ReadonlyArray<Indexed>
  private readonly averages: ReadonlyArray<number>
  private readonly frequencies: ReadonlyMap<string, number>
  /** Words that mistakes are corrected to, and beginnings of words, with their documents. */
  private readonly written = new Map<string, number>()
  private readonly begun = new Map<string, number>()

  constructor(settings: EngineSettings, documents: ReadonlyArray<IndexDocument>) {
    this.settings = settings
    this.analyser = new Analyser(settings.analyser)
    this.synonyms = new Synonyms(this.analyser, settings.synonyms)
    this.base = documents.map((document) => this.index(document))
    this.averages = settings.fields.map((_, field) => {
      const lengths = this.base.map((indexed) => indexed.lengths[field] ?? 0).filter((length) => length > 0)
      return lengths.length === 0 ? 0 : lengths.reduce((sum, length) => sum + length, 0) / lengths.length
    })
    this.frequencies = this.count(this.base)
    for (const { surfaces } of this.base) {
      for (const written of new Set(surfaces.flatMap((field) => [...field]))) {
        if (!/^\p{L}{4,24}$/u.test(written)) continue
        const all = this.base.filter((one) => one.surfaces.some((field) => field.has(written)))
        if (all.length > 1 || surfaces[0]?.has(written) === true) this.written.set(written, all.length)
      }
    }
    for (const [written, df] of this.written) {
      if (df < 2) continue
      for (let letters = 4; letters <= 7 && letters < written.length; letters++) {
        const beginning = written.slice(0, letters)
        this.begun.set(beginning, Math.max(df, this.begun.get(beginning) ?? 0))
      }
    }
  }

  /** `changes`: the last of each document. */
  with(changes: ReadonlyMap<string, Change>): (request: SearchRequest) => Answer {
    const changed = [...changes.values()].flatMap(({ document, ordinal }) =>
      document === undefined ? [] : [{ indexed: this.index(document), place: ordinal ?? Infinity }]
    )
    const kept = this.base
      .map((indexed, place) => ({ indexed, place }))
      .filter(({ indexed }) => !changes.has(indexed.document.docId))
    const dictionary = this.dictionary(changed.map(({ indexed }) => indexed))
    return (request) => this.search(request, [...kept, ...changed], dictionary)
  }

  private search(
    request: SearchRequest,
    documents: ReadonlyArray<{ readonly indexed: Indexed; readonly place: number }>,
    dictionary: Dictionary
  ): Answer {
    const plan = Plan.make(this.analyser, this.synonyms, dictionary, request.query, {
      prefix: request.prefix,
      typos: request.typos,
      documentCount: this.base.length
    })
    const { boosts, filter, hides, pins, refinements, sort } = request
    const isKept = (document: IndexDocument) =>
      (filter === undefined || holds(filter, document)) && !hides.includes(document.docId)
    const isRefined = (document: IndexDocument, except?: string) =>
      refinements.every(
        ({ column, values }) => column === except || holds({ _tag: "In", column, values }, document)
      )
    const boostOf = (document: IndexDocument) =>
      boosts.reduce((all, boost) => (holds(boost.filter, document) ? all * boost.factor : all), 1)
    const pinned = (sort.length > 0 ? [] : pins).flatMap(({ docId, position }): ReadonlyArray<Candidate> => {
      const pin = documents.find(({ indexed }) => indexed.document.docId === docId)
      if (pin === undefined || !isKept(pin.indexed.document) || !isRefined(pin.indexed.document)) return []
      const { document } = pin.indexed
      return [{ document, place: pin.place, words: 0, score: 0, pin: position }]
    })
    const isPinned = (document: IndexDocument) => pinned.some((pin) => pin.document === document)
    const wide = documents
      .filter(({ indexed }) => isKept(indexed.document) && !isPinned(indexed.document))
      .flatMap(({ indexed, place }) => this.score(plan, indexed, place, boostOf(indexed.document)))
    const found = wide.filter(({ document }) => isRefined(document))
    const most = Math.max(1, ...found.map(({ words }) => words))
    const match = request.match ?? (sort.length > 0 ? "most" : "any")
    const level = match === "all" ? Math.max(1, plan.counted) : match === "most" ? most : 1
    const hits = found.filter(({ words }) => words >= level)
    const best = found.filter(({ words }) => words >= most)
    const isOfBest = request.match === undefined && sort.length === 0
    const countedLevel = isOfBest ? most : level
    const counted = (column: string) =>
      wide.filter(({ document, words }) => words >= countedLevel && isRefined(document, column))
    const ranked = this.shown(
      request,
      hits.toSorted((a, b) => this.compare(request, a, b)),
      pinned
    )
    return {
      nbHits: ranked.length,
      level,
      nbHitsBest: best.length,
      hits: ranked
        .slice(request.offset, request.offset + request.limit)
        .map(({ document, pin, score, words }) => ({
          docId: document.docId,
          ...(pin === undefined ? { score, missingWords: Math.max(0, plan.counted - words) } : { pin: true })
        })),
      facets: Object.fromEntries(
        request.facets.map(({ column }) => [column, this.facet(column, [...counted(column), ...pinned])])
      )
    }
  }

  /** One group after another is cut, and one pin after another put in. */
  private shown(
    { distinct }: SearchRequest,
    hits: ReadonlyArray<Candidate>,
    pinned: ReadonlyArray<Candidate>
  ): ReadonlyArray<Candidate> {
    const groupOf = ({ document }: Candidate) => document.keywords[distinct?.column ?? ""]?.[0]
    const before: Array<string | undefined> = pinned.map(groupOf)
    const all = hits.filter((hit) => {
      const group = groupOf(hit)
      if (distinct === undefined || group === undefined) return true
      const isShown = before.filter((other) => other === group).length < distinct.limit
      if (isShown) before.push(group)
      return isShown
    })
    for (const pin of pinned) all.splice((pin.pin ?? 1) - 1, 0, pin)
    return all
  }

  private facet(
    column: string,
    hits: ReadonlyArray<Candidate>
  ): ReadonlyArray<readonly [string | number, number]> {
    const values = hits.flatMap(({ document }): ReadonlyArray<string | number> => {
      const number = document.numbers[column]
      return number === undefined ? (document.keywords[column] ?? []) : [number]
    })
    return [...Map.groupBy(values, (value) => value)]
      .map(([value, all]) => [value, all.length] as const)
      .toSorted((a, b) => b[1] - a[1] || compareText(a[0], b[0]))
  }

  private compare(request: SearchRequest, a: Candidate, b: Candidate): number {
    for (const { column, direction } of request.sort) {
      const left = a.document.numbers[column] ?? a.document.keywords[column]?.[0]
      const right = b.document.numbers[column] ?? b.document.keywords[column]?.[0]
      if (left === undefined && right === undefined) continue
      if (left === undefined) return 1
      if (right === undefined) return -1
      const compared =
        typeof left === "string" && typeof right === "string"
          ? left.localeCompare(right, "und", { numeric: true }) || compareText(left, right)
          : compareText(left, right)
      if (compared !== 0) return direction === "ascending" ? compared : -compared
    }
    if (a.score !== b.score) return b.score - a.score
    return a.place === b.place ? compareText(a.document.docId, b.document.docId) : a.place - b.place
  }

  private score(plan: Plan.Plan, indexed: Indexed, place: number, boost: number): ReadonlyArray<Candidate> {
    const { document } = indexed
    const has = (terms: ReadonlyArray<string>) => terms.every((term) => this.impact(indexed, term) > 0)
    const lacksRequired = plan.words.some(
      ({ alternatives, isRequired }) => isRequired && !alternatives.some(({ terms }) => has(terms))
    )
    if (lacksRequired || plan.excluded.some(has)) return []
    const popularity = 1 + (this.settings.popularityWeight * Math.round(document.popularity * 255)) / 255
    if (plan.analysed.words.length === 0) {
      return [{ document, place, words: 1, score: Math.fround(boost) * popularity }]
    }
    let sum = 0
    let words = 0
    let hasExtra = false
    for (const { alternatives, idf, isCounted } of plan.words) {
      const impacts = alternatives.map(({ terms }) =>
        Math.min(...terms.map((term) => this.impact(indexed, term)))
      )
      const first = impacts.findIndex((impact) => impact > 0)
      if (first === -1) continue
      const worth = (idf * (alternatives[first]?.weight ?? 0) * (impacts[first] ?? 0)) / 255
      // Scores are summed in 32 bits.
      sum = Math.fround(sum + worth)
      if (isCounted) words++
      else hasExtra = true
    }
    if (words === 0 && !hasExtra) return []
    const had = Math.max(1, words)
    sum = Math.fround(sum * boost)
    return [{ document, place, words: had, score: sum * (had / Math.max(1, plan.counted)) * popularity }]
  }

  private impact({ lengths, terms }: Indexed, term: string): number {
    const { fields, k1 } = this.settings
    let total = 0
    fields.forEach(({ b, weight }, field) => {
      const frequency = Math.min(15, terms[field]?.get(term) ?? 0)
      const average = this.averages[field] ?? 0
      const length = average === 0 ? 1 : Math.max(1, lengths[field] ?? 0) / average
      if (frequency > 0) total += (weight * frequency) / (1 - b + b * length)
    })
    return total === 0 ? 0 : Math.max(1, Math.round((255 * total) / (total + k1)))
  }

  private index(document: IndexDocument): Indexed {
    const analysed = this.settings.fields.map(({ name }, field) =>
      this.analyser.field(document.text[name] ?? "", field === 0)
    )
    return {
      document,
      surfaces: analysed.map(({ surfaces }) => new Set(surfaces)),
      lengths: analysed.map(({ length }) => length),
      terms: analysed.map(
        ({ terms }) =>
          new Map([...Map.groupBy(terms, (term) => term)].map(([term, all]) => [term, all.length]))
      )
    }
  }

  private count(documents: ReadonlyArray<Indexed>): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { terms } of documents) {
      for (const term of new Set(terms.flatMap((field) => [...field.keys()]))) {
        counts.set(term, (counts.get(term) ?? 0) + 1)
      }
    }
    return counts
  }

  private dictionary(changed: ReadonlyArray<Indexed>): Dictionary {
    const base = this.frequencies
    const added = this.count(changed)
    const byFrequency = (a: Typo.TermFrequency, b: Typo.TermFrequency) =>
      b.df - a.df || compareText(a.term, b.term)
    const most = (counts: ReadonlyMap<string, number>, isWanted: (term: string) => boolean) =>
      Array.from(counts, ([term, df]) => ({ term, df }))
        .filter(({ term }) => isWanted(term))
        .toSorted(byFrequency)
    return {
      expect: () => undefined,
      frequency: (term) => base.get(term) ?? added.get(term) ?? 0,
      completions: (prefix, limit) => {
        const own = most(base, (term) => term.startsWith(prefix)).slice(0, limit)
        const new8 = most(
          added,
          (term) => term.startsWith(prefix) && !own.some((other) => other.term === term)
        )
          .slice(0, 8)
          .filter(({ term }) => !base.has(term))
        return [...own, ...new8].toSorted(byFrequency).slice(0, limit)
      },
      neighbours: (token) =>
        most(
          this.written,
          (written) => Typo.distance(token, written, 2) <= (token.length >= 8 && written.length >= 8 ? 2 : 1)
        ),
      beginnings: (token) => most(this.begun, (beginning) => Typo.distance(token, beginning, 1) <= 1)
    }
  }
}
