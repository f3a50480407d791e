/**
 * A change of a flag that waits for an approval, for its time, or for both: schemas. The service is `FlagChangeRequests`.
 *
 * @since 0.1.0
 */
import * as Actor from "@hypermarket/core/Actor"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { Environment, FlagChange, FlagEnvironment, FlagKey, Percentage } from "./FeatureFlag.ts"

/**
 * Bounds of change requests.
 *
 * @category limits
 * @since 0.1.0
 */
export const limits = {
  /** Steps of one request: a ramp has some ten. */
  stepsMax: 50,
  /** Open requests per tenant. At the limit a new one is refused. */
  openMax: 1_000
} as const

/**
 * @category schemas
 * @since 0.1.0
 */
export const FlagRequestId = Identifier.Uuid

/**
 * The change that a step makes to the flag as it is then:
 *
 * - `state`: replaces the flag's state in an environment.
 * - `isEnabled`: turns the flag on or off in an environment, and leaves its rules.
 * - `ruleId` with `percentage`: moves a rule's rollout. Steps of one rule are a ramp.
 * - `change`: changes what all environments share.
 * - `rollBackTo`: restores a version.
 * - `archive`: removes the flag from every environment, for this reason.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagStepChange = Schema.Union([
  Schema.Struct({ environment: Environment, state: FlagEnvironment }),
  Schema.Struct({ environment: Environment, isEnabled: Schema.Boolean }),
  Schema.Struct({ environment: Environment, ruleId: Text.make({ max: 64 }), percentage: Percentage }),
  Schema.Struct({ change: FlagChange }),
  Schema.Struct({ rollBackTo: BoundedInt.PositiveInt4 }),
  Schema.Struct({ archive: Text.make({ max: 500 }) })
]).annotate({ identifier: "FlagStepChange" })

/**
 * @category models
 * @since 0.1.0
 */
export type FlagStepChange = typeof FlagStepChange.Type

/**
 * A step and its time. Without `at` it is applied when the request is approved.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagStep = Schema.Struct({ at: Schema.optionalKey(Instant), does: FlagStepChange }).annotate({
  identifier: "FlagStep"
})

/**
 * @category models
 * @since 0.1.0
 */
export type FlagStep = typeof FlagStep.Type

const isLater = (step: FlagStep, before: FlagStep): boolean =>
  step.at !== undefined && (before.at === undefined || DateTime.isLessThan(before.at, step.at))

const Steps = Schema.Array(FlagStep).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(limits.stepsMax),
  Schema.makeFilter((steps: ReadonlyArray<FlagStep>) =>
    steps.every((step, index) => {
      const before = steps[index - 1]
      return before === undefined || isLater(step, before)
    })
      ? undefined
      : "Expected a later `at` in each step than in the one before"
  ),
  Schema.makeFilter((steps: ReadonlyArray<FlagStep>) =>
    steps.slice(0, -1).some(({ does }) => "archive" in does) ? "Expected no step after `archive`" : undefined
  )
)

/**
 * A new request. `baseVersion` is the version of the flag that its author has seen.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewFlagChangeRequest = Schema.Struct({
  flagKey: FlagKey,
  baseVersion: BoundedInt.PositiveInt4,
  description: Schema.optionalKey(Text.make({ max: 2_000 })),
  steps: Steps
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewFlagChangeRequest = typeof NewFlagChangeRequest.Type

/**
 * - `pending`: waits for an approval.
 * - `scheduled`: waits for the time of its next step.
 * - `applied`: every step is in the flag.
 * - `conflict`: a step could not be applied, and `reason` says why. Steps before it are in the flag.
 * - `closed`: its author or a reviewer has ended it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagRequestStatus = Schema.Literals(["pending", "scheduled", "applied", "conflict", "closed"])

/**
 * A request. `baseVersion` is the version that the next step expects: it follows the request's own steps, and no other change.
 *
 * @category models
 * @since 0.1.0
 */
export class FlagChangeRequest extends Schema.Class<FlagChangeRequest>(
  "@hypermarket/platform/FlagChangeRequest"
)({
  requestId: FlagRequestId,
  flagKey: FlagKey,
  description: Schema.NullOr(Schema.String),
  baseVersion: Schema.Int,
  steps: Schema.Array(FlagStep),
  stepsDone: Schema.Int,
  status: FlagRequestStatus,
  reason: Schema.NullOr(Schema.String),
  dueAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  author: Actor.Schema,
  approver: Schema.NullOr(Actor.Schema),
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The rule of an environment: its flags change by approved requests alone, or freely. `version` is 0 until it is first set.
 *
 * @category models
 * @since 0.1.0
 */
export class FlagApprovalPolicy extends Schema.Class<FlagApprovalPolicy>(
  "@hypermarket/platform/FlagApprovalPolicy"
)({
  environment: Environment,
  requiresApproval: Schema.Boolean,
  version: Schema.Int
}) {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const FlagApprovalPolicyChange = Schema.Struct({ requiresApproval: Schema.Boolean })
