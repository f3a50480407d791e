/**
 * The documents of one search by their ids, wherever they are: in the version, or in the changes since. Explains each of
 * them, found or not.
 */
import { impactOf } from "./Block.ts"
import type { Columns } from "./Columns.ts"
import type { DeltaDocument, DeltaLayer } from "./Delta.ts"
import { type Lists, popularityFactor, scoreOf } from "./Executor.ts"
import * as Filter from "./Filter.ts"
import { impactMax } from "./Impact.ts"
import type { Plan } from "./Plan.ts"
import type { Boost, Explained, Explanation, Matched, Outcome, SearchRequest } from "./SearchRequest.ts"
import type { VersionSummary } from "./VersionSummary.ts"

/** Where a document is: an ordinal of the version, or a slot of a layer of changes. */
export type Place =
  | { readonly _tag: "Version"; readonly ordinal: number }
  | {
      readonly _tag: "Change"
      readonly layer: number
      readonly slot: number
      readonly document: DeltaDocument
    }

/** Reads the values of a version's documents. Their ids are known for those that the request names. */
const versionReader = (columns: Columns, ordinals: ReadonlyMap<string, number>): Filter.Reader<number> => ({
  ...columns.reader,
  isIn: (column, values) => {
    if (column !== Filter.idColumn) return columns.reader.isIn(column, values)
    const wanted = new Set(values.map((id) => ordinals.get(id)))
    return (ordinal) => wanted.has(ordinal)
  },
  exists: (column) => (column === Filter.idColumn ? () => true : columns.reader.exists(column))
})

/** Reads the values of documents that are in memory. */
export const changeReader: Filter.Reader<Pick<DeltaDocument, "docId" | "keywords" | "numbers">> = {
  isIn: (column, values) => {
    const texts = new Set(values)
    if (column === Filter.idColumn) return ({ docId }) => texts.has(docId)
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
    column === Filter.idColumn ||
    document.numbers[column] !== undefined ||
    (document.keywords[column] ?? []).length > 0
}

const explain = (
  plan: Plan,
  factors: Pick<Explanation, "popularity" | "boost">,
  impact: (term: string) => number
): { readonly words: number; readonly explanation: Explanation } => {
  let words = 0
  const matched = plan.words.flatMap((word): ReadonlyArray<Matched> => {
    for (const { how, terms, weight } of word.alternatives) {
      const least = Math.min(...terms.map(impact))
      if (least === 0) continue
      if (word.isCounted) words++
      return [{ word: word.word, terms, how, score: (word.idf * weight * least) / impactMax }]
    }
    return []
  })
  const isEverything = plan.words.length === 0
  const counted = Math.max(1, plan.counted)
  // A joined form alone is as good as one word, and an empty query finds everything.
  if (isEverything || matched.length > 0) words = Math.max(1, words)
  const sum = isEverything ? 1 : matched.reduce((total, { score }) => total + score, 0)
  const { boost, popularity } = factors
  return {
    words,
    explanation: {
      words: matched,
      share: words / counted,
      popularity,
      boost,
      score: scoreOf(sum * boost, words, counted, popularity)
    }
  }
}

export class Documents {
  private readonly layers: ReadonlyArray<DeltaLayer>
  private readonly lists: Lists
  private readonly summary: VersionSummary
  private readonly reader: Filter.Reader<number>
  private readonly request: SearchRequest
  private readonly plan: Plan

  constructor(
    view: { readonly summary: VersionSummary; readonly lists: Lists; readonly columns: Columns },
    layers: ReadonlyArray<DeltaLayer>,
    plan: Plan,
    request: SearchRequest
  ) {
    this.layers = layers
    this.lists = view.lists
    this.summary = view.summary
    this.reader = versionReader(view.columns, request.ordinals)
    this.request = request
    this.plan = plan
  }

  /** Undefined for a document that is not in the index. */
  find(docId: string): Place | undefined {
    for (const [layer, { delta }] of this.layers.entries()) {
      if (!delta.has(docId)) continue
      const slot = delta.slotOf(docId)
      const document = slot === undefined ? undefined : delta.documentAt(slot)
      return slot === undefined || document === undefined
        ? undefined
        : { _tag: "Change", layer, slot, document }
    }
    const ordinal = this.request.ordinals.get(docId)
    return ordinal === undefined ? undefined : { _tag: "Version", ordinal }
  }

  /** A test of the version's documents. */
  testOfVersion(filter: Filter.Filter): (ordinal: number) => boolean {
    return Filter.compile(filter, this.reader)
  }

  /** A test of the documents of a layer. */
  testOfLayer(filter: Filter.Filter, layer: DeltaLayer): (slot: number) => boolean {
    const test = Filter.compile(filter, changeReader)
    return (slot) => {
      const document = layer.documentAt(slot)
      return document !== undefined && test(document)
    }
  }

  passes(place: Place, filter: Filter.Filter): boolean {
    return place._tag === "Version"
      ? this.testOfVersion(filter)(place.ordinal)
      : Filter.compile(filter, changeReader)(place.document)
  }

  /** True for a document that the filter and the refinements leave in. */
  isWanted(place: Place): boolean {
    const { filter, refinements } = this.request
    return (
      (filter === undefined || this.passes(place, filter)) &&
      refinements.every(({ column, values }) => this.passes(place, { _tag: "In", column, values }))
    )
  }

  explain(place: Place): { readonly words: number; readonly explanation: Explanation } {
    const { popularityWeight } = this.summary.settings
    const popularity =
      place._tag === "Version"
        ? this.popularityOf(place.ordinal)
        : popularityFactor(popularityWeight, place.document.popularityLevel)
    const boost = this.request.boosts
      .filter(({ filter }: Boost) => this.passes(place, filter))
      .reduce((product, { factor }) => product * factor, 1)
    return explain(this.plan, { popularity, boost }, (term) => this.impact(place, term))
  }

  /** `level` is the number of words that documents have at least to be found. */
  explained(docId: string, level: number, position: number | undefined): Explained {
    const place = this.find(docId)
    if (place === undefined) {
      return {
        docId,
        outcome: "absent",
        position: undefined,
        missingWords: this.plan.counted,
        explanation: undefined
      }
    }
    const { explanation, words } = this.explain(place)
    const outcome = position === undefined ? this.outcome(docId, place, words, level) : "found"
    return { docId, outcome, position, missingWords: Math.max(0, this.plan.counted - words), explanation }
  }

  popularityOf(ordinal: number): number {
    const { popularitySteps, settings } = this.summary
    let low = 0
    let high = popularitySteps.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((popularitySteps[middle]?.ordinal ?? 0) <= ordinal) low = middle + 1
      else high = middle
    }
    return popularityFactor(settings.popularityWeight, popularitySteps[low - 1]?.level ?? 0)
  }

  private impact(place: Place, term: string): number {
    const list = place._tag === "Version" ? this.lists(term) : this.layers[place.layer]?.delta.list(term)
    if (list === undefined) return 0
    return impactOf(list, place._tag === "Version" ? place.ordinal : place.slot)
  }

  private outcome(docId: string, place: Place, words: number, level: number): Outcome {
    const has = (terms: ReadonlyArray<string>) => terms.every((term) => this.impact(place, term) > 0)
    if (this.request.hides.includes(docId)) return "hidden"
    if (!this.isWanted(place)) return "filtered"
    if (this.plan.excluded.some(has)) return "excluded"
    const required = this.plan.words.filter(({ isRequired }) => isRequired)
    if (!required.every(({ alternatives }) => alternatives.some(({ terms }) => has(terms)))) return "required"
    return words < level ? "words" : "found"
  }
}
