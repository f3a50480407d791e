/** Reads the cases that were recorded from GrowthBook's gbstats. */
import { Schema } from "effect"
import {
  adjusted,
  coefficient,
  mean,
  type Moments,
  proportion,
  quantile,
  ratio
} from "@hypermarket/experiments/internal/statistics/estimates"
import { read } from "./statisticsData.ts"

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
  theta: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  quantile_hat: Schema.optionalKey(Schema.Finite),
  quantile_lower: Schema.optionalKey(Schema.Finite),
  quantile_upper: Schema.optionalKey(Schema.Finite)
})
type Statistic = typeof Statistic.Type
const Prior = Schema.Struct({ mean: Schema.Finite, variance: Schema.Finite, proper: Schema.Boolean })
const Case = Schema.Struct({
  kind: Schema.String,
  input: Schema.Struct({
    class: Schema.optionalKey(Schema.String),
    relative: Schema.optionalKey(Schema.Boolean),
    sequential_tuning_parameter: Schema.optionalKey(Schema.Finite),
    rho: Schema.optionalKey(Schema.Finite),
    moments: Schema.optionalKey(
      Schema.Struct({ pairwise_sample_size: Schema.Finite, standard_error: Schema.Finite })
    ),
    vars: Schema.optionalKey(
      Schema.Struct({
        alpha: Schema.Finite,
        target_power: Schema.Finite,
        target_mde: Schema.Finite,
        sequential: Schema.Boolean,
        sequential_tuning_parameter: Schema.Finite,
        prior_effect: Schema.NullOr(Prior)
      })
    ),
    stats: Schema.optionalKey(Schema.Array(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))),
    config: Schema.optionalKey(
      Schema.Struct({
        difference_type: Schema.optionalKey(Schema.String),
        alpha: Schema.optionalKey(Schema.Finite),
        post_stratify: Schema.optionalKey(Schema.Boolean),
        inverse: Schema.optionalKey(Schema.Boolean),
        prior_effect: Schema.optionalKey(Prior)
      })
    ),
    users: Schema.optionalKey(Schema.Array(Schema.Finite)),
    weights: Schema.optionalKey(Schema.Array(Schema.Finite))
  }),
  output: Schema.Unknown,
  from: Schema.String
})
export const Output = Schema.Struct({
  point_estimate: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  standard_error: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  error_message: Schema.optionalKey(Schema.NullOr(Schema.String)),
  expected: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  ci: Schema.optionalKey(Schema.Array(Schema.NullOr(Schema.Union([Schema.Finite, Schema.String])))),
  uplift: Schema.optionalKey(Schema.NullOr(Schema.Struct({ stddev: Schema.Finite }))),
  errorMessage: Schema.optionalKey(Schema.NullOr(Schema.String)),
  pValue: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  chanceToWin: Schema.optionalKey(Schema.Finite),
  risk: Schema.optionalKey(Schema.Array(Schema.Finite)),
  scaling_factor: Schema.optionalKey(Schema.Finite)
})
export const decodeStatistic = Schema.decodeUnknownSync(Statistic)
export const decodeOutput = Schema.decodeUnknownSync(Output)

/** A sum without squares is of zeros and ones. */
const squares = (sum: Sum): number => sum.sum_squares ?? sum.sum

const momentsOf = (
  n: number,
  sums: ReadonlyArray<Sum | undefined>,
  product: (row: number, column: number) => number
): Moments => ({
  n,
  mean: sums.map((sum) => (n > 0 ? (sum?.sum ?? 0) / n : 0)),
  covariance: sums.map((first, row) =>
    sums.map((second, column) => {
      if (first === undefined || second === undefined) return 0
      const products = row === column ? squares(first) : product(Math.min(row, column), Math.max(row, column))
      return n > 1 ? (products - (first.sum * second.sum) / n) / (n - 1) : 0
    })
  )
})

export const read4 = (stat: Statistic): Moments => {
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
export const estimatesOf = (type: string, a: Moments, b: Moments, given: number | undefined) => {
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

export const overN = (self: Moments): Moments => ({
  ...self,
  covariance: self.covariance.map((row) => row.map((value) => (value * (self.n - 1)) / self.n))
})

export const cases = () => read("gbstats-recorded.json", Schema.Array(Case))

/** Both arms' quantiles with their intervals, which the reference has at 5 %. */
export const quantilesOf = (pair: ReadonlyArray<Record<string, unknown>>) => {
  const [a, b] = pair.map((stat) => {
    const {
      n,
      quantile_hat: value = 0,
      quantile_lower: low = 0,
      quantile_upper: high = 0
    } = decodeStatistic(stat)
    const estimate = quantile({ n, value, low, high, alpha: 0.05 })
    // The reference takes one of the units off its variance.
    return estimate === undefined ? undefined : { ...estimate, variance: (estimate.variance * (n - 1)) / n }
  })
  return a === undefined || b === undefined ? undefined : { a, b }
}

/** The estimates of one recorded pair of arms, of any type. */
export const estimatesOfPair = (pair: ReadonlyArray<Record<string, unknown>>) => {
  const type = String(pair[0]?.["_type"])
  if (type === "QuantileStatistic") return quantilesOf(pair)
  const [a, b] = pair.map((stat) => read4(decodeStatistic(stat)))
  if (a === undefined || b === undefined) return undefined
  return estimatesOf(type, a, b, decodeStatistic(pair[0]).theta ?? undefined)
}
