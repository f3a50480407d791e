import { assert, describe, it } from "@effect/vitest"
import {
  betaCdf,
  normalQuantile,
  normalSf,
  tSf,
  tUpperQuantile
} from "@hypermarket/experiments/internal/statistics/distributions"
import { difference, fieller, logRatio } from "@hypermarket/experiments/internal/statistics/effects"
import {
  adjusted,
  coefficient,
  type Estimate,
  exactMoments,
  mean,
  type Moments,
  ratio
} from "@hypermarket/experiments/internal/statistics/estimates"
import { bounds, spent } from "@hypermarket/experiments/internal/statistics/groupSequential"
import { detectable, meanPower } from "@hypermarket/experiments/internal/statistics/power"
import { sampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import * as Laboratory from "./Laboratory.ts"

const momentsOf = (rows: ReadonlyArray<ReadonlyArray<bigint>>): Moments => {
  const sums = [0, 1, 2, 3].map((place) => rows.reduce((sum, row) => sum + (row[place] ?? 0n), 0n))
  const products = [0, 1, 2, 3].flatMap((first) =>
    [0, 1, 2, 3]
      .slice(first)
      .map((second) => rows.reduce((sum, row) => sum + (row[first] ?? 0n) * (row[second] ?? 0n), 0n))
  )
  return exactMoments(BigInt(rows.length), sums, products)
}

describe("group-sequential bounds", () => {
  const fifths = [0.2, 0.4, 0.6, 0.8, 1]

  it("equal the published bounds of Lan and DeMets for five looks", () => {
    // ldbounds of R, alpha 0.05, two-sided: O'Brien-Fleming and Pocock types.
    const published = {
      "obrien-fleming": [4.8769, 3.3569, 2.6803, 2.2898, 2.031],
      pocock: [2.438, 2.4268, 2.4101, 2.3966, 2.3859]
    } as const
    for (const family of ["obrien-fleming", "pocock"] as const) {
      const actual = bounds(fifths, 0.05, 2, { family })
      for (const [index, z] of published[family].entries()) {
        assert.isBelow(Math.abs((actual[index]?.z ?? NaN) - z), 2e-4)
      }
    }
  })

  it("looks at uneven information spend what the information allows, and all of them exactly alpha", () => {
    const informations = [0.07, 0.31, 0.32, 0.77, 1]
    for (const family of ["obrien-fleming", "pocock"] as const) {
      const actual = bounds(informations, 0.05, 2, { family })
      for (const [index, information] of informations.entries()) {
        assert.isBelow(
          Math.abs((actual[index]?.spent ?? NaN) - spent({ family }, 0.05, 2, information)),
          1e-12
        )
      }
      assert.isBelow(Math.abs((actual.at(-1)?.spent ?? NaN) - 0.05), 1e-12)
    }
  })

  it("past the planned size the last look spends what is left, never more; no look without new units spends", () => {
    const actual = bounds([0.5, 0.5, 1.7, 2, 2.5], 0.05, 2, { family: "obrien-fleming" })
    assert.deepStrictEqual(
      actual.map(({ z }) => z === undefined),
      [false, true, false, true, true]
    )
    assert.isBelow(Math.abs((actual.at(-1)?.spent ?? NaN) - 0.05), 1e-12)
  })
})

describe("relative effects", () => {
  it("baseline below zero: lift is over |baseline|, so its sign is the difference's", () => {
    const a: Estimate = { value: -10, variance: 0.01, df: 100 }
    const b: Estimate = { value: -8, variance: 0.01, df: 100 }
    const lift = fieller(a, b, 1.96)
    assert.strictEqual(lift.estimate, 0.2)
    assert.isTrue(lift.closes && (lift.low ?? NaN) > 0 && (lift.low ?? NaN) < 0.2 && (lift.high ?? NaN) > 0.2)
    const negated = fieller({ ...a, value: 10 }, { ...b, value: 8 }, 1.96)
    assert.isBelow(Math.abs((negated.low ?? NaN) + (lift.high ?? NaN)), 1e-12)
  })

  it("Fieller that does not close is unbounded, with the absolute result, not a number", () => {
    const a: Estimate = { value: 0.1, variance: 1, df: 100 }
    const b: Estimate = { value: 1, variance: 1, df: 100 }
    assert.deepInclude(fieller(a, b, 1.96), { closes: false, low: undefined, high: undefined })
    assert.isDefined(difference(a, b, 0.05))
    assert.deepInclude(fieller({ ...a, value: 0 }, b, 1.96), { estimate: undefined, closes: false })
    assert.deepInclude(logRatio({ ...a, value: 0 }, b, 1.96), { closes: false })
  })
})

describe("estimates", () => {
  it("CUPED without variance before the exposure falls back, and with it takes out the covariate's part", () => {
    const flat = [1n, 2n, 3n].map((y) => [y, 0n, 5n, 0n])
    assert.isUndefined(coefficient(momentsOf(flat), momentsOf(flat), "mean"))
    const random = Laboratory.random(3)
    const rows = Array.from({ length: 200 }, () => {
      const x = BigInt(Math.floor(random() * 1_000))
      return [x + BigInt(Math.floor(random() * 100)), 0n, x, 0n]
    })
    const [a, b] = [momentsOf(rows.slice(0, 100)), momentsOf(rows.slice(100))]
    const theta = coefficient(a, b, "mean")
    assert.isDefined(theta)
    const reduced = adjusted(a, "mean", theta ?? 0, 0)
    assert.isBelow(reduced?.variance ?? NaN, mean(a).variance / 50)
  })

  it("values of 1e15 keep every digit of their variance", () => {
    const base = 1_000_000_000_000_000n
    const moments = momentsOf([0n, 1n, 2n].map((offset) => [base + offset]))
    assert.strictEqual(mean(moments).variance, 1 / 3)
  })

  it("no estimate of any generated input is NaN or infinite", () => {
    const random = Laboratory.random(Laboratory.seedOf("generated inputs", 13))
    const value = () =>
      [
        0n,
        1n,
        -1n,
        7n,
        1_000_000_000_000_000n,
        -1_000_000_000_000_000n,
        BigInt(Math.floor(random() * 1_000))
      ][Math.floor(random() * 7)] ?? 0n
    const wrong: Array<number> = []
    const check = (...values: ReadonlyArray<number | undefined>) => {
      for (const number of values) if (number !== undefined && !Number.isFinite(number)) wrong.push(number)
    }
    for (let run = 0; run < 2_000; run++) {
      const rows = () =>
        Array.from({ length: 1 + Math.floor(random() * 4) }, () => [value(), value(), value(), value()])
      const [a, b] = [momentsOf(rows()), momentsOf(rows())]
      if (a.n < 2 || b.n < 2) continue
      for (const [first, second] of [
        [mean(a), mean(b)],
        [ratio(a), ratio(b)]
      ] as const) {
        if (first === undefined || second === undefined) continue
        const result = difference(first, second, 0.05)
        check(
          first.value,
          second.value,
          result?.estimate,
          result?.standardError,
          result?.p,
          result?.low,
          result?.high
        )
        const lift = fieller(first, second, 1.96)
        check(lift.estimate, lift.low, lift.high)
      }
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("p below 1e-300 is reported as a bound", () => {
    const a: Estimate = { value: 0, variance: 1e-6, df: 1e6 }
    assert.strictEqual(difference(a, { ...a, value: 1 }, 0.05)?.p, 1e-300)
  })
})

describe("sample ratio", () => {
  it("an arm of weight zero counts neither units nor a degree of freedom", () => {
    assert.deepInclude(sampleRatio([{ units: [1_000, 1_000, 0], weights: [1, 1, 0] }]), {
      df: 1,
      chiSquare: 0,
      p: 1
    })
  })

  it("a lost exposure that depends on the arm shows as a mismatch", () => {
    assert.isBelow(sampleRatio([{ units: [50_000, 48_500], weights: [1, 1] }]).p, 0.001)
  })
})

describe("distributions", () => {
  it("quantiles undo tails over fourteen decades", () => {
    for (let exponent = -1; exponent > -15; exponent--) {
      const p = 0.3 * 10 ** exponent
      assert.isBelow(Math.abs(normalSf(-normalQuantile(p)) / p - 1), 1e-12)
      for (const df of [1, 3.7, 50, 1e6])
        assert.isBelow(Math.abs(tSf(tUpperQuantile(p, df), df) / p - 1), 1e-11)
    }
    assert.isBelow(Math.abs(betaCdf(0.5, 300_000, 300_000) - 0.5), 1e-12)
  })

  it("power grows with the units, and the detectable difference has the power that it names", () => {
    const design = { difference: 0.1, deviation: 1, alpha: 0.05 }
    assert.isAbove(meanPower({ ...design, n: 2_000 }), meanPower({ ...design, n: 1_000 }))
    const n = 100_000
    const gap = detectable(Math.sqrt(2 / n), 0.05, 0.8)
    assert.isBelow(Math.abs(meanPower({ n, difference: gap, deviation: 1, alpha: 0.05 }) - 0.8), 1e-3)
  })
})
