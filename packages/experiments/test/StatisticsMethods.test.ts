import { assert, describe, it } from "@effect/vitest"
import { betaBinomial, posterior } from "@hypermarket/experiments/internal/statistics/bayesian"
import { logGamma, normalSf } from "@hypermarket/experiments/internal/statistics/distributions"
import { difference } from "@hypermarket/experiments/internal/statistics/effects"
import {
  type Estimate,
  exactMoments,
  mean,
  type Moments
} from "@hypermarket/experiments/internal/statistics/estimates"
import { guardrailPower, nonInferiority } from "@hypermarket/experiments/internal/statistics/nonInferiority"
import { postStratified } from "@hypermarket/experiments/internal/statistics/postStratification"
import { sampleRatio, sequentialSampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import {
  anyTime,
  mixtureOfEffects,
  mixtureOfUnits,
  tuned
} from "@hypermarket/experiments/internal/statistics/sequences"
import { sampleQuantile } from "@hypermarket/experiments/internal/statistics/tables"
import * as Laboratory from "./Laboratory.ts"

const isClose = (actual: number | undefined, expected: number, tolerance = 1e-9): boolean =>
  Math.abs((actual ?? NaN) - expected) / Math.max(Math.abs(expected), 1e-300) < tolerance

describe("any-time intervals", () => {
  it("p is the level at which the interval's bound is 0", () => {
    for (const sides of ["two", "greater"] as const) {
      for (const estimate of [0.3, 0.5, 2]) {
        const { p = 1 } = anyTime(estimate, 0.1, 3, 0.05, sides) ?? {}
        assert.isTrue(isClose(anyTime(estimate, 0.1, 3, p, sides)?.half, estimate))
      }
    }
  })

  it("a confidence sequence is narrowest near the units that it is tuned to", () => {
    const rho = tuned(0.05, 1_000)
    const halfAt = (units: number, tuning: number) =>
      anyTime(0, 1, mixtureOfUnits(units, tuning), 0.05)?.half ?? NaN
    assert.isBelow(halfAt(1_000, rho), halfAt(1_000, tuned(0.05, 100)))
    assert.isBelow(halfAt(1_000, rho), halfAt(1_000, tuned(0.05, 10_000)))
  })

  it("the two mixtures are one test: of units with rho and of effects with the same variance", () => {
    const error = 0.05
    const rho = 0.02
    const units = 400
    assert.isTrue(
      isClose(mixtureOfEffects(error, error * rho * Math.sqrt(units)), mixtureOfUnits(units, rho))
    )
  })

  it("without a standard error or a mixture there is no interval", () => {
    assert.isUndefined(anyTime(1, 0, 1, 0.05))
    assert.isUndefined(anyTime(1, 1, 0, 0.05))
    assert.isUndefined(anyTime(1, 1, Infinity, 0.05))
    assert.strictEqual(anyTime(1e9, 1, 1, 0.05)?.p, 1e-300)
    assert.strictEqual(anyTime(1e9, 1, 1, 0.05, "greater")?.p, 1e-300)
  })
})

describe("posteriors", () => {
  it("a prior pulls the effect by its precision, and a wide one not at all", () => {
    const pulled = posterior(3, 2, 0.05, { mean: 1, variance: 4 })
    assert.isTrue(isClose(pulled?.mean, 2))
    assert.isTrue(isClose(pulled?.deviation, Math.SQRT2))
    assert.isTrue(isClose(posterior(3, 2, 0.05, { mean: 1, variance: 1e18 })?.mean, 3))
    assert.isTrue(isClose(posterior(3, 2, 0.05)?.chance, normalSf(-1.5)))
  })

  it("what one choice gains over the other is the mean effect", () => {
    const result = posterior(0.7, 1.3, 0.05)
    assert.isTrue(isClose((result?.controlLoss ?? NaN) - (result?.treatmentLoss ?? NaN), 0.7))
  })

  it("chances of beta posteriors equal the finite sum over binomials", () => {
    /** P(B > A) for integer parameters. Source: Cook, Exact Calculation of Beta Inequalities (2005). */
    const exact = (a: number, b: number, c: number, d: number) => {
      const logBeta = (x: number, y: number) => logGamma(x) + logGamma(y) - logGamma(x + y)
      return Array.from({ length: c }, (_, i) =>
        Math.exp(logBeta(a + i, b + d) - Math.log(d + i) - logBeta(1 + i, d) - logBeta(a, b))
      ).reduce((sum, term) => sum + term, 0)
    }
    for (const [x, n, y, m] of [
      [0, 0, 0, 0],
      [1, 1, 0, 1],
      [3, 40, 9, 38],
      [120, 2_000, 151, 2_100],
      [48_211, 100_000, 48_630, 100_100]
    ] as const) {
      const { chance } = betaBinomial({ conversions: x, units: n }, { conversions: y, units: m })
      assert.isTrue(isClose(chance, exact(x + 1, n - x + 1, y + 1, m - y + 1), 1e-8))
    }
    assert.isTrue(
      isClose(betaBinomial({ conversions: 1, units: 1 }, { conversions: 0, units: 1 }).chance, 1 / 6)
    )
  })

  it("losses of beta posteriors differ by the difference of their means", () => {
    const { controlLoss, treatmentLoss } = betaBinomial(
      { conversions: 30, units: 100 },
      { conversions: 45, units: 120 }
    )
    assert.isTrue(isClose(controlLoss - treatmentLoss, 46 / 122 - 31 / 102, 1e-9))
  })
})

describe("non-inferiority", () => {
  const arm = (value: number): Estimate => ({ value, variance: 1e-4, df: 9_999 })

  it("passes where the treatment is clearly above the margin, also when lower is better or the baseline is below 0", () => {
    const p = (...args: Parameters<typeof nonInferiority>) => nonInferiority(...args)?.p ?? 1
    assert.isBelow(p(arm(2), arm(1.98), 0.05, "up", 0.05), 1e-6)
    assert.isAbove(p(arm(2), arm(1.88), 0.05, "up", 0.05), 0.9)
    assert.isBelow(p(arm(2), arm(2.02), 0.05, "down", 0.05), 1e-6)
    assert.isAbove(p(arm(2), arm(2.12), 0.05, "down", 0.05), 0.9)
    assert.isBelow(p(arm(-2), arm(-2.02), 0.05, "up", 0.05), 1e-6)
    assert.isAbove(p(arm(-2), arm(-2.12), 0.05, "up", 0.05), 0.9)
  })

  it("the margin moves with the control, whose variance is part of the test", () => {
    const result = nonInferiority(arm(2), arm(2), 0.1, "up", 0.05)
    assert.isTrue(isClose(result?.distance, 0.2))
    assert.isTrue(isClose(result?.standardError, Math.sqrt(1e-4 + 0.81e-4)))
    assert.isUndefined(
      nonInferiority({ ...arm(2), variance: 0 }, { ...arm(2), variance: 0 }, 0.1, "up", 0.05)
    )
    assert.isTrue(isClose(guardrailPower(0.8, 4), 0.95))
  })
})

describe("post-stratification", () => {
  const momentsOf = (values: ReadonlyArray<readonly [y: number, x: number]>): Moments => {
    const sum = (f: (y: number, x: number) => number) =>
      BigInt(values.reduce((total, [y, x]) => total + f(y, x), 0))
    return exactMoments(
      BigInt(values.length),
      [sum((y) => y), 0n, sum((_, x) => x), 0n],
      [sum((y) => y * y), 0n, sum((y, x) => y * x), 0n, 0n, 0n, 0n, sum((_, x) => x * x), 0n, 0n]
    )
  }

  it("one stratum is no stratification", () => {
    const [control, treatment] = [
      momentsOf([
        [1, 0],
        [5, 0],
        [3, 0]
      ]),
      momentsOf([
        [2, 0],
        [9, 0],
        [4, 0],
        [4, 0]
      ])
    ]
    const plain = difference(mean(control), mean(treatment), 0.05)
    const stratified = postStratified([{ control, treatment }], { kind: "mean" })
    assert.isTrue(isClose(stratified?.value, plain?.estimate ?? NaN))
    assert.isTrue(isClose(Math.sqrt(stratified?.variance ?? NaN), plain?.standardError ?? NaN))
  })

  it("takes out what strata explain, and keeps the strata's shares when arms are unbalanced", () => {
    const random = Laboratory.random(5)
    const draw = (n: number, centre: number) =>
      momentsOf(
        Array.from({ length: n }, (): readonly [number, number] => [centre + Math.floor(random() * 10), 0])
      )
    const strata = [
      { control: draw(300, 0), treatment: draw(100, 2) },
      { control: draw(100, 1_000), treatment: draw(300, 1_002) }
    ]
    const result = postStratified(strata, { kind: "mean" })
    assert.isBelow(Math.abs((result?.value ?? NaN) - 2), 1)
    assert.isBelow(Math.sqrt(result?.variance ?? NaN), 0.3)
  })

  it("strata without two units in each arm are counted with the largest, and none at all give nothing", () => {
    const whole = {
      control: momentsOf([
        [1, 0],
        [2, 0]
      ]),
      treatment: momentsOf([
        [3, 0],
        [5, 0]
      ])
    }
    const lone = { control: momentsOf([[4, 0]]), treatment: momentsOf([]) }
    assert.isTrue(isClose(postStratified([lone, whole], { kind: "mean" })?.value, 4 - 7 / 3))
    assert.isUndefined(postStratified([lone], { kind: "mean" }))
    assert.isUndefined(postStratified([whole], { kind: "ratio" }))
  })
})

describe("sequential sample ratio", () => {
  it("is 1 for units as the weights say, and falls as the chi-square does", () => {
    assert.strictEqual(sequentialSampleRatio([{ units: [5_000, 5_000], weights: [1, 1] }]), 1)
    const mismatch = [{ units: [5_400, 4_600], weights: [1, 1] }]
    assert.isBelow(sequentialSampleRatio(mismatch), 1e-10)
    assert.isBelow(sampleRatio(mismatch).p, sequentialSampleRatio(mismatch))
    assert.strictEqual(sequentialSampleRatio([{ units: [0, 0, 7], weights: [1, 1, 0] }]), 1)
    assert.strictEqual(sequentialSampleRatio([{ units: [1e9, 0], weights: [1, 1] }]), 1e-300)
  })

  it("strata multiply", () => {
    const stratum = { units: [5_300, 4_700], weights: [1, 1] }
    assert.isTrue(
      isClose(sequentialSampleRatio([stratum, stratum]), sequentialSampleRatio([stratum]) ** 2, 1e-6)
    )
  })

  it("logarithms of gamma have fourteen digits", () => {
    assert.isTrue(isClose(logGamma(0.5), Math.log(Math.PI) / 2, 1e-14))
    assert.isTrue(isClose(logGamma(11), Math.log(3_628_800), 1e-14))
    assert.isTrue(isClose(logGamma(1e6 + 1), 12_815_518.384658169, 1e-14))
  })
})

describe("sample quantiles", () => {
  it("of no value there is none, and of one there is one", () => {
    assert.isUndefined(sampleQuantile([], 0.5, 7))
    for (const type of [1, 6, 7, 8] as const) assert.strictEqual(sampleQuantile([3], 0.9, type), 3)
  })
})
