import { assert, describe, it } from "@effect/vitest"
import { Builder } from "@hypermarket/search/internal/engine/Builder"
import { Delta } from "@hypermarket/search/internal/engine/Delta"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import * as Filter from "@hypermarket/search/internal/engine/Filter"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { Segment, SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import * as Result from "effect/Result"
import { Worker } from "node:worker_threads"

const settings: EngineSettings.EngineSettings = {
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

const productOf = (docId: string, title: string, more: Partial<IndexDocument> = {}): IndexDocument => ({
  docId,
  text: { title },
  keywords: {},
  numbers: {},
  popularity: 0,
  ...more
})

const products = [
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

const versionOf = (documents: ReadonlyArray<IndexDocument>) => {
  const builder = new Builder(settings)
  for (const document of documents) Result.getOrThrow(builder.add(document))
  const built = builder.finish()
  const postings = [...built.postings()]
  const columns = [...built.columns()]
  return { postings, columns, summary: built.summary() }
}

const segmentOf = ({ columns, postings, summary }: ReturnType<typeof versionOf>) => {
  const loader = new SegmentLoader(summary)
  loader.postings(postings)
  loader.columns(columns)
  return loader.finish()
}

const version = versionOf(products)
const segment = segmentOf(version)
const searcher = new Searcher(version.summary)

const search = (request: Partial<SearchRequest.SearchRequest>, delta?: Delta) =>
  Result.getOrThrow(searcher.resident(segment, { ...SearchRequest.defaults, ...request }, delta))

const idsOf = (answer: SearchRequest.SearchAnswer) =>
  answer.hits.map(({ docId, ordinal }) => (ordinal === undefined ? docId : products[ordinal]?.docId))

const ids = (request: Partial<SearchRequest.SearchRequest>, delta?: Delta) => idsOf(search(request, delta))

const refused = (request: Partial<SearchRequest.SearchRequest>) => {
  const answer = searcher.resident(segment, { ...SearchRequest.defaults, ...request })
  return Result.isFailure(answer) ? answer.failure.parameter : undefined
}

describe("Searcher", () => {
  it("finds synonyms in both directions, or in the one they have", () => {
    assert.deepStrictEqual(ids({ query: "laptops" }), ["book"])
    assert.deepStrictEqual(ids({ query: "head set black" }), ["phones"])
    assert.deepStrictEqual(ids({ query: "headphones" }), ["phones"])
    assert.deepStrictEqual(ids({ query: "loop" }), ["hoop"])
  })

  it("corrects a word only when no document has it", () => {
    assert.deepStrictEqual(ids({ query: "camrea bag" }), ["bag", "slr"])
    assert.deepStrictEqual(ids({ query: "keybaord" }), ids({ query: "keyboard" }))
    // One document has it, which may be a mistake itself.
    assert.deepStrictEqual(ids({ query: "wirelss" }), [])
    assert.deepStrictEqual(ids({ query: "camrea", typos: false }), [])
    assert.deepStrictEqual(
      search({ query: "camrea slr" }).words.map(({ how, terms }) => [how, terms]),
      [
        ["typo", ["camera"]],
        ["exact", ["slr"]]
      ]
    )
  })

  it("splits a word that consists of two, and joins two that are one", () => {
    assert.deepStrictEqual(ids({ query: "digitalcamera" }), ["slr"])
    assert.deepStrictEqual(ids({ query: "key board" }).toSorted(), ["boards", "boards2"])
  })

  it("finds sizes however their unit is written", () => {
    assert.deepStrictEqual(ids({ query: "17 inch" }).toSorted(), ["book", "monitor"])
    assert.deepStrictEqual(ids({ query: '17"' }).toSorted(), ["book", "monitor"])
    assert.deepStrictEqual(ids({ query: "17in monitor" }).at(0), "monitor")
  })

  it("completes the last word until a space ends it", () => {
    assert.deepStrictEqual(ids({ query: "digital cam", prefix: true }).at(0), "slr")
    assert.deepStrictEqual(ids({ query: "mon", prefix: true }), ["monitor"])
    assert.deepStrictEqual(ids({ query: "mon ", prefix: true }), [])
    assert.deepStrictEqual(ids({ query: "mon" }), [])
  })

  it("finds a title of stop words, everything for nothing, and nothing for signs", () => {
    assert.deepStrictEqual(ids({ query: "it" }), ["it"])
    assert.strictEqual(search({ query: "  " }).nbHits, products.length)
    assert.strictEqual(search({ query: "?! …" }).nbHits, 0)
    assert.strictEqual(search({ query: "\ud800\u0000" }).nbHits, 0)
  })

  it("explains every hit by factors whose product is its score", () => {
    const answer = search({ query: "digital camrea 17 inch laptop", explain: true })
    assert.isAbove(answer.hits.length, 3)
    for (const { explanation, score } of answer.hits) {
      const words = explanation?.words ?? []
      const sum = words.reduce((total, word) => total + word.score, 0)
      assert.closeTo(score, explanation?.score ?? 0, 1e-6)
      assert.closeTo(score, sum * (explanation?.share ?? 0) * (explanation?.popularity ?? 0), 1e-6)
    }
  })

  it("lets popularity lift a document by its weight and no more", () => {
    const popular = { ...products[0], docId: "popular", popularity: 1, text: { title: "Digital Camera SLR" } }
    const delta = new Delta(version.summary)
    delta.apply([{ docId: "popular", ordinal: undefined, document: productOf("popular", "", popular) }])
    const { hits } = search({ query: "slr" }, delta)
    assert.deepStrictEqual(ids({ query: "slr" }, delta), ["popular", "slr"])
    assert.closeTo((hits[0]?.score ?? 0) / (hits[1]?.score ?? 1), 1 + settings.popularityWeight, 1e-6)
  })

  it("sorts by columns, those without a value last in either direction", () => {
    const sort = (direction: "ascending" | "descending") => [{ column: "price", direction }]
    assert.deepStrictEqual(ids({ sort: sort("ascending") }).slice(0, 4), ["bag", "monitor", "book", "slr"])
    assert.deepStrictEqual(ids({ sort: sort("descending") }).slice(0, 4), ["slr", "book", "monitor", "bag"])
    assert.deepStrictEqual(
      ids({ sort: [{ column: "brand", direction: "ascending" }], limit: 3, offset: 1 }),
      ["bag", "book", "monitor"]
    )
  })

  it("counts facets of the hits, with statistics, and searches in their values", () => {
    const facets = [
      { column: "brand", valuesMax: 2 },
      { column: "price", valuesMax: 0 }
    ]
    const [brands, prices] = search({ facets }).facets
    assert.deepStrictEqual(brands, {
      column: "brand",
      distinct: 4,
      values: [
        { value: "HP", count: 2 },
        { value: "Canon", count: 1 }
      ]
    })
    assert.deepStrictEqual(prices?.stats, { min: 30, max: 900, sum: 1_830, count: 4 })
    const logic = search({ facets: [{ column: "brand", valuesMax: 9, query: "lóg" }] }).facets[0]
    assert.deepStrictEqual(logic?.values, [{ value: "Case Logic", count: 1 }])
  })

  it("keeps hits, counts and facets to the same documents when words are common", () => {
    const many = versionOf([
      ...Array.from({ length: 150 }, (_, n) =>
        productOf(`both${n}`, "red shoe", { keywords: { brand: ["A"] } })
      ),
      ...Array.from({ length: 400 }, (_, n) => productOf(`one${n}`, "red", { keywords: { brand: ["B"] } }))
    ])
    const answer = Result.getOrThrow(
      new Searcher(many.summary).resident(segmentOf(many), {
        ...SearchRequest.defaults,
        query: "red shoe",
        facets: [{ column: "brand", valuesMax: 5 }],
        limit: 1_000
      })
    )
    assert.deepStrictEqual([answer.level, answer.nbHits, answer.hits.length], [2, 150, 150])
    assert.deepStrictEqual(answer.facets[0]?.values, [{ value: "A", count: 150 }])
  })

  it("reads a list of many rows whole, in memory and on demand", () => {
    const count = 12_000
    const common = versionOf(
      Array.from({ length: count }, (_, n) => productOf(`p${n}`, n % 3 === 0 ? "red shoe" : "red"))
    )
    const rows = common.postings.filter(({ term }) => term === "red")
    assert.isAbove(rows.length, 2)
    const own = new Searcher(common.summary)
    const request = { ...SearchRequest.defaults, query: "red shoe" }
    const onDemand = Result.getOrThrow(own.onDemand(request))
    const need = onDemand.next()
    assert.strictEqual(need._tag, "Need")
    onDemand.supply({ postings: common.postings.toReversed() })
    const answer = onDemand.next()
    const resident = Result.getOrThrow(own.resident(segmentOf(common), request))
    assert.strictEqual(resident.nbHits, count / 3)
    assert.deepStrictEqual(answer, { _tag: "Answer", answer: resident })
    const one = Result.getOrThrow(own.resident(segmentOf(common), { ...request, query: "red" }))
    assert.strictEqual(one.nbHits, count)
  })

  it("refuses what the version cannot answer, by parameter", () => {
    const range = Result.getOrThrow(Filter.parse("brand > 3"))
    const word = Result.getOrThrow(Filter.parse("price = cheap"))
    const unknown = Result.getOrThrow(Filter.parse("NOT (a = 1 OR price > 3)"))
    for (const filter of [range, word, unknown]) assert.strictEqual(refused({ filter }), "filter")
    assert.strictEqual(refused({ facets: [{ column: "a", valuesMax: 1 }] }), "facets")
    assert.strictEqual(refused({ facets: [{ column: "brand", valuesMax: 1_001 }] }), "facets")
    assert.strictEqual(refused({ sort: [{ column: "a", direction: "ascending" }] }), "sort")
    assert.strictEqual(refused({ offset: 981, limit: 20 }), "page")
    assert.strictEqual(refused({ limit: -1 }), "page")
    assert.strictEqual(refused({ offset: 980, limit: 20 }), undefined)
  })

  it("takes queries of any length, and corrects the first eight unknown words", () => {
    const unknown = (count: number) => `${"zzzzz ".repeat(count)}camrea`
    assert.deepStrictEqual(ids({ query: unknown(7) }).toSorted(), ["bag", "slr"])
    assert.deepStrictEqual(ids({ query: unknown(8) }), [])
    assert.isTrue(search({ query: "camera ".repeat(2_000) }).truncated)
    assert.deepStrictEqual(ids({ query: `camera ${"x".repeat(10_000)}` }).toSorted(), ["bag", "slr"])
  })
})

describe("Delta", () => {
  const cheap = productOf("slr", "Camera compact", { numbers: { price: 10 } })

  it("replaces, adds and removes documents for those who search with it", () => {
    const delta = new Delta(version.summary)
    const refusals = delta.apply([
      { docId: "slr", ordinal: 0, document: cheap },
      { docId: "new", ordinal: undefined, document: productOf("new", "Camera zoomer") },
      { docId: "bag", ordinal: 1, document: undefined },
      { docId: "book", ordinal: 2, document: productOf("book", "Notebook", { popularity: Number.NaN }) }
    ])
    assert.deepStrictEqual(ids({ query: "camera" }, delta).toSorted(), ["new", "slr"])
    assert.deepStrictEqual(ids({ query: "digital" }, delta), [])
    assert.deepStrictEqual(ids({ query: "zoomer" }, delta), ["new"])
    assert.deepStrictEqual(ids({ query: "zoo", prefix: true }, delta), ["new"])
    assert.deepStrictEqual(ids({ query: "notebook" }, delta), [])
    assert.deepStrictEqual(
      refusals.map(({ docId }) => docId),
      ["book"]
    )
    assert.deepStrictEqual(ids({ query: "camera" }).toSorted(), ["bag", "slr"])
  })

  it("changes nothing when a change comes again, and finds the last of several", () => {
    const delta = new Delta(version.summary)
    const change = { docId: "slr", ordinal: 0, document: cheap }
    for (let n = 0; n < 3; n++) delta.apply([change, change])
    assert.strictEqual(delta.size, 1)
    assert.deepStrictEqual(ids({ query: "compact" }, delta), ["slr"])
    delta.apply([{ ...change, document: productOf("slr", "Lens") }])
    assert.deepStrictEqual(ids({ query: "compact" }, delta), [])
    assert.deepStrictEqual(ids({ query: "lens" }, delta), ["slr"])
  })

  it("shows an overlay's changes to nobody else", () => {
    const delta = new Delta(version.summary)
    delta.apply([{ docId: "new", ordinal: undefined, document: productOf("new", "Zoomer") }])
    const overlay = delta.overlay([{ docId: "new", ordinal: undefined, document: undefined }])
    assert.deepStrictEqual(ids({ query: "zoomer" }, overlay), [])
    assert.deepStrictEqual(ids({ query: "zoomer" }, delta), ["new"])
    delta.apply([{ docId: "late", ordinal: undefined, document: productOf("late", "Zoomer late") }])
    assert.deepStrictEqual(ids({ query: "zoomer" }, overlay), ["late"])
  })
})

describe("Segment", () => {
  it("refuses rows that are not the whole version", () => {
    const { columns, postings, summary } = version
    const load = (some: typeof postings, others: typeof columns) => () => {
      const loader = new SegmentLoader(summary)
      loader.postings(some)
      loader.columns(others)
      return loader.finish()
    }
    assert.throws(load(postings.slice(1), columns), RangeError)
    assert.throws(load([...postings, ...postings.slice(0, 1)], columns), RangeError)
    assert.throws(
      load(
        postings,
        columns.filter(({ name }) => name !== "price")
      ),
      RangeError
    )
    assert.throws(
      load(
        postings,
        columns.filter(({ part }) => part !== "dictionary")
      ),
      RangeError
    )
    assert.doesNotThrow(load(postings, columns))
  })

  it("has one copy of its bytes in all threads", async () => {
    const { shared } = segmentOf(version)
    const worker = new Worker("require('node:worker_threads').workerData.blocks.fill(7)", {
      eval: true,
      workerData: shared
    })
    const code = await new Promise((resolve) => worker.once("exit", resolve))
    assert.strictEqual(code, 0)
    assert.isTrue(shared.blocks.every((byte) => byte === 7))
    assert.isAbove(new Segment(shared).bytes.total, shared.blocks.length)
  })
})
