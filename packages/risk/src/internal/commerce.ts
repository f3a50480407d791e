/** Turns the facts of a shop into signals and labels. */
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf } from "@hypermarket/core/InputErrors"
import type { Event } from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NewSignal } from "../FraudSignal.ts"
import type { Fact } from "../Risk.ts"
import type { NewLabel } from "../RiskDecision.ts"

const orderTypes = new Set([
  Commerce.typeOf("order.placed"),
  Commerce.typeOf("order.changed"),
  Commerce.typeOf("order.cancelled")
])
const payoutType = Commerce.typeOf("payout.requested")
const returnType = Commerce.typeOf("return.requested")
const chargebackType = Commerce.typeOf("chargeback.received")

export const types: ReadonlyArray<string> = [...orderTypes, payoutType, returnType, chargebackType]

const decodePayout = Schema.decodeUnknownEffect(Commerce.PayoutRequested)
const decodeReturn = Schema.decodeUnknownEffect(Commerce.ReturnRequested)
const decodeChargeback = Schema.decodeUnknownEffect(Commerce.ChargebackReceived)
/** The door's bounds hold for what comes from the shop too. */
const checkSignal = Schema.decodeUnknownEffect(Schema.toType(NewSignal))

/** A fact is one signal, one label, or nothing that concerns risk. */
interface Part {
  readonly facts: ReadonlyArray<Fact>
  readonly labels: ReadonlyArray<NewLabel>
}

const nothing: Part = { facts: [], labels: [] }

/** Sellers beyond these are left out: an order of more is a bulk order. */
const sellersMax = 6

const sourceMaxCharacters = 200

const amountOf = (order: Commerce.Order): bigint => {
  const lines = order.lines.reduce(
    (sum, line) =>
      sum + line.unitPrice * BigInt(line.quantity) - (line.discount ?? 0n) + (line.shipping ?? 0n),
    0n
  )
  const total = lines + (order.shipping ?? 0n) + (order.fees ?? 0n) - (order.discount ?? 0n)
  return total < 0n ? 0n : total
}

const orderSignal = (event: Event, order: Commerce.Order): unknown => ({
  kind: "order",
  subject: order.orderId,
  source: event.source.slice(0, sourceMaxCharacters),
  amount: { amount: amountOf(order), currency: order.currency },
  entities: {
    ...(order.customerId === undefined ? {} : { account: order.customerId }),
    ...(order.payment?.cardFingerprint === undefined ? {} : { card: order.payment.cardFingerprint }),
    ...(order.ip === undefined ? {} : { ip: order.ip }),
    ...(order.deviceId === undefined ? {} : { device: order.deviceId }),
    ...(order.emailHash === undefined ? {} : { emailHash: order.emailHash }),
    ...(order.emailBaseHash === undefined ? {} : { emailBaseHash: order.emailBaseHash }),
    seller: Array.from(new Set(order.lines.map(({ sellerId }) => sellerId))).slice(0, sellersMax)
  },
  attributes: {
    orderId: order.orderId,
    lines: order.lines.length,
    quantity: order.lines.reduce((sum, { quantity }) => sum + quantity, 0),
    channel: order.channel,
    region: order.region,
    guest: order.customerId === undefined,
    coupons: order.couponCodes ?? [],
    ...(order.shipTo === undefined ? {} : { shipToCountry: order.shipTo.country }),
    ...(order.payment === undefined
      ? {}
      : { paymentMethod: order.payment.method, giftCard: order.payment.giftCard ?? false })
  }
})

const factOf = (signal: unknown, version: number, at: DateTime.Utc) =>
  Effect.map(checkSignal(signal), (checked): Part => ({
    ...nothing,
    facts: [{ signal: checked, version, occurredAt: DateTime.toDateUtc(at) }]
  }))

const read = (event: Event): Effect.Effect<Part, Schema.SchemaError> => {
  if (orderTypes.has(event.type)) {
    return Effect.flatMap(Commerce.decodeOrder(event.data), (order) =>
      factOf(orderSignal(event, order), order.version, order.placedAt)
    )
  }
  const source = event.source.slice(0, sourceMaxCharacters)
  if (event.type === payoutType) {
    return Effect.flatMap(decodePayout(event.data), (payout) =>
      factOf(
        {
          kind: "payout",
          subject: payout.payoutId,
          source,
          amount:
            payout.amount.amount < 0n
              ? undefined
              : { amount: payout.amount.amount, currency: payout.amount.currency },
          entities: { seller: payout.sellerId },
          attributes: { payoutId: payout.payoutId }
        },
        payout.version,
        payout.at
      )
    )
  }
  if (event.type === returnType) {
    return Effect.flatMap(decodeReturn(event.data), (returned) =>
      factOf(
        {
          kind: "return",
          subject: returned.returnId,
          source,
          entities: {},
          attributes: { orderId: returned.orderId, reason: returned.reason }
        },
        returned.version,
        returned.at
      )
    )
  }
  if (event.type !== chargebackType) return Effect.succeed(nothing)
  return Effect.map(decodeChargeback(event.data), (chargeback): Part => ({
    ...nothing,
    // One that the shop won was no loss.
    labels:
      chargeback.state === "won"
        ? []
        : [{ kind: "order", subject: chargeback.orderId, label: "chargeback", availableAt: chargeback.at }]
  }))
}

/** Reads a batch. A fact that cannot be a signal is rejected by itself: the tenant finds it in the dead-letter queue. */
export const fromEvents = (events: ReadonlyArray<Event>) =>
  Effect.map(
    Effect.forEach(events, (event) =>
      Effect.match(read(event), {
        onFailure: (error) => ({
          part: nothing,
          rejections: [Subscription.reject(event, "not-a-signal", errorsOf(error))]
        }),
        onSuccess: (part) => ({ part, rejections: [] })
      })
    ),
    (all) => ({
      facts: all.flatMap(({ part }) => part.facts),
      labels: all.flatMap(({ part }) => part.labels),
      rejections: all.flatMap(({ rejections }) => rejections)
    })
  )
