/**
 * The feature flag: schemas. The service is `FeatureFlags`, `FlagProblems` has its errors, and `FlagEvaluations` evaluates.
 *
 * @since 0.1.0
 */
import * as Actor from "@hypermarket/core/Actor"
import * as Condition from "@hypermarket/core/Condition"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"

const text = (charactersMax: number) => Text.make({ max: charactersMax })

/**
 * Bounds of flags. At each of them a change is refused, and the error names the field.
 *
 * @category limits
 * @since 0.1.0
 */
export const limits = {
  /** Active flags per tenant: a snapshot of them is a few MB and compiles in well under a second. */
  flagsMax: 2_000,
  /** Segments per tenant, each compiled with the flags that use it. */
  segmentsMax: 1_000,
  /** Environments per flag: far above development, staging and one per region. */
  environmentsMax: 20,
  /** Rules per environment. They are tried in order, so that each costs every evaluation. */
  rulesMax: 100,
  variantsMax: 50,
  prerequisitesMax: 16,
  /** Bytes of a variant's value as JSON: configuration fits, a document does not. */
  valueBytesMax: 65_536,
  /** Levels of a variant's value. */
  valueDepthMax: 32,
  /** Versions kept per flag. The oldest is deleted when a newer one is written. */
  versionsMax: 500
} as const

/**
 * The key of a flag, as an SDK names it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagKey = text(200)

/**
 * The name of an environment. `live` is the environment of a key that names none.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Environment = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]{1,64}$/, { message: "Expected 1 to 64 of a-z, 0-9, - and _" })
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const Kind = Schema.Literals(["boolean", "string", "number", "json"])

/**
 * How a customer is put into a bucket: `murmur3` is ours, `gb_v2` and `unleash` find the buckets of those SDKs.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Hashing = Schema.Literals(["murmur3", "gb_v2", "unleash"])

const VariantName = text(100)

const Value = Json.make({ bytesMax: limits.valueBytesMax, depthMax: limits.valueDepthMax })

/**
 * A value that a flag can have, and its name.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagVariant = Schema.Struct({ name: VariantName, value: Value }).annotate({
  identifier: "FlagVariant"
})

const isThousandths = (value: number): boolean => Math.abs(value * 1_000 - Math.round(value * 1_000)) < 1e-6

/**
 * A share in percent, in steps of 0.001.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Percentage = Schema.Finite.check(
  Schema.isBetween({ minimum: 0, maximum: 100 }),
  Schema.makeFilter((value: number) => (isThousandths(value) ? undefined : "Expected steps of 0.001"))
)

const wholeThousandths = 100_000

const Weights = Schema.Array(Schema.Struct({ variant: VariantName, weight: Percentage })).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(limits.variantsMax),
  Schema.makeFilter((weights: ReadonlyArray<{ readonly variant: string; readonly weight: number }>) =>
    weights.reduce((sum, { weight }) => sum + Math.round(weight * 1_000), 0) === wholeThousandths
      ? undefined
      : "Expected weights that add up to 100"
  ),
  Schema.makeFilter((weights: ReadonlyArray<{ readonly variant: string; readonly weight: number }>) =>
    new Set(weights.map(({ variant }) => variant)).size === weights.length
      ? undefined
      : "Expected each variant once"
  )
)

/**
 * One variant for everyone, or variants by weight. Weights are percentages and add up to 100.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagServe = Schema.Union([
  Schema.Struct({ variant: VariantName }),
  Schema.Struct({ weights: Weights })
]).annotate({ identifier: "FlagServe" })

/**
 * @category models
 * @since 0.1.0
 */
export type FlagServe = typeof FlagServe.Type

/**
 * Another flag of the same environment that must serve one of these variants.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagPrerequisite = Schema.Struct({
  flag: FlagKey,
  variants: Schema.Array(VariantName).check(Schema.isMinLength(1), Schema.isMaxLength(limits.variantsMax))
}).annotate({ identifier: "FlagPrerequisite" })

const Prerequisites = Schema.Array(FlagPrerequisite).check(Schema.isMaxLength(limits.prerequisitesMax))

/**
 * A rule. It applies when its condition and prerequisites hold and the customer is within `percentage`; the first rule that
 * applies decides. `by` names the attribute that is put into a bucket, `targetingKey` by default; without it a rule with
 * `percentage` or weights does not apply. `salt` replaces the flag's salt.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagRule = Schema.Struct({
  ruleId: text(64),
  description: Schema.optionalKey(text(500)),
  condition: Schema.optionalKey(Condition.Schema),
  prerequisites: Schema.optionalKey(Prerequisites),
  percentage: Schema.optionalKey(Percentage),
  by: Schema.optionalKey(text(200)),
  salt: Schema.optionalKey(text(200)),
  serve: FlagServe
}).annotate({ identifier: "FlagRule" })

/**
 * @category models
 * @since 0.1.0
 */
export type FlagRule = typeof FlagRule.Type

const Rules = Schema.Array(FlagRule).check(
  Schema.isMaxLength(limits.rulesMax),
  Schema.makeFilter((rules: ReadonlyArray<{ readonly ruleId: string }>) =>
    new Set(rules.map(({ ruleId }) => ruleId)).size === rules.length ? undefined : "Expected each ruleId once"
  )
)

