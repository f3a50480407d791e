/** Figures that a public reference has wrong: the right value, where it comes from, and why the other one is wrong. */
import { assert, describe, it } from "@effect/vitest"
import { posterior } from "@hypermarket/experiments/internal/statistics/bayesian"
import { normalSf } from "@hypermarket/experiments/internal/statistics/distributions"
import { difference } from "@hypermarket/experiments/internal/statistics/effects"
import { sampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"

const near = (actual: number | undefined, expected: number, tolerance: number): void =>
  assert.isBelow(Math.abs((actual ?? NaN) / expected - 1), tolerance)

describe("Known to be wrong elsewhere", () => {
  it("an arm of weight zero adds no degree of freedom: p is 0.0389, and with a second one 0.1184", () => {
    // Of 960 units each arm expects 480: (32^2 + 32^2) / 480. With one degree of freedom p is erfc(sqrt(x / 2)). With two, which
    // count an arm without units, it is exp(-x / 2): the mismatch is missed.
    for (const place of [0, 1, 2]) {
      const units = [512, 448].toSpliced(place, 0, 0)
      const weights = [5_000, 5_000].toSpliced(place, 0, 0)
      const { chiSquare, df, p } = sampleRatio([{ units, weights }])
      near(chiSquare, 64 / 15, 1e-15)
      assert.strictEqual(df, 1)
      near(p, 0.03886710381241699, 1e-9)
      assert.isAbove(Math.exp(-chiSquare / 2), 0.118)
    }
  })

  it("a prior of the lift is on the lift's scale: a difference in other units has the same chance to win", () => {
    // A lift of 4 % +- 3 % under a prior of 0 +- 2 % is 4 % * 4 / 13 +- 6 % / sqrt(13). The same data as a difference of prices with a
    // baseline of 50,000 must have the same chance. With the prior taken as it is, 0.02 cents, nothing of the data is left.
    const baseline = 50_000
    const prior = { mean: 0, variance: 0.02 ** 2 }
    const lift = posterior(0.04, 0.03, 0.05, prior)
    near(lift?.mean, (0.04 * 4) / 13, 1e-12)
    near(lift?.deviation, 0.06 / Math.sqrt(13), 1e-12)
    const scaled = posterior(0.04 * baseline, 0.03 * baseline, 0.05, {
      mean: 0,
      variance: prior.variance * baseline ** 2
    })
    near(scaled?.chance, lift?.chance ?? NaN, 1e-12)
    near(scaled?.mean, (lift?.mean ?? NaN) * baseline, 1e-12)
    assert.isAbove(lift?.chance ?? 0, 0.77)
    assert.isBelow(posterior(0.04 * baseline, 0.03 * baseline, 0.05, prior)?.chance ?? 1, 0.501)
  })

  it("p of ten standard errors is 1.52e-23, where 2 (1 - cdf(10)) is 0", () => {
    // The upper tail is computed as such: 1 - cdf has no digit left beyond 8.3 standard errors.
    assert.strictEqual(2 * (1 - (1 - normalSf(10))), 0)
    near(2 * normalSf(10), 1.523970604832105e-23, 1e-12)
    const arm = { variance: 0.5, df: 1e15 }
    near(difference({ ...arm, value: 0 }, { ...arm, value: 10 }, 0.05)?.p, 1.523970604832105e-23, 1e-7)
  })
})
