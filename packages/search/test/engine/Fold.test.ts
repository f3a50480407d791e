import { assert, describe, it } from "@effect/vitest"
import * as Fold from "@hypermarket/search/internal/engine/Fold"
import { randomOf } from "./Catalogue.ts"

/** Letters of scripts with and without cases, marks of them, signs, what is dropped, and broken surrogates. */
const characters = [
  ..."aZ9 -'+œÆßİıΣςЙйЇÅ™®½²ﬁﾊﾟクガ語한กำक़ी𝒜",
  ..."\u0301\u0308\u0306\u3099\u093f\u0e49\u00ad\u200d\ufeff\u0640",
  "\ud800",
  "\udc00",
  "\u1112",
  "\u1161",
  "\u11ab"
]

describe("Fold", () => {
  it("folds a text as its runs of foreign characters, each by itself", () => {
    const random = randomOf(31)
    for (let n = 0; n < 20_000; n++) {
      const text = Array.from(
        { length: Math.floor(random() * 14) },
        () => characters[Math.floor(random() * characters.length)]
      ).join("")
      assert.strictEqual(Fold.normalise(text), Fold.fold(text), JSON.stringify(text))
    }
  })

  it("forgets the runs that it remembers when there are too many of them", () => {
    for (let n = 0; n < 12_000; n++) {
      const text = `a${String.fromCodePoint(0x3400 + (n % 6_000))}${n < 6_000 ? "\u00e9" : "\u00e8"}`
      assert.strictEqual(Fold.normalise(text), Fold.fold(text))
    }
  })
})
