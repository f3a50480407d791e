/** Policies and overrides of one owner: a tenant, or `_system` for the installation. */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import * as Row from "@hypermarket/core/Row"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import {
  entriesMax,
  overridesMax,
  policiesMax,
  RateKind,
  RateOverride,
  RateOverrideId,
  RateOverrideNotFound,
  RatePart,
  RatePolicy,
  RatePolicyExists,
  RatePolicyInvalid,
  RatePolicyLimit,
  RatePolicyName,
  RatePolicyNotFound,
  RateSubject,
  type NewRateOverride,
  type NewRatePolicy,
  type RatePolicyChange
} from "../RatePolicy.ts"
import { bucketOf, subjectOf } from "./bucket.ts"
import { clockOf } from "./bucketStatements.ts"
import { Int, Json } from "./column.ts"

const policyRow = Row.make(RatePolicy, {
  policy: RatePolicyName,
  kind: RateKind,
  quota: Int,
  burst: Int,
  periodMillis: Int,
  by: Json(Schema.Array(RatePart)),
  plans: Json(Schema.Array(Schema.String)),
  routes: Json(Schema.Array(Schema.String)),
  fallback: Schema.Boolean,
  shadow: Schema.Boolean,
  whenUnavailable: Schema.Literals(["open", "closed"]),
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const overrideRow = Row.make(
  RateOverride,
  {
    overrideId: RateOverrideId,
    policy: RatePolicyName,
    subject: Json(RateSubject),
    quota: Schema.NullOr(Int),
    burst: Schema.NullOr(Int),
    bypass: Schema.Boolean,
    reason: Schema.String,
    recordedAt: Column.Timestamp
  },
  { uuid: ["overrideId"] }
)

const policyPages = Page.make({
  list: "quotas.policies",
  key: Schema.Tuple([Schema.String]),
  keyOf: (policy: RatePolicy) => [policy.policy] as const
})

const overridePages = Page.make({
  list: "quotas.overrides",
  key: Schema.Tuple([RateOverrideId]),
  keyOf: (override: RateOverride) => [override.overrideId] as const
})

/** A window or a semaphore keeps an entry per request in its row, and has no burst. */
const refuseMisfit = (
  kind: typeof RateKind.Type,
  change: { readonly quota?: number | undefined; readonly burst?: number | undefined }
): Effect.Effect<void, RatePolicyInvalid> => {
  if (kind === "gcra") return Effect.void
  const errors = [
    ...((change.quota ?? 0) > entriesMax
      ? [{ path: ["quota"], message: `Expected at most ${entriesMax} for the kind ${kind}` }]
      : []),
    ...(change.burst === undefined ? [] : [{ path: ["burst"], message: "Only the kind gcra has a burst" }])
  ]
  return errors.length === 0 ? Effect.void : Effect.fail(new RatePolicyInvalid({ errors }))
}

const json = (value: Schema.Json): string => JSON.stringify(value)

export const make = (
  sql: SqlClient.SqlClient,
  offsetMicros: () => number,
  forget: (owner: string) => void
) => {
  const policyColumns = sql.literal(policyRow.columns)
  const overrideColumns = sql.literal(overrideRow.columns)

  /** Every process finds the change by the revision; this one reads it at its next check. */
  const bump = (owner: string) =>
    sql`
      INSERT INTO hm_rate_revision AS r (tenant_id, revision)
      VALUES (${owner}, 1)
          ON CONFLICT (tenant_id) DO UPDATE SET revision = r.revision + 1
    `.pipe(Effect.andThen(sql.afterCommit(Effect.sync(() => forget(owner)))))

  const changing = transactionOf(sql)

  const get = Effect.fnUntraced(function* (owner: string, policy: string) {
    const [row] = yield* sql`
      SELECT ${policyColumns}
        FROM hm_rate_policy
       WHERE tenant_id = ${owner} AND policy = ${policy}
    `
    if (row === undefined) return yield* new RatePolicyNotFound({ policy })
    return yield* policyRow.decode(row)
  })

  const create = Effect.fnUntraced(function* (owner: string, policy: NewRatePolicy) {
    const now = yield* Now.now
    const insert = Effect.gen(function* () {
      const [counted] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_rate_policy
         WHERE tenant_id = ${owner}
      `
      if ((counted?.count ?? 0) >= policiesMax) return yield* new RatePolicyLimit({ max: policiesMax })
      const [row] = yield* sql`
        INSERT INTO hm_rate_policy (tenant_id, policy, kind, quota, burst, period_millis, by, plans, routes, fallback,
                                    shadow, when_unavailable, changed_micros, recorded_at, updated_at)
        SELECT ${owner}, ${policy.policy}, ${policy.kind}, ${String(policy.quota)}::text::bigint,
               ${String(policy.burst ?? policy.quota)}::text::bigint, ${String(policy.periodMillis)}::text::bigint,
               ${json(policy.by)}::text::json, ${json(policy.plans ?? [])}::text::json,
               ${json(policy.routes ?? [])}::text::json, ${policy.fallback ?? policy.policy === "default"}::boolean,
               ${policy.shadow ?? false}::boolean, ${policy.whenUnavailable ?? "open"},
               ${clockOf(sql, offsetMicros())}, ${now}, ${now}
            ON CONFLICT DO NOTHING
        RETURNING ${policyColumns}
      `
      if (row === undefined) return yield* new RatePolicyExists({ policy: policy.policy })
      yield* bump(owner)
      return yield* policyRow.decode(row)
    })
    return yield* changing(insert)
  })

  const list = Effect.fnUntraced(function* (owner: string, request: Page.Request) {
    const [after] = Option.getOrElse(yield* policyPages.after(request), () => [""] as const)
    const rows = yield* sql`
      SELECT ${policyColumns}
        FROM hm_rate_policy
       WHERE tenant_id = ${owner} AND policy > ${after}
       ORDER BY policy
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* policyPages.page(yield* policyRow.decodeAll(rows), request)
  })

  const update = Effect.fnUntraced(function* (
    owner: string,
    policy: string,
    version: number,
    change: RatePolicyChange
  ) {
    const now = yield* Now.now
    const write = Effect.gen(function* () {
      const existing = yield* get(owner, policy)
      if (existing.version !== version) return yield* new VersionStale({ currentVersion: existing.version })
      yield* refuseMisfit(existing.kind, change)
      const quota = change.quota ?? existing.quota
      const burst =
        existing.kind === "gcra"
          ? (change.burst ?? (existing.burst === existing.quota ? quota : existing.burst))
          : quota
      const [row] = yield* sql`
        UPDATE hm_rate_policy
           SET quota = ${String(quota)}::text::bigint,
               burst = ${String(burst)}::text::bigint,
               period_millis = ${String(change.periodMillis ?? existing.periodMillis)}::text::bigint,
               plans = ${json(change.plans ?? existing.plans)}::text::json,
               routes = ${json(change.routes ?? existing.routes)}::text::json,
               fallback = ${change.fallback ?? existing.fallback}::boolean,
               shadow = ${change.shadow ?? existing.shadow}::boolean,
               when_unavailable = ${change.whenUnavailable ?? existing.whenUnavailable},
               changed_micros = ${clockOf(sql, offsetMicros())},
               version = version + 1,
               updated_at = ${now}
         WHERE tenant_id = ${owner} AND policy = ${policy} AND version = ${version}
        RETURNING ${policyColumns}
      `
      if (row === undefined) {
        const current = yield* get(owner, policy)
        return yield* new VersionStale({ currentVersion: current.version })
      }
      yield* bump(owner)
      return yield* policyRow.decode(row)
    })
    return yield* changing(write)
  })

  const remove = Effect.fnUntraced(function* (owner: string, policy: string, version: number) {
    const write = Effect.gen(function* () {
      const removed = yield* sql`
        DELETE FROM hm_rate_policy
         WHERE tenant_id = ${owner} AND policy = ${policy} AND version = ${version}
        RETURNING 1
      `
      if (removed.length > 0) return yield* bump(owner)
      const existing = yield* get(owner, policy)
      return yield* new VersionStale({ currentVersion: existing.version })
    })
    return yield* changing(write)
  })

  /** The bucket's rate changes with its override. */
  const touch = (owner: string, policy: string) =>
    sql`
      UPDATE hm_rate_policy
         SET changed_micros = ${clockOf(sql, offsetMicros())}
       WHERE tenant_id = ${owner} AND policy = ${policy}
    `.pipe(Effect.andThen(bump(owner)))

  const putOverride = Effect.fnUntraced(function* (owner: string, policy: string, override: NewRateOverride) {
    const now = yield* Now.now
    const overrideId = yield* Identifier.next
    const write = Effect.gen(function* () {
      const existing = yield* get(owner, policy)
      yield* refuseMisfit(existing.kind, override)
      const bucket = yield* Effect.fromResult(bucketOf(existing, subjectOf(owner, override.subject)))
      const [counted] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_rate_override
         WHERE tenant_id = ${owner}
      `
      if ((counted?.count ?? 0) >= overridesMax) return yield* new RatePolicyLimit({ max: overridesMax })
      const [row] = yield* sql`
        INSERT INTO hm_rate_override (tenant_id, override_id, policy, bucket, subject, quota, burst, bypass, reason,
                                      recorded_at)
        VALUES (${owner}, ${overrideId}::text::uuid, ${policy}, ${bucket}, ${json(override.subject)}::text::json,
                ${override.quota === undefined ? null : String(override.quota)}::text::bigint,
                ${override.burst === undefined ? null : String(override.burst)}::text::bigint,
                ${override.bypass ?? false}::boolean, ${override.reason ?? ""}, ${now})
            ON CONFLICT (tenant_id, policy, bucket)
            DO UPDATE SET quota = excluded.quota,
                          burst = excluded.burst,
                          bypass = excluded.bypass,
                          reason = excluded.reason,
                          recorded_at = excluded.recorded_at
        RETURNING ${overrideColumns}
      `
      yield* touch(owner, policy)
      return yield* overrideRow.decode(row)
    })
    return yield* changing(write)
  })

  const listOverrides = Effect.fnUntraced(function* (owner: string, policy: string, request: Page.Request) {
    yield* get(owner, policy)
    const [after] = Option.getOrElse(yield* overridePages.after(request), () => [Page.firstUuid] as const)
    const rows = yield* sql`
      SELECT ${overrideColumns}
        FROM hm_rate_override
       WHERE tenant_id = ${owner} AND policy = ${policy} AND override_id > ${after}::text::uuid
       ORDER BY override_id
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* overridePages.page(yield* overrideRow.decodeAll(rows), request)
  })

  const removeOverride = Effect.fnUntraced(function* (
    owner: string,
    policy: string,
    overrideId: RateOverrideId
  ) {
    const write = Effect.gen(function* () {
      const removed = yield* sql`
        DELETE FROM hm_rate_override
         WHERE tenant_id = ${owner} AND override_id = ${overrideId}::text::uuid AND policy = ${policy}
        RETURNING 1
      `
      if (removed.length === 0) return yield* new RateOverrideNotFound({ overrideId })
      yield* touch(owner, policy)
    })
    return yield* changing(write)
  })

  const policyTarget = (policy: string) => ({ type: "rate-policy", id: policy })
  const overrideTarget = ({ overrideId }: { readonly overrideId: string }) => ({
    type: "rate-override",
    id: overrideId
  })

  return {
    create: (owner: string, policy: NewRatePolicy) =>
      AuditedChange.change(sql, create(owner, policy), {
        action: "rate-policy.created",
        target: policyTarget(policy.policy),
        after: (created) => created
      }).pipe(Audit.inLogOf(owner)),
    get,
    list,
    update: (owner: string, policy: string, version: number, change: RatePolicyChange) =>
      AuditedChange.change(sql, update(owner, policy, version, change), {
        action: "rate-policy.changed",
        target: policyTarget(policy),
        before: get(owner, policy),
        after: (changed) => changed
      }).pipe(Audit.inLogOf(owner)),
    remove: (owner: string, policy: string, version: number) =>
      AuditedChange.change(sql, remove(owner, policy, version), {
        action: "rate-policy.removed",
        target: policyTarget(policy),
        before: get(owner, policy)
      }).pipe(Audit.inLogOf(owner)),
    putOverride: (owner: string, policy: string, override: NewRateOverride) =>
      AuditedChange.change(sql, putOverride(owner, policy, override), {
        action: "rate-override.put",
        target: overrideTarget,
        after: (stored) => stored
      }).pipe(Audit.inLogOf(owner)),
    listOverrides,
    removeOverride: (owner: string, policy: string, overrideId: RateOverrideId) =>
      AuditedChange.change(sql, removeOverride(owner, policy, overrideId), {
        action: "rate-override.removed",
        target: overrideTarget({ overrideId }),
        after: () => ({ policy })
      }).pipe(Audit.inLogOf(owner))
  }
}
