/**
 * Makes and settles reservations. Callers outside a transaction share one per balance, or per tenant for settling: they wait for one
 * write to disk together. In a transaction of the caller each request has separate statements.
 */
import * as Column from "@hypermarket/core/Column"
import * as GroupCommit from "@hypermarket/core/GroupCommit"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import type * as Outbox from "@hypermarket/core/Outbox"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { QuotaFeature } from "../QuotaFeature.ts"
import {
  QuotaReservation,
  QuotaReservationId,
  reservationSecondsDefault,
  type ReserveQuota
} from "../TenantQuota.ts"
import { QuotaKindMismatch } from "../TenantQuotaErrors.ts"
import { Int, Subject } from "./column.ts"
import type { make as makeCatalog } from "./quotaCatalog.ts"
import { periodOf } from "./quotaPeriod.ts"
import * as Statements from "./quotaStatements.ts"
import { thresholdEvents } from "./quotaThreshold.ts"
import * as ReservationStatements from "./reservationStatements.ts"

export const reservationRow = Row.make(
  QuotaReservation,
  {
    reservationId: QuotaReservationId,
    feature: Schema.String,
    subject: Subject,
    periodStart: Column.Timestamp,
    periodEnd: Schema.NullOr(Column.Timestamp),
    amount: Int,
    status: Schema.Literals(["open", "committed", "released", "expired"]),
    committed: Schema.NullOr(Int),
    expiresAt: Column.Timestamp,
    recordedAt: Column.Timestamp,
    settledAt: Schema.NullOr(Column.Timestamp)
  },
  { uuid: ["reservationId"] }
)

/** The outcome of a request. `repeated`: its key was used before, or is used at this moment. */
export type Reserved =
  | { readonly outcome: "reserved"; readonly reservation: QuotaReservation }
  | { readonly outcome: "repeated" }
  | {
      readonly outcome: "exceeded"
      readonly remaining: number
      readonly quota: number
      readonly periodEnd: DateTime.Utc | null
    }

const millisPerSecond = 1_000

/** Requests per transaction. More would let the first of them wait for a long statement. */
const requestsMax = 200

/** Identifies a request among those of one key. */
export const reserveFingerprint = ({ amount, feature, subject }: ReserveQuota): string =>
  JSON.stringify(["reserve", feature, subject ?? "", amount])

/** The requests that fit, in their order, and those that do not. Of one key the first that fits is taken. */
const fitting = (
  requests: ReadonlyArray<ReserveQuota>,
  room: number,
  usedKeys: Set<string>,
  answers: Map<ReserveQuota, Reserved>
) => {
  const granted: Array<ReserveQuota> = []
  const tooLarge: Array<ReserveQuota> = []
  let left = room
  for (const request of requests) {
    if (usedKeys.has(request.key)) {
      answers.set(request, { outcome: "repeated" })
    } else if (request.amount <= left) {
      usedKeys.add(request.key)
      granted.push(request)
      left -= request.amount
    } else {
      tooLarge.push(request)
    }
  }
  return { granted, tooLarge, left }
}

