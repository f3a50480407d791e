/**
 * A decision about a signal, with its explanation.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
import * as Withheld from "@hypermarket/core/Withheld"
import { Instant } from "@hypermarket/core/Instant"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { NewSignal, SignalKind } from "./FraudSignal.ts"
import { Outcome, RuleKey } from "./RiskRuleSet.ts"
import { Score } from "./RiskScorer.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const DecisionId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/risk/DecisionId"))

/**
 * @category models
 * @since 0.1.0
 */
export type DecisionId = typeof DecisionId.Type

/**
 * The wait for a decision unless the caller states another one, in milliseconds: what a checkout can spare.
 *
 * @category limits
 * @since 0.1.0
 */
export const deadlineMillisDefault = 250

const deadlineMillisMax = 10_000

/**
 * How long the caller waits, and the outcome that it goes on with when no decision arrives by then.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DecideOptions = Schema.Struct({
  /** @default 250 */
  deadlineMillis: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: deadlineMillisMax }))
  ),
  /** @default "review" */
  fallback: Schema.optionalKey(Outcome)
})

/**
 * @category models
 * @since 0.1.0
 */
export type DecideOptions = typeof DecideOptions.Type

/**
 * A signal to be decided over HTTP.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DecisionRequest = Schema.Struct({ ...NewSignal.fields, ...DecideOptions.fields })

/**
 * The answer to a call. `fallback` is null for a decision; else it names why there is none yet, and `decisionId` is null: the
 * same key returns the decision later.
 *
 * @category models
 * @since 0.1.0
 */
export class RiskAnswer extends Schema.Class<RiskAnswer>("@hypermarket/risk/RiskAnswer")({
  outcome: Outcome,
  decisionId: Schema.NullOr(DecisionId),
  fallback: Schema.NullOr(Schema.Literals(["deadline", "unavailable"])),
  score: Schema.Int,
  reasons: Schema.Array(Schema.String),
  version: Schema.NullOr(Schema.Int)
}) {}

const FiredRule = Schema.Struct({
  rule: Schema.String,
  reason: Schema.String,
  weight: Schema.Int,
  outcome: Schema.NullOr(Outcome),
  values: Schema.Record(Schema.String, Schema.String)
})

/**
 * The verdict of a rule set on a signal.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Verdict = Schema.Struct({
  outcome: Outcome,
  score: Schema.Int,
  reasons: Schema.Array(Schema.String),
  fired: Schema.Array(FiredRule),
  errors: Schema.Array(Schema.Struct({ rule: Schema.String, reason: Schema.String, message: Schema.String })),
  snoozed: Schema.Array(Schema.String),
  overridden: Schema.NullOr(Outcome),
  /** The result of the version's scorer, where it has one. */
  scored: Schema.optionalKey(Score)
})

/**
 * All that rules could read when the decision was made.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Frozen = Schema.Struct({
  kind: SignalKind,
  subject: Schema.String,
  source: Schema.String,
  result: Schema.String,
  at: Schema.String,
  amount: Schema.NullOr(Schema.String),
  currency: Schema.NullOr(Schema.String),
  entities: Schema.Array(Schema.String),
  attributes: Schema.Record(Schema.String, Schema.Json),
  features: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number])),
  /** The names of distinct counts that stopped at 10,000: there are more. */
  capped: Schema.optionalKey(Schema.Array(Schema.String)),
  snoozed: Schema.Array(Schema.String),
  listed: Schema.NullOr(Schema.Literals(["allow", "block"]))
})

/**
 * The verdict of a version in shadow.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ShadowVerdict = Schema.Struct({ version: Schema.Int, outcome: Outcome, score: Schema.Int })

/**
 * A decision with its explanation. `observed` marks one of a fact: the order exists, and no caller waited.
 *
 * @category models
 * @since 0.1.0
 */
export class RiskDecision extends Schema.Class<RiskDecision>("@hypermarket/risk/RiskDecision")({
  decisionId: DecisionId,
  signalId: Schema.String,
  kind: SignalKind,
  subject: Schema.String,
  /** Counts the decisions of one signal from 1; the newest is in force. */
  number: Schema.Int,
  outcome: Outcome,
  observed: Schema.Boolean,
  version: Schema.NullOr(Schema.Int),
  verdict: Verdict,
  frozen: Frozen,
  shadow: Schema.Array(ShadowVerdict),
  latencyMicros: Schema.Int,
  occurredAt: Schema.DateTimeUtcFromString,
  recordedAt: Schema.DateTimeUtcFromString,
  ...Withheld.field
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class DecisionNotFound extends HttpApiError.Problem<DecisionNotFound>()(
  "DecisionNotFound",
  { type: "urn:hypermarket:problem:risk:decision-not-found", status: 404, title: "Not found" },
  { decisionId: Schema.String }
) {}

/**
 * A decision commits by itself: an order that is rolled back was still a try. Call `decide` before the transaction begins.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecisionInTransaction extends Schema.TaggedError<DecisionInTransaction>()(
  "DecisionInTransaction",
  {}
) {
  override get message(): string {
    return "A decision commits by itself and cannot join a transaction: call decide before it begins"
  }
}

/**
 * Labels: what turned out about a subject.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LabelName = Schema.Literals(["chargeback", "fraud", "abuse", "legitimate"])

/**
 * A label, and when it could be known: a backtest at an earlier time does not see it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewLabel = Schema.Struct({
  kind: SignalKind,
  subject: Identifier.AdopterId,
  label: LabelName,
  /** @default now */
  availableAt: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewLabel = typeof NewLabel.Type

/**
 * The health of a rule of the live version over its newest decisions.
 *
 * @category models
 * @since 0.1.0
 */
export class RuleHealth extends Schema.Class<RuleHealth>("@hypermarket/risk/RuleHealth")({
  rule: RuleKey,
  fired: Schema.Int,
  errors: Schema.Int,
  lastError: Schema.NullOr(Schema.String),
  /** Fired decisions whose subject has a label. */
  labelled: Schema.Int,
  /** Of them, those that were bad. */
  bad: Schema.Int
}) {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Text.make({ max: 500 })

/**
 * The installation has no key for secrets, so that no entity can be hashed. Its operator sets `HM_SECRETS_KEYS`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SecretsMissing extends HttpApiError.Problem<SecretsMissing>()("SecretsMissing", {
  type: "urn:hypermarket:problem:risk:secrets-missing",
  status: 503,
  title: "This installation has no key for secrets; its operator sets HM_SECRETS_KEYS"
}) {}
