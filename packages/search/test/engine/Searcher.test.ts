import { assert, describe, it } from "@effect/vitest"
import { Delta } from "@hypermarket/search/internal/engine/Delta"
import * as Filter from "@hypermarket/search/internal/engine/Filter"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import * as Result from "effect/Result"
import {
  ids,
  productOf,
  products,
  refused,
  search,
  segmentOf,
  settings,
  version,
  versionOf
} from "./Shelf.ts"

describe("Searcher", () => {
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

  it("gives a popular document with fewer words its place on a page that others with more words fill", () => {
    for (let filler = 0; filler < 12; filler++) {
      const description = `Camera bag ${Array.from({ length: filler }, (_, n) => `part${n}`).join(" ")}`
      const stored = versionOf(
        [
          productOf("popular", "Camera", { popularity: 1 }),
          ...Array.from({ length: 12 }, (_, n) =>
            productOf(`whole${n}`, "", { text: { title: "Lens", description } })
          ),
          ...Array.from({ length: 40 }, (_, n) =>
            productOf(`other${n}`, "", { text: { title: "Lamp", description: "Shade" } })
          )
        ],
        { popularityWeight: 1 }
      )
      const loaded = segmentOf(stored)
      const cameras = new Searcher(stored.summary)
      const first = (limit: number) =>
        Result.getOrThrow(
          cameras.resident(loaded, { ...SearchRequest.defaults, query: "camera bag", limit })
        ).hits.map(({ ordinal }) => ordinal)
      // A page of all documents leaves none out.
      assert.deepStrictEqual(first(3), first(100).slice(0, 3), `${filler}`)
    }
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

  it("sorts texts as people do: by letters, then accents, then case", () => {
    const titles = ["zebra", "Apple", "été", "apple", "Étage", "10 cm", "9 cm"]
    const stored = versionOf(titles.map((title) => productOf(title, title, { keywords: { brand: [title] } })))
    const delta = new Delta(stored.summary)
    delta.apply([
      {
        docId: "eta",
        ordinal: undefined,
        document: productOf("eta", "eta", { keywords: { brand: ["eta"] } })
      }
    ])
    const { hits } = Result.getOrThrow(
      new Searcher(stored.summary).resident(
        segmentOf(stored),
        { ...SearchRequest.defaults, sort: [{ column: "brand", direction: "ascending" }] },
        delta
      )
    )
    assert.deepStrictEqual(
      hits.map(({ docId, ordinal }) => docId ?? titles[ordinal ?? -1]),
      ["9 cm", "10 cm", "apple", "Apple", "eta", "Étage", "été", "zebra"]
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
      of: "best",
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

  describe("with documents that match one, two or three of three words", () => {
    const mice = [
      productOf("card", "Wireless network card", { keywords: { brand: ["Sony"] }, numbers: { price: 3 } }),
      productOf("ps2", "Mouse extension", { keywords: { brand: ["Belkin"] }, numbers: { price: 4 } }),
      productOf("pad", "Logitech mouse pad", { keywords: { brand: ["Logitech"] }, numbers: { price: 5 } }),
      productOf("m185", "Logitech M185 wireless mouse", {
        keywords: { brand: ["Logitech"] },
        numbers: { price: 19 }
      }),
      productOf("m90", "Wireless mouse by Logitech", {
        keywords: { brand: ["Logitech"] },
        numbers: { price: 12 }
      })
    ]
    const stored = versionOf(mice)
    const searcher = new Searcher(stored.summary)
    const loaded = segmentOf(stored)
    const answerOf = (request: Partial<SearchRequest.SearchRequest>) => {
      const answer = Result.getOrThrow(
        searcher.resident(loaded, {
          ...SearchRequest.defaults,
          query: "wireless mouse logitech",
          facets: [
            { column: "brand", valuesMax: 9 },
            { column: "price", valuesMax: 0 }
          ],
          ...request
        })
      )
      return {
        ids: answer.hits.map(({ ordinal }) => mice[ordinal ?? -1]?.docId),
        missing: answer.hits.map(({ missingWords }) => missingWords),
        found: answer.nbHits,
        best: answer.nbHitsBest,
        brands: answer.facets[0]?.values.map(({ count, value }) => `${value} ${count}`),
        least: answer.facets[1]?.stats?.min,
        of: answer.facets[0]?.of
      }
    }
    const byPrice = [{ column: "price", direction: "ascending" }] as const

    it("sorts and counts only the best matches", () => {
      assert.deepStrictEqual(answerOf({ sort: byPrice }), {
        ids: ["m90", "m185"],
        missing: [0, 0],
        found: 2,
        best: 2,
        brands: ["Logitech 2"],
        least: 12,
        of: "found"
      })
    })

    it("finds any match by relevance, the best ones first, and counts the best ones", () => {
      const answer = answerOf({})
      assert.sameMembers(answer.ids.slice(0, 2), ["m90", "m185"])
      assert.deepStrictEqual(answer.missing, [0, 0, 1, 2, 2])
      assert.deepInclude(answer, { found: 5, best: 2, brands: ["Logitech 2"], least: 12, of: "best" })
    })

    it("finds, sorts and counts one set of documents for each `match`", () => {
      const any = answerOf({ match: "any", sort: byPrice })
      assert.deepStrictEqual(any.ids, ["card", "ps2", "pad", "m90", "m185"])
      assert.deepInclude(any, {
        found: 5,
        best: 2,
        brands: ["Logitech 3", "Belkin 1", "Sony 1"],
        of: "found"
      })
      const most = answerOf({ match: "most", query: "wireless mouse logitech bluetooth" })
      assert.deepInclude(most, { found: 2, best: 2, missing: [1, 1], of: "found" })
      const all = answerOf({ match: "all", query: "wireless mouse logitech bluetooth" })
      assert.deepInclude(all, { ids: [], found: 0, best: 2, brands: [], of: "found" })
      assert.deepInclude(answerOf({ match: "all" }), { found: 2, best: 2, missing: [0, 0] })
    })

    it("chooses the best matches among those that pass the filter", () => {
      const filter = Result.getOrThrow(Filter.parse("price < 10"))
      assert.deepInclude(answerOf({ filter, sort: byPrice }), {
        ids: ["pad"],
        missing: [1],
        found: 1,
        best: 1
      })
    })
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
    assert.deepStrictEqual([resident.nbHits, resident.nbHitsBest], [count, count / 3])
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
