/**
 * The HTTP group of quotas: features, grants, reservations, usage and checks.
 *
 * @since 0.1.0
 */
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { quotaMax } from "./RatePolicy.ts"
import {
  NewQuotaFeature,
  NewQuotaGrant,
  QuotaFeature,
  QuotaFeatureChange,
  QuotaFeatureName,
  QuotaGrant,
  QuotaGrantId
} from "./QuotaFeature.ts"
import {
  CheckQuotas,
  QuotaChecks,
  QuotaReservation,
  QuotaReservationId,
  QuotaUsage,
  QuotaUsageRequest,
  RecordQuota,
  ReserveQuota
} from "./TenantQuota.ts"
import {
  QuotaAmountTooHigh,
  QuotaCatalogLimit,
  QuotaExceeded,
  QuotaFeatureExists,
  QuotaFeatureNotFound,
  QuotaGrantInvalid,
  QuotaGrantNotFound,
  QuotaKeyReused,
  QuotaKindMismatch,
  QuotaReservationNotFound,
  QuotaReservationSettled
} from "./TenantQuotaErrors.ts"

const created = HttpApiSchema.status(201)
const featurePath = "/v1/quotas/features/:feature"
const featureParams = { feature: QuotaFeatureName }
const reservationPath = "/v1/quotas/reservations/:reservationId"
const reservationParams = { reservationId: QuotaReservationId }
const stale = [Precondition.PreconditionRequired, Precondition.VersionStale] as const

/**
 * @category api
 * @since 0.1.0
 */
export class QuotasGroup extends Endpoint.group(
  "quotas",
  {
    title: "Quotas",
    description:
      "A feature is on or off, has a value, is metered per period, or counts what is held now. Grants of plans, overrides and additions make its limit. A reservation is a permission that is never granted above a hard limit; a record is usage that happened and is always kept."
  },
  HttpApiEndpoint.post("createFeature", "/v1/quotas/features", {
    headers: IdempotencyKey.Headers,
    payload: NewQuotaFeature,
    success: Precondition.Tagged(QuotaFeature.pipe(created)),
    error: [QuotaFeatureExists, QuotaCatalogLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "quota-feature.created")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.get("listFeatures", "/v1/quotas/features", {
    query: Page.Query,
    success: Page.schema(QuotaFeature),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.get("getFeature", featurePath, {
    params: featureParams,
    success: Precondition.Tagged(QuotaFeature),
    error: QuotaFeatureNotFound
  }).annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.patch("updateFeature", featurePath, {
    params: featureParams,
    headers: Precondition.Headers,
    payload: QuotaFeatureChange,
    success: Precondition.Tagged(QuotaFeature),
    error: [QuotaFeatureNotFound, QuotaKindMismatch, ...stale]
  })
    .annotate(Audited, "quota-feature.changed")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.delete("removeFeature", featurePath, {
    params: featureParams,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [QuotaFeatureNotFound, ...stale]
  })
    .annotate(Audited, "quota-feature.removed")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.post("grant", `${featurePath}/grants`, {
    params: featureParams,
    headers: IdempotencyKey.Headers,
    payload: NewQuotaGrant,
    success: QuotaGrant.pipe(created),
    error: [
      QuotaFeatureNotFound,
      QuotaKindMismatch,
      QuotaGrantInvalid,
      QuotaCatalogLimit,
      ...IdempotencyKey.errors
    ]
  })
    .annotate(Audited, "quota-grant.created")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.get("listGrants", `${featurePath}/grants`, {
    params: featureParams,
    query: Page.Query,
    success: Page.schema(QuotaGrant),
    error: [QuotaFeatureNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.delete("revokeGrant", `${featurePath}/grants/:grantId`, {
    params: { ...featureParams, grantId: QuotaGrantId },
    success: HttpApiSchema.NoContent,
    error: QuotaGrantNotFound
  })
    .annotate(Audited, "quota-grant.revoked")
    .annotate(RequiredScope, "quotas:admin"),
  HttpApiEndpoint.post("reserve", "/v1/quotas/reservations", {
    payload: ReserveQuota,
    success: QuotaReservation.pipe(created),
    error: [QuotaFeatureNotFound, QuotaKindMismatch, QuotaExceeded, QuotaKeyReused]
  })
    .annotate(NotAudited, "reservations are a ledger")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.get("getReservation", reservationPath, {
    params: reservationParams,
    success: QuotaReservation,
    error: QuotaReservationNotFound
  }).annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.post("commit", `${reservationPath}/commit`, {
    params: reservationParams,
    payload: Schema.Struct({
      amount: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quotaMax })))
    }),
    success: QuotaReservation,
    error: [QuotaReservationNotFound, QuotaReservationSettled, QuotaAmountTooHigh, QuotaKindMismatch]
  })
    .annotate(NotAudited, "reservations are a ledger")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.post("release", `${reservationPath}/release`, {
    params: reservationParams,
    success: QuotaReservation,
    error: [QuotaReservationNotFound, QuotaReservationSettled]
  })
    .annotate(NotAudited, "reservations are a ledger")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.post("record", "/v1/quotas/records", {
    payload: RecordQuota,
    success: QuotaUsage,
    error: [QuotaFeatureNotFound, QuotaKindMismatch, QuotaKeyReused]
  })
    .annotate(NotAudited, "usage is a ledger")
    .annotate(RequiredScope, "quotas:write"),
  HttpApiEndpoint.post("usage", "/v1/quotas/usage", {
    payload: QuotaUsageRequest,
    success: QuotaUsage,
    error: QuotaFeatureNotFound
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "quotas:read"),
  HttpApiEndpoint.post("check", "/v1/quotas/check", {
    payload: CheckQuotas,
    success: QuotaChecks,
    error: QuotaFeatureNotFound
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "quotas:read")
) {}
