/** The public reference values of ../shared/conformance/statistics. Skipped, and said so, where the folder is absent. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { adjust } from "@hypermarket/experiments/internal/statistics/comparisons"
import {
  betaCdf,
  betaQuantile,
  chiSquareSf,
  normalQuantile,
  normalSf,
  tSf,
  tUpperQuantile
} from "@hypermarket/experiments/internal/statistics/distributions"
import { difference } from "@hypermarket/experiments/internal/statistics/effects"
import { type Estimate } from "@hypermarket/experiments/internal/statistics/estimates"
import { bounds } from "@hypermarket/experiments/internal/statistics/groupSequential"
import { meanPower, meanSize, proportionSize } from "@hypermarket/experiments/internal/statistics/power"
import { sampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import {
  fisherExact,
  proportionTest,
  type QuantileType,
  sampleQuantile
} from "@hypermarket/experiments/internal/statistics/tables"
import { errorOf, isPresent, read } from "./statisticsData.ts"

describe("distributions-mpmath", () => {
  const Cases = Schema.Struct({
    cases: Schema.Array(
      Schema.Struct({ fn: Schema.String, args: Schema.Array(Schema.String), value: Schema.String })
    )
  })
  const functions: Record<string, (a: number, b: number, c: number) => number> = {
    norm_sf: (z) => normalSf(z),
    norm_ppf: (p) => normalQuantile(p),
    t_sf: (t, df) => tSf(t, df),
    t_ppf: (p, df) => tUpperQuantile(Number((1 - p).toFixed(8)), df),
    chi2_sf: (x, df) => chiSquareSf(x, df),
    beta_cdf: (x, a, b) => betaCdf(x, a, b)
  }

  it("matches 219 values of 50-digit arithmetic to a relative error below 1e-12, down to 1e-300", () => {
    if (!isPresent()) return
    const { cases } = read("distributions-mpmath.json", Cases)
    const wrong: Array<string> = []
    let beyond = 0
    for (const { args, fn, value } of cases) {
      const [a = NaN, b = NaN, c = NaN] = args.map(Number)
      const actual = functions[fn]?.(a, b, c) ?? NaN
      const expected = Number(value)
      if (expected > 0 && expected < 1e-300) {
        // Reported as a bound: here it only has to be below it.
        if (actual >= 0 && actual < 1e-300) beyond++
        else wrong.push(`${fn}(${args.join(", ")}) = ${actual}`)
      } else if (!(errorOf(actual, expected) < 1e-12)) {
        wrong.push(`${fn}(${args.join(", ")}) = ${actual}, not ${value}: ${errorOf(actual, expected)}`)
      }
    }
    process.stdout.write(
      `distributions-mpmath: ${cases.length} cases, ${cases.length - wrong.length} passed, ${beyond} below 1e-300\n`
    )
    assert.deepStrictEqual(wrong, [])
    assert.strictEqual(cases.length, 219)
  })
})

describe("srm-mpmath", () => {
  it("matches 12 chi-square tests, arms of weight zero without a degree of freedom", () => {
    if (!isPresent()) return
    const cases = read(
      "srm-mpmath.json",
      Schema.Array(
        Schema.Struct({
          users: Schema.Array(Schema.Finite),
          weights: Schema.Array(Schema.Finite),
          chi2: Schema.String,
          df: Schema.Int,
          p: Schema.String
        })
      )
    )
    for (const { chi2, df, p, users, weights } of cases) {
      const actual = sampleRatio([{ units: users, weights }])
      assert.strictEqual(actual.df, df)
      assert.isBelow(errorOf(actual.chiSquare, Number(chi2)), 1e-9)
      assert.isBelow(errorOf(actual.p, Number(p)), 1e-9)
    }
    process.stdout.write(`srm-mpmath: ${cases.length} cases, ${cases.length} passed\n`)
    assert.strictEqual(cases.length, 12)
  })
})

describe("group-sequential-spotify", () => {
  /** The reference integrates on a grid whose error grows with the looks. Ours match published tables: GroupSequential.test. */
  const tolerance = 1e-3

  it("matches 30 sets of alpha-spending bounds within the reference's grid error", () => {
    if (!isPresent()) return
    const { cases } = read(
      "group-sequential-spotify.json",
      Schema.Struct({
        cases: Schema.Array(
          Schema.Struct({
            alpha: Schema.Finite,
            power_family_rho: Schema.Finite,
            sides: Schema.Literals([1, 2]),
            t: Schema.Array(Schema.Finite),
            z_bounds: Schema.Array(Schema.Finite)
          })
        )
      })
    )
    let worst = 0
    for (const { alpha, power_family_rho: rho, sides, t, z_bounds } of cases) {
      const actual = bounds(t, alpha, sides, { family: "power", rho })
      for (const [index, z] of z_bounds.entries()) {
        worst = Math.max(worst, Math.abs((actual[index]?.z ?? NaN) - z))
      }
    }
    process.stdout.write(`group-sequential-spotify: ${cases.length} cases, largest difference ${worst}\n`)
    assert.isBelow(worst, tolerance)
    assert.strictEqual(cases.length, 30)
  })
})

