/**
 * Quotas of a tenant and its subjects: features, grants, and a ledger of reservations and usage.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import type * as Page from "@hypermarket/core/Page"
import type { VersionStale } from "@hypermarket/core/Precondition"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as QuotaCatalog from "./internal/quotaCatalog.ts"
import * as QuotaMeasure from "./internal/quotaMeasure.ts"
import { periodOf } from "./internal/quotaPeriod.ts"
import * as QuotaReservations from "./internal/quotaReservations.ts"
import * as Statements from "./internal/quotaStatements.ts"
import * as UsageStatements from "./internal/usageStatements.ts"
import type {
  NewQuotaFeature,
  NewQuotaGrant,
  QuotaFeature,
  QuotaFeatureChange,
  QuotaGrant,
  QuotaGrantId
} from "./QuotaFeature.ts"
import {
  QuotaCheck,
  QuotaReservationId,
  QuotaUsage,
  type CheckQuotas,
  type QuotaChecks,
  type QuotaReservation,
  type QuotaUsageRequest,
  type RecordQuota,
  type ReserveQuota
} from "./TenantQuota.ts"
import {
  QuotaAmountTooHigh,
  QuotaExceeded,
  QuotaKeyReused,
  QuotaKindMismatch,
  QuotaReservationNotFound,
  QuotaReservationSettled,
  type QuotaCatalogLimit,
  type QuotaFeatureExists,
  type QuotaFeatureNotFound,
  type QuotaGrantInvalid,
  type QuotaGrantNotFound
} from "./TenantQuotaErrors.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class TenantQuotas extends Context.Service<
  TenantQuotas,
  {
    readonly createFeature: (
      feature: NewQuotaFeature
    ) => Effect.Effect<QuotaFeature, QuotaFeatureExists | QuotaCatalogLimit | SqlError, Tenant>
    readonly getFeature: (
      feature: string
    ) => Effect.Effect<QuotaFeature, QuotaFeatureNotFound | SqlError, Tenant>
    /** By name. */
    readonly listFeatures: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<QuotaFeature>, Page.CursorInvalid | SqlError, Tenant>
    readonly updateFeature: (
      feature: string,
      version: number,
      change: QuotaFeatureChange
    ) => Effect.Effect<
      QuotaFeature,
      QuotaFeatureNotFound | QuotaKindMismatch | VersionStale | SqlError,
      Tenant
    >
    /** Removes a feature with its grants. Usage that was recorded stays. */
    readonly removeFeature: (
      feature: string,
      version: number
    ) => Effect.Effect<void, QuotaFeatureNotFound | VersionStale | SqlError, Tenant>
    /** Adds a grant. The next reservation sees it. */
    readonly grant: (
      feature: string,
      grant: NewQuotaGrant
    ) => Effect.Effect<
      QuotaGrant,
      QuotaFeatureNotFound | QuotaKindMismatch | QuotaGrantInvalid | QuotaCatalogLimit | SqlError,
      Tenant
    >
    /** By subject, then oldest first. */
    readonly listGrants: (
      feature: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<QuotaGrant>, QuotaFeatureNotFound | Page.CursorInvalid | SqlError, Tenant>
    readonly revokeGrant: (
      feature: string,
      grantId: QuotaGrantId
    ) => Effect.Effect<void, QuotaGrantNotFound | SqlError, Tenant>
    /**
     * Reserves an amount. All open and committed reservations together never exceed a hard limit. Repeating the call with
     * its key returns the same reservation.
     *
     * Callers who reserve of one balance at the same time share a transaction of the process. A caller that is interrupted may have
     * reserved: its key finds the reservation. Inside a transaction of the caller it is part of that transaction, and holds the
     * balance until it ends: others who reserve wait.
     */
    readonly reserve: (
      request: ReserveQuota
    ) => Effect.Effect<
      QuotaReservation,
      QuotaFeatureNotFound | QuotaKindMismatch | QuotaExceeded | QuotaKeyReused | SqlError,
      Tenant
    >
    readonly getReservation: (
      reservationId: QuotaReservationId
    ) => Effect.Effect<QuotaReservation, QuotaReservationNotFound | SqlError, Tenant>
    /**
     * Commits what was used, all that is reserved by default, and gives the rest back. It touches the reservation and the
     * ledger only, so a long transaction of the caller delays no other caller.
     *
     * Committing the same amount again returns the same reservation and changes nothing. More than is reserved fails with
     * `QuotaAmountTooHigh` and leaves the reservation open. One that was committed with another amount, was released or has
     * expired fails with `QuotaReservationSettled`: record what was used instead.
     */
    readonly commit: (
      reservationId: QuotaReservationId,
      amount?: number
    ) => Effect.Effect<
      QuotaReservation,
      QuotaReservationNotFound | QuotaReservationSettled | QuotaAmountTooHigh | QuotaKindMismatch | SqlError,
      Tenant
    >
    /**
     * Returns the amount of a reservation to its quota. Releasing it again returns the same reservation and changes nothing. One
     * that was committed or has expired fails with `QuotaReservationSettled`; an expired one has returned its amount already.
     */
    readonly release: (
      reservationId: QuotaReservationId
    ) => Effect.Effect<
      QuotaReservation,
      QuotaReservationNotFound | QuotaReservationSettled | SqlError,
      Tenant
    >
    /** Records usage that happened and returns the usage of its period, overage included. It is always kept, once per key. */
    readonly record: (
      request: RecordQuota
    ) => Effect.Effect<
      QuotaUsage,
      QuotaFeatureNotFound | QuotaKindMismatch | QuotaKeyReused | SqlError,
      Tenant
    >
    /** Reads usage, open reservations and rest in one snapshot. */
    readonly usage: (
      request: QuotaUsageRequest
    ) => Effect.Effect<QuotaUsage, QuotaFeatureNotFound | SqlError, Tenant>
    /** Returns what could be reserved now, of several features in one snapshot. Reserves nothing. */
    readonly check: (
      request: CheckQuotas
    ) => Effect.Effect<QuotaChecks, QuotaFeatureNotFound | SqlError, Tenant>
  }
