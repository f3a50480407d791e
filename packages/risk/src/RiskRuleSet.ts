/**
 * Rule sets: immutable versions of a tenant's rules, the attributes that rules read, and which version is live.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { EntityKind, SignalKind } from "./FraudSignal.ts"
import { RiskScorer } from "./RiskScorer.ts"

/**
 * The outcomes of a decision, from the mildest to the gravest.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome = Schema.Literals(["allow", "challenge", "review", "hold", "block"])

/**
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * The most rules of a version. With the bounds of a rule, checking them all ends within a second.
 *
 * @category limits
 * @since 0.1.0
 */
export const rulesMax = 500

/** Bounds a score: 500 rules of this weight stay within an integer. */
const weightMax = 1_000

/** Longer ones are refused by the parser with its own message. */
const expressionMaxCharacters = 4_096

/**
 * The name of a rule, by which it is snoozed and counted over versions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RuleKey = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_-]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9, _ and -, beginning with a letter"
  })
)

/**
 * The reason that the shop reads, such as `CARD_TESTING`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReasonCode = Schema.String.check(
  Schema.isPattern(/^[A-Z][A-Z0-9_]{0,63}$/, {
    message: "Expected 1 to 64 of A-Z, 0-9 and _, beginning with a letter"
  })
)

const Weight = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: weightMax }))

/**
 * A rule. It fires when its expression is true: it adds its `weight` to the score, and the outcome is at least `outcome`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Rule = Schema.Struct({
  key: RuleKey,
  expression: Text.make({ max: expressionMaxCharacters }),
  reason: ReasonCode,
  weight: Schema.optionalKey(Weight),
  outcome: Schema.optionalKey(Outcome),
  /** The kinds of signals it concerns; all without. */
  kinds: Schema.optionalKey(Schema.Array(SignalKind).check(Schema.isMinLength(1), Schema.isMaxLength(7)))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Rule = typeof Rule.Type

const Threshold = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: rulesMax * weightMax }))

/**
 * The scores from which on an outcome is at least this one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Thresholds = Schema.Struct({
  challenge: Schema.optionalKey(Threshold),
  review: Schema.optionalKey(Threshold),
  hold: Schema.optionalKey(Threshold),
  block: Schema.optionalKey(Threshold)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Thresholds = typeof Thresholds.Type

/**
 * A version to be made. `strict` names the entities, one or several, whose signals are decided one after another, so that none
 * of a burst is missed. A signal waits for each of its entities of these kinds.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewRuleSet = Schema.Struct({
  rules: Schema.Array(Rule).check(Schema.isMaxLength(rulesMax)),
  thresholds: Schema.optionalKey(Thresholds),
  strict: Schema.optionalKey(
    Schema.Union([
      EntityKind,
      Schema.Array(EntityKind).check(Schema.isUnique(), Schema.isMaxLength(EntityKind.literals.length))
    ])
  ),
  /** The model whose result rules read as `probability`. */
  scorer: Schema.optionalKey(RiskScorer),
  note: Schema.optionalKey(Text.make({ max: 500 }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewRuleSet = typeof NewRuleSet.Type

/**
 * @category models
 * @since 0.1.0
 */
export class RiskRuleSet extends Schema.Class<RiskRuleSet>("@hypermarket/risk/RiskRuleSet")({
  version: Schema.Int,
  note: Schema.String,
  rules: Schema.Array(Rule),
  thresholds: Thresholds,
  /** Empty where no signal waits for another one. */
  strict: Schema.Array(EntityKind),
  scorer: Schema.NullOr(RiskScorer),
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The most versions in shadow: each costs as much time as the live one.
 *
 * @category limits
 * @since 0.1.0
 */
export const shadowMax = 5

/**
 * Which versions decide: the live one, and those that are evaluated beside it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RuleSetChoice = Schema.Struct({
  live: Schema.NullOr(BoundedInt.PositiveInt4),
  shadow: Schema.optionalKey(
    Schema.Array(BoundedInt.PositiveInt4).check(Schema.isMaxLength(shadowMax), Schema.isUnique())
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type RuleSetChoice = typeof RuleSetChoice.Type

/**
 * @category models
 * @since 0.1.0
 */
export class RiskRuleState extends Schema.Class<RiskRuleState>("@hypermarket/risk/RiskRuleState")({
  /** The revision of the choice, as `If-Match` takes it. */
  version: Schema.Int,
  newest: Schema.Int,
  live: Schema.NullOr(Schema.Int),
  shadow: Schema.Array(Schema.Int)
}) {}

/**
 * Types of attributes. Counts and amounts are `int`, rates `double`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AttributeType = Schema.Literals([
  "bool",
  "int",
  "double",
  "string",
  "timestamp",
  "list(string)",
  "list(int)",
  "map(string, string)",
  "dyn"
])

/**
 * @category models
 * @since 0.1.0
 */
export type AttributeType = typeof AttributeType.Type

/**
 * An attribute that signals of a kind may have. Rules read it as `attributes.<name>`.
 *
 * @category models
 * @since 0.1.0
 */
export class RiskAttribute extends Schema.Class<RiskAttribute>("@hypermarket/risk/RiskAttribute")({
  kind: SignalKind,
  name: Schema.String.check(
    Schema.isPattern(/^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/, {
      message: "Expected 1 to 64 letters, digits and _, beginning with a letter or _"
    })
  ),
  type: AttributeType
}) {}

/**
 * The most attributes of a tenant.
 *
 * @category limits
 * @since 0.1.0
 */
export const attributesMax = 200

/**
 * @category schemas
 * @since 0.1.0
 */
export const Attributes = Schema.Array(RiskAttribute).check(Schema.isMaxLength(attributesMax))

/**
 * The version is refused. Each mistake has the rule, and its place in the expression when it is there; lines and columns
 * count from 1.
 *
 * @category errors
 * @since 0.1.0
 */
export class RuleSetInvalid extends HttpApiError.Problem<RuleSetInvalid>()(
  "RuleSetInvalid",
  { type: "urn:hypermarket:problem:risk:rule-set-invalid", status: 422, title: "Rules are not valid" },
  {
    errors: Schema.Array(
      Schema.Struct({
        path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
        rule: Schema.String,
        message: Schema.String,
        line: Schema.Int,
        column: Schema.Int
      })
    )
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class RuleSetNotFound extends HttpApiError.Problem<RuleSetNotFound>()(
  "RuleSetNotFound",
  { type: "urn:hypermarket:problem:risk:rule-set-not-found", status: 404, title: "Not found" },
  { version: Schema.Int }
) {}

/**
 * The tenant has as many versions as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class RuleSetLimit extends HttpApiError.Problem<RuleSetLimit>()(
  "RuleSetLimit",
  { type: "urn:hypermarket:problem:risk:rule-set-limit", status: 409, title: "Too many versions" },
  { versionsMax: Schema.Int }
) {}

/**
 * An attribute keeps its type, because stored rules and signals rely on it.
 *
 * @category errors
 * @since 0.1.0
 */
export class AttributeConflict extends HttpApiError.Problem<AttributeConflict>()(
  "AttributeConflict",
  {
    type: "urn:hypermarket:problem:risk:attribute-conflict",
    status: 409,
    title: "Attribute has another type"
  },
  { kind: Schema.String, name: Schema.String, declaredType: AttributeType }
) {}

/**
 * The tenant has as many attributes as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class AttributeLimit extends HttpApiError.Problem<AttributeLimit>()(
  "AttributeLimit",
  { type: "urn:hypermarket:problem:risk:attribute-limit", status: 409, title: "Too many attributes" },
  { attributesMax: Schema.Int }
) {}
