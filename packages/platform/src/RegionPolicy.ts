/**
 * Region policies: rules of law as dated data. A policy allows, denies, requires or sets a value for actions within a scope, with its
 * legal basis and source.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Condition from "@hypermarket/core/Condition"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Instant from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import { TenantId } from "@hypermarket/core/Tenant"
import * as Text from "@hypermarket/core/Text"
import * as DateTime from "effect/DateTime"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * @category limits
 * @since 0.1.0
 */
export const limits = {
  /** Current policies per owner: all of them are in memory. */
  policiesMax: 1_000,
  /** Questions of one dry run: it decides each of them twice. */
  questionsMax: 1_000
} as const

/**
 * @category schemas
 * @since 0.1.0
 */
export const RegionPolicyId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/platform/RegionPolicyId"))

/**
 * @category models
 * @since 0.1.0
 */
export type RegionPolicyId = typeof RegionPolicyId.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyKey = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9._-]{0,99}$/, {
    message: "Expected 1 to 100 of a-z, 0-9, ., _ and -, beginning with a letter or digit"
  })
)

/**
 * `<noun>.<verb>`, such as `listing.publish`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyAction = Schema.String.check(
  Schema.isMaxLength(100),
  Schema.isPattern(/^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/, {
    message: "Expected <noun>.<verb> in lower case, such as listing.publish"
  })
)

/** Codes of two countries that are often written and not assigned by ISO 3166-1. */
const mistaken: ReadonlyMap<string, string> = new Map([
  ["UK", "GB"],
  ["EL", "GR"]
])

const placePattern = /^[A-Z][A-Z0-9_]{1,15}(?:-[A-Z0-9]{1,3})?$/

/**
 * A place by its form: `GLOBAL`, a group of countries such as `EU`, an ISO 3166-1 alpha-2 code or an ISO 3166-2 code. `UK` and
 * `EL` are refused, naming `GB` and `GR`. Whether a code is assigned is the service's check: the lists have 260 KB, and a
 * browser loads this schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyRegion = Schema.String.check(
  Schema.makeFilter((code: string) => {
    const country = code.split("-")[0] ?? ""
    const assigned = mistaken.get(country)
    if (assigned !== undefined) {
      return `Expected ${assigned}${code.slice(country.length)}: ISO 3166-1 does not assign ${country}`
    }
    return placePattern.test(code)
      ? undefined
      : "Expected GLOBAL, a group such as EU, a country such as AT or a subdivision such as US-UT"
  })
)

const Name = Text.make({ max: 100 })
const Requirement = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9 and _, such as age_check"
  })
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyEffect = Schema.Literals(["allow", "deny", "require", "value"])

const fields = {
  description: Schema.optionalKey(Text.make({ max: 2_000 })),
  actions: Schema.Array(PolicyAction).check(Schema.isMinLength(1), Schema.isMaxLength(20)),
  /** @default GLOBAL */
  region: Schema.optionalKey(PolicyRegion),
  channel: Schema.optionalKey(Name),
  category: Schema.optionalKey(Name),
  /** Of the installation's policies: the one tenant that it binds. */
  tenant: Schema.optionalKey(TenantId),
  /**
   * - `deny`: the action is denied where the policy applies. A deny wins over everything.
   * - `allow`: within its channel and category, the action is denied wherever no `allow` applies.
   * - `require`: the action is allowed with the requirements.
   * - `value`: the most specific policy that applies sets the value.
   */
  effect: PolicyEffect,
  requirements: Schema.optionalKey(
    Schema.Array(Requirement).check(Schema.isMinLength(1), Schema.isMaxLength(20))
  ),
  value: Schema.optionalKey(Json.make({ bytesMax: 16_384, depthMax: 16 })),
  /** Over the attributes of the question. The policy applies without one. */
  condition: Schema.optionalKey(Condition.Schema),
  /** Decides between values of equally specific policies: the greater one wins. */
  priority: Schema.optionalKey(BoundedInt.make({ minimum: 0, maximum: 1_000 })),
  /** The first instant at which it is in force; since ever without it. */
  effectiveFrom: Schema.optionalKey(Instant.Instant),
  /** The first instant at which it is no longer in force; without an end by default. */
  effectiveUntil: Schema.optionalKey(Instant.Instant),
  /** The law, such as `Utah Code 32B-1-201`. */
  legalBasis: Text.make({ max: 500 }),
  /** Where it can be read. */
  source: Text.make({ max: 2_000 })
}

