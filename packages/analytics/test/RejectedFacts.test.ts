import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as Commerce from "@hypermarket/core/Commerce"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import type { Event } from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Effect, Layer } from "effect"
import type { Schema } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.provideMerge(
  Wakeup.layerSilent,
  TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)
)

type Data = Readonly<Record<string, Schema.Json>>

const hash = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

/** Facts with every optional field. */
const line: Data = {
  lineId: "l1",
  productId: "p-9",
  sellerId: "s-4",
  category: "garden/tools",
  quantity: 3,
  cancelledQuantity: 1,
  unitPrice: "4150",
  discount: "310",
  tax: "905",
  shipping: "220",
  shipBy: "2026-05-04T10:00:00Z"
}
const order: Data = {
  version: 1,
  status: "paid",
  customerId: "c-77",
  channel: "app",
  region: "NL",
  currency: "EUR",
  placedAt: "2026-05-02T18:45:00+02:00",
  taxIncluded: true,
  lines: [line],
  shipping: "500",
  fees: "70",
  discount: "100",
  cancellation: { by: "buyer", reason: "changed mind" },
  payment: { method: "card", cardFingerprint: "fp-1", giftCard: false },
  shipTo: { country: "NL", region: "NL-UT", postalCode: "3511" },
  ip: "192.0.2.7",
  deviceId: "d-3",
  emailHash: hash,
  emailBaseHash: hash,
  couponCodes: ["MAY"],
  attributes: { gift: true }
}
const shipment: Data = {
  shipmentId: "sh-1",
  version: 1,
  at: "2026-05-03T09:00:00Z",
  promisedAt: "2026-05-06T09:00:00Z",
  carrier: "post",
  trackingNumber: "3SABC",
  lines: [{ lineId: "l1", quantity: 2 }]
}
const refund: Data = {
  refundId: "r-1",
  version: 1,
  at: "2026-05-08T09:00:00Z",
  reason: "late",
  lines: [{ lineId: "l1", quantity: 1, amount: "4000", tax: "300", shipping: "50" }],
  amount: "10",
  tax: "2",
  shipping: "3",
  fees: "4"
}

const kinds: ReadonlyArray<readonly [type: Commerce.FactName, data: Data]> = [
  ["order.placed", order],
  ["order.changed", order],
  ["order.cancelled", order],
  ["order.shipped", shipment],
  ["order.refunded", refund]
]

const without = (data: Data, key: string): Data =>
  Object.fromEntries(Object.entries(data).filter(([name]) => name !== key))

/** The fact, the fact without each field, each field with a value of another type, and fields of a later release. */
const variantsOf = (data: Data): ReadonlyArray<Data> => [
  data,
  { ...data, ofNextRelease: { deep: [1, "x"] } },
  ...Object.keys(data).map((key) => without(data, key)),
  ...Object.keys(data).map((key) => ({ ...data, [key]: { unexpected: -1.5 } })),
  ...(data === order
    ? Object.keys(line).flatMap((key) => [
        { ...data, lines: [without(line, key)] },
        { ...data, lines: [{ ...line, [key]: ["unexpected"] }] },
        { ...data, lines: [{ ...line, ofNextRelease: 1 }] }
      ])
    : [])
]

const written = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly orderId: string }>`
    SELECT order_id AS "orderId"
      FROM hm_order_head
     WHERE tenant_id = 'variants'
    UNION
    SELECT order_id
      FROM hm_order_adjustment
     WHERE tenant_id = 'variants'
  `
  return new Set(rows.map(({ orderId }) => orderId))
})

layer(TestLayer, { excludeTestServices: true })("A fact", (it) => {
  it.effect(
    "of every type, with every field absent, present or of another type, is in the figures or rejected with its reason",
    () =>
      Effect.gen(function* () {
        const { subscriptions } = yield* AnalyticsDomain.domain.start
        const [subscription] = subscriptions
        assert.isDefined(subscription)
        const events = kinds.flatMap(([type, data]) =>
          variantsOf(data).map((variant, index): Event => {
            const id = `${type}-${index}`
            return {
              id,
              source: "/shop",
              type: Commerce.typeOf(type),
              time: new Date("2026-05-09T00:00:00Z"),
              data: { orderId: `o-${id}`, ...variant }
            }
          })
        )
        const rejections =
          (yield* subscription
            .handler(events)
            .pipe(
              provide(TenantId.make("variants")),
              Effect.provideService(AllTenants, { actor: "test" })
            )) ?? []
        const rejected = new Map(rejections.map(({ event, rejected: error }) => [event.id, error]))
        const orders = yield* written
        for (const event of events) {
          const isWritten = orders.has(`o-${event.id}`)
          assert.notStrictEqual(isWritten, rejected.has(event.id), JSON.stringify(event.data))
        }
        for (const { errors, reason } of rejected.values()) {
          assert.strictEqual(reason, "order-fact-invalid")
          assert.isAbove(errors.length, 0)
        }
        // Whole facts and unknown fields are never rejected, and each type has rejections.
        for (const [type] of kinds) {
          assert.isTrue(
            orders.has(`o-${type}-0`),
            `${type} ${JSON.stringify(rejected.get(`${type}-0`)?.errors)}`
          )
          assert.isTrue(orders.has(`o-${type}-1`), type)
          assert.isTrue(
            rejections.some(({ event }) => event.id.startsWith(type)),
            type
          )
        }
      }).pipe(Effect.scoped)
  )
})