>()("@hypermarket/quotas/TenantQuotas") {
  static readonly layer: Layer.Layer<TenantQuotas, never, SqlClient.SqlClient> = Layer.effect(
    TenantQuotas,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox.Outbox
      const { many, ...catalog } = QuotaCatalog.make(sql)
      const reservationColumns = sql.literal(QuotaReservations.reservationRow.columns)
      const reservations = yield* QuotaReservations.make(sql, outbox, catalog.getFeature)
      const { measure } = QuotaMeasure.make(sql)

      const getReservation = Effect.fn("TenantQuotas.getReservation")(function* (
        reservationId: QuotaReservationId
      ) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${reservationColumns}
            FROM hm_quota_reservation
           WHERE tenant_id = ${tenant.id} AND reservation_id = ${reservationId}::text::uuid
        `
        if (row === undefined) return yield* new QuotaReservationNotFound({ reservationId })
        return yield* QuotaReservations.reservationRow.decode(row)
      })

      /** The reservation that the key made, when the request is the same. */
      const repeated = Effect.fnUntraced(function* (key: string, request: string) {
        const tenant = yield* Tenant
        const used = yield* Statements.usedKey(sql, tenant.id, key)
        if (used?.request !== request) return yield* new QuotaKeyReused({ key })
        return yield* getReservation(QuotaReservationId.make(used.resultId)).pipe(
          Effect.catchTag("QuotaReservationNotFound", () => Effect.fail(new QuotaKeyReused({ key })))
        )
      })

      const reserve = Effect.fn("TenantQuotas.reserve")(function* (request: ReserveQuota) {
        const answer = yield* reservations.reserve(request)
        if (answer.outcome === "reserved") return answer.reservation
        // A key that another transaction is using right now is found used only after it has committed.
        if (answer.outcome === "repeated")
          return yield* repeated(request.key, QuotaReservations.reserveFingerprint(request))
        const { periodEnd, quota, remaining } = answer
        return yield* new QuotaExceeded({
          feature: request.feature,
          requested: request.amount,
          remaining,
          quota,
          periodEnd
        })
      })

      const settledError = (reservation: QuotaReservation) =>
        new QuotaReservationSettled({
          reservationId: reservation.reservationId,
          reason: reservation.status === "open" ? "expired" : reservation.status
        })

      const commit = Effect.fn("TenantQuotas.commit")(function* (
        reservationId: QuotaReservationId,
        amount?: number
      ) {
        const settled = yield* reservations.settle({ reservationId, status: "committed", amount })
        if (settled !== undefined) return settled
        const reservation = yield* getReservation(reservationId)
        const now = yield* Now.now
        const committed = amount ?? reservation.amount
        if (reservation.status === "committed" && reservation.committed === committed) return reservation
        if (reservation.status === "open" && DateTime.toDate(reservation.expiresAt) > now) {
          if (committed > reservation.amount) {
            return yield* new QuotaAmountTooHigh({ reservationId, reserved: reservation.amount })
          }
          return yield* new QuotaKindMismatch({
            feature: reservation.feature,
            kind: "concurrent",
            field: "reservationId"
          })
        }
        return yield* settledError(reservation)
      })

      const release = Effect.fn("TenantQuotas.release")(function* (reservationId: QuotaReservationId) {
        const settled = yield* reservations.settle({ reservationId, status: "released", amount: undefined })
        if (settled !== undefined) return settled
        const reservation = yield* getReservation(reservationId)
        return reservation.status === "released" ? reservation : yield* settledError(reservation)
      })

      const usage = Effect.fn("TenantQuotas.usage")(function* (request: QuotaUsageRequest) {
        const feature = yield* catalog.getFeature(request.feature)
        const at = request.at === undefined ? yield* Now.now : DateTime.toDate(request.at)
        const [measured] = yield* measure([{ feature, subject: request.subject ?? null, at }])
        return measured === undefined
          ? yield* Effect.die(new TypeError("usage without a row"))
          : new QuotaUsage(measured)
      })

      const record = Effect.fn("TenantQuotas.record")(function* (request: RecordQuota) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const feature = yield* catalog.getFeature(request.feature)
        if (feature.kind !== "metered") {
          return yield* new QuotaKindMismatch({
            feature: feature.feature,
            kind: feature.kind,
            field: "amount"
          })
        }
        const occurredAt = request.occurredAt === undefined ? now : DateTime.toDate(request.occurredAt)
        const subject = request.subject ?? ""
        const account = {
          tenantId: tenant.id,
          feature: feature.feature,
          subject,
          period: periodOf(feature, occurredAt)
        }
        const fingerprint = UsageStatements.recordFingerprint(feature.feature, subject, request.amount)
        const { amount, key } = request
        yield* UsageStatements.append(
          sql,
          tenant.id,
          [{ account, key, request: fingerprint, amount, occurredAt }],
          now
        )
        const requests = yield* UsageStatements.usedKeys(sql, tenant.id, [key])
        if (requests.get(key) !== fingerprint) return yield* new QuotaKeyReused({ key })
        return yield* usage({
          feature: feature.feature,
          subject: request.subject ?? null,
          at: DateTime.fromDateUnsafe(occurredAt)
        })
      })

      const check = Effect.fn("TenantQuotas.check")(function* (request: CheckQuotas) {
        const now = yield* Now.now
        const features = yield* many.featuresOf(request.items.map(({ feature }) => feature))
        const measured = yield* measure(
          features.map((feature, n) => ({ feature, subject: request.items[n]?.subject ?? null, at: now }))
        )
        const asked = new Map<string, number>()
        const items = measured.map((row, n) => {
          const isCounted = row.kind === "metered" || row.kind === "concurrent"
          const account = `${row.feature}\n${row.subject ?? ""}`
          // Two items of one account are asked for together.
          const amount = (asked.get(account) ?? 0) + (request.items[n]?.amount ?? 1)
          asked.set(account, amount)
          const isAllowed = isCounted ? features[n]?.soft === true || amount <= row.remaining : row.granted
          return new QuotaCheck({ ...row, allowed: isAllowed })
        })
        return { allowed: items.every((item) => item.allowed), items }
      })

      return TenantQuotas.of({
        ...catalog,
        reserve,
        getReservation,
        commit,
        release,
        record,
        usage,
        check
      })
    })
  )
}
