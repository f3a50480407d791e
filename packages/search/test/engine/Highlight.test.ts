import { assert, describe, it } from "@effect/vitest"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import { Highlighter } from "@hypermarket/search/internal/engine/Highlight"

const mark = (text: string, ...terms: ReadonlyArray<string>) =>
  new Highlighter(EngineSettings.defaults, [{ terms }]).mark(text, "<em>", "</em>", (piece) =>
    piece.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  )

describe("Highlighter", () => {
  it("marks words by their term, whatever their form and case", () => {
    assert.strictEqual(
      mark("Café cafés, CAFE & decaf", "cafe"),
      "<em>Café</em> <em>cafés</em>, <em>CAFE</em> &amp; decaf"
    )
    assert.strictEqual(mark("Intel® Core™2 Duo", "intel"), "<em>Intel</em>® Core™2 Duo")
    assert.strictEqual(mark("cafe\u0301 x", "cafe"), "<em>cafe\u0301</em> x")
    assert.strictEqual(mark("ﬁne e\u0301clair", "fine", "eclair"), "<em>ﬁne</em> <em>e\u0301clair</em>")
  })

  it("marks a number whose joined form was found", () => {
    assert.strictEqual(mark('43.2 cm (17") case', "17in"), '43.2 cm (<em>17</em>") case')
    assert.strictEqual(mark("a 17inch case", "17in"), "a <em>17inch</em> case")
  })

  it("marks parts of a run without spaces, whole words of an elision, and joined forms with all of their parts", () => {
    assert.strictEqual(mark("パソコンケース黒", "パソ", "ソコ", "コン"), "<em>パソコン</em>ケース黒")
    assert.strictEqual(mark("ハ\u309aソコン", "パソ"), "<em>ハ\u309aソ</em>コン")
    assert.strictEqual(mark("Huile d’olive", "olive"), "Huile <em>d’olive</em>")
    assert.strictEqual(mark("A Wi-Fi router", "wifi"), "A <em>Wi-Fi</em> router")
    assert.strictEqual(mark("C++ and C", "c++"), "<em>C</em>++ and C")
  })

  it("escapes the text and not the marks", () => {
    assert.strictEqual(mark("<b>red</b>", "red"), "&lt;b><em>red</em>&lt;/b>")
  })

  it("cuts a text to the words with the most found ones, and says where it is cut", () => {
    const text = "One two three <b> lamp five six seven brass lamp nine ten eleven twelve thirteen"
    const snippet = (words: number, ...terms: ReadonlyArray<string>) =>
      new Highlighter(EngineSettings.defaults, [{ terms }]).snippet(text, words, "[", "]", (piece) =>
        piece.replaceAll("<", "&lt;")
      )
    assert.strictEqual(snippet(4, "lamp", "brass"), "…seven [brass] [lamp] nine…")
    assert.strictEqual(snippet(2, "lamp", "brass"), "…[brass] [lamp]…")
    assert.strictEqual(snippet(5, "five"), "…b> lamp [five] six seven…")
    assert.strictEqual(snippet(3, "none"), "One two three…")
    assert.strictEqual(snippet(3, "thirteen"), "…eleven twelve [thirteen]")
    assert.strictEqual(snippet(200, "one"), text.replace("One", "[One]").replaceAll("<", "&lt;"))
  })

  it("leaves a text alone when nothing was found", () => {
    assert.strictEqual(mark("red & blue"), "red &amp; blue")
    assert.strictEqual(mark("", "red"), "")
  })
})
