import { assert, describe, it } from "@effect/vitest"
import { Delta } from "@hypermarket/search/internal/engine/Delta"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import * as Result from "effect/Result"
import { ids, productOf, products, search, segmentOf, settings, versionOf } from "./Shelf.ts"

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
      "test sens": 20,
      "waterproof jacket": 80,
      "waterprof jacket": 2,
      "garden umbrella": 50,
      "garden umberella": 4,
      "theodolite tripod": 1,
      "wool blanket": 40,
      "kx4510 pump": 20
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
      assert.deepStrictEqual(found("waterprof"), ["waterprof jacket", "waterproof jacket"])
      assert.deepStrictEqual(found("umberella"), ["garden umberella", "garden umbrella"])
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
      assert.deepStrictEqual(found("theodolyte"), ["theodolite tripod"])
    })

    it("corrects the beginning of a word that is being typed", () => {
      assert.deepStrictEqual(found("keyv", true), ["mechanical keyboard"])
      assert.deepStrictEqual(found("headpo", true), ["studio headphones"])
      assert.deepStrictEqual(found("sumsu", true), ["samsung galaxy"])
      assert.deepStrictEqual(found("toothbrsh", true), ["toothbrush"])
      assert.deepStrictEqual(found("blamk", true), ["wool blanket"])
      assert.deepStrictEqual(found("umbrle", true), ["garden umbrella"])
      assert.deepStrictEqual(found("headpo"), [])
    })

    it("corrects nothing with digits", () => {
      assert.deepStrictEqual(found("gb2001"), [])
      assert.deepStrictEqual(found("kx4501"), [])
    })

    it("shows corrections as people write them", () => {
      assert.deepStrictEqual(answerOf("bookcse").words[0]?.shown, [])
      assert.deepStrictEqual(answerOf("bicycl").words[0]?.shown, ["bicycle"])
      assert.deepStrictEqual(answerOf("headphone").words[0]?.shown, ["headphone"])
      // The terms of these are `headphone` and `hercule`.
      assert.deepStrictEqual(answerOf("headphnoes").words[0]?.shown, ["headphones"])
      assert.deepStrictEqual(answerOf("herculse").words[0]?.shown, ["hercules"])
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
      ["16 oz mug", "Mug 16 ounce"],
      ["kn95", "Mask KN-95"],
      ["mp3", "MP-3 player"],
      ["gtx1080", "GTX 1080 card"],
      ["ipad9", "iPad 9"],
      ["ne555p", "Timer NE-555P"],
      ["20x30", "Canvas 20 × 30"],
      ["m4x12", "Screw M4 x 12"],
      ["2.5mm", "Adapter 2,5mm"],
      ["5000mah", "Battery 5,000mAh"],
      ["ebike", "E-bike motor"],
      ["f#", "F# for scientists"],
      ["ps 5", "PS5 controller"]
    ]
    const apart: ReadonlyArray<readonly [string, string]> = [
      ["c++", "C# in depth"],
      ["c#", "C++ primer"],
      ["cpp", "C for beginners"],
      ["c++", "C for beginners"],
      ["ps4", "4 ps cards"],
      ["b12", "B vitamins 12 pack"],
      ["50x70", "70 x 50 mirror"],
      ["glof", "Gloves"],
      ["f#", "F clamp"],
      ["20x30", "30 x 20 mat"]
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
})