/**
 * A flag in one environment.
 *
 * - `isEnabled`: false serves `offVariant`, or leaves the value to the caller's code.
 * - `rules`: tried in order.
 * - `otherwise`: for those that no rule applies to; null leaves the value to the caller's code.
 * - `prerequisites`: while one is not met, the flag is off.
 * - `requiresTargetingKey`: a request without a targeting key is an error.
 * - `hasPublicRules`: rules may be sent to clients that anybody can read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagEnvironment = Schema.Struct({
  isEnabled: Schema.Boolean,
  rules: Rules,
  otherwise: Schema.NullOr(FlagServe),
  offVariant: Schema.optionalKey(VariantName),
  prerequisites: Schema.optionalKey(Prerequisites),
  requiresTargetingKey: Schema.optionalKey(Schema.Boolean),
  hasPublicRules: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "FlagEnvironment" })

/**
 * @category models
 * @since 0.1.0
 */
export type FlagEnvironment = typeof FlagEnvironment.Type

const Environments = Schema.Record(Environment, FlagEnvironment).check(
  Schema.makeFilter((environments: { readonly [name: string]: unknown }) =>
    Object.keys(environments).length <= limits.environmentsMax
      ? undefined
      : `Expected at most ${limits.environmentsMax} environments`
  )
)

const Variants = Schema.Array(FlagVariant).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(limits.variantsMax),
  Schema.makeFilter((variants: ReadonlyArray<{ readonly name: string }>) =>
    new Set(variants.map(({ name }) => name)).size === variants.length ? undefined : "Expected each name once"
  )
)

const metadataMax = 20

/** Texts, numbers and booleans that SDKs show beside a value. */
const Metadata = Schema.Record(
  text(64),
  Schema.Union([Text.make({ max: 500, min: 0 }), Schema.Finite, Schema.Boolean])
).check(
  Schema.makeFilter((metadata: { readonly [name: string]: unknown }) =>
    Object.keys(metadata).length <= metadataMax ? undefined : `Expected at most ${metadataMax} entries`
  )
)

const content = {
  description: Schema.NullOr(text(2_000)),
  variants: Variants,
  metadata: Metadata,
  owner: Schema.NullOr(text(200)),
  expiresAt: Schema.NullOr(Instant),
  environments: Environments
}

/**
 * A flag with its state in every environment that it is in. `version` counts every change of any of them.
 *
 * @category models
 * @since 0.1.0
 */
export class FeatureFlag extends Schema.Class<FeatureFlag>("@hypermarket/platform/FeatureFlag")({
  flagKey: FlagKey,
  kind: Kind,
  ...content,
  salt: text(200),
  hashing: Hashing,
  status: Schema.Literals(["active", "archived"]),
  archivedReason: Schema.NullOr(text(500)),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * A new flag. Without `variants` a boolean flag has `on` and `off`. `salt` is the key by default, and `hashing` is `murmur3`;
 * neither changes later.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewFeatureFlag = Schema.Struct({
  flagKey: FlagKey,
  kind: Kind,
  description: Schema.optionalKey(text(2_000)),
  variants: Schema.optionalKey(Variants),
  metadata: Schema.optionalKey(Metadata),
  salt: Schema.optionalKey(text(200)),
  hashing: Schema.optionalKey(Hashing),
  owner: Schema.optionalKey(text(200)),
  expiresAt: Schema.optionalKey(Instant),
  environments: Schema.optionalKey(Environments)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewFeatureFlag = typeof NewFeatureFlag.Type

/**
 * The fields to change; what is absent stays. A new `flagKey` is a rename, which keeps the salt.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagChange = Schema.Struct({
  flagKey: Schema.optionalKey(FlagKey),
  description: Schema.optionalKey(content.description),
  variants: Schema.optionalKey(Variants),
  metadata: Schema.optionalKey(Metadata),
  owner: Schema.optionalKey(content.owner),
  expiresAt: Schema.optionalKey(content.expiresAt)
})

/**
 * @category models
 * @since 0.1.0
 */
export type FlagChange = typeof FlagChange.Type

/**
 * The content of a version of a flag: everything that a rollback restores.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagDefinition = Schema.Struct(content)

/**
 * @category models
 * @since 0.1.0
 */
export type FlagDefinition = typeof FlagDefinition.Type

/**
 * A version of a flag, and who made it.
 *
 * @category models
 * @since 0.1.0
 */
export class FlagVersion extends Schema.Class<FlagVersion>("@hypermarket/platform/FlagVersion")({
  version: Schema.Int,
  definition: FlagDefinition,
  actor: Actor.Schema,
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The differences between two versions as a JSON Patch (RFC 6902) from the first to the second.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FlagDiff = Schema.Struct({
  from: Schema.Int,
  to: Schema.Int,
  patch: Schema.Array(Schema.Json)
}).annotate({ identifier: "FlagDiff" })

const Reason = text(500)

/**
 * @category schemas
 * @since 0.1.0
 */
export const FlagReason = Schema.Struct({ reason: Reason })

/**
 * @category schemas
 * @since 0.1.0
 */
export const FlagRollback = Schema.Struct({ version: Schema.Int.check(Schema.isGreaterThan(0)) })
