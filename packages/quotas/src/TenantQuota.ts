/**
 * Quotas of a tenant: features, grants, reservations and usage, and their errors.
 *
 * @since 0.1.0
 */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { quotaMax } from "./RatePolicy.ts"

/**
 * Features per tenant. A catalogue of more is a mistake in the loop that creates them.
 *
 * @category limits
 * @since 0.1.0
 */
export const featuresMax = 1_000

/**
 * Grants per feature and subject: the limit of a period is their sum, computed at each reservation.
 *
 * @category limits
 * @since 0.1.0
 */
export const grantsMax = 100

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

const Zone = Schema.String.check(
  Schema.makeFilter((id) => {
    const zone = CalendarTime.zone(id)
    return Result.isFailure(zone) ? zone.failure : undefined
  })
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const QuotaFeatureName = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_.-]{0,63}$/, {
    message: "Expected 1 to 64 of a-z, 0-9, _, . and -, beginning with a letter"
  })
)

/**
 * `boolean` is on or off, `static` has a value, `metered` counts usage per period, `concurrent` counts what is held now.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QuotaKind = Schema.Literals(["boolean", "static", "metered", "concurrent"])

/**
 * Periods that follow one another from an anchor, in the calendar of a zone.
 *
 * @category models
 * @since 0.1.0
 */
export const QuotaPeriod = Schema.Struct({
  unit: Schema.Literals(["hour", "day", "week", "month", "quarter", "year"]),
  anchor: Instant,
  zone: Zone
})

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaPeriod = typeof QuotaPeriod.Type

/** Percents of the limit; 100 is the limit itself, more is overage. */
const Thresholds = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))).check(
  Schema.isMaxLength(10)
)

const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax }))
const AmountOrZero = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quotaMax }))

/** The subject of a quota within the tenant: a seller or a user. Null is the tenant itself. */
const Subject = Schema.NullOr(Identifier.AdopterId)

/**
 * Something that a tenant's plans grant.
 *
 * @category models
 * @since 0.1.0
 */
export class QuotaFeature extends Schema.Class<QuotaFeature>("@hypermarket/quotas/QuotaFeature")({
  feature: QuotaFeatureName,
  kind: QuotaKind,
  /** Of `metered`; null for one period without an end. */
  period: Schema.NullOr(QuotaPeriod),
  /** True when a reservation above the limit is granted, and the overage is reported. */
  soft: Schema.Boolean,
  /** Percents of the limit that publish an event when usage reaches them. */
  thresholds: Thresholds,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The fields of a new feature.
 *
 * @category models
 * @since 0.1.0
 */
export const NewQuotaFeature = Schema.Struct({
  feature: QuotaFeatureName,
  kind: QuotaKind,
  period: Schema.optionalKey(QuotaPeriod),
  soft: Schema.optionalKey(Schema.Boolean),
  thresholds: Schema.optionalKey(Thresholds)
}).check(
  Schema.makeFilter((feature) =>
    feature.kind !== "metered" && feature.period !== undefined
      ? { path: ["period"], issue: "Only the kind metered has a period" }
      : undefined
  ),
  Schema.makeFilter((feature) =>
    feature.kind !== "metered" && (feature.thresholds ?? []).length > 0
      ? { path: ["thresholds"], issue: "Only the kind metered has thresholds" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewQuotaFeature = typeof NewQuotaFeature.Type

/**
 * The fields that can change. A feature keeps its kind and its period: usage is counted by them.
 *
 * @category models
 * @since 0.1.0
 */
export const QuotaFeatureChange = Schema.Struct({
  soft: Schema.optionalKey(Schema.Boolean),
  thresholds: Schema.optionalKey(Thresholds)
})

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaFeatureChange = typeof QuotaFeatureChange.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const QuotaGrantId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/quotas/QuotaGrantId"))

/**
 * @category models
 * @since 0.1.0
 */
export type QuotaGrantId = typeof QuotaGrantId.Type

const Source = Schema.Literals(["plan", "override", "grant"])

/**
 * Part of a limit. Overrides replace plans; grants are added to them.
 *
 * @category models
 * @since 0.1.0
 */
export class QuotaGrant extends Schema.Class<QuotaGrant>("@hypermarket/quotas/QuotaGrant")({
  grantId: QuotaGrantId,
  feature: QuotaFeatureName,
  subject: Subject,
  source: Source,
  /** Of metered and concurrent features. */
  amount: Schema.NullOr(AmountOrZero),
  /** Of static features. */
  value: Schema.Json,
  /** True when the amount counts in every period, false when it counts in the one that contains `effectiveAt`. */
  recurring: Schema.Boolean,
  effectiveAt: Schema.DateTimeUtcFromString,
  /** From then on the grant does not count. */
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/** A static value is configuration, not a document. */
const valueLengthMax = 2_000

/**
 * The fields of a new grant. It recurs and begins now by default.
 *
 * @category models
 * @since 0.1.0
 */
export const NewQuotaGrant = Schema.Struct({
  subject: Schema.optionalKey(Subject),
  source: Source,
  amount: Schema.optionalKey(AmountOrZero),
  value: Schema.optionalKey(Schema.Json),
  recurring: Schema.optionalKey(Schema.Boolean),
  effectiveAt: Schema.optionalKey(Instant),
  expiresAt: Schema.optionalKey(Instant)
}).check(
  Schema.makeFilter((grant) =>
    JSON.stringify(grant.value ?? null).length > valueLengthMax
      ? { path: ["value"], issue: `Expected at most ${valueLengthMax} characters of JSON` }
      : undefined
  ),
  Schema.makeFilter((grant) =>
    JSON.stringify(grant.value ?? null).includes("\\u0000")
      ? { path: ["value"], issue: "Expected no U+0000" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewQuotaGrant = typeof NewQuotaGrant.Type

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