const isWhole = Schema.makeFilter(
  (policy: {
    readonly effect: typeof PolicyEffect.Type
    readonly requirements?: ReadonlyArray<string>
    readonly value?: Schema.Json
    readonly effectiveFrom?: DateTime.Utc
    readonly effectiveUntil?: DateTime.Utc
  }) => {
    if ((policy.effect === "require") !== (policy.requirements !== undefined)) {
      return {
        path: ["requirements"],
        issue: "Expected requirements for the effect require, and for no other"
      }
    }
    if ((policy.effect === "value") !== (policy.value !== undefined)) {
      return { path: ["value"], issue: "Expected a value for the effect value, and for no other" }
    }
    if (
      policy.effectiveFrom !== undefined &&
      policy.effectiveUntil !== undefined &&
      DateTime.isGreaterThanOrEqualTo(policy.effectiveFrom, policy.effectiveUntil)
    ) {
      return {
        path: ["effectiveUntil"],
        issue: "Expected an instant after effectiveFrom: the interval is empty"
      }
    }
    return undefined
  }
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const NewRegionPolicy = Schema.Struct({ policyKey: PolicyKey, ...fields }).check(isWhole)

/**
 * @category models
 * @since 0.1.0
 */
export type NewRegionPolicy = typeof NewRegionPolicy.Type

/**
 * The whole policy but its key, which stays.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RegionPolicyChange = Schema.Struct(fields).check(isWhole)

/**
 * @category models
 * @since 0.1.0
 */
export type RegionPolicyChange = typeof RegionPolicyChange.Type

/**
 * One version of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export class RegionPolicy extends Schema.Class<RegionPolicy>("@hypermarket/platform/RegionPolicy")({
  policyId: RegionPolicyId,
  policyKey: PolicyKey,
  ...fields,
  region: Schema.String,
  priority: Schema.Int,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  /** When a later version, or the removal, replaced it. */
  supersededAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

const Attributes = Schema.Record(Schema.String, Schema.Json)

/**
 * The subject of a decision, such as the id of a listing.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyReference = Text.make({ max: 200 })

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyQuestion = Schema.Struct({
  action: PolicyAction,
  /** Where it is done. Without a region every place of the world is possible. */
  region: Schema.optionalKey(PolicyRegion),
  channel: Schema.optionalKey(Name),
  category: Schema.optionalKey(Name),
  attributes: Schema.optionalKey(Attributes),
  /** The subject, such as the id of a listing. A decision with a reference is in the log whatever it is. */
  reference: Schema.optionalKey(PolicyReference),
  /** The instant at which the policies are in force. @default the current time */
  at: Schema.optionalKey(Instant.Instant),
  /** The instant at which the policies were recorded. @default the current time */
  knownAt: Schema.optionalKey(Instant.Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type PolicyQuestion = typeof PolicyQuestion.Type

/**
 * @category models
 * @since 0.1.0
 */
export const RegionDecision = Schema.Struct({
  effect: Schema.Literals(["allow", "deny"]),
  value: Schema.optionalKey(Schema.Json),
  /** Requirements of an allowed action, in alphabetical order. */
  requires: Schema.Array(Schema.String),
  /** The policies that led to it, in the order of their ids. */
  because: Schema.Array(
    Schema.Struct({
      policyId: Schema.String,
      policyKey: Schema.String,
      version: Schema.Int,
      legalBasis: Schema.String,
      source: Schema.String
    })
  ),
  /** True when something unknown decided: a missing attribute, an unknown place, a policy that cannot be read. */
  undetermined: Schema.Boolean,
  /** Of the policies that it was made with, as text. */
  revision: Schema.String
}).annotate({ identifier: "RegionDecision" })

/**
 * @category models
 * @since 0.1.0
 */
export type RegionDecision = typeof RegionDecision.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const PolicyDryRun = Schema.Struct({
  policy: NewRegionPolicy,
  questions: Schema.Array(PolicyQuestion).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(limits.questionsMax)
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type PolicyDryRun = typeof PolicyDryRun.Type

/**
 * The decisions with the policy, against those without it.
 *
 * @category models
 * @since 0.1.0
 */
export class PolicyDryRunReport extends Schema.Class<PolicyDryRunReport>(
  "@hypermarket/platform/PolicyDryRunReport"
)({
  questions: Schema.Int,
  deniedBefore: Schema.Int,
  deniedAfter: Schema.Int,
  /** Questions whose decision changes, by their place in the request; at most 100. */
  changed: Schema.Array(
    Schema.Struct({ question: Schema.Int, before: RegionDecision, after: RegionDecision })
  ),
  changedCount: Schema.Int
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class PolicyNotFound extends HttpApiError.Problem<PolicyNotFound>()(
  "PolicyNotFound",
  {
    type: "urn:hypermarket:problem:platform:policy-not-found",
    status: 404,
    title: "No such policy"
  },
  { policyKey: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class PolicyExists extends HttpApiError.Problem<PolicyExists>()(
  "PolicyExists",
  {
    type: "urn:hypermarket:problem:platform:policy-exists",
    status: 409,
    title: "A policy has this key"
  },
  { policyKey: Schema.String }
) {}

/**
 * Two values could apply to one question, and neither is more specific or of a greater priority.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyTie extends HttpApiError.Problem<PolicyTie>()(
  "PolicyTie",
  {
    type: "urn:hypermarket:problem:platform:policy-tie",
    status: 409,
    title: "Another value is equally specific and has the same priority"
  },
  { policyKeys: Schema.Array(Schema.String) }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class PolicyInvalid extends HttpApiError.Problem<PolicyInvalid>()(
  "PolicyInvalid",
  {
    type: "urn:hypermarket:problem:platform:policy-invalid",
    status: 422,
    title: "The policy cannot be evaluated"
  },
  {
    errors: Schema.Array(
      Schema.Struct({
        path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
        message: Schema.String
      })
    )
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class PolicyLimitReached extends HttpApiError.Problem<PolicyLimitReached>()(
  "PolicyLimitReached",
  {
    type: "urn:hypermarket:problem:platform:policy-limit-reached",
    status: 409,
    title: "The owner has as many policies as it may have"
  },
  { limit: Schema.Int }
) {}
