/** A few products in a version of the engine, and searches of them. */
import { Builder } from "@hypermarket/search/internal/engine/Builder"
import type { Delta } from "@hypermarket/search/internal/engine/Delta"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import * as Result from "effect/Result"

export const settings: EngineSettings.EngineSettings = {
  ...EngineSettings.defaults,
  columns: [
    { name: "brand", kind: "keyword" },
    { name: "price", kind: "number" }
  ],
  synonyms: [
    { kind: "two-way", phrases: ["laptop", "notebook"] },
    { kind: "one-way", from: "head set", to: ["headphones"] },
    { kind: "one-way", from: "loop", to: ["hoop"] },
    { kind: "one-way", from: "hoop", to: ["loop"] }
  ]
}

export const productOf = (
  docId: string,
  title: string,
  more: Partial<IndexDocument> = {}
): IndexDocument => ({
  docId,
  text: { title },
  keywords: {},
  numbers: {},
  popularity: 0,
  ...more
})

export const products = [
  productOf("slr", "Digital Camera SLR", { keywords: { brand: ["Canon"] }, numbers: { price: 900 } }),
  productOf("bag", "Camera bag for cameras", { keywords: { brand: ["Case Logic"] }, numbers: { price: 30 } }),
  productOf("book", "Notebook 17 in", { keywords: { brand: ["HP"] }, numbers: { price: 700 } }),
  productOf("phones", "Headphones black", { keywords: { brand: ["Sony"] } }),
  productOf("monitor", 'Monitor 17" glossy', { keywords: { brand: ["HP"] }, numbers: { price: 200 } }),
  productOf("it", "It the movie"),
  productOf("boards", "Keyboard keyboards"),
  productOf("boards2", "Keyboard wireless"),
  productOf("hoop", "Golden hoop")
]

export const versionOf = (
  documents: ReadonlyArray<IndexDocument>,
  own: Partial<EngineSettings.EngineSettings> = {}
) => {
  const builder = new Builder({ ...settings, ...own })
  for (const document of documents) Result.getOrThrow(builder.add(document))
  const built = builder.finish()
  const postings = [...built.postings()]
  const columns = [...built.columns()]
  return { postings, columns, summary: built.summary() }
}

export const segmentOf = ({ columns, postings, summary }: ReturnType<typeof versionOf>) => {
  const loader = new SegmentLoader(summary)
  loader.postings(postings)
  loader.columns(columns)
  return loader.finish()
}

export const version = versionOf(products)
export const segment = segmentOf(version)
export const searcher = new Searcher(version.summary)

export const search = (request: Partial<SearchRequest.SearchRequest>, delta?: Delta) =>
  Result.getOrThrow(searcher.resident(segment, { ...SearchRequest.defaults, ...request }, delta))

const idsOf = (answer: SearchRequest.SearchAnswer) =>
  answer.hits.map(({ docId, ordinal }) => (ordinal === undefined ? docId : products[ordinal]?.docId))

export const ids = (request: Partial<SearchRequest.SearchRequest>, delta?: Delta) =>
  idsOf(search(request, delta))

export const refused = (request: Partial<SearchRequest.SearchRequest>) => {
  const answer = searcher.resident(segment, { ...SearchRequest.defaults, ...request })
  return Result.isFailure(answer) ? answer.failure.parameter : undefined
}
