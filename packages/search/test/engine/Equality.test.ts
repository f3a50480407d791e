import { assert, describe, it } from "@effect/vitest"
import type { PostingChunk } from "@hypermarket/search/internal/engine/Block"
import { Builder } from "@hypermarket/search/internal/engine/Builder"
import type { ColumnChunk } from "@hypermarket/search/internal/engine/ColumnWriter"
import { type Change, Delta } from "@hypermarket/search/internal/engine/Delta"
import type { Need, Supplied } from "@hypermarket/search/internal/engine/Fetched"
import * as Filter from "@hypermarket/search/internal/engine/Filter"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { type Segment, SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import type { VersionSummary } from "@hypermarket/search/internal/engine/VersionSummary"
import * as Result from "effect/Result"
import { BruteForce } from "./BruteForce.ts"
import { documentOf, documentsOf, queryOf, randomOf, settings, vocabularyOf } from "./Catalogue.ts"

const documentCount = 1_000
const vocabulary = vocabularyOf(1_000)
const documents = documentsOf(vocabulary, documentCount, 1)

/** The rows of a version, and the reads that the service makes of its tables. */
class Rows {
  readonly summary: VersionSummary
  readonly segment: Segment
  private readonly postings: ReadonlyMap<string, ReadonlyArray<PostingChunk>>
  private readonly columns: ReadonlyArray<ColumnChunk>

  constructor(documents: ReadonlyArray<IndexDocument>) {
    const builder = new Builder(settings)
    for (const document of documents) Result.getOrThrow(builder.add(document))
    const built = builder.finish()
    const postings = [...built.postings()]
    this.postings = Map.groupBy(postings, ({ term }) => term)
    this.columns = [...built.columns()]
    this.summary = JSON.parse(JSON.stringify(built.summary()))
    const loader = new SegmentLoader(this.summary)
    loader.postings(postings)
    loader.columns(this.columns.toReversed())
    this.segment = loader.finish()
  }

  supply(need: Need): Supplied {
    const chunksOf = (terms: ReadonlyArray<string>) => terms.flatMap((term) => this.postings.get(term) ?? [])
    return {
      postings: chunksOf(need.postings),
      frequencies: chunksOf(need.frequencies).filter(({ chunk }) => chunk === 0),
      completions: need.completions.map(({ limit, prefix }) => ({
        prefix,
        terms: chunksOf([...this.postings.keys()].filter((term) => term.startsWith(prefix)))
          .filter(({ chunk }) => chunk === 0)
          .toSorted((a, b) => b.df - a.df || (a.term < b.term ? -1 : 1))
          .slice(0, limit)
      })),
      columns: this.columns.filter(({ chunk, name, part }) =>
        part === "typo" ? need.typoBuckets[name]?.includes(chunk) === true : need.columns.includes(name)
      )
    }
  }
}

const filters = [
  "brand = Canon",
  "price 100 TO 2000 AND brand IN [Nikon, Zeta]",
  "NOT (categories = camera OR weight < 3.5)",
  "weight EXISTS AND price != 500",
  "categories NOT IN [laptop] AND price > 4000",
  "$id IN [p1, p2, p7, new4, p100] OR price < 300",
  "$id NOT IN [p3, p4, new8]"
].map((text) => Result.getOrThrow(Filter.parse(text)))

/** Undefined as often as the three together. */
const matches = ["all", "most", "any", undefined, undefined, undefined] as const

/** Some of the documents of the version and of the changes, and one that is in neither. */
const someId = (random: () => number) =>
  random() < 0.1
    ? "none"
    : random() < 0.3
      ? `new${Math.floor(random() * 25) * 4}`
      : `p${Math.floor(random() * documentCount)}`

/** The rules of a shop for a search. */
const rulesOf = (random: () => number): Partial<SearchRequest.SearchRequest> => {
  const ids = [...new Set(Array.from({ length: 8 }, () => someId(random)))]
  return {
    pins: ids.slice(0, 3).map((docId, n) => ({ docId, position: n * 2 + 1 })),
    hides: ids.slice(3),
    boosts: [
      { filter: filters[0] ?? { _tag: "Exists", column: "brand" }, factor: 2 },
      { filter: { _tag: "In", column: "$id", values: ids }, factor: 0.5 }
    ]
  }
}

const ordinals = new Map(documents.map(({ docId }, ordinal) => [docId, ordinal]))

const requestOf = (n: number, random: () => number): SearchRequest.SearchRequest => ({
  ...SearchRequest.defaults,
  query: n % 50 === 0 ? "" : queryOf(vocabulary, random),
  prefix: random() < 0.4,
  typos: random() < 0.9,
  ...(random() < 0.4 ? { filter: filters[Math.floor(random() * filters.length)] } : {}),
  facets:
    random() < 0.5
      ? ["brand", "categories", "price", "weight"].map((column) => ({ column, valuesMax: 1_000 }))
      : [],
  sort:
    random() < 0.2
      ? [
          {
            column: random() < 0.5 ? "brand" : "categories",
            direction: random() < 0.5 ? "ascending" : "descending"
          },
          { column: "weight", direction: "descending" }
        ]
      : [],
  ...(random() < 0.2
    ? {
        refinements: [
          { column: "brand", values: ["Canon", "Zeta"] },
          ...(random() < 0.5 ? [{ column: "categories", values: ["laptop", "camera", "cable"] }] : [])
        ]
      }
    : {}),
  ...(random() < 0.2
    ? { distinct: { column: random() < 0.5 ? "brand" : "categories", limit: random() < 0.5 ? 1 : 3 } }
    : {}),
  ...(random() < 0.2 ? rulesOf(random) : {}),
  ordinals,
  match: matches[Math.floor(random() * matches.length)],
  offset: random() < 0.2 ? 10 : 0
})

const onDemand = (
  rows: Rows,
  searcher: Searcher,
  request: SearchRequest.SearchRequest,
  delta: Delta | undefined
) => {
  const search = Result.getOrThrow(searcher.onDemand(request, { delta }))
  for (let rounds = 0; ; rounds++) {
    const step = search.next()
    if (step._tag === "Answer") return { answer: step.answer, rounds }
    search.supply(rows.supply(step.need))
  }
}

const plainOf = (answer: SearchRequest.SearchAnswer) => ({
  hits: answer.hits.map(({ docId, missingWords, ordinal, pinned, score }) => ({
    docId: ordinal === undefined ? docId : documents[ordinal]?.docId,
    ...(pinned === true ? { pin: true } : { score, missingWords })
  })),
  nbHits: answer.nbHits,
  nbHitsBest: answer.nbHitsBest,
  level: answer.level,
  facets: Object.fromEntries(
    answer.facets.map(({ column, values }) => [column, values.map(({ count, value }) => [value, count])])
  )
})

const rows = new Rows(documents)
const searcher = new Searcher(rows.summary)
const brute = new BruteForce(settings, documents)

/** Every fourth is new, every fifth of the others gone. */
const changesOf = (count: number, seed: number): ReadonlyArray<Change> => {
  const random = randomOf(seed)
  return Array.from({ length: count }, (_, n) => {
    const ordinal = n % 4 === 0 ? undefined : Math.floor(random() * documentCount)
    const docId = ordinal === undefined ? `new${n}` : (documents[ordinal]?.docId ?? "")
    const isGone = ordinal !== undefined && n % 5 === 0
    return {
      docId,
      ordinal,
      document: isGone ? undefined : documentOf(vocabulary, random, docId, random())
    }
  })
}

const lastOf = (...changes: ReadonlyArray<ReadonlyArray<Change>>): ReadonlyMap<string, Change> =>
  new Map(changes.flat().map((change) => [change.docId, change]))

const compare = (
  seed: number,
  queryCount: number,
  delta: Delta | undefined,
  changes: ReadonlyMap<string, Change>
) => {
  const search = brute.with(changes)
  const random = randomOf(seed)
  let found = 0
  let roundsMost = 0
  for (let n = 0; n < queryCount; n++) {
    const request = requestOf(n, random)
    const expected = search(request)
    const resident = Result.getOrThrow(searcher.resident(rows.segment, request, delta))
    const { answer, rounds } = onDemand(rows, searcher, request, delta)
    assert.deepStrictEqual<unknown>(plainOf(resident), expected, JSON.stringify(request))
    assert.deepStrictEqual(answer, resident, JSON.stringify(request))
    if (expected.hits.length > 0) found++
    roundsMost = Math.max(roundsMost, rounds)
  }
  assert.isAtMost(roundsMost, 5)
  return found
}

/** Empty answers would agree as well. Queries with a word that no document has find nothing with `all`. */
const foundMin = 0.6

describe("A segment, searches on demand and looking at every document", () => {
  it("give the same hits, scores, counts and facets for 200 queries", () => {
    assert.isAbove(compare(2, 200, undefined, new Map()), foundMin * 200)
  })

  it("give the same with changes since the version was built", () => {
    const delta = new Delta(rows.summary)
    const changes = changesOf(300, 3)
    for (let n = 0; n < changes.length; n += 50) delta.apply(changes.slice(n, n + 50))
    assert.isAbove(compare(4, 200, delta, lastOf(changes)), foundMin * 200)
  })

  it("give the same with a caller's own changes over the shared ones, which do not see them", () => {
    const shared = changesOf(200, 5)
    const own = changesOf(100, 6)
    const delta = new Delta(rows.summary)
    delta.apply(shared)
    assert.isAbove(compare(7, 120, delta.overlay(own), lastOf(shared, own)), foundMin * 120)
    compare(8, 120, delta, lastOf(shared))
  })

  it("give the same after a document has changed thousands of times", () => {
    const delta = new Delta(rows.summary)
    const random = randomOf(9)
    const last = new Map<string, Change>()
    for (let n = 0; n < 4_000; n++) {
      const ordinal = Math.floor(random() * 50)
      const docId = documents[ordinal]?.docId ?? ""
      const change = { docId, ordinal, document: documentOf(vocabulary, random, docId, random()) }
      delta.apply([change])
      last.set(docId, change)
    }
    assert.isBelow(delta.slotCount, 2_000)
    assert.isAbove(compare(10, 120, delta, last), foundMin * 120)
  })
})
