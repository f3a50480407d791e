/**
 * Quotas of a tenant: reservations, usage and checks.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Schema from "effect/Schema"
import { Amount, AmountOrZero, Subject } from "./internal/quotaFields.ts"
import { QuotaFeatureName, QuotaKind } from "./QuotaFeature.ts"

/**
 * Features per what-if check.
 *
 * @category limits
 * @since 0.1.0
 */
export const checkMax = 50

/** A reservation that is open longer is a lease without an owner. */
const reservationSecondsMax = 31 * 24 * 60 * 60

/**
 * The seconds after which a reservation ends by itself when the caller names none.
 *
 * @category constants
 * @since 0.1.0
 */
export const reservationSecondsDefault = 900

/**
 * @category schemas
 * @since 0.1.0
 */
export const QuotaReservationId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/quotas/QuotaReservationId"))

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaReservationId = typeof QuotaReservationId.Type

/**
 * A permission to use an amount, until it is committed, released or expires.
 *
 * @category models
 * @since 0.1.0
 */
export class QuotaReservation extends Schema.Class<QuotaReservation>("@hypermarket/quotas/QuotaReservation")({
  reservationId: QuotaReservationId,
  feature: QuotaFeatureName,
  subject: Subject,
  periodStart: Schema.DateTimeUtcFromString,
  periodEnd: Schema.NullOr(Schema.DateTimeUtcFromString),
  amount: Amount,
  status: Schema.Literals(["open", "committed", "released", "expired"]),
  committed: Schema.NullOr(AmountOrZero),
  expiresAt: Schema.DateTimeUtcFromString,
  recordedAt: Schema.DateTimeUtcFromString,
  settledAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

const Key = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(255),
  Schema.isPattern(/^[^\p{Cc}\p{Cs}]+$/u, { message: "Expected no control characters" })
)

/**
 * @category models
 * @since 0.1.0
 */
export const ReserveQuota = Schema.Struct({
  /** The idempotency key, remembered for 35 days. */
  key: Key,
  feature: QuotaFeatureName,
  subject: Schema.optionalKey(Subject),
  amount: Amount,
  /** 900 by default, at most 31 days. */
  expiresInSeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: reservationSecondsMax }))
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type ReserveQuota = typeof ReserveQuota.Type

/**
 * Usage that has happened: it is always kept.
 *
 * @category models
 * @since 0.1.0
 */
export const RecordQuota = Schema.Struct({
  /** The idempotency key, remembered for 35 days. */
  key: Key,
  feature: QuotaFeatureName,
  subject: Schema.optionalKey(Subject),
  amount: Amount,
  /** When it happened, now by default: late usage counts in its own period. */
  occurredAt: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RecordQuota = typeof RecordQuota.Type

/**
 * @category models
 * @since 0.1.0
 */
export const QuotaUsageRequest = Schema.Struct({
  feature: QuotaFeatureName,
  subject: Schema.optionalKey(Subject),
  /** An instant of the period, now by default. */
  at: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaUsageRequest = typeof QuotaUsageRequest.Type

const WhatIf = Schema.Struct({
  feature: QuotaFeatureName,
  subject: Schema.optionalKey(Subject),
  /** 1 by default. */
  amount: Schema.optionalKey(Amount)
})

/**
 * Asks about several features at one instant; none is reserved.
 *
 * @category models
 * @since 0.1.0
 */
export const CheckQuotas = Schema.Struct({
  items: Schema.Array(WhatIf).check(Schema.isMinLength(1), Schema.isMaxLength(checkMax))
})

/**
 * @category models
 * @since 0.1.0
 */
export type CheckQuotas = typeof CheckQuotas.Type

const usage = {
  feature: QuotaFeatureName,
  subject: Subject,
  kind: QuotaKind,
  /** True when a grant is in effect. */
  granted: Schema.Boolean,
  /** The value of a static feature, by the newest grant; null otherwise. */
  value: Schema.Json,
  periodStart: Schema.NullOr(Schema.DateTimeUtcFromString),
  periodEnd: Schema.NullOr(Schema.DateTimeUtcFromString),
  quota: AmountOrZero,
  used: Schema.Int,
  /** Open reservations. */
  held: Schema.Int,
  /** The rest: 0 when more is used than granted. */
  remaining: AmountOrZero,
  /** Used and held above the limit. */
  overage: AmountOrZero
}

/**
 * Usage and rest of a feature, read in one snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export class QuotaUsage extends Schema.Class<QuotaUsage>("@hypermarket/quotas/QuotaUsage")(usage) {}

/**
 * @category models
 * @since 0.1.0
 */
export class QuotaCheck extends Schema.Class<QuotaCheck>("@hypermarket/quotas/QuotaCheck")({
  ...usage,
  /** True when the amount could be reserved now. */
  allowed: Schema.Boolean
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const QuotaChecks = Schema.Struct({ allowed: Schema.Boolean, items: Schema.Array(QuotaCheck) })

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaChecks = typeof QuotaChecks.Type
