/** Turns the facts of a shop into facts of units. */
import * as Commerce from "@hypermarket/core/Commerce"
import * as InputErrors from "@hypermarket/core/InputErrors"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Fact, type Refund } from "../ExperimentUnit.ts"
import type { ShopFacts } from "../ExperimentUnits.ts"
import { orderSource } from "./factStatements.ts"

const sessionSources = ["session.viewed", "session.searched", "session.clicked", "session.carted"] as const

const sessionTypes = new Map(sessionSources.map((source) => [Commerce.typeOf(source), source] as const))
const orderTypes = new Set([
  Commerce.typeOf("order.placed"),
  Commerce.typeOf("order.changed"),
  Commerce.typeOf("order.cancelled")
])
const deletedType = Commerce.typeOf("order.deleted")
const refundType = Commerce.typeOf("order.refunded")

export const types: ReadonlyArray<string> = [...orderTypes, deletedType, refundType, ...sessionTypes.keys()]

const decodeDeleted = Schema.decodeUnknownEffect(Commerce.OrderDeleted)
const decodeRefund = Schema.decodeUnknownEffect(Commerce.Refund)
/** The door's bounds hold for what comes from the shop too: what it cannot store is left out. */
const isFact = Schema.is(Schema.toType(Fact))

/** Less what is cancelled. A line that is cancelled as a whole has no discount either. */
const netOf = (line: Commerce.Order["lines"][number]): bigint => {
  const left = line.quantity - (line.cancelledQuantity ?? 0)
  return left === 0 ? 0n : line.unitPrice * BigInt(left) - (line.discount ?? 0n)
}

const orderFact = (type: string, order: Commerce.Order): unknown => ({
  source: orderSource,
  factId: order.orderId,
  unitKind: "customer",
  unit: order.customerId,
  at: order.placedAt,
  value: order.lines.reduce((sum, line) => sum + netOf(line), 0n) - (order.discount ?? 0n),
  currency: order.currency,
  version: order.version,
  withdrawn:
    type === Commerce.typeOf("order.cancelled") ||
    order.status === "cancelled" ||
    order.lines.every((line) => line.quantity === line.cancelledQuantity)
})

const sessionFacts = (
  event: Event,
  source: string,
  signal: Commerce.SessionSignal
): ReadonlyArray<unknown> => {
  const units = [
    { unitKind: "session", unit: signal.sessionId },
    ...(signal.customerId === undefined ? [] : [{ unitKind: "customer", unit: signal.customerId }])
  ]
  return units.map(({ unit, unitKind }) => ({
    source,
    factId: `${unitKind}/${event.id}`,
    unitKind,
    unit,
    at: signal.at,
    value: 1n
  }))
}

const refundOf = (refund: Commerce.Refund): ReadonlyArray<Refund> =>
  refund.orderId === undefined
    ? []
    : [
        {
          orderId: refund.orderId,
          refundId: refund.refundId,
          version: refund.version,
          amount: refund.lines.reduce((sum, line) => sum + line.amount, refund.amount ?? 0n)
        }
      ]

const nothing: ShopFacts = { facts: [], refunds: [], deletions: [] }

const fromEvent = (event: Event): Effect.Effect<ShopFacts, Schema.SchemaError> => {
  if (orderTypes.has(event.type)) {
    return Effect.map(Commerce.decodeOrder(event.data), (order) => ({
      ...nothing,
      // A guest is no unit.
      facts: [orderFact(event.type, order)].filter(isFact)
    }))
  }
  if (event.type === refundType) {
    return Effect.map(decodeRefund(event.data), (refund) => ({ ...nothing, refunds: refundOf(refund) }))
  }
  if (event.type === deletedType) {
    return Effect.map(decodeDeleted(event.data), ({ orderId, version }) => ({
      ...nothing,
      deletions: [{ orderId, version }]
    }))
  }
  const source = sessionTypes.get(event.type)
  return source === undefined
    ? Effect.succeed(nothing)
    : Effect.map(Commerce.decodeSession(event.data), (signal) => ({
        ...nothing,
        facts: sessionFacts(event, source, signal).filter(isFact)
      }))
}

/**
 * Reads a batch. Facts were checked when they were published, by another release perhaps: one that does not decode is rejected.
 * One that is out of this package's bounds is left out. What is handled now has happened: an order may be dated ahead of the
 * clock.
 */
export const fromEvents = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const now = DateTime.fromDateUnsafe(yield* Now.now)
  const parts: Array<ShopFacts> = []
  const rejections: Array<Subscription.Rejection> = []
  for (const event of events) {
    const part = yield* Effect.result(fromEvent(event))
    if (Result.isSuccess(part)) parts.push(part.success)
    else rejections.push(Subscription.reject(event, "fact-invalid", InputErrors.errorsOf(part.failure)))
  }
  const read: ShopFacts = {
    facts: parts.flatMap(({ facts }) => facts.map((fact) => ({ ...fact, at: DateTime.min(fact.at, now) }))),
    refunds: parts.flatMap(({ refunds }) => refunds),
    deletions: parts.flatMap(({ deletions }) => deletions)
  }
  return { read, rejections }
})