export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  outbox: Outbox.Publisher,
  getFeature: ReturnType<typeof makeCatalog>["getFeature"]
) {
  const inTransaction = transactionOf(sql)

  const reservationOf = (
    account: Statements.Account,
    { amount, expiresInSeconds }: ReserveQuota,
    reservationId: string,
    now: Date
  ) => {
    const { end, start } = account.period
    const seconds = expiresInSeconds ?? reservationSecondsDefault
    return new QuotaReservation({
      reservationId: QuotaReservationId.make(reservationId),
      feature: account.feature,
      subject: account.subject === "" ? null : account.subject,
      periodStart: DateTime.fromDateUnsafe(start),
      periodEnd: end === undefined ? null : DateTime.fromDateUnsafe(end),
      amount,
      status: "open",
      committed: null,
      expiresAt: DateTime.fromDateUnsafe(new Date(now.getTime() + seconds * millisPerSecond)),
      recordedAt: DateTime.fromDateUnsafe(now),
      settledAt: null
    })
  }

  /** Decides requests of one balance, which the transaction holds. */
  const decide = Effect.fnUntraced(function* (
    account: Statements.Account,
    feature: QuotaFeature,
    now: Date,
    requests: ReadonlyArray<ReserveQuota>
  ) {
    const keys = requests.map(({ key }) => key)
    yield* Statements.lockBalance(sql, account, now)
    const settled = yield* Statements.settle(sql, account, feature, now, keys)
    const events = yield* thresholdEvents(account, settled, now)
    if (events.length > 0) yield* outbox.publish(events)

    const answers = new Map<ReserveQuota, Reserved>()
    const usedKeys = new Set(settled.usedKeys)
    let open = requests
    let room = feature.soft ? Number.POSITIVE_INFINITY : settled.quota - settled.used - settled.held
    for (;;) {
      const { granted, left, tooLarge } = fitting(open, room, usedKeys, answers)
      room = left
      open = tooLarge
      if (granted.length === 0) break
      const reservations = yield* Effect.forEach(granted, (request) =>
        Effect.map(Identifier.next, (id) => ({
          request,
          reservation: reservationOf(account, request, id, now)
        }))
      )
      const written = yield* ReservationStatements.reserve(
        sql,
        account,
        feature.kind === "concurrent",
        now,
        reservations.map(({ request, reservation }) => ({
          reservationId: reservation.reservationId,
          key: request.key,
          request: reserveFingerprint(request),
          amount: request.amount,
          expiresAt: DateTime.toDate(reservation.expiresAt)
        }))
      )
      for (const { request, reservation } of reservations) {
        if (written.has(reservation.reservationId)) {
          answers.set(request, { outcome: "reserved", reservation })
        } else {
          // Another transaction has used the key meanwhile: what was kept for it is there for the others.
          answers.set(request, { outcome: "repeated" })
          room += request.amount
        }
      }
      if (written.size === granted.length) break
    }
    const { end } = account.period
    const periodEnd = end === undefined ? null : DateTime.fromDateUnsafe(end)
    const exceeded: Reserved = {
      outcome: "exceeded",
      remaining: Math.max(0, room),
      quota: settled.quota,
      periodEnd
    }
    return requests.map((request) => answers.get(request) ?? exceeded)
  })

  /** Requests of one balance in one transaction. A refusal commits too: what was folded and expired for it stays so. */
  const reserveAll = Effect.fnUntraced(function* (
    requests: readonly [ReserveQuota, ...ReadonlyArray<ReserveQuota>]
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const [first] = requests
    const feature = yield* getFeature(first.feature)
    if (feature.kind !== "metered" && feature.kind !== "concurrent") {
      return yield* new QuotaKindMismatch({ feature: feature.feature, kind: feature.kind, field: "amount" })
    }
    const account = {
      tenantId: tenant.id,
      feature: feature.feature,
      subject: first.subject ?? "",
      period: periodOf(feature, now)
    }
    return yield* inTransaction(decide(account, feature, now, requests))
  })
  const reserve = yield* GroupCommit.make({
    sql,
    run: reserveAll,
    max: requestsMax,
    keyOf: ({ feature, subject }) => `${feature}\n${subject ?? ""}`
  })

  const rowsOf = Effect.fnUntraced(function* (
    settlements: ReadonlyArray<ReservationStatements.Settlement>,
    options: { readonly skipsLocked: boolean }
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const rows = yield* ReservationStatements.settle(
      sql,
      tenant.id,
      reservationRow.columnsOf,
      settlements,
      now,
      options
    )
    return yield* reservationRow.decodeAll(rows)
  })

  /**
   * Settlements of one tenant in one statement. It waits for no other transaction: what one holds is not settled here, nor is a
   * reservation that is named again.
   */
  const settleAll = Effect.fnUntraced(function* (
    settlements: ReadonlyArray<ReservationStatements.Settlement>
  ) {
    const firsts = new Map(settlements.toReversed().map((each) => [each.reservationId, each]))
    const rows = yield* rowsOf(Array.from(firsts.values()), { skipsLocked: true })
    const settled = new Map(rows.map((row) => [String(row.reservationId), row]))
    return settlements.map((each) =>
      firsts.get(each.reservationId) === each ? settled.get(each.reservationId) : undefined
    )
  })
  const settleShared = yield* GroupCommit.make({ sql, run: settleAll, max: requestsMax })

  /** The reservation as it was settled; undefined when it is not open, or does not take this settlement. */
  const settle = Effect.fnUntraced(function* (settlement: ReservationStatements.Settlement) {
    const settled = yield* settleShared(settlement)
    if (settled !== undefined) return settled
    const [row] = yield* rowsOf([settlement], { skipsLocked: false })
    return row
  })

  return { reserve, settle }
})
