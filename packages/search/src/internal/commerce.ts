/** Subscriptions to the shop's facts: products into their index, sessions and orders into behaviour. */
import * as Commerce from "@hypermarket/core/Commerce"
import * as InputErrors from "@hypermarket/core/InputErrors"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
import type { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import * as SearchDocument from "../SearchDocument.ts"
import { SearchDocuments } from "../SearchDocuments.ts"
import { products } from "../SearchIndex.ts"
import { SearchIndexes } from "../SearchIndexes.ts"
import * as UserBehavior from "../UserBehavior.ts"
import { UserBehaviors } from "../UserBehaviors.ts"

/**
 * Facts were checked when they were published, by another release perhaps. One that does not decode is rejected; fields that
 * this release does not know are ignored.
 */
const decodeAll = Effect.fnUntraced(function* <A>(
  events: ReadonlyArray<Event>,
  decode: (data: unknown) => Effect.Effect<A, Schema.SchemaError>
) {
  const facts: Array<{ readonly event: Event; readonly data: A }> = []
  const rejections: Array<Subscription.Rejection> = []
  for (const event of events) {
    const data = yield* Effect.result(decode(event.data))
    if (Result.isSuccess(data)) facts.push({ event, data: data.success })
    else rejections.push(Subscription.reject(event, "fact-invalid", InputErrors.errorsOf(data.failure)))
  }
  return { facts, rejections }
})

/** Writes what can be indexed. A product that is larger than a document is rejected. */
const writeProducts = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocuments
  yield* indexes.ensure(products)
  const { facts, rejections } = yield* decodeAll(events, Commerce.decodeProduct)
  const changes = facts.flatMap(({ data, event }) => {
    const fields = SearchDocument.ofProduct(data)
    if (fields === undefined || !SearchDocument.isTooLarge(fields)) {
      return [{ id: data.productId, version: data.version, fields }]
    }
    const message = "The product is larger than a document may be"
    rejections.push(Subscription.reject(event, "document-too-large", [{ path: [], message }]))
    return []
  })
  const batch = {
    upserts: changes.flatMap(({ fields, id, version }) =>
      fields === undefined ? [] : [{ id, version, fields }]
    ),
    removals: changes.flatMap(({ fields, id, version }) => (fields === undefined ? [{ id, version }] : []))
  }
  yield* documents.writeFacts(products, batch)
  return rejections
})

export const productChanged = Subscription.make<SearchIndexes | SearchDocuments | Tenant>({
  name: "search.product",
  types: [Commerce.typeOf("product.changed")],
  handler: writeProducts
})

const signalKinds = new Map([
  [Commerce.typeOf("session.viewed"), "view"],
  [Commerce.typeOf("session.clicked"), "click"],
  [Commerce.typeOf("session.carted"), "cart"]
] as const)

/**
 * In batches of one source each: an event's id is unique for its source. What is handled now has happened: an order may be
 * dated ahead of the clock.
 */
const recordBySource = Effect.fnUntraced(function* (
  signals: ReadonlyArray<{ readonly source: string; readonly signal: UserBehavior.Signal }>
) {
  const behaviors = yield* UserBehaviors
  const now = DateTime.fromDateUnsafe(yield* Now.now)
  for (const [source, own] of Map.groupBy(signals, ({ source }) => source)) {
    for (let at = 0; at < own.length; at += UserBehavior.batchMax) {
      const batch = own.slice(at, at + UserBehavior.batchMax)
      yield* behaviors
        .record(
          source,
          batch.map(({ signal }) => ({ ...signal, at: DateTime.min(signal.at, now) }))
        )
        .pipe(Effect.catchTag("SignalsInvalid", Effect.die))
    }
  }
})

export const sessionHappened = Subscription.make<UserBehaviors | Tenant>({
  name: "search.session",
  types: [...signalKinds.keys(), Commerce.typeOf("session.searched")],
  handler: Effect.fnUntraced(function* (events) {
    const behaviors = yield* UserBehaviors
    const { facts, rejections } = yield* decodeAll(events, Commerce.decodeSession)
    const searches = facts.flatMap(({ data, event }) =>
      event.type === Commerce.typeOf("session.searched") && data.query !== undefined
        ? [{ source: event.source, id: event.id, query: data.query }]
        : []
    )
    for (const [source, own] of Map.groupBy(searches, (search) => search.source)) {
      yield* behaviors.recordQueries(source, products, own)
    }
    yield* recordBySource(
      facts.flatMap(({ data, event }) => {
        const kind = signalKinds.get(event.type)
        if (kind === undefined || data.productId === undefined) return []
        const signal: UserBehavior.Signal = {
          id: event.id,
          kind,
          userKey: data.customerId ?? data.deviceId ?? data.sessionId,
          productId: data.productId,
          at: data.at,
          ...(data.queryId === undefined ? {} : { queryId: data.queryId }),
          ...(data.position === undefined ? {} : { position: data.position })
        }
        return [{ source: event.source, signal }]
      })
    )
    return rejections
  })
})

/** The longest id that a signal has. Ids of an order and a line may be longer together: their hash is then in its place. */
const purchaseIdOf = (orderId: string, lineId: string): string => {
  const id = `order/${orderId}/${lineId}`
  return id.length <= UserBehavior.idLengthMax ? id : `order/${hash("sha256", id, "base64url")}`
}

export const orderPlaced = Subscription.make<UserBehaviors | Tenant>({
  name: "search.order",
  types: [Commerce.typeOf("order.placed")],
  handler: Effect.fnUntraced(function* (events) {
    const { facts, rejections } = yield* decodeAll(events, Commerce.decodeOrder)
    yield* recordBySource(
      facts.flatMap(({ data, event }) =>
        data.lines.map((line) => ({
          source: event.source,
          signal: {
            // The line and not the event: a correction publishes the order again.
            id: purchaseIdOf(data.orderId, line.lineId),
            kind: "purchase" as const,
            // A guest without a device is a user of this one order.
            userKey: data.customerId ?? data.deviceId ?? data.orderId,
            productId: line.productId,
            quantity: line.quantity,
            at: data.placedAt
          }
        }))
      )
    )
    return rejections
  })
})
