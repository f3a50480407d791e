/**
 * Features of a tenant's plans, and grants of them.
 *
 * @since 0.1.0
 */
import * as CalendarTime from "@hypermarket/core/CalendarTime"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Amount, AmountOrZero, Subject } from "./internal/quotaFields.ts"

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

/**
 * The priority of a grant that names none.
 *
 * @category constants
 * @since 0.1.0
 */
export const priorityDefault = 100

const Priority = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))

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
  /** Grants of a smaller priority burn first. */
  priority: Priority,
  /** Of a recurring grant: what is left at the end of a period is added to the next one, up to this amount. */
  rolloverMax: Schema.NullOr(Amount),
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
  /**
   * From 0 to 1,000. Grants burn by priority, then the one that expires soonest, then the oldest.
   *
   * @default 100
   */
  priority: Schema.optionalKey(Priority),
  /** For metered features with a period. What rolled over burns first, and expires at the end of the period. */
  rolloverMax: Schema.optionalKey(Amount),
  effectiveAt: Schema.optionalKey(Instant),
  expiresAt: Schema.optionalKey(Instant)
}).check(
  Schema.makeFilter((grant) =>
    grant.rolloverMax !== undefined && grant.recurring === false
      ? { path: ["rolloverMax"], issue: "Only a recurring grant rolls over" }
      : undefined
  ),
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
