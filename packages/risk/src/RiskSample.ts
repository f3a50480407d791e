/**
 * Decisions with their labels, from which a scorer is trained.
 *
 * @since 0.1.0
 */
import { Instant } from "@hypermarket/core/Instant"
import * as Page from "@hypermarket/core/Page"
import * as Schema from "effect/Schema"
import { SignalKind } from "./FraudSignal.ts"
import { DecisionId, LabelName } from "./RiskDecision.ts"

/**
 * The decisions that are asked for: those recorded from `from` until before `to`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SampleRequest = Schema.Struct({
  ...Page.Request.fields,
  from: Instant,
  to: Instant,
  kind: SignalKind
})

/**
 * @category models
 * @since 0.1.0
 */
export type SampleRequest = typeof SampleRequest.Type

/**
 * A decision as a sample: what was frozen in it, and its labels with the time at which each could be known.
 *
 * @category models
 * @since 0.1.0
 */
export class RiskSample extends Schema.Class<RiskSample>("@hypermarket/risk/RiskSample")({
  decisionId: DecisionId,
  recordedAt: Schema.DateTimeUtcFromString,
  /** In minor units. */
  amount: Schema.NullOr(Schema.String),
  features: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number])),
  labels: Schema.Array(Schema.Struct({ label: LabelName, availableAt: Schema.DateTimeUtcFromString }))
}) {}
