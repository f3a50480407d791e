/**
 * The errors of quotas of a tenant.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * @category errors
 * @since 0.1.0
 */
export class QuotaFeatureNotFound extends HttpApiError.Problem<QuotaFeatureNotFound>()(
  "QuotaFeatureNotFound",
  { type: "urn:hypermarket:problem:quotas:feature-not-found", status: 404, title: "Feature not found" },
  { feature: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class QuotaFeatureExists extends HttpApiError.Problem<QuotaFeatureExists>()(
  "QuotaFeatureExists",
  { type: "urn:hypermarket:problem:quotas:feature-exists", status: 409, title: "Feature exists" },
  { feature: Schema.String }
) {}

/**
 * The tenant has as many features, or the subject as many grants, as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaCatalogLimit extends HttpApiError.Problem<QuotaCatalogLimit>()(
  "QuotaCatalogLimit",
  { type: "urn:hypermarket:problem:quotas:catalog-limit", status: 409, title: "Too many features or grants" },
  { max: Schema.Int }
) {}

/**
 * The field does not fit the feature's kind: an amount for a boolean feature, or a reservation of a static one.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaKindMismatch extends HttpApiError.Problem<QuotaKindMismatch>()(
  "QuotaKindMismatch",
  { type: "urn:hypermarket:problem:quotas:kind-mismatch", status: 422, title: "Kind mismatch" },
  { feature: Schema.String, kind: Schema.String, field: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class QuotaGrantNotFound extends HttpApiError.Problem<QuotaGrantNotFound>()(
  "QuotaGrantNotFound",
  { type: "urn:hypermarket:problem:quotas:grant-not-found", status: 404, title: "Grant not found" },
  { grantId: Schema.String }
) {}

/**
 * The grant ends before it begins.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaGrantInvalid extends HttpApiError.Problem<QuotaGrantInvalid>()(
  "QuotaGrantInvalid",
  { type: "urn:hypermarket:problem:quotas:grant-invalid", status: 422, title: "Grant invalid" },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The rest is smaller than the amount. Nothing was reserved.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaExceeded extends HttpApiError.Problem<QuotaExceeded>()(
  "QuotaExceeded",
  { type: "urn:hypermarket:problem:quotas:quota-exceeded", status: 409, title: "Quota exceeded" },
  {
    feature: Schema.String,
    requested: Schema.Int,
    remaining: Schema.Int,
    quota: Schema.Int,
    periodEnd: Schema.NullOr(Schema.DateTimeUtcFromString)
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class QuotaReservationNotFound extends HttpApiError.Problem<QuotaReservationNotFound>()(
  "QuotaReservationNotFound",
  {
    type: "urn:hypermarket:problem:quotas:reservation-not-found",
    status: 404,
    title: "Reservation not found"
  },
  { reservationId: Schema.String }
) {}

/**
 * The reservation was committed with another amount, released, or has expired.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaReservationSettled extends HttpApiError.Problem<QuotaReservationSettled>()(
  "QuotaReservationSettled",
  { type: "urn:hypermarket:problem:quotas:reservation-settled", status: 409, title: "Reservation settled" },
  {
    reservationId: Schema.String,
    reason: Schema.Literals(["committed", "released", "expired"])
  }
) {}

/**
 * More was to be committed than is reserved. Record the rest with `record`.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaAmountTooHigh extends HttpApiError.Problem<QuotaAmountTooHigh>()(
  "QuotaAmountTooHigh",
  { type: "urn:hypermarket:problem:quotas:amount-too-high", status: 422, title: "Amount too high" },
  { reservationId: Schema.String, reserved: Schema.Int }
) {}

/**
 * The key was used with another request. Use a new key.
 *
 * @category errors
 * @since 0.1.0
 */
export class QuotaKeyReused extends HttpApiError.Problem<QuotaKeyReused>()(
  "QuotaKeyReused",
  { type: "urn:hypermarket:problem:quotas:key-reused", status: 422, title: "Key reused" },
  { key: Schema.String }
) {}
