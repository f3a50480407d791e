/**
 * The outcome of a flag for one context, and its explanation. The service is `FlagEvaluations`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The attributes of the customer or request that a flag is evaluated for: JSON. `targetingKey` is the customer's id.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = { readonly [name: string]: unknown }

/**
 * - `STATIC`: the environment has no rules.
 * - `TARGETING_MATCH`: a rule applies to everyone who fulfils it.
 * - `SPLIT`: the customer's bucket decided, by a rule's percentage or by weights.
 * - `DEFAULT`: no rule applies.
 * - `DISABLED`: the flag is off, or a prerequisite of it is not met.
 * - `ERROR`: see `errorCode`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Literals(["STATIC", "TARGETING_MATCH", "SPLIT", "DEFAULT", "DISABLED", "ERROR"])

/**
 * - `FLAG_NOT_FOUND`: the environment has no such flag.
 * - `TARGETING_KEY_MISSING`: the flag requires a targeting key.
 * - `PARSE_ERROR`: the stored definition cannot be evaluated. A rule that is broken is never skipped.
 * - `GENERAL`: a prerequisite cannot be evaluated.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ErrorCode = Schema.Literals([
  "FLAG_NOT_FOUND",
  "TARGETING_KEY_MISSING",
  "PARSE_ERROR",
  "GENERAL"
])

const EvaluationSchema = Schema.Struct({
  flagKey: Schema.String,
  /** Absent when the caller's code has the value: the flag names none, or an error. */
  value: Schema.optionalKey(Schema.Json),
  variant: Schema.optionalKey(Schema.String),
  reason: Reason,
  ruleId: Schema.optionalKey(Schema.String),
  errorCode: Schema.optionalKey(ErrorCode),
  errorDetails: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "FlagEvaluation" })

/**
 * @category schemas
 * @since 0.1.0
 */
export { EvaluationSchema as FlagEvaluation }

/**
 * @category models
 * @since 0.1.0
 */
export type FlagEvaluation = typeof EvaluationSchema.Type

/**
 * Why a rule does or does not apply.
 *
 * - `applies`: it decides, unless one before it does.
 * - `condition`, `prerequisite`: not fulfilled.
 * - `no unit`: the attribute that is put into a bucket is missing or empty.
 * - `bucket`: the customer is not within the percentage.
 * - `broken`: the rule cannot be evaluated.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RuleOutcome = Schema.Literals([
  "applies",
  "condition",
  "prerequisite",
  "no unit",
  "bucket",
  "broken"
])

/**
 * Every rule of a flag with its outcome, also those after the one that decided.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagExplanation = Schema.Struct({
  evaluation: EvaluationSchema,
  environment: Schema.String,
  /** The revision of the environment's flags that was evaluated. */
  revision: Schema.String,
  rules: Schema.Array(
    Schema.Struct({
      ruleId: Schema.String,
      outcome: RuleOutcome,
      /** True for the rule that decided. */
      decided: Schema.Boolean,
      /** The rollout bucket in [0, 1). */
      bucket: Schema.optionalKey(Schema.Finite),
      /** Each part of the condition with its outcome. */
      condition: Schema.optionalKey(Schema.Json),
      prerequisites: Schema.optionalKey(
        Schema.Array(Schema.Struct({ evaluation: EvaluationSchema, isMet: Schema.Boolean }))
      ),
      errorDetails: Schema.optionalKey(Schema.String)
    })
  )
}).annotate({ identifier: "FlagExplanation" })

/**
 * @category models
 * @since 0.1.0
 */
export type FlagExplanation = typeof FlagExplanation.Type
