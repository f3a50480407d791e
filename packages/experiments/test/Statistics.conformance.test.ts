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
import { delta, difference, type Sides } from "@hypermarket/experiments/internal/statistics/effects"
import {
  adjusted,
  coefficient,
  type Estimate,
  mean,
  type Moments,
  pooled,
  proportion,
  ratio
} from "@hypermarket/experiments/internal/statistics/estimates"
import { bounds } from "@hypermarket/experiments/internal/statistics/groupSequential"
import { meanPower, meanSize, proportionSize } from "@hypermarket/experiments/internal/statistics/power"
import { sampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import { errorOf, isPresent, read } from "./conformanceData.ts"

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
  it("matches R on corrections, power, Welch and chi-square", () => {
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
    assert.strictEqual(ran, 34)
  })
})

describe("gbstats-recorded", () => {
  const Sum = Schema.Struct({
    _type: Schema.optionalKey(Schema.String),
    n: Schema.Finite,
    sum: Schema.Finite,
    sum_squares: Schema.optionalKey(Schema.Finite)
  })
  type Sum = typeof Sum.Type
  const Statistic = Schema.Struct({
    _type: Schema.String,
    n: Schema.Finite,
    sum: Schema.optionalKey(Schema.Finite),
    sum_squares: Schema.optionalKey(Schema.Finite),
    m_statistic: Schema.optionalKey(Sum),
    d_statistic: Schema.optionalKey(Sum),
    m_d_sum_of_products: Schema.optionalKey(Schema.Finite),
    post_statistic: Schema.optionalKey(Sum),
    pre_statistic: Schema.optionalKey(Sum),
    post_pre_sum_of_products: Schema.optionalKey(Schema.Finite),
    m_statistic_post: Schema.optionalKey(Sum),
    d_statistic_post: Schema.optionalKey(Sum),
    m_statistic_pre: Schema.optionalKey(Sum),
    d_statistic_pre: Schema.optionalKey(Sum),
    m_post_m_pre_sum_of_products: Schema.optionalKey(Schema.Finite),
    d_post_d_pre_sum_of_products: Schema.optionalKey(Schema.Finite),
    m_pre_d_pre_sum_of_products: Schema.optionalKey(Schema.Finite),
    m_post_d_post_sum_of_products: Schema.optionalKey(Schema.Finite),
    m_post_d_pre_sum_of_products: Schema.optionalKey(Schema.Finite),
    m_pre_d_post_sum_of_products: Schema.optionalKey(Schema.Finite),
    theta: Schema.optionalKey(Schema.NullOr(Schema.Finite))
  })
  type Statistic = typeof Statistic.Type
  const Case = Schema.Struct({
    kind: Schema.String,
    input: Schema.Struct({
      class: Schema.optionalKey(Schema.String),
      relative: Schema.optionalKey(Schema.Boolean),
      stats: Schema.optionalKey(Schema.Array(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))),
      config: Schema.optionalKey(
        Schema.Struct({
          difference_type: Schema.optionalKey(Schema.String),
          alpha: Schema.optionalKey(Schema.Finite),
          post_stratify: Schema.optionalKey(Schema.Boolean)
        })
      ),
      users: Schema.optionalKey(Schema.Array(Schema.Finite)),
      weights: Schema.optionalKey(Schema.Array(Schema.Finite))
    }),
    output: Schema.Unknown,
    from: Schema.String
  })
  const Output = Schema.Struct({
    point_estimate: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
    standard_error: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
    error_message: Schema.optionalKey(Schema.NullOr(Schema.String)),
    expected: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
    ci: Schema.optionalKey(Schema.Array(Schema.NullOr(Schema.Union([Schema.Finite, Schema.String])))),
    uplift: Schema.optionalKey(Schema.NullOr(Schema.Struct({ stddev: Schema.Finite }))),
    errorMessage: Schema.optionalKey(Schema.NullOr(Schema.String)),
    pValue: Schema.optionalKey(Schema.NullOr(Schema.Finite))
  })
  const decodeStatistic = Schema.decodeUnknownSync(Statistic)
  const decodeOutput = Schema.decodeUnknownSync(Output)

  /** A sum without squares is of zeros and ones. */
  const squares = (sum: Sum): number => sum.sum_squares ?? sum.sum

  const momentsOf = (
    n: number,
    sums: ReadonlyArray<Sum | undefined>,
    product: (row: number, column: number) => number
  ): Moments => ({
    n,
    mean: sums.map((sum) => (sum?.sum ?? 0) / n),
    covariance: sums.map((first, row) =>
      sums.map((second, column) => {
        if (first === undefined || second === undefined) return 0
        const products =
          row === column ? squares(first) : product(Math.min(row, column), Math.max(row, column))
        return (products - (first.sum * second.sum) / n) / (n - 1)
      })
    )
  })

  const read4 = (stat: Statistic): Moments => {
    switch (stat._type) {
      case "RatioStatistic":
        return momentsOf(
          stat.n,
          [stat.m_statistic, stat.d_statistic, undefined, undefined],
          () => stat.m_d_sum_of_products ?? 0
        )
      case "RegressionAdjustedStatistic":
        return momentsOf(
          stat.n,
          [stat.post_statistic, undefined, stat.pre_statistic, undefined],
          () => stat.post_pre_sum_of_products ?? 0
        )
      case "RegressionAdjustedRatioStatistic":
        return momentsOf(
          stat.n,
          [stat.m_statistic_post, stat.d_statistic_post, stat.m_statistic_pre, stat.d_statistic_pre],
          (row, column) =>
            [
              [
                0,
                stat.m_post_d_post_sum_of_products,
                stat.m_post_m_pre_sum_of_products,
                stat.m_post_d_pre_sum_of_products
              ],
              [0, 0, stat.m_pre_d_post_sum_of_products, stat.d_post_d_pre_sum_of_products],
              [0, 0, 0, stat.m_pre_d_pre_sum_of_products]
            ][row]?.[column] ?? 0
        )
      default:
        return momentsOf(
          stat.n,
          [
            {
              n: stat.n,
              sum: stat.sum ?? 0,
              ...(stat.sum_squares === undefined ? {} : { sum_squares: stat.sum_squares })
            },
            undefined,
            undefined,
            undefined
          ],
          () => 0
        )
    }
  }

  /** Both arms' estimates, and the baseline that a lift is divided by. */
  const estimatesOf = (type: string, a: Moments, b: Moments, given: number | undefined) => {
    switch (type) {
      case "ProportionStatistic":
        return { a: proportion(a), b: proportion(b) }
      case "RatioStatistic": {
        const [first, second] = [ratio(a), ratio(b)]
        return first === undefined || second === undefined ? undefined : { a: first, b: second }
      }
      case "RegressionAdjustedStatistic":
      case "RegressionAdjustedRatioStatistic": {
        const kind = type === "RegressionAdjustedStatistic" ? "mean" : "ratio"
        const theta = given ?? coefficient(a, b, kind) ?? 0
        const [first, second] = [adjusted(a, kind, theta, 0), adjusted(b, kind, theta, 0)]
        const plain = kind === "mean" ? mean(a) : ratio(a)
        const without = adjusted(a, kind, -theta, 0)
        if (first === undefined || second === undefined || plain === undefined || without === undefined) {
          return undefined
        }
        // var(y - t x) + var(y + t x) = 2 var(y) + 2 t^2 var(x), and var(y - t x) - var(y + t x) = -4 t cov(y, x).
        const shared = plain.variance + (first.variance - without.variance) / 4
        return {
          a: first,
          b: second,
          baseline: {
            value: plain.value,
            variance: plain.variance,
            covariance: shared,
            // For means the reference takes the variance at the lift that is not adjusted.
            ...(kind === "mean" ? { slope: (mean(b).value - plain.value) / plain.value } : {})
          }
        }
      }
      default:
        return { a: mean(a), b: mean(b) }
    }
  }

  const overN = (self: Moments): Moments => ({
    ...self,
    covariance: self.covariance.map((row) => row.map((value) => (value * (self.n - 1)) / self.n))
  })

  it("matches the recorded vectors of the fixed-horizon tests to 1e-9, p-values to 1e-7", () => {
    if (!isPresent()) return
    const cases = read("gbstats-recorded.json", Schema.Array(Case))
    const counts = { passed: 0, srm: 0, refused: 0, underflow: 0, later: 0 }
    const wrong: Array<string> = []
    for (const { from, input, kind, output } of cases) {
      if (kind === "srm") {
        // Recorded with an older scipy: its p has ten digits.
        const { p } = sampleRatio([{ units: input.users ?? [], weights: input.weights ?? [] }])
        const expected = Schema.decodeUnknownSync(Schema.Finite)(output)
        counts.srm++
        const zeroWeight = input.weights?.some((weight) => weight === 0) ?? false
        if (!zeroWeight && !(errorOf(p, expected) < 1e-7)) wrong.push(`${from}: srm ${p}, not ${expected}`)
        continue
      }
      const [strata] = [input.stats ?? []]
      const type = String(strata[0]?.[0]?.["_type"])
      const isFixed =
        kind === "moments" || (kind === "frequentist" && !(input.class ?? "").startsWith("Sequential"))
      if (
        !isFixed ||
        type === "QuantileStatistic" ||
        (strata.length > 1 && input.config?.post_stratify === true)
      ) {
        counts.later++
        continue
      }
      const arms = [0, 1].map((arm) =>
        strata.map((pair) => read4(decodeStatistic(pair[arm]))).reduce((sum, next) => pooled(sum, next))
      )
      let [control, treatment] = arms
      const recorded = decodeOutput(output)
      if (control === undefined || treatment === undefined) continue
      let theta = decodeStatistic(strata[0]?.[0]).theta ?? undefined
      const refused = (recorded.error_message ?? recorded.errorMessage ?? null) !== null
      const counted = strata[0]?.[0]?.["post_statistic"]
      if (typeof counted === "object" && JSON.stringify(counted).includes("ProportionStatistic")) {
        // The reference divides by n: theta is a quotient, so only the variances change.
        theta ??= coefficient(control, treatment, "mean")
        control = overN(control)
        treatment = overN(treatment)
      }
      const estimates = estimatesOf(type, control, treatment, theta)
      const sides: Sides =
        input.class === "OneSidedTreatmentGreaterTTest"
          ? "greater"
          : input.class === "OneSidedTreatmentLesserTTest"
            ? "less"
            : "two"
      const relative = input.relative ?? input.config?.difference_type === "relative"
      const alpha = input.config?.alpha ?? 0.05
      const result =
        estimates === undefined
          ? undefined
          : relative
            ? delta(estimates.a, estimates.b, alpha, sides, estimates.baseline)
            : difference(estimates.a, estimates.b, alpha, sides)
      if (refused) {
        // The reference also refuses a baseline below 0; ours is over |baseline|.
        counts.refused++
        continue
      }
      const expected: ReadonlyArray<readonly [string, number, number, number]> =
        result === undefined
          ? []
          : [
              ["estimate", result.estimate, recorded.point_estimate ?? recorded.expected ?? NaN, 1e-9],
              [
                "error",
                result.standardError,
                recorded.standard_error ?? recorded.uplift?.stddev ?? NaN,
                1e-9
              ],
              ...(recorded.ci ?? []).flatMap((bound, index) =>
                typeof bound === "number"
                  ? [["bound", (index === 0 ? result.low : result.high) ?? NaN, bound, 1e-9] as const]
                  : []
              ),
              ...(typeof recorded.pValue === "number" && recorded.pValue > 0
                ? [["p", result.p, recorded.pValue, 1e-7] as const]
                : [])
            ]
      if (recorded.pValue === 0) counts.underflow++
      const differing = expected.filter(
        ([, actual, value, tolerance]) =>
          !(errorOf(actual, value) < tolerance || Math.abs(actual - value) < tolerance)
      )
      if (result === undefined || differing.length > 0) {
        wrong.push(`${from} ${kind} ${type} ${relative}: ${JSON.stringify(differing)}`)
      } else counts.passed++
    }
    process.stdout.write(`gbstats-recorded: ${cases.length} cases, ${JSON.stringify(counts)}\n`)
    assert.deepStrictEqual(wrong, [])
    assert.deepInclude(counts, { passed: 92, srm: 10 })
  })
})
