/** Rows of policies, and what they are to the engine and to callers. */
import * as Column from "@hypermarket/core/Column"
import * as Condition from "@hypermarket/core/Condition"
import { TenantId } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  type NewRegionPolicy,
  PolicyEffect,
  PolicyKey,
  RegionPolicy,
  type RegionPolicyChange,
  RegionPolicyId
} from "../RegionPolicy.ts"
import type { StoredPolicy } from "./engine.ts"

/** Lenient: what a newer release has stored is kept, and is unknown to the engine. */
const Definition = Schema.Struct({
  actions: Schema.Array(Schema.String),
  description: Schema.optionalKey(Schema.String),
  channel: Schema.optionalKey(Schema.String),
  category: Schema.optionalKey(Schema.String),
  tenant: Schema.optionalKey(Schema.String),
  requirements: Schema.optionalKey(Schema.Array(Schema.String)),
  value: Schema.optionalKey(Schema.Json),
  condition: Schema.optionalKey(Schema.Json),
  priority: Schema.Int
})

export const Row = Schema.Struct({
  policyId: Schema.String,
  policyKey: Schema.String,
  version: Schema.Int,
  effect: Schema.String,
  region: Schema.String,
  definition: Schema.fromJsonString(Definition),
  effectiveFrom: Schema.NullOr(Column.Timestamp),
  effectiveUntil: Schema.NullOr(Column.Timestamp),
  legalBasis: Schema.String,
  source: Schema.String,
  recordedAt: Column.Timestamp,
  supersededAt: Schema.NullOr(Column.Timestamp)
})

export type PolicyRow = typeof Row.Type

/** The columns of a row, as `Row` decodes them. */
export const columns = `
  policy_id::text AS "policyId", policy_key AS "policyKey", version, effect, region, definition::text AS definition,
  effective_from AS "effectiveFrom", effective_until AS "effectiveUntil", legal_basis AS "legalBasis", source,
  recorded_at AS "recordedAt", superseded_at AS "supersededAt"
`

const decodeEffect = Schema.decodeUnknownEffect(PolicyEffect)
const decodeCondition = Schema.decodeUnknownEffect(Condition.Schema)

/** As the engine takes it. */
export const toStored = (row: PolicyRow): StoredPolicy => {
  const { actions, category, channel, condition, priority, requirements, tenant, value } = row.definition
  return {
    policyId: row.policyId,
    policyKey: row.policyKey,
    version: row.version,
    actions,
    region: row.region,
    channel,
    category,
    tenant,
    effect: row.effect,
    requirements,
    value,
    condition,
    priority,
    effectiveFromMillis: row.effectiveFrom === null ? -Infinity : DateTime.toEpochMillis(row.effectiveFrom),
    effectiveUntilMillis: row.effectiveUntil === null ? Infinity : DateTime.toEpochMillis(row.effectiveUntil),
    recordedAtMillis: DateTime.toEpochMillis(row.recordedAt),
    supersededAtMillis: row.supersededAt === null ? Infinity : DateTime.toEpochMillis(row.supersededAt),
    legalBasis: row.legalBasis,
    source: row.source
  }
}

/** A policy that is not stored yet, as the engine takes it. */
export const draftOf = (
  policy: NewRegionPolicy | RegionPolicyChange,
  identity: {
    readonly policyId: string
    readonly policyKey: string
    readonly version: number
    readonly now: Date
  }
): StoredPolicy => ({
  policyId: identity.policyId,
  policyKey: identity.policyKey,
  version: identity.version,
  actions: policy.actions,
  region: policy.region ?? "GLOBAL",
  channel: policy.channel,
  category: policy.category,
  tenant: policy.tenant,
  effect: policy.effect,
  requirements: policy.requirements,
  value: policy.value,
  condition: policy.condition,
  priority: policy.priority ?? 0,
  effectiveFromMillis:
    policy.effectiveFrom === undefined ? -Infinity : DateTime.toEpochMillis(policy.effectiveFrom),
  effectiveUntilMillis:
    policy.effectiveUntil === undefined ? Infinity : DateTime.toEpochMillis(policy.effectiveUntil),
  recordedAtMillis: identity.now.getTime(),
  supersededAtMillis: Infinity,
  legalBasis: policy.legalBasis,
  source: policy.source
})

export const toPolicy = Effect.fnUntraced(function* (row: PolicyRow) {
  const { condition, tenant, ...definition } = row.definition
  return new RegionPolicy({
    ...definition,
    ...(condition === undefined ? {} : { condition: yield* Effect.orDie(decodeCondition(condition)) }),
    ...(tenant === undefined ? {} : { tenant: TenantId.make(tenant) }),
    policyId: RegionPolicyId.make(row.policyId),
    policyKey: PolicyKey.make(row.policyKey),
    version: row.version,
    effect: yield* Effect.orDie(decodeEffect(row.effect)),
    region: row.region,
    ...(row.effectiveFrom === null ? {} : { effectiveFrom: row.effectiveFrom }),
    ...(row.effectiveUntil === null ? {} : { effectiveUntil: row.effectiveUntil }),
    legalBasis: row.legalBasis,
    source: row.source,
    recordedAt: row.recordedAt,
    supersededAt: row.supersededAt
  })
})
