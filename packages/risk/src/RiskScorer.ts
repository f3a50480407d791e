/**
 * A scorer: a logistic model over the features that rules read, as JSON. `hypermarket risk train` makes one from labels.
 *
 * Rules read its result as `probability`:
 *
 * ```cel
 * probability >= 0.8
 * ```
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Feature from "./Feature.ts"
import { SignalKind } from "./FraudSignal.ts"

/**
 * The most features of a scorer: each is read for every signal.
 *
 * @category limits
 * @since 0.1.0
 */
export const scorerFeaturesMax = 100

/**
 * The furthest mean and the widest deviation of an input: the logarithm of the largest sum is below 100.
 *
 * @category limits
 * @since 0.1.0
 */
export const scorerMeanMax = 1_000

/**
 * The smallest deviation of an input, as a trainer leaves out what never changes: by a smaller one the sum of the inputs could
 * overflow, and would have no probability.
 *
 * @category limits
 * @since 0.1.0
 */
export const scorerDeviationMin = 1e-9

/** A weight of a model that is far beyond every useful one: a probability of 0 or 1 for one deviation. */
const weightMax = 1_000

const Weight = Schema.Finite.check(Schema.isBetween({ minimum: -weightMax, maximum: weightMax }))

/**
 * The name of an input: a feature as decisions freeze it, such as `count(card,1h)`, or `amount`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const InputName = Schema.String.check(
  Schema.isMaxLength(100),
  Schema.makeFilter(
    (name: string) =>
      name === "amount" || Feature.fromName(name) !== undefined
        ? undefined
        : "Expected amount, or a feature such as count(card,1h)",
    { expected: "amount, or a feature" }
  )
)

/**
 * An input: the logarithm of one plus its value, less `mean`, in units of `deviation`, times `weight`. A missing one has the
 * value 0.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ScorerInput = Schema.Struct({
  name: InputName,
  mean: Schema.Finite.check(Schema.isBetween({ minimum: -scorerMeanMax, maximum: scorerMeanMax })),
  deviation: Schema.Finite.check(Schema.isBetween({ minimum: scorerDeviationMin, maximum: scorerMeanMax })),
  weight: Weight
})

/**
 * The model of the signals of some kinds. The sum of its inputs and `intercept` is calibrated as `slope * sum + offset`; the
 * logistic function of it is the probability that a signal is bad.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RiskScorer = Schema.Struct({
  format: Schema.Literal(1),
  kinds: Schema.Array(SignalKind).check(Schema.isMinLength(1), Schema.isMaxLength(7), Schema.isUnique()),
  intercept: Weight,
  slope: Weight.check(Schema.isGreaterThan(0)),
  offset: Weight,
  inputs: Schema.Array(ScorerInput).check(Schema.isMinLength(1), Schema.isMaxLength(scorerFeaturesMax))
})

/**
 * @category models
 * @since 0.1.0
 */
export type RiskScorer = typeof RiskScorer.Type

/**
 * A probability, and the inputs that raised it most, as codes such as `SCORE_COUNT_CARD_1H`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Score = Schema.Struct({ probability: Schema.Finite, reasons: Schema.Array(Schema.String) })

/**
 * @category models
 * @since 0.1.0
 */
export type Score = typeof Score.Type

/** The reasons of a score: more than a person reads. */
const reasonsMax = 3

/**
 * Returns the code of an input in the reasons of a score.
 *
 * @category accessors
 * @since 0.1.0
 */
export const reasonOf = (name: string): string =>
  `SCORE_${name
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, "_")
    .replace(/_$/, "")}`

/**
 * Returns an input's value before it is scaled: counts and amounts have long tails, which a logarithm shortens.
 *
 * @category accessors
 * @since 0.1.0
 */
export const inputOf = (value: string | number | undefined | null): number => {
  const number = Number(value ?? 0)
  return number > 0 ? Math.log1p(number) : 0
}

/**
 * @category accessors
 * @since 0.1.0
 */
export const logistic = (sum: number): number =>
  sum >= 0 ? 1 / (1 + Math.exp(-sum)) : Math.exp(sum) / (1 + Math.exp(sum))

/**
 * Returns the probability that a signal is bad, from its features and amount.
 *
 * @category scoring
 * @since 0.1.0
 */
export const score = (scorer: RiskScorer, features: Feature.Values, amount: string | null): Score => {
  const parts = scorer.inputs.map(({ deviation, mean, name, weight }) => ({
    name,
    part: (weight * (inputOf(name === "amount" ? amount : features[name]) - mean)) / deviation
  }))
  const sum = parts.reduce((total, { part }) => total + part, scorer.intercept)
  return {
    probability: logistic(scorer.slope * sum + scorer.offset),
    reasons: parts
      .filter(({ part }) => part > 0)
      .toSorted((left, right) => right.part - left.part)
      .slice(0, reasonsMax)
      .map(({ name }) => reasonOf(name))
  }
}
