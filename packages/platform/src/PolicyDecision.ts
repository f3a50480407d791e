/**
 * Decisions by region policies as the log keeps them: what was asked, what was decided, and by which versions of policies.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Schema from "effect/Schema"
import { PolicyAction, PolicyKey, PolicyReference } from "./RegionPolicy.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyDecisionId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/platform/PolicyDecisionId"))

/**
 * A decision, or several equal ones of a few seconds. The attributes of their questions are not kept.
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyDecision extends Schema.Class<PolicyDecision>("@hypermarket/platform/PolicyDecision")({
  decisionId: PolicyDecisionId,
  /** Of the first of them. */
  decidedAt: Schema.DateTimeUtcFromString,
  lastDecidedAt: Schema.DateTimeUtcFromString,
  /** How many were equal; 1 for one that was made in a transaction with a reference. */
  decisions: Schema.Int,
  action: Schema.String,
  region: Schema.optionalKey(Schema.String),
  channel: Schema.optionalKey(Schema.String),
  category: Schema.optionalKey(Schema.String),
  /** The subject of the decision, such as the id of a listing. */
  reference: Schema.optionalKey(Schema.String),
  /** The time in force that the question named; that of the decision without it. */
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** The time of knowledge that the question named; that of the decision without it. */
  knownAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  effect: Schema.Literals(["allow", "deny"]),
  value: Schema.optionalKey(Schema.Json),
  requires: Schema.Array(Schema.String),
  /** The versions of policies that led to it. */
  because: Schema.Array(
    Schema.Struct({ policyId: Schema.String, policyKey: Schema.String, version: Schema.Int })
  ),
  undetermined: Schema.Boolean,
  /** Of the installation's policies, as text. */
  installationRevision: Schema.String,
  /** Of the tenant's policies, as text. */
  tenantRevision: Schema.String
}) {}

/**
 * Filters of the log.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyDecisionFilter = {
  action: Schema.optionalKey(PolicyAction),
  effect: Schema.optionalKey(Schema.Literals(["allow", "deny"])),
  /** Decisions that this policy led to. */
  policyKey: Schema.optionalKey(PolicyKey),
  reference: Schema.optionalKey(PolicyReference)
}

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyDecisionRequest = Schema.Struct({ ...Page.Request.fields, ...PolicyDecisionFilter })

/**
 * @category models
 * @since 0.1.0
 */
export interface PolicyDecisionRequest extends Page.Request {
  readonly action?: string
  readonly effect?: "allow" | "deny"
  readonly policyKey?: string
  readonly reference?: string
}
