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

  it("corrects a word that no document has to words of one document or more", () => {
    assert.deepStrictEqual(ids({ query: "camrea bag" }), ["bag", "slr"])
    assert.deepStrictEqual(ids({ query: "keybaord" }), ids({ query: "keyboard" }))
    assert.deepStrictEqual(ids({ query: "wirelss" }), ["boards2"])
    assert.deepStrictEqual(ids({ query: "camrea", typos: false }), [])
    assert.deepStrictEqual(
      search({ query: "camrea slr" }).words.map(({ how, terms }) => [how, terms]),
      [
        ["typo", ["camera"]],
        ["exact", ["slr"]]
      ]
    )
  })

  describe("in a catalogue with mistakes of its own", () => {
    /** Titles by number of products. */
    const counts: Readonly<Record<string, number>> = {
      "rechargeable battery": 200,
      "rechargable battery": 2,
      "apple iphone": 30,
      "apple ipohne": 2,
      "stainless steel pan": 60,
      "stainles steel pan": 3,
      "desk calendar": 60,
      "desk calender": 4,
      "wood fence": 20,
      "bicycle helmet": 20,
      "hiking backpack": 20,
      "samsung galaxy": 30,
      "mechanical keyboard": 40,
      "studio headphones": 40,
      toothbrush: 20,
      "hercules stand": 3,
      "olympia typewriter": 1,
      "roof shingle": 15,
      "single bed": 90,
      "house gable": 5,
      "oak table": 90,
      "mini fridge": 6,
      "mountain ridge": 90,
      "bar stools": 6,
      "garden tools": 90,
      "felt broom": 6,
      "guest room": 90,
      "foam wedge": 6,
      "round edge": 90,
      "gb2010 blower": 20,
      "lens cap": 20,
      "test sens": 20
    }
    const titles = Object.entries(counts).flatMap(([title, count]) =>
      Array.from({ length: count }, () => title)
    )
    const stored = versionOf(titles.map((title, n) => productOf(`${n}`, title)))
    const searcher = new Searcher(stored.summary)
    const loaded = segmentOf(stored)
    const answerOf = (query: string, prefix = false) =>
      Result.getOrThrow(
        searcher.resident(loaded, { ...SearchRequest.defaults, query, prefix, match: "all", limit: 1_000 })
      )
    const found = (query: string, prefix = false) =>
      [...new Set(answerOf(query, prefix).hits.map(({ ordinal }) => titles[ordinal ?? -1] ?? ""))].toSorted()

    it("finds the right word as well where some products have the mistake", () => {
      assert.deepStrictEqual(found("rechargable"), ["rechargable battery", "rechargeable battery"])
      assert.deepStrictEqual(found("ipohne"), ["apple iphone", "apple ipohne"])
      assert.deepStrictEqual(found("stainles"), ["stainles steel pan", "stainless steel pan"])
      assert.deepStrictEqual(found("calender"), ["desk calendar", "desk calender"])
      // The word itself does not find its mistakes.
      assert.deepStrictEqual(found("calendar"), ["desk calendar"])
    })

    it("leaves a rare word alone that is another word", () => {
      for (const word of ["shingle", "gable", "fridge", "stools", "broom", "wedge"]) {
        assert.strictEqual(found(word).length, 1, word)
      }
    })

    it("measures the distance of what is typed, not of its stem", () => {
      assert.deepStrictEqual(found("FENSE"), ["wood fence"])
      assert.deepStrictEqual(found("hecurles"), ["hercules stand"])
      // Two letters in seven are as often another word.
      assert.deepStrictEqual(found("bycicle"), [])
    })

    it("corrects to a word of one document", () => {
      assert.deepStrictEqual(found("typewritter"), ["olympia typewriter"])
    })

    it("corrects the beginning of a word that is being typed", () => {
      assert.deepStrictEqual(found("keyv", true), ["mechanical keyboard"])
      assert.deepStrictEqual(found("headpo", true), ["studio headphones"])
      assert.deepStrictEqual(found("sumsu", true), ["samsung galaxy"])
      assert.deepStrictEqual(found("toothbrsh", true), ["toothbrush"])
      assert.deepStrictEqual(found("headpo"), [])
    })

    it("corrects nothing with digits", () => {
      assert.deepStrictEqual(found("gb2001"), [])
    })

    it("shows corrections as people write them", () => {
      assert.deepStrictEqual(answerOf("bookcse").words[0]?.shown, [])
      assert.deepStrictEqual(answerOf("bicycl").words[0]?.shown, ["bicycle"])
      assert.deepStrictEqual(answerOf("headphone").words[0]?.shown, ["headphone"])
    })
  })

  it("splits a word that consists of two, and joins two that are one", () => {
    assert.deepStrictEqual(ids({ query: "digitalcamera" }), ["slr"])
    assert.deepStrictEqual(ids({ query: "key board" }).toSorted(), ["boards", "boards2"])
  })

  it("finds what is glued, hyphened or spaced however it is written, and keeps C, C++ and C# apart", () => {
    const meet: ReadonlyArray<readonly [string, string]> = [
      ["wd40", "WD-40 spray"],
      ["wifi", "Wi-Fi router"],
      ["wi-fi", "Wifi extender"],
      ["tshirt", "T-shirt blue"],
      ["t shirt", "Tshirt red"],
      ["usbc", "USB-C hub"],
      ["xbox", "X box console"],
      ["xray", "X-ray film"],
      ["b12", "Vitamin B-12"],
      ["e27", "Bulb E-27"],
      ["rtx4090", "RTX 4090 card"],
      ["iphone15", "iPhone 15"],
      ["lm317t", "Regulator LM-317T"],
      ["abc123", "Part ABC_123"],
      ["62042rs", "Bearing 6204-2RS"],
      ["50x70", "Frame 50 x 70"],
      ["50 x 70", "Poster 50×70"],
      ["m6x20", "Bolt M6 x 20"],
      ["3.5mm", "Jack 3,5mm"],
      ["10000mah", "Bank 10,000mAh"],
      ["hfg25", "HF-G25 camcorder"],
      ["hf-g25", "HFG25 case"],
      ["bookshelves", "Bookshelf oak"],
      ["lenses", "Lens 50"],
      ["c++", "C++ primer"],
      ["cpp", "C++ primer"],
      ["c#", "C# in depth"],
      ["16 oz mug", "Mug 16 ounce"]
    ]
    const apart: ReadonlyArray<readonly [string, string]> = [
      ["c++", "C# in depth"],
      ["c#", "C++ primer"],
      ["cpp", "C for beginners"],
      ["c++", "C for beginners"],
      ["ps4", "4 ps cards"],
      ["b12", "B vitamins 12 pack"],
      ["50x70", "70 x 50 mirror"],
      ["glof", "Gloves"]
    ]
    const titles = [...new Set([...meet, ...apart, ["ps4", "PS4 game"] as const].map(([, title]) => title))]
    const stored = versionOf(titles.map((title) => productOf(title, title)))
    const loaded = segmentOf(stored)
    const glued = new Searcher({
      ...stored.summary,
      settings: { ...settings, synonyms: [{ kind: "two-way", phrases: ["c++", "cpp"] }] }
    })
    const found = (query: string) =>
      Result.getOrThrow(
        glued.resident(loaded, { ...SearchRequest.defaults, query, match: "all", limit: 50 })
      ).hits.map(({ ordinal }) => titles[ordinal ?? -1])
    for (const [query, title] of meet) assert.include(found(query), title, query)
    for (const [query, title] of apart) assert.notInclude(found(query), title, query)
  })

  it("leaves out what is excluded, and finds only what has all words in quotes", () => {
    const titles = ["Gift box", "Tool box", "Gift wrap for a box", "Box", "Wi-Fi box"]
    const stored = versionOf(titles.map((title) => productOf(title, title)))
    const boxes = new Searcher(stored.summary)
    const loaded = segmentOf(stored)
    const found = (query: string, delta?: Delta) =>
      Result.getOrThrow(boxes.resident(loaded, { ...SearchRequest.defaults, query }, delta))
        .hits.map(({ docId, ordinal }) => docId ?? titles[ordinal ?? -1])
        .toSorted()
    assert.deepStrictEqual(found("box -gift"), ["Box", "Tool box", "Wi-Fi box"])
    assert.deepStrictEqual(found("box -gifts"), found("box -gift"))
    assert.deepStrictEqual(found('box -"gift wrap"'), ["Box", "Gift box", "Tool box", "Wi-Fi box"])
    assert.deepStrictEqual(found("box -wifi"), found("box -wi-fi"))
    assert.notInclude(found("box -wifi"), "Wi-Fi box")
    assert.deepStrictEqual(found("-gift"), ["Box", "Tool box", "Wi-Fi box"])
    assert.deepStrictEqual(found('"gift box"'), ["Gift box", "Gift wrap for a box"])
    assert.deepStrictEqual(found('"gift" tool'), ["Gift box", "Gift wrap for a box"])
    const delta = new Delta(stored.summary)
    delta.apply([
      { docId: "new gift", ordinal: undefined, document: productOf("new gift", "New gift box") },
      { docId: "new", ordinal: undefined, document: productOf("new", "New box") }
    ])
    assert.deepStrictEqual(found("new -gift", delta), ["new"])
    assert.include(found('"gift"', delta), "new gift")
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

  it("finds a title of stop words, and everything for a box that is empty or has signs alone", () => {
    assert.deepStrictEqual(ids({ query: "it" }), ["it"])
    assert.strictEqual(search({ query: "  " }).nbHits, products.length)
    assert.strictEqual(search({ query: "?! …" }).nbHits, products.length)
    assert.strictEqual(search({ query: "\ud800\u0000" }).nbHits, products.length)
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
