import { assert, describe, it } from "@effect/vitest"
import { leftOf } from "#progress"

describe("the progress of the quickstart", () => {
  it("says how long a step still takes, at the rate since it began", () => {
    assert.strictEqual(
      leftOf({ elapsedMillis: 10_000, first: 0, done: 200, total: 1_000 }),
      ", about 40 s left"
    )
    // A replay that goes on where another has ended.
    assert.strictEqual(
      leftOf({ elapsedMillis: 10_000, first: 600, done: 800, total: 1_000 }),
      ", about 10 s left"
    )
  })

  it("says nothing before there is a rate, and at the end", () => {
    for (const step of [
      { elapsedMillis: 100, first: 0, done: 200, total: 1_000 },
      { elapsedMillis: 10_000, first: 200, done: 200, total: 1_000 },
      { elapsedMillis: 10_000, first: 0, done: 1_000, total: 1_000 }
    ]) {
      assert.strictEqual(leftOf(step), "")
    }
  })
})
