/**
 * Searches in one version: in a segment in memory, or on demand in what is fetched for the search. One plan, one
 * executor and the same bytes, so that both answer alike.
 *
 * A searcher has the executor's scratch memory, 10 bytes a document. Searches are synchronous, and one searcher serves
 * all of a thread.
 */
import * as Result from "effect/Result"
import { Analyser } from "./Analyser.ts"
import { Columns } from "./Columns.ts"
import type { Delta } from "./Delta.ts"
import { DictionaryWithDelta } from "./Delta.ts"
import type { Dictionary } from "./Dictionary.ts"
import type { Synonym } from "./EngineSettings.ts"
import { execute } from "./Execution.ts"
import { Executor, type Lists } from "./Executor.ts"
import { Fetched, type Need, type Supplied } from "./Fetched.ts"
import * as Filter from "./Filter.ts"
import * as Plan from "./Plan.ts"
import * as SearchRequest from "./SearchRequest.ts"
import type { Segment } from "./Segment.ts"
import { Synonyms } from "./Synonyms.ts"
import type { VersionSummary } from "./VersionSummary.ts"

export type Step =
  | { readonly _tag: "Need"; readonly need: Need }
  | { readonly _tag: "Answer"; readonly answer: SearchRequest.SearchAnswer }

export interface OnDemandOptions {
  /** Columns of the version that the process keeps; others are asked for when a filter, facet or sort needs them. */
  readonly columns?: Columns | undefined
  readonly delta?: Delta | undefined
}

export class Searcher {
  readonly summary: VersionSummary
  private readonly analyser: Analyser
  private readonly synonyms: Synonyms
  private readonly executor: Executor

  constructor(summary: VersionSummary) {
    this.summary = summary
    this.analyser = new Analyser(summary.settings.analyser)
    this.synonyms = new Synonyms(this.analyser, summary.settings.synonyms)
    this.executor = new Executor(summary.documentCount)
  }

  resident(
    segment: Segment,
    request: SearchRequest.SearchRequest,
    delta?: Delta
  ): Result.Result<SearchRequest.SearchAnswer, SearchRequest.RequestRefused> {
    const problem = SearchRequest.problemOf(this.summary.settings, request)
    if (problem !== undefined) return Result.fail(problem)
    const plan = this.plan(segment, request, delta)
    return Result.succeed(this.execute(plan, request, (term) => segment.list(term), segment.columns, delta))
  }

  onDemand(
    request: SearchRequest.SearchRequest,
    options: OnDemandOptions = {}
  ): Result.Result<OnDemandSearch, SearchRequest.RequestRefused> {
    const problem = SearchRequest.problemOf(this.summary.settings, request)
    return problem === undefined
      ? Result.succeed(new OnDemandSearch(this, request, options))
      : Result.fail(problem)
  }

  /** Returns the synonyms of the version together with others. */
  synonymsWith(others: ReadonlyArray<Synonym>): Synonyms {
    return new Synonyms(this.analyser, [...this.summary.settings.synonyms, ...others])
  }

  plan(dictionary: Dictionary, request: SearchRequest.SearchRequest, delta: Delta | undefined): Plan.Plan {
    const whole =
      delta === undefined || delta.isEmpty ? dictionary : new DictionaryWithDelta(dictionary, delta.layers())
    const synonyms = request.synonyms ?? this.synonyms
    return Plan.make(this.analyser, synonyms, whole, request.query, {
      prefix: request.prefix,
      typos: request.typos,
      documentCount: this.summary.documentCount
    })
  }

  execute(
    plan: Plan.Plan,
    request: SearchRequest.SearchRequest,
    lists: Lists,
    columns: Columns,
    delta: Delta | undefined
  ): SearchRequest.SearchAnswer {
    return execute({ summary: this.summary, lists, columns, executor: this.executor, delta }, plan, request)
  }
}

const columnsOf = (request: SearchRequest.SearchRequest): ReadonlySet<string> => {
  const { boosts, distinct, facets, filter, refinements, sort } = request
  return new Set([
    ...(filter === undefined ? [] : Filter.columnsOf(filter)),
    ...boosts.flatMap((boost) => [...Filter.columnsOf(boost.filter)]),
    ...refinements.map(({ column }) => column),
    ...(distinct === undefined ? [] : [distinct.column]),
    ...facets.map(({ column }) => column),
    ...sort.map(({ column }) => column)
  ])
}

/**
 * A search that says what it needs. Each time the plan is made again from what there is; what it asked and
 * has no answer yet is the next need. One round when all words are known and there is neither filter, facet nor sort; at most
 * five.
 */
class OnDemandSearch {
  private readonly searcher: Searcher
  private readonly request: SearchRequest.SearchRequest
  private readonly delta: Delta | undefined
  private readonly fetched: Fetched

  constructor(searcher: Searcher, request: SearchRequest.SearchRequest, options: OnDemandOptions) {
    this.searcher = searcher
    this.request = request
    this.delta = options.delta
    this.fetched = new Fetched(searcher.summary, options.columns ?? new Columns(new Map()))
  }

  next(): Step {
    const { delta, fetched, request, searcher } = this
    fetched.expectColumns(columnsOf(request))
    const plan = searcher.plan(fetched, request, delta)
    // A plan made from half of the answers may want lists that the whole one does not.
    if (fetched.isComplete) fetched.expectLists(Plan.termsOf(plan))
    if (!fetched.isComplete) return { _tag: "Need", need: fetched.need() }
    const answer = searcher.execute(plan, request, (term) => fetched.list(term), fetched.columns, delta)
    return { _tag: "Answer", answer }
  }

  supply(supplied: Supplied): void {
    this.fetched.supply(supplied)
  }
}
