import { assert, describe, it } from "@effect/vitest"
import * as CardPrecision from "@hypermarket/risk/internal/cardPrecision"
import type { Verdict } from "@hypermarket/risk/internal/ruleEngine"

const verdict = (score: number): Verdict => ({
  outcome: "allow",
  score,
  reasons: [],
  fired: [],
  errors: [],
  snoozed: [],
  overridden: null
})
const day = (date: number) => new Date(Date.UTC(2026, 4, date, 12))

describe("card precision", () => {
  it("takes the 100 cards that come first, and the mean of days", () => {
    const cards = CardPrecision.make()
    // 150 cards on one day: of the 100 first ones 40 are bad, of the others all.
    for (let index = 0; index < 150; index++) {
      cards.add(`c${index}`, day(3), verdict(1_000 - index), index < 40 || index >= 100)
    }
    assert.strictEqual(cards.value(), 0.4)
    cards.add("x", day(4), verdict(0), true)
    assert.strictEqual(cards.value(), 0.7)
  })

  it("counts a card once per day, by its gravest decision, and equal ones by their share", () => {
    const cards = CardPrecision.make()
    for (let index = 0; index < 99; index++) cards.add(`c${index}`, day(3), verdict(50), false)
    cards.add("twice", day(3), verdict(90), false)
    cards.add("twice", day(3), verdict(1), true)
    for (let index = 0; index < 99; index++) cards.add(`d${index}`, day(3), verdict(50), true)
    assert.closeTo(cards.value() ?? 0, (1 + 99 / 2) / 100, 1e-12)
  })

  it("is null without labelled cards", () => {
    assert.isNull(CardPrecision.make().value())
  })
})
