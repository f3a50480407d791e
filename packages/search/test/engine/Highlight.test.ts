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

  it("escapes the text and not the marks", () => {
    assert.strictEqual(mark("<b>red</b>", "red"), "&lt;b><em>red</em>&lt;/b>")
  })

  it("leaves a text alone when nothing was found", () => {
    assert.strictEqual(mark("red & blue"), "red &amp; blue")
    assert.strictEqual(mark("", "red"), "")
  })
})
