/**
 * Our engine in `bench search`: versions of a catalogue in memory, and the scores of many configurations.
 *
 * A version holds impacts with the weights multiplied in, so a configuration would mean a build. Configurations are
 * scored from the occurrences of the queries' terms instead, with the engine's own plan and impacts; those that the
 * cross-validation chose are built, and must rank alike.
 */
import type { PostingChunk } from "@hypermarket/search/internal/engine/Block"
import { Builder } from "@hypermarket/search/internal/engine/Builder"
import { Analyser } from "@hypermarket/search/internal/engine/Analyser"
import type { ColumnChunk } from "@hypermarket/search/internal/engine/ColumnWriter"
import type { Delta } from "@hypermarket/search/internal/engine/Delta"
import type { EngineSettings } from "@hypermarket/search/internal/engine/EngineSettings"
import { Impacts } from "@hypermarket/search/internal/engine/Impact"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import type { Plan } from "@hypermarket/search/internal/engine/Plan"
import { PostingRuns } from "@hypermarket/search/internal/engine/PostingRuns"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { type Segment, SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import type { VersionSummary } from "@hypermarket/search/internal/engine/VersionSummary"
import * as Result from "effect/Result"
import * as Catalogue from "./Catalogue.ts"
import type { Configuration, Space } from "./Tuning.ts"

export interface Version {
  readonly summary: VersionSummary
  readonly segment: Segment
  readonly searcher: Searcher
}

export interface Rows {
  readonly summary: VersionSummary
  readonly postings: ReadonlyArray<PostingChunk>
  readonly columns: ReadonlyArray<ColumnChunk>
}

export const build = (settings: EngineSettings, documents: Iterable<IndexDocument>): Rows => {
  const builder = new Builder(settings)
  for (const document of documents) Result.getOrThrow(builder.add(document))
  const built = builder.finish()
  const postings = [...built.postings()]
  return { postings, columns: [...built.columns()], summary: built.summary() }
}

export const load = ({ columns, postings, summary }: Rows): Version => {
  const loader = new SegmentLoader(summary)
  loader.postings(postings)
  loader.columns(columns)
  return { summary, segment: loader.finish(), searcher: new Searcher(summary) }
}

export const search = (
  { searcher, segment }: Version,
  request: Partial<SearchRequest.SearchRequest>,
  delta?: Delta
): SearchRequest.SearchAnswer =>
  Result.getOrThrow(searcher.resident(segment, { ...SearchRequest.defaults, ...request }, delta))

/** The facets that a shop's search page asks for. */
export const facets = ["brand", "kind"].map((column) => ({ column, valuesMax: 20 }))

/** Values around those in use, as coarse as 61 queries can tell apart. */
export const space: Space = {
  stemming: ["plural", "plural", "none"],
  units: [true, false],
  brand: [0.05, 0.1, 0.25, 0.5, 1],
  description: [0.05, 0.1, 0.2, 0.3, 0.5, 0.8],
  attributes: [0.05, 0.1, 0.15, 0.3, 0.5],
  titleB: [0, 0.2, 0.4, 0.6, 0.75],
  brandB: [0, 0.4, 0.75],
  descriptionB: [0, 0.3, 0.6, 0.75, 0.9],
  attributesB: [0.3, 0.6, 0.75, 0.9],
  k1: [0.3, 0.6, 1, 1.5, 2, 3]
}

const numberOf = (configuration: Configuration, name: string): number => Number(configuration[name])

export const settingsOf = (configuration: Configuration): EngineSettings => ({
  ...Catalogue.settings,
  fields: [
    { name: "title", weight: 1, b: numberOf(configuration, "titleB") },
    ...["brand", "description", "attributes"].map((name) => ({
      name,
      weight: numberOf(configuration, name),
      b: numberOf(configuration, `${name}B`)
    }))
  ],
  k1: numberOf(configuration, "k1"),
  analyser: {
    ...Catalogue.settings.analyser,
    stemming: configuration.stemming === "none" ? "none" : "plural",
    units: configuration.units === true
  }
})

interface Occurrences {
  readonly ordinals: ReadonlyArray<number>
  readonly frequencies: ReadonlyArray<number>
}

/** One analyser's view of catalogue and queries: all that the weights do not change. */
class Occurring {
  private readonly plans: ReadonlyArray<Plan>
  private readonly lengths: ReadonlyArray<number>
  private readonly averages: ReadonlyArray<number>
  private readonly occurrences = new Map<string, Occurrences>()
  private readonly documentCount: number

  constructor(
    settings: EngineSettings,
    documents: ReadonlyArray<IndexDocument>,
    queries: ReadonlyArray<string>
  ) {
    const version = load(build(settings, documents))
    const analyser = new Analyser(settings.analyser)
    const runs = new PostingRuns()
    this.documentCount = documents.length
    this.averages = version.summary.fieldAverages
    this.lengths = documents.flatMap(({ text }, ordinal) =>
      settings.fields.map(({ name }, field) => {
        const { length, terms } = analyser.field(text[name] ?? "", field === 0)
        runs.reserve(terms.length * settings.fields.length)
        for (const term of terms) runs.add(runs.numberOf(term), ordinal, field)
        return length
      })
    )
    this.plans = queries.map((query) =>
      version.searcher.plan(version.segment, { ...SearchRequest.defaults, query }, undefined)
    )
    const wanted = new Set(
      this.plans.flatMap(({ words }) =>
        words.flatMap(({ alternatives }) => alternatives.flatMap(({ terms }) => terms))
      )
    )
    for (const { number, term } of runs.terms()) {
      if (!wanted.has(term)) continue
      const ordinals: Array<number> = []
      const frequencies: Array<number> = []
      runs.read(number, (ordinal, frequency) => {
        ordinals.push(ordinal)
        frequencies.push(frequency)
      })
      this.occurrences.set(term, { ordinals, frequencies })
    }
  }

  rank(settings: EngineSettings): ReadonlyArray<ReadonlyArray<number>> {
    const impacts = new Impacts(settings, this.averages)
    return this.plans.map((plan) => this.rankOne(plan, impacts))
  }

  private impactsOf(terms: ReadonlyArray<string>, impacts: Impacts): ReadonlyMap<number, number> {
    const all = terms.map((term) => {
      const { frequencies, ordinals } = this.occurrences.get(term) ?? { frequencies: [], ordinals: [] }
      return new Map(
        ordinals.map((ordinal, n) => [ordinal, impacts.of(frequencies[n] ?? 0, this.lengths, ordinal * 4)])
      )
    })
    const [first = new Map<number, number>(), ...others] = all
    if (others.length === 0) return first
    return new Map(
      [...first]
        .filter(([ordinal]) => others.every((other) => other.has(ordinal)))
        .map(([ordinal, impact]) => [
          ordinal,
          Math.min(impact, ...others.map((other) => other.get(ordinal) ?? 0))
        ])
    )
  }

  private rankOne(plan: Plan, impacts: Impacts): ReadonlyArray<number> {
    const scores = new Float32Array(this.documentCount)
    const counts = new Uint8Array(this.documentCount)
    for (const { alternatives, idf, isCounted } of plan.words) {
      const seen = new Set<number>()
      for (const { terms, weight } of alternatives) {
        for (const [ordinal, impact] of this.impactsOf(terms, impacts)) {
          if (seen.has(ordinal)) continue
          seen.add(ordinal)
          scores[ordinal] = (scores[ordinal] ?? 0) + (idf * weight * impact) / 255
          if (isCounted) counts[ordinal] = (counts[ordinal] ?? 0) + 1
        }
      }
    }
    const found = Array.from(scores.keys()).filter((ordinal) => (scores[ordinal] ?? 0) > 0)
    const wordsOf = (ordinal: number) => Math.max(1, counts[ordinal] ?? 0)
    const scoreOf = (ordinal: number) =>
      (scores[ordinal] ?? 0) * (wordsOf(ordinal) / Math.max(1, plan.counted))
    return found
      .map((ordinal) => ({ ordinal, score: scoreOf(ordinal) }))
      .toSorted((a, b) => b.score - a.score || a.ordinal - b.ordinal)
      .slice(0, 10)
      .map(({ ordinal }) => ordinal)
  }
}

/** By configuration and query, the ordinals of the first ten. */
export const rank = (
  configurations: ReadonlyArray<Configuration>,
  documents: ReadonlyArray<IndexDocument>,
  queries: ReadonlyArray<string>
): ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> => {
  const views = new Map<string, Occurring>()
  return configurations.map((configuration) => {
    const settings = settingsOf(configuration)
    const key = JSON.stringify(settings.analyser)
    const view = views.get(key) ?? new Occurring(settings, documents, queries)
    views.set(key, view)
    return view.rank(settings)
  })
}

/** The same from a version that is built. */
export const rankBuilt = (
  settings: EngineSettings,
  documents: ReadonlyArray<IndexDocument>,
  queries: ReadonlyArray<string>
): ReadonlyArray<ReadonlyArray<number>> => {
  const version = load(build(settings, documents))
  return queries.map((query) =>
    search(version, { query, limit: 10 }).hits.map(({ ordinal }) => ordinal ?? -1)
  )
}
