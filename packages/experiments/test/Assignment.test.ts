import { assert, describe, it } from "@effect/vitest"
import * as Assignment from "@hypermarket/experiments/Assignment"
import * as Laboratory from "./Laboratory.ts"

const definition: Assignment.Definition = {
  key: "ranking",
  status: "running",
  scheme: "murmur3",
  seed: "0199a000-0000-7000-8000-000000000001",
  coverage: 100_000,
  variants: Laboratory.twoArms,
  targeting: null,
  layer: null
}

const ids = Array.from({ length: 20_000 }, (_, index) => `customer-${index}`)

const variantsOf = (self: Assignment.Definition, options?: Assignment.Options) => {
  const { assign } = Assignment.compile([self])
  return ids.map((id) => assign(self.key, id, {}, options).variant)
}

/** How many standard deviations of chance a count is from what is expected. */
const deviations = (count: number, expected: number, total: number) =>
  Math.abs(count - expected) / Math.sqrt(total * (expected / total) * (1 - expected / total))

/** Chance goes beyond it once in 150,000 times; the ids are fixed, so that it either does or does not. */
const deviationsMax = 4.5

describe("Assignment", () => {
  it("units spread over the arms as the weights say", () => {
    const variants = variantsOf({
      ...definition,
      variants: [
        { key: "old", weight: 7_000 },
        { key: "new", weight: 3_000 }
      ]
    })
    assert.isBelow(
      deviations(variants.filter((variant) => variant === "new").length, 6_000, ids.length),
      deviationsMax
    )
  })

  it("assignments of different experiments are independent", () => {
    const first = variantsOf(definition)
    for (let index = 0; index < 20; index++) {
      const second = variantsOf({ ...definition, seed: `seed-${index}` })
      const both = first.filter((variant, place) => variant === "new" && second[place] === "new").length
      assert.isBelow(deviations(both, ids.length / 4, ids.length), deviationsMax)
    }
  })

  it("coverage up or down, or a pause, moves nobody between arms", () => {
    const all = variantsOf(definition)
    for (const coverage of [100, 5_000, 50_000, 99_999]) {
      const some = variantsOf({ ...definition, coverage })
      assert.isBelow(
        deviations(
          some.filter((variant) => variant !== undefined).length,
          (ids.length * coverage) / 100_000,
          ids.length
        ),
        deviationsMax
      )
      for (const [index, variant] of some.entries()) {
        if (variant !== undefined) assert.strictEqual(variant, all[index])
      }
    }
    assert.isTrue(variantsOf({ ...definition, status: "paused" }).every((variant) => variant === undefined))
    assert.deepStrictEqual(variantsOf(definition), all)
  })

  it("more coverage keeps every unit that was in", () => {
    const few = variantsOf({ ...definition, coverage: 10_000 })
    const many = variantsOf({ ...definition, coverage: 20_000 })
    assert.isTrue(few.every((variant, index) => variant === undefined || many[index] === variant))
  })

  it("experiments of one layer share no unit, and the holdout is in none", () => {
    const layer = { key: "search", holdout: 10_000 }
    const { assign } = Assignment.compile([
      { ...definition, key: "a", seed: "a", layer: { ...layer, from: 10_000, until: 40_000 } },
      { ...definition, key: "b", seed: "b", layer: { ...layer, from: 40_000, until: 100_000 } }
    ])
    let held = 0
    for (const id of ids) {
      const [first, second] = [assign("a", id), assign("b", id)]
      assert.isTrue(first.variant === undefined || second.variant === undefined)
      if (first.reason === "holdout") {
        assert.strictEqual(second.reason, "holdout")
        held++
      } else assert.isTrue(first.variant !== undefined || second.variant !== undefined)
    }
    assert.isBelow(deviations(held, ids.length / 10, ids.length), deviationsMax)
  })

  it("sticky across many experiments of a unit: a unit keeps what it has seen, whatever weights and coverage are", () => {
    const definitions = ["a", "b", "c"].map((key) => ({ ...definition, key, seed: key, coverage: 0 }))
    const { assign } = Assignment.compile(definitions)
    const previous = { a: "old", b: "new" }
    assert.deepStrictEqual(
      ["a", "b", "c"].map((key) => assign(key, "customer-1", {}, { previous }).variant),
      ["old", "new", undefined]
    )
    assert.strictEqual(assign("a", "customer-1", {}, { previous: { a: "gone" } }).reason, "coverage")
  })

  it("targeting keeps out whom it does not match, and an unknown attribute matches nothing", () => {
    const { assign } = Assignment.compile([
      { ...definition, targeting: { attribute: "country", operator: "in", values: ["AT", "DE"] } }
    ])
    assert.strictEqual(assign("ranking", "a", { country: "AT" }).reason, "assigned")
    assert.strictEqual(assign("ranking", "a", { country: "FR" }).reason, "targeting")
    assert.strictEqual(assign("ranking", "a").reason, "targeting")
    assert.strictEqual(assign("other", "a").reason, "unknown-experiment")
    assert.strictEqual(assign("ranking", "a", {}, { forced: { ranking: "new" } }).variant, "new")
  })
})
