import { assert, describe, it } from "@effect/vitest"
import * as Joined from "@hypermarket/search/internal/engine/Joined"
import { hashStart, hashStep, type Token, TokenTable } from "@hypermarket/search/internal/engine/TokenTable"

const make = (text: string): Token => ({
  text,
  term: text,
  isStop: false,
  isQuantity: false,
  isCorrectable: false,
  shape: Joined.shapeOf(text),
  termNumber: -1,
  surfaceNumber: -1
})

const hashOf = (text: string): number =>
  Array.from(text).reduce((hash, char) => hashStep(hash, char.charCodeAt(0)), hashStart)

describe("TokenTable", () => {
  it("returns one token per text, whether it is looked up alone or within another text", () => {
    const table = new TokenTable(make)
    const alone = table.of("lamp")
    assert.strictEqual(table.at("a lamp.", 2, 6, hashOf("lamp")), alone)
    assert.strictEqual(table.of("lamp"), alone)
    assert.notStrictEqual(table.of("lamps"), alone)
  })

  it("tells texts of the same hash apart by their characters", () => {
    const table = new TokenTable(make)
    const text = "lampcampdamp"
    const tokens = [0, 4, 8].map((start) => table.at(text, start, start + 4, 7))
    assert.deepStrictEqual(
      tokens.map((token) => token.text),
      ["lamp", "camp", "damp"]
    )
    assert.strictEqual(table.at(text, 4, 8, 7), tokens[1])
    // A beginning, and a longer one.
    assert.strictEqual(table.at(text, 0, 3, 7).text, "lam")
    assert.strictEqual(table.at(text, 0, 5, 7).text, "lampc")
  })

  it("finds each token again while it grows, and makes it again when it has forgotten it", () => {
    let made = 0
    const table = new TokenTable((text) => {
      made++
      return make(text)
    })
    const word = (n: number) => `w${n}`
    for (let n = 0; n < 150_000; n++) table.of(word(n))
    for (let n = 0; n < 150_000; n++) assert.strictEqual(table.of(word(n)).text, word(n))
    assert.strictEqual(made, 150_000)
    for (let n = 150_000; n < 250_000; n++) table.of(word(n))
    assert.strictEqual(table.of(word(3)).text, word(3))
    assert.strictEqual(made, 250_001)
  })
})
