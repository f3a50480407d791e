import { assert, describe, it } from "@effect/vitest"
import * as Typo from "@hypermarket/search/internal/engine/Typo"
import { randomOf } from "./Catalogue.ts"

/** The recurrence of the textbooks, without rows or limits. */
const distance = (a: string, b: string): number => {
  if (a === "" || b === "") return a.length + b.length
  const isSame = a.at(-1) === b.at(-1)
  const edits = [
    distance(a.slice(0, -1), b) + 1,
    distance(a, b.slice(0, -1)) + 1,
    distance(a.slice(0, -1), b.slice(0, -1)) + (isSame ? 0 : 1)
  ]
  const isSwap = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)
  return Math.min(...edits, ...(isSwap ? [distance(a.slice(0, -2), b.slice(0, -2)) + 1] : []))
}

const wordOf = (random: () => number, letters: string, most: number) =>
  Array.from(
    { length: 1 + Math.floor(random() * most) },
    () => letters[Math.floor(random() * letters.length)]
  ).join("")

describe("Typo", () => {
  it("measures the distance up to its limit", () => {
    const random = randomOf(1)
    for (let n = 0; n < 1_500; n++) {
      const a = wordOf(random, "abc", 6)
      const b = wordOf(random, "abc", 6)
      for (const limit of [1, 2]) {
        assert.strictEqual(Typo.distance(a, b, limit), Math.min(limit + 1, distance(a, b)), `${a} ${b}`)
      }
    }
  })

  it("shares a neighbourhood between all words as near as they are corrected", () => {
    const random = randomOf(2)
    let near = 0
    for (let n = 0; n < 40_000; n++) {
      const a = wordOf(random, "ab", 10)
      const b = wordOf(random, "ab", 10)
      const limit = Typo.distanceMax(a, b)
      if (Typo.distance(a, b, limit) > limit) continue
      near++
      const ofA = Typo.neighbourhood(a, 2)
      assert.isTrue(
        [...Typo.neighbourhood(b, 2)].some((hash) => ofA.has(hash)),
        `${a} ${b}`
      )
    }
    assert.isAbove(near, 1_000)
  })

  it("finds words that are one edit away by fewer hashes, among those of words that are two away", () => {
    const random = randomOf(5)
    let near = 0
    for (let n = 0; n < 20_000; n++) {
      const a = wordOf(random, "ab", 12)
      const b = wordOf(random, "ab", 12)
      if (Typo.distance(a, b, 1) > 1) continue
      near++
      const ofB = Typo.neighbourhood(b, 2)
      assert.isTrue(
        [...Typo.neighbourhood(a, 1)].some((hash) => ofB.has(hash)),
        `${a} ${b}`
      )
    }
    assert.isAbove(near, 500)
    assert.isBelow(Typo.neighbourhood("wheelbarrow", 1).size, 13)
  })

  it("pairs each hash with a word once, in order", () => {
    const words = ["aabb", "steelworker", "lantern", "aabbccddee"]
    const { hashes, numbers } = Typo.sortedPairs(words.entries())
    const expected = words
      .flatMap((word, number) => [...Typo.neighbourhood(word, 2)].map((hash) => [hash, number] as const))
      .toSorted(([a, left], [b, right]) => a - b || left - right)
    assert.deepStrictEqual(
      Array.from(hashes, (hash, n) => [hash, numbers[n]]),
      expected.map((pair) => [...pair])
    )
  })

  it("corrects words of four letters or more, and two edits only between long ones", () => {
    assert.deepStrictEqual(["cam", "came", "mp3s", "a".repeat(25)].map(Typo.isCorrectable), [
      false,
      true,
      false,
      false
    ])
    assert.strictEqual(Typo.distanceMax("keyboard", "keybaord"), 2)
    assert.strictEqual(Typo.distanceMax("keyboar", "keyboard"), 1)
  })

  it("gives back the entries of a bucket", () => {
    const entries = [
      { hash: 0, term: "camera", df: 1 },
      { hash: 0xffffffff, term: "caméra", df: 3_000_000_000 }
    ]
    assert.deepStrictEqual(
      Typo.decodeBucket(
        Typo.encodeBucket(entries.map(({ df, hash, term }) => ({ df, hash, text: Typo.textOf(term) })))
      ),
      entries
    )
    assert.deepStrictEqual(Typo.decodeBucket(Typo.encodeBucket([])), [])
  })
})
