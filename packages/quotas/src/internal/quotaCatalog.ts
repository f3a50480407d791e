/** Features and grants of a tenant. */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import {
  featuresMax,
  grantsMax,
  priorityDefault,
  QuotaFeature,
  QuotaFeatureName,
  QuotaGrant,
  QuotaGrantId,
  QuotaKind,
  QuotaPeriod,
  type NewQuotaFeature,
  type NewQuotaGrant,
  type QuotaFeatureChange
} from "../QuotaFeature.ts"
import {
  QuotaCatalogLimit,
  QuotaFeatureExists,
  QuotaFeatureNotFound,
  QuotaGrantInvalid,
  QuotaGrantNotFound,
  QuotaKindMismatch
} from "../TenantQuotaErrors.ts"
import { Int, Json, Subject } from "./column.ts"

const featureRow = Row.make(QuotaFeature, {
  feature: QuotaFeatureName,
  kind: QuotaKind,
  period: Json(Schema.NullOr(QuotaPeriod)),
  soft: Schema.Boolean,
  thresholds: Json(Schema.Array(Schema.Int)),
  version: Schema.Int,
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const grantRow = Row.make(
  QuotaGrant,
  {
    grantId: QuotaGrantId,
    feature: QuotaFeatureName,
    subject: Subject,
    source: Schema.Literals(["plan", "override", "grant"]),
    amount: Schema.NullOr(Int),
    value: Schema.Json,
    recurring: Schema.Boolean,
    priority: Schema.Int,
    rolloverMax: Schema.NullOr(Int),
    effectiveAt: Column.Timestamp,
    expiresAt: Schema.NullOr(Column.Timestamp),
    recordedAt: Column.Timestamp
  },
  { uuid: ["grantId"] }
)

const featurePages = Page.make({
  list: "quotas.features",
  key: Schema.Tuple([Schema.String]),
  keyOf: (feature: QuotaFeature) => [feature.feature] as const
})

const grantPages = Page.make({
  list: "quotas.grants",
  key: Schema.Tuple([Schema.String, QuotaGrantId]),
  keyOf: (grant: QuotaGrant) => [grant.subject ?? "", grant.grantId] as const
})

const encodePeriod = Schema.encodeEffect(QuotaPeriod)

/** The field that does not fit the feature's kind. */
const misfitOf = (kind: typeof QuotaKind.Type, grant: NewQuotaGrant): string | undefined => {
  const isCounted = kind === "metered" || kind === "concurrent"
  if (isCounted !== (grant.amount !== undefined)) return "amount"
  if (kind !== "static" && grant.value !== undefined) return "value"
  return kind === "static" && grant.value === undefined ? "value" : undefined
}

export const make = (sql: SqlClient.SqlClient) => {
  const featureColumns = sql.literal(featureRow.columns)
  const grantColumns = sql.literal(grantRow.columns)

  const getFeature = Effect.fn("TenantQuotas.getFeature")(function* (feature: string) {
    const tenant = yield* Tenant
    const [row] = yield* sql`
      SELECT ${featureColumns}
        FROM hm_quota_feature
       WHERE tenant_id = ${tenant.id} AND feature = ${feature}
    `
    if (row === undefined) return yield* new QuotaFeatureNotFound({ feature })
    return yield* featureRow.decode(row)
  })

  /** The features among the names that exist. */
  const knownFeatures = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const tenant = yield* Tenant
    const rows = yield* sql`
      SELECT ${featureColumns}
        FROM hm_quota_feature
       WHERE tenant_id = ${tenant.id}
         AND feature IN (
             SELECT n.name
               FROM json_array_elements_text(${JSON.stringify(names)}::text::json) AS n (name)
             )
    `
    return new Map((yield* featureRow.decodeAll(rows)).map((row) => [row.feature, row]))
  })

  /** Several features at once, by name. */
  const featuresOf = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const features = yield* knownFeatures(names)
    return yield* Effect.forEach(names, (feature) => {
      const row = features.get(feature)
      return row === undefined ? Effect.fail(new QuotaFeatureNotFound({ feature })) : Effect.succeed(row)
    })
  })

  const createFeature = Effect.fn("TenantQuotas.createFeature")(function* (feature: NewQuotaFeature) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const period = feature.period === undefined ? null : yield* Effect.orDie(encodePeriod(feature.period))
    const [counted] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_quota_feature
       WHERE tenant_id = ${tenant.id}
    `
    if ((counted?.count ?? 0) >= featuresMax) return yield* new QuotaCatalogLimit({ max: featuresMax })
    const [row] = yield* sql`
      INSERT INTO hm_quota_feature (tenant_id, feature, kind, period, soft, thresholds, recorded_at, updated_at)
      VALUES (${tenant.id}, ${feature.feature}, ${feature.kind},
              ${period === null ? null : JSON.stringify(period)}::text::json, ${feature.soft ?? false}::boolean,
              ${JSON.stringify(feature.thresholds ?? [])}::text::json, ${now}, ${now})
          ON CONFLICT DO NOTHING
      RETURNING ${featureColumns}
    `
    if (row === undefined) return yield* new QuotaFeatureExists({ feature: feature.feature })
    return yield* featureRow.decode(row)
  })

  const listFeatures = Effect.fn("TenantQuotas.listFeatures")(function* (request: Page.Request) {
    const tenant = yield* Tenant
    const [after] = Option.getOrElse(yield* featurePages.after(request), () => [""] as const)
    const rows = yield* sql`
      SELECT ${featureColumns}
        FROM hm_quota_feature
       WHERE tenant_id = ${tenant.id} AND feature > ${after}
       ORDER BY feature
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* featurePages.page(yield* featureRow.decodeAll(rows), request)
  })

  const updateFeature = Effect.fn("TenantQuotas.updateFeature")(function* (
    feature: string,
    version: number,
    change: QuotaFeatureChange
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const existing = yield* getFeature(feature)
    if (existing.kind !== "metered" && (change.thresholds ?? []).length > 0) {
      return yield* new QuotaKindMismatch({ feature, kind: existing.kind, field: "thresholds" })
    }
    const [row] = yield* sql`
      UPDATE hm_quota_feature
         SET soft = ${change.soft ?? existing.soft}::boolean,
             thresholds = ${JSON.stringify(change.thresholds ?? existing.thresholds)}::text::json,
             version = version + 1,
             updated_at = ${now}
       WHERE tenant_id = ${tenant.id} AND feature = ${feature} AND version = ${version}
      RETURNING ${featureColumns}
    `
    if (row !== undefined) return yield* featureRow.decode(row)
    const current = yield* getFeature(feature)
    return yield* new VersionStale({ currentVersion: current.version })
  })

  const removeFeature = Effect.fn("TenantQuotas.removeFeature")(function* (feature: string, version: number) {
    const tenant = yield* Tenant
    const removed = yield* sql`
      DELETE FROM hm_quota_feature
       WHERE tenant_id = ${tenant.id} AND feature = ${feature} AND version = ${version}
      RETURNING 1
    `
    if (removed.length > 0) return
    const existing = yield* getFeature(feature)
    return yield* new VersionStale({ currentVersion: existing.version })
  })

  const grant = Effect.fn("TenantQuotas.grant")(function* (feature: string, grant: NewQuotaGrant) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const existing = yield* getFeature(feature)
    const misfit = misfitOf(existing.kind, grant)
    if (misfit !== undefined) {
      return yield* new QuotaKindMismatch({ feature, kind: existing.kind, field: misfit })
    }
    if (grant.rolloverMax !== undefined && existing.period === null) {
      return yield* new QuotaKindMismatch({ feature, kind: existing.kind, field: "rolloverMax" })
    }
    const effectiveAt = grant.effectiveAt === undefined ? now : DateTime.toDate(grant.effectiveAt)
    const expiresAt = grant.expiresAt === undefined ? null : DateTime.toDate(grant.expiresAt)
    if (expiresAt !== null && expiresAt <= effectiveAt) {
      return yield* new QuotaGrantInvalid({
        errors: [{ path: ["expiresAt"], message: "Expected an instant after effectiveAt" }]
      })
    }
    const subject = grant.subject ?? ""
    const [counted] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_quota_grant
       WHERE tenant_id = ${tenant.id} AND feature = ${feature} AND subject = ${subject}
    `
    if ((counted?.count ?? 0) >= grantsMax) return yield* new QuotaCatalogLimit({ max: grantsMax })
    const grantId = yield* Identifier.next
    const [row] = yield* sql`
      INSERT INTO hm_quota_grant (tenant_id, feature, subject, grant_id, source, amount, value, recurring, priority,
                                  rollover_max, effective_at, expires_at, recorded_at)
      VALUES (${tenant.id}, ${feature}, ${subject}, ${grantId}::text::uuid, ${grant.source},
              ${grant.amount === undefined ? null : String(grant.amount)}::text::bigint,
              ${grant.value === undefined ? null : JSON.stringify(grant.value)}::text::json,
              ${grant.recurring ?? true}::boolean, ${grant.priority ?? priorityDefault}::smallint,
              ${grant.rolloverMax === undefined ? null : String(grant.rolloverMax)}::text::bigint, ${effectiveAt}, ${expiresAt}, ${now})
      RETURNING ${grantColumns}
    `
    return yield* grantRow.decode(row)
  })

  const listGrants = Effect.fn("TenantQuotas.listGrants")(function* (feature: string, request: Page.Request) {
    const tenant = yield* Tenant
    yield* getFeature(feature)
    const [subject, grantId] = Option.getOrElse(
      yield* grantPages.after(request),
      () => ["", Page.firstUuid] as const
    )
    const rows = yield* sql`
      SELECT ${grantColumns}
        FROM hm_quota_grant
       WHERE tenant_id = ${tenant.id} AND feature = ${feature}
         AND (subject, grant_id) > (${subject}, ${grantId}::text::uuid)
       ORDER BY subject, grant_id
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* grantPages.page(yield* grantRow.decodeAll(rows), request)
  })

  const revokeGrant = Effect.fn("TenantQuotas.revokeGrant")(function* (
    feature: string,
    grantId: QuotaGrantId
  ) {
    const tenant = yield* Tenant
    const removed = yield* sql`
      DELETE FROM hm_quota_grant
       WHERE tenant_id = ${tenant.id} AND feature = ${feature} AND grant_id = ${grantId}::text::uuid
      RETURNING 1
    `
    if (removed.length === 0) return yield* new QuotaGrantNotFound({ grantId })
  })

  const featureTarget = (feature: string) => ({ type: "quota-feature", id: feature })
  const grantTarget = ({ grantId }: { readonly grantId: string }) => ({ type: "quota-grant", id: grantId })

  return {
    createFeature: (feature: NewQuotaFeature) =>
      AuditedChange.change(sql, createFeature(feature), {
        action: "quota-feature.created",
        target: featureTarget(feature.feature),
        after: (created) => created
      }),
    getFeature,
    many: { featuresOf, knownFeatures },
    listFeatures,
    updateFeature: (feature: string, version: number, change: QuotaFeatureChange) =>
      AuditedChange.change(sql, updateFeature(feature, version, change), {
        action: "quota-feature.changed",
        target: featureTarget(feature),
        before: getFeature(feature),
        after: (changed) => changed
      }),
    removeFeature: (feature: string, version: number) =>
      AuditedChange.change(sql, removeFeature(feature, version), {
        action: "quota-feature.removed",
        target: featureTarget(feature),
        before: getFeature(feature)
      }),
    grant: (feature: string, added: NewQuotaGrant) =>
      AuditedChange.change(sql, grant(feature, added), {
        action: "quota-grant.created",
        target: grantTarget,
        after: (created) => created
      }),
    listGrants,
    revokeGrant: (feature: string, grantId: QuotaGrantId) =>
      AuditedChange.change(sql, revokeGrant(feature, grantId), {
        action: "quota-grant.revoked",
        target: grantTarget({ grantId }),
        after: () => ({ feature })
      })
  }
}
