import { assert, describe, it } from "@effect/vitest"
import * as Analyser from "@hypermarket/search/internal/engine/Analyser"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import * as settingsHash from "@hypermarket/search/internal/engine/settingsHash"

const analyser = new Analyser.Analyser(Analyser.defaults)
const terms = (text: string) => analyser.field(text, false).terms

describe("Analyser", () => {
  it("keeps letters and digits together and numbers whole", () => {
    assert.deepStrictEqual(terms("ps4 G600, dv7-1211ea 1/4 81.625 red,4 wi/fi"), [
      "ps4",
      "g600",
      "dv7",
      "1211ea",
      "1/4",
      "81.625",
      "red",
      "4",
      "wi",
      "fi"
    ])
  })

  it("folds signs, accents, case and apostrophes", () => {
    assert.deepStrictEqual(terms("Intel® Café ÉCLAIR men’s don't ﬁne Σίσυφος"), [
      "intel",
      "cafe",
      "eclair",
      "men",
      "dont",
      "fine",
      "σισυφοσ"
    ])
  })

  it("joins a number with the unit that follows it", () => {
    assert.deepStrictEqual(terms('17" 4 ft 500GB 6-feet 4inches'), [
      "17",
      "17in",
      "4",
      "4ft",
      "ft",
      "500gb",
      "6",
      "6ft",
      "feet",
      "4in"
    ])
    assert.deepStrictEqual(terms("4   ft"), ["4", "ft"])
  })

  it("gives a singular and its plural one term, whatever the plural looks like", () => {
    const pairs =
      "bookcase/bookcases house/houses purse/purses vase/vases hose/hoses blouse/blouses license/licenses size/sizes " +
      "niche/niches cache/caches quiche/quiches movie/movies hoodie/hoodies cookie/cookies tie/ties battery/batteries " +
      "box/boxes watch/watches brush/brushes glass/glasses bus/buses quartz/quartzes chair/chairs table/tables " +
      "plate/plates fork/forks stove/stoves shoe/shoes toe/toes case/cases phone/phones key/keys"
    for (const pair of pairs.split(" ")) {
      const [singular = "", plural = ""] = pair.split("/")
      assert.deepStrictEqual(terms(plural), terms(singular), pair)
    }
  })

  it("takes plural endings off words of letters", () => {
    assert.deepStrictEqual(terms("batteries boxes cameras watches glass status gps buses mp3s"), [
      "battery",
      "box",
      "camera",
      "watch",
      "glass",
      "status",
      "gps",
      "bus",
      "mp3s"
    ])
  })

  it("leaves stop words out, unless a query has nothing else", () => {
    assert.deepStrictEqual(terms("the cable for a tv"), ["cable", "tv"])
    assert.deepStrictEqual(
      analyser.query("the who").words.map(({ term }) => term),
      ["who"]
    )
    assert.deepStrictEqual(
      analyser.query("it").words.map(({ term }) => term),
      ["it"]
    )
    assert.deepStrictEqual(analyser.field("It", true), { terms: ["it"], length: 0, truncated: false })
  })

  it("finds the same words with places as without, in any text", () => {
    // A linear congruential generator over letters, digits, signs, accents, astral letters and broken surrogates.
    const alphabet = [
      "a",
      "S",
      "é",
      "ß",
      "İ",
      "ﬁ",
      "½",
      "™",
      "'",
      "’",
      ".",
      ",",
      "/",
      "7",
      "4",
      '"',
      " ",
      "-",
      "𝒜",
      "\ud800",
      "Σ",
      "語",
      "e\u0301"
    ]
    let state = 7
    const random = (n: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
      return Math.floor((state / 2_147_483_648) * n)
    }
    for (let n = 0; n < 3_000; n++) {
      const text = Array.from({ length: random(24) }, () => alphabet[random(alphabet.length)] ?? "").join("")
      const words = analyser.words(text)
      assert.deepStrictEqual(
        words.flatMap(({ joined, term }) => (joined === undefined ? [term] : [term, joined])),
        [...new Analyser.Analyser({ ...Analyser.defaults, stopWords: [] }).field(text, true).terms],
        JSON.stringify(text)
      )
      for (const { end, start } of words)
        assert.isTrue(start < end && end <= text.length, JSON.stringify(text))
    }
  })

  it("bounds queries and says so", () => {
    const long = analyser.query("word ".repeat(1_000))
    assert.strictEqual(long.words.length, Analyser.queryWordsMax)
    assert.isTrue(long.truncated)
    assert.isTrue(analyser.query(`x${"y".repeat(10_000)}`).truncated)
    assert.deepStrictEqual(analyser.query("?!.,-/ \u0000 …"), { words: [], truncated: false })
    assert.isFalse(analyser.query("usb cable").truncated)
  })

  it("gives another hash for every other option", () => {
    const hashes = [
      Analyser.defaults,
      { ...Analyser.defaults, units: false },
      { ...Analyser.defaults, stopWords: [] },
      { ...Analyser.defaults, stemming: "none" as const }
    ].map((analyser) => settingsHash.hash({ ...EngineSettings.defaults, analyser }))
    assert.strictEqual(new Set(hashes).size, hashes.length)
  })
})
