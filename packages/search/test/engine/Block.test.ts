import { assert, describe, it } from "@effect/vitest"
import * as Block from "@hypermarket/search/internal/engine/Block"
import { randomOf } from "./Catalogue.ts"

/** Postings with gaps of one byte, of several, and at the ends of blocks. */
const postingsOf = (count: number, seed: number) => {
  const random = randomOf(seed)
  let ordinal = -1
  return Array.from({ length: count }, () => {
    ordinal += 1 + Math.floor(random() ** 8 * (random() < 0.1 ? 40_000 : 200))
    return { ordinal, impact: 1 + Math.floor(random() * 255) }
  })
}

const write = (postings: ReturnType<typeof postingsOf>) => {
  const writer = new Block.ChunkWriter()
  for (const { impact, ordinal } of postings) writer.add(ordinal, impact)
  return writer.end("term")
}

const listOf = (chunks: ReturnType<typeof write>): Block.PostingList => ({
  df: chunks[0]?.df ?? 0,
  spans: chunks.map(({ data }) => ({ data, start: 0, end: data.length }))
})

describe("Block", () => {
  it("gives back the postings that were written, in any number", () => {
    for (const count of [1, 2, 127, 128, 129, 256, 5_000, 50_000]) {
      const postings = postingsOf(count, count)
      const chunks = write(postings)
      const { impacts, ordinals } = Block.decode(listOf(chunks))
      assert.deepStrictEqual(
        Array.from(ordinals, (ordinal, n) => ({ ordinal, impact: impacts[n] ?? 0 })),
        postings
      )
      assert.isTrue(chunks.every(({ data }) => data.length <= Block.chunkBytesMax))
      assert.deepStrictEqual(
        chunks.map(({ chunk, df }) => [chunk, df]),
        chunks.map((_, n) => [n, count])
      )
    }
  })

  it("describes each chunk by its first and last ordinal and its highest impact", () => {
    const postings = postingsOf(20_000, 7)
    const chunks = write(postings)
    assert.isAbove(chunks.length, 3)
    for (const { firstOrdinal, lastOrdinal, maxImpact } of chunks) {
      const inside = postings.filter(({ ordinal }) => ordinal >= firstOrdinal && ordinal <= lastOrdinal)
      assert.strictEqual(inside.at(0)?.ordinal, firstOrdinal)
      assert.strictEqual(inside.at(-1)?.ordinal, lastOrdinal)
      assert.strictEqual(Math.max(...inside.map(({ impact }) => impact)), maxImpact)
    }
  })

  it("finds one document's impact without reading the others", () => {
    const postings = postingsOf(3_000, 9)
    const list = listOf(write(postings))
    const impacts = new Map(postings.map(({ impact, ordinal }) => [ordinal, impact]))
    const nearby = postings.flatMap(({ ordinal }, n) =>
      n % 10 === 0 ? [ordinal - 1, ordinal, ordinal + 1] : []
    )
    for (const ordinal of [0, ...nearby, postings.at(-1)?.ordinal ?? 0, 2 ** 30]) {
      assert.strictEqual(Block.impactOf(list, ordinal), impacts.get(ordinal) ?? 0)
    }
  })

  it("takes about three bytes a posting of a frequent term", () => {
    const random = randomOf(3)
    const postings = Array.from({ length: 100_000 }, (_, ordinal) => ordinal)
      .filter(() => random() < 0.02)
      .map((ordinal) => ({ ordinal, impact: 100 }))
    const bytes = write(postings).reduce((sum, { data }) => sum + data.length, 0)
    assert.isBelow(bytes / postings.length, 3)
  })
})