describe("r-reference", () => {
  it("matches R on corrections, power, Welch, chi-square, proportions, quantiles and Fisher's exact test", () => {
    if (!isPresent()) return
    const { cases } = read(
      "r-reference.json",
      Schema.Struct({
        cases: Schema.Array(
          Schema.Struct({
            fn: Schema.String,
            args: Schema.Unknown,
            value: Schema.Array(Schema.Finite)
          })
        )
      })
    )
    const numbers = Schema.decodeUnknownSync(Schema.Array(Schema.Finite))
    const design = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Finite))
    const corrections = {
      holm: "holm",
      hochberg: "hochberg",
      BH: "bh",
      BY: "by",
      bonferroni: "bonferroni"
    } as const
    /** Student's data on sleep, as R has them. */
    const sleep = [
      [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2],
      [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    ].map((values): Estimate => {
      const value = values.reduce((sum, x) => sum + x, 0) / values.length
      const spread = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (values.length - 1)
      return { value, variance: spread / values.length, df: values.length - 1 }
    })
    const sample = [1.1, 2.2, 3.3, 4.4, 10, 20, 30.5, 41, 55, 100]
    const later: Array<string> = []
    const wrong: Array<string> = []
    let ran = 0
    for (const { args, fn, value } of cases) {
      let actual: ReadonlyArray<number> | undefined
      let tolerance = 1e-9
      const correction = Object.entries(corrections).find(([name]) => fn === `p.adjust:${name}`)
      if (correction !== undefined) {
        actual = adjust(numbers(args), correction[1])
      } else if (fn.startsWith("chisq.test srm")) {
        const { chiSquare, p } = sampleRatio([{ units: numbers(args), weights: [1, 1] }])
        actual = [chiSquare, p]
      } else if (fn === "power.prop.test:n") {
        const { alpha = 0, p1 = 0, p2 = 0, power = 0 } = design(args)
        actual = [proportionSize(p1, p2, alpha, power) ?? NaN]
        // R searches n until its interval is below 1.2e-4.
        tolerance = 1e-5
      } else if (fn === "power.t.test:n") {
        const { alpha = 0, delta: gap = 0, power = 0, sd = 0 } = design(args)
        actual = [meanSize({ alpha, deviation: sd, difference: gap }, power) ?? NaN]
        tolerance = 1e-5
      } else if (fn.startsWith("power.t.test:power")) {
        const { alpha = 0, delta: gap = 0, sd = 0 } = design(args)
        actual = [meanPower({ n: 1000, alpha, deviation: sd, difference: gap })]
      } else if (fn.startsWith("t.test welch")) {
        const [b, a] = sleep
        if (a !== undefined && b !== undefined) {
          const result = difference(a, b, 0.05)
          if (result !== undefined) {
            actual = [
              result.estimate / result.standardError,
              result.df,
              result.p,
              result.low ?? NaN,
              result.high ?? NaN
            ]
          }
        }
      } else if (fn === "qbeta") {
        const [p = 0, a = 0, b = 0] = numbers(args)
        actual = [betaQuantile(p, a, b)]
      }
      if (fn.startsWith("prop.test")) {
        const [x = 0, n = 0, y = 0, m = 0] = numbers(args)
        const result = proportionTest({ conversions: x, units: n }, { conversions: y, units: m }, 0.05)
        actual = [result?.chiSquare ?? NaN, result?.p ?? NaN, result?.low ?? NaN, result?.high ?? NaN]
      } else if (fn === "fisher.test p") {
        const [a = 0, b = 0, c = 0, d = 0] = numbers(args)
        actual = [fisherExact([a, b, c, d])]
      } else if (fn.startsWith("quantile type ")) {
        const types: Record<string, QuantileType> = { 1: 1, 6: 6, 7: 7, 8: 8 }
        const type = types[fn.slice("quantile type ".length)] ?? 1
        actual = [0.1, 0.5, 0.9, 0.99].map((p) => sampleQuantile(sample, p, type) ?? NaN)
      }
      if (actual === undefined) {
        later.push(fn)
        continue
      }
      ran++
      const worst = Math.max(...value.map((expected, index) => errorOf(actual[index] ?? NaN, expected)))
      if (!(worst < tolerance))
        wrong.push(`${fn} ${JSON.stringify(args)}: ${actual.join()} not ${value.join()}`)
    }
    process.stdout.write(
      `r-reference: ${cases.length} cases, ${ran - wrong.length} of ${ran} passed; later: ${later.join("; ")}\n`
    )
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual(later, [])
    assert.strictEqual(ran, 43)
  })
})
