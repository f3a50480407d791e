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

  it("indexes in the first field what may be written as one word", () => {
    const everyWord = new Analyser.Analyser({ ...Analyser.defaults, stopWords: [] })
    const joined = (text: string) => {
      const plain = everyWord.field(text, false).terms
      return everyWord.field(text, true).terms.filter((term) => !plain.includes(term))
    }
    const claims: ReadonlyArray<readonly [string, ...ReadonlyArray<string>]> = [
      ["WD-40 spray", "wd40"],
      ["Wi-Fi router", "wifi"],
      ["T-shirt", "tshirt"],
      ["T shirt", "tshirt"],
      ["X box", "xbox"],
      ["USB-C cable", "usbc"],
      ["Vitamin B-12", "b12"],
      ["ABC_123", "abc123"],
      ["LM-317T", "lm317t"],
      ["6204-2RS bearing", "62042rs"],
      ["50 x 70 frame", "50x70"],
      ["10 x 20 x 30 box", "10x20", "10x20x30", "20x30"],
      ["M6 x 20 bolt", "m6x20"],
      ["4711-0815-X", "47110815", "47110815x", "0815x"],
      ["dishes-rack", "dishesrack"],
      ["A shirt, a hat"],
      ["red - blue"],
      ["red  shirt"],
      ["wi--fi"],
      ["4 x pack"],
      ["I robot"]
    ]
    for (const [text, ...expected] of claims) assert.deepStrictEqual(joined(text), expected, text)
    assert.deepStrictEqual(terms("50×70"), ["50x70"])
  })

  it("keeps the signs of C++ and C# beside their letter", () => {
    assert.deepStrictEqual(analyser.field("C++ and C# for F", true).terms, [
      "c",
      "c++",
      "and",
      "c",
      "c#",
      "for",
      "f"
    ])
    assert.deepStrictEqual(analyser.field("a+b 3+ #1", true).terms, ["a", "b", "3", "1"])
  })

  it("cuts off an article that ends with an apostrophe, and keeps the whole word beside it", () => {
    assert.deepStrictEqual(terms("L'Oréal huile d’olive dell'acqua qu'elle"), [
      "oreal",
      "loreal",
      "huile",
      "olive",
      "dolive",
      "acqua",
      "dellacqua",
      "elle",
      "quelle"
    ])
    // No article: no vowel follows, or it is none of these languages.
    assert.deepStrictEqual(terms("t'shirt o'neill rock'n'roll s'mores"), [
      "tshirt",
      "oneill",
      "rocknroll",
      "smore"
    ])
  })

  it("writes numbers and names of units in one way", () => {
    assert.deepStrictEqual(terms("1,234,567 10,000mAh 3,5mm 1,50 2,1,3"), [
      "1234567",
      "10000mah",
      "3.5mm",
      "1.50",
      "2.1,3"
    ])
    assert.deepStrictEqual(terms("ounce oz. ounces inches pounds watts"), [
      "oz",
      "oz",
      "oz",
      "inch",
      "lb",
      "watt"
    ])
  })

  it("leaves out what is excluded, and marks the words of a phrase", () => {
    const words = (text: string) => {
      const { excluded, words } = analyser.query(text)
      return {
        words: words.map(({ isRequired, term }) => (isRequired ? `"${term}"` : term)),
        excluded: excluded.map((phrase) => phrase.map(({ term }) => term).join(" "))
      }
    }
    assert.deepStrictEqual(words("box -gift"), { words: ["box"], excluded: ["gift"] })
    assert.deepStrictEqual(words('box -"gift wrap" "two words" more'), {
      words: ["box", '"two"', '"word"', "more"],
      excluded: ["gift wrap"]
    })
    assert.deepStrictEqual(words('usb-c 17" monitor -20 - 4'), {
      words: ["usb", "c", "17", "monitor", "20", "4"],
      excluded: []
    })
    assert.deepStrictEqual(
      analyser.query("a -gift box").words.map(({ end, start }) => [start, end]),
      [[8, 11]]
    )
  })

  it("folds signs, accents, case and apostrophes", () => {
    assert.deepStrictEqual(terms("Intel® Café ÉCLAIR men’s don't ﬁne Σίσυφος"), [
      "intel",
      "cafe",
      "eclair",
      "man",
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
      "ft",
      "4in"
    ])
    assert.deepStrictEqual(terms("4   ft"), ["4", "ft"])
  })

  it("gives a singular and its plural one term, whatever the plural looks like", () => {
    const pairs =
      "bookcase/bookcases house/houses purse/purses vase/vases hose/hoses blouse/blouses license/licenses size/sizes " +
      "niche/niches cache/caches quiche/quiches movie/movies hoodie/hoodies cookie/cookies tie/ties battery/batteries " +
      "box/boxes watch/watches brush/brushes glass/glasses bus/buses quartz/quartzes chair/chairs table/tables " +
      "plate/plates fork/forks stove/stoves shoe/shoes toe/toes case/cases phone/phones key/keys " +
      "lens/lenses canvas/canvases gas/gases knife/knives scarf/scarves bookshelf/bookshelves shelf/shelves leaf/leaves " +
      "potato/potatoes tomato/tomatoes video/videos woman/women man/men child/children tooth/teeth mouse/mice " +
      "axe/axes tv/tvs cd/cds pc/pcs woman/womens man/mens child/childrens canoe/canoes glove/gloves sleeve/sleeves " +
      "valve/valves series/series species/species"
    for (const pair of pairs.split(" ")) {
      const [singular = "", plural = ""] = pair.split("/")
      assert.deepStrictEqual(terms(plural), terms(singular), pair)
    }
  })

  it("keeps apart words that only look like singular and plural", () => {
    for (const pair of "gloves/glof shoes/sho glass/gla toes/to lens/len gas/ga hives/hif news/new2".split(
      " "
    )) {
      const [one = "", other = ""] = pair.split("/")
      assert.notDeepEqual(terms(one), terms(other), pair)
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
    assert.deepStrictEqual(analyser.field("It", true), {
      terms: ["it"],
      surfaces: [],
      length: 0,
      truncated: false
    })
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
      "ー",
      "e\u0301",
      "ﾊ",
      "ﾞ",
      "\u3099",
      "ク",
      "क",
      "ी",
      "한",
      "\u1112",
      "\u1161",
      "\u11ab",
      "\u00ad",
      "\u200d",
      "+",
      "#",
      "x",
      "-",
      "l'"
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
        words.flatMap(({ forms, grams, joined, term }) => [
          ...(grams === undefined ? [term] : grams.map((part) => part.term)),
          ...(joined === undefined ? [] : [joined]),
          ...forms.map((form) => form.term)
        ]),
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
    assert.deepStrictEqual(analyser.query("?!.,-/ \u0000 …"), { words: [], excluded: [], truncated: false })
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
