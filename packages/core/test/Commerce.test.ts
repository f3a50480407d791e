import { assert, describe, it } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import { Effect, Schema } from "effect"

const now = new Date("2026-03-10T12:00:00Z")

const line = (lineId: string, more: Readonly<Record<string, unknown>> = {}) => ({
  lineId,
  productId: "p1",
  sellerId: "s1",
  quantity: 2,
  unitPrice: "1000",
  ...more
})

const order = (more: Readonly<Record<string, unknown>> = {}) => ({
  orderId: "o1",
  version: 1,
  status: "placed",
  channel: "web",
  region: "DE",
  currency: "EUR",
  placedAt: "2026-03-10T12:00:00Z",
  lines: [line("1")],
  ...more
})

const happened = { orderId: "o1", version: 1, at: "2026-03-10T12:00:00Z", reason: "damaged" }
const money = { amount: "12990", currency: "EUR" }

/** One fact of each type with every field that it may have. */
const whole: Readonly<Record<Commerce.FactName, unknown>> = (() => {
  const placed = order({
    customerId: "c1",
    taxIncluded: true,
    lines: [
      line("1", {
        category: "toys/blocks",
        cancelledQuantity: 1,
        discount: "100",
        tax: "361",
        shipping: "490",
        shipBy: "2099-12-31T00:00:00Z"
      })
    ],
    shipping: "490",
    fees: "50",
    discount: "10",
    cancellation: { by: "buyer", reason: "found it cheaper" },
    payment: { method: "card", cardFingerprint: "f1", giftCard: false },
    shipTo: { country: "DE", region: "DE-BE", postalCode: "10115" },
    ip: "2001:db8::1",
    deviceId: "d1",
    emailHash: "a".repeat(64),
    emailBaseHash: "b".repeat(64),
    couponCodes: ["SPRING"],
    attributes: { gift: true }
  })
  const shipment = {
    orderId: "o1",
    shipmentId: "sh1",
    version: 1,
    at: "2026-03-10T12:00:00Z",
    promisedAt: "2026-04-01T00:00:00Z",
    carrier: "DHL",
    trackingNumber: "t1",
    lines: [{ lineId: "1", quantity: 2 }]
  }
  const session = {
    sessionId: "s1",
    customerId: "c1",
    deviceId: "d1",
    productId: "p1",
    query: "",
    queryId: "q1",
    position: 1_000,
    referrer: "https://example.com/",
    at: "2015-03-10T12:00:00Z"
  }
  const ad = {
    adEventId: "e1",
    campaignId: "c1",
    adGroupId: "g1",
    adId: "a1",
    productId: "p1",
    placement: "search",
    sessionId: "s1",
    customerId: "c1",
    cost: money,
    at: "2026-03-10T12:00:00Z"
  }
  return {
    "product.changed": {
      productId: "p1",
      version: 1,
      status: "active",
      title: "Blocks",
      description: "",
      brand: "B",
      sellerId: "s1",
      categories: ["toys/blocks"],
      price: money,
      listPrice: money,
      stock: -1,
      gtin: "4006381333931",
      images: ["https://example.com/1.jpg"],
      locale: "de-DE",
      attributes: { colour: "red" }
    },
    "seller.changed": {
      sellerId: "s1",
      version: 1,
      status: "active",
      name: "Seller",
      region: "UK",
      joinedAt: "2014-01-01T00:00:00Z",
      contact: "x",
      attributes: {}
    },
    "customer.changed": {
      customerId: "c1",
      version: 1,
      status: "active",
      email: "a@example.com",
      phone: "+49 30 1",
      locale: "de",
      timeZone: "Europe/Berlin",
      region: "DE",
      segments: ["new"],
      attributes: {}
    },
    "order.placed": placed,
    "order.changed": placed,
    "order.cancelled": placed,
    "order.deleted": { orderId: "o1", version: 2, reason: "test" },
    "order.shipped": shipment,
    "order.delivered": shipment,
    "order.refunded": {
      ...happened,
      refundId: "r1",
      lines: [{ lineId: "1", quantity: 0, amount: "100", tax: "19", shipping: "0" }],
      amount: "1",
      tax: "1",
      shipping: "1",
      fees: "1"
    },
    "return.requested": { ...happened, returnId: "r1", lines: [{ lineId: "1", quantity: 1 }] },
    "chargeback.received": { ...happened, chargebackId: "c1", amount: "1", state: "opened" },
    "claim.opened": { ...happened, claimId: "c1", lines: [{ lineId: "1", quantity: 1 }], amount: "1" },
    "review.given": {
      orderId: "o1",
      reviewId: "r1",
      version: 1,
      at: "2026-03-10T12:00:00Z",
      productId: "p1",
      sellerId: "s1",
      rating: 5,
      text: "good"
    },
    "session.viewed": session,
    "session.searched": session,
    "session.clicked": session,
    "session.carted": session,
    "stock.moved": {
      movementId: "m1",
      productId: "p1",
      sellerId: "s1",
      locationId: "l1",
      kind: "adjust",
      quantity: -3,
      unitCost: money,
      at: "2026-03-10T12:00:00Z"
    },
    "ad.shown": ad,
    "ad.clicked": ad,
    "payout.requested": {
      payoutId: "p1",
      version: 1,
      sellerId: "s1",
      amount: money,
      at: "2026-03-10T12:00:00Z"
    },
    "usage.recorded": {
      usageId: "u1",
      feature: "api.calls",
      quantity: 1,
      subject: "s1",
      at: "2026-03-10T12:00:00Z",
      attributes: {}
    }
  }
})()

const pathsOf = (name: Commerce.FactName, data: unknown) =>
  Commerce.check(Commerce.typeOf(name), data, now).pipe(
    Effect.match({
      onSuccess: (): ReadonlyArray<string> => [],
      onFailure: (error) => Array.from(new Set(error.errors.map(({ path }) => path.join("."))))
    })
  )

const decodeJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const isName = (name: string): name is Commerce.FactName => name in Commerce.facts

describe("Commerce", () => {
  for (const [name, data] of Object.entries(whole)) {
    if (!isName(name)) continue
    it.effect(`accepts a ${name} with every field, and refuses a field that it does not have`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* pathsOf(name, data), [])
        assert.deepStrictEqual(yield* pathsOf(name, Object.assign({}, data, { colour: 1 })), ["colour"])
      })
    )
  }

  it("has a JSON Schema for every type", () => {
    for (const type of Commerce.types) {
      const schema = Commerce.schemaOf(type)
      assert.isDefined(schema)
      if (schema !== undefined) assert.include(JSON.stringify(Schema.toJsonSchemaDocument(schema)), "object")
    }
    assert.lengthOf(Commerce.types, 23)
  })

  it.effect("accepts an order of a guest, and one of 1,000 lines within the size of a fact", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pathsOf("order.placed", order()), [])
      const large = order({
        lines: Array.from({ length: 1_000 }, (_, index) =>
          line(`line-${index}`, { category: "toys/blocks", discount: "100", tax: "361", shipping: "490" })
        )
      })
      assert.deepStrictEqual(yield* pathsOf("order.placed", large), [])
      assert.isBelow(JSON.stringify(large).length, Commerce.factBytesMax)
      const tooLarge = order({ lines: Array.from({ length: 1_001 }, (_, index) => line(String(index))) })
      assert.deepStrictEqual(yield* pathsOf("order.placed", tooLarge), ["lines"])
    })
  )

  it.effect("names the field of every value that a handler could not store", () =>
    Effect.gen(function* () {
      const lines = (more: Readonly<Record<string, unknown>>) =>
        order({ lines: [line("1"), line("2", more)] })
      for (const [path, data] of [
        ["channel", order({ channel: "a\u0000" })],
        ["channel", order({ channel: "\ud800" })],
        ["orderId", order({ orderId: "a\ud800" })],
        ["currency", order({ currency: "ZZZ" })],
        ["region", order({ region: "ZZ" })],
        ["placedAt", order({ placedAt: "2026-02-30T12:00:00Z" })],
        ["placedAt", order({ placedAt: "2026-03-10T12:00:00" })],
        ["placedAt", order({ placedAt: "1969-12-31T00:00:00Z" })],
        ["placedAt", order({ placedAt: "10000-01-01T00:00:00Z" })],
        ["version", order({ version: 0 })],
        ["version", order({ version: 2 ** 53 })],
        ["ip", order({ ip: "1.2.3" })],
        ["emailHash", order({ emailHash: "A".repeat(64) })],
        ["attributes.a", order({ attributes: { a: "\u0000" } })],
        ["attributes", order({ attributes: { "\u0000": 1 } })],
        ["lines.1.category", lines({ category: "p\u0000" })],
        ["lines.1.unitPrice", lines({ unitPrice: "-500" })],
        ["lines.1.unitPrice", lines({ unitPrice: "5000000000001" })],
        ["lines.1.unitPrice", lines({ unitPrice: "1".repeat(30) })],
        ["lines.1.tax", lines({ tax: "10000000000001" })],
        ["lines.1.quantity", lines({ quantity: 1_000_000_001 })],
        ["lines.1.cancelledQuantity", lines({ cancelledQuantity: 3 })],
        ["lines.1.lineId", order({ lines: [line("1"), line("1")] })],
        ["lines", order({ lines: [] })]
      ] as const) {
        assert.deepStrictEqual(yield* pathsOf("order.changed", data), [path], path)
      }
    })
  )

  it.effect("refuses every time of every fact that is no instant of RFC 3339, and names its field", () =>
    Effect.gen(function* () {
      const named = new Set<string>()
      for (const [name, data] of Object.entries(whole)) {
        if (!isName(name)) continue
        const text = JSON.stringify(data)
        for (const { 0: instant, 1: field = "", index } of text.matchAll(
          /"(\w+)":"\d{4}-\d\d-\d\dT[^"]+"/gu
        )) {
          named.add(field)
          for (const time of ["2026-02-30T12:00:00Z", "2026-03-10T12:00:00", "2026-03-10", "10/03/2026"]) {
            const spoiled = `${text.slice(0, index)}"${field}":"${time}"${text.slice(index + instant.length)}`
            const paths = yield* pathsOf(name, yield* decodeJson(spoiled))
            assert.lengthOf(paths, 1, `${name} ${spoiled}`)
            assert.isTrue(`.${paths[0]}`.endsWith(`.${field}`), `${name} ${paths[0]}`)
          }
        }
      }
      assert.sameMembers(Array.from(named), ["placedAt", "shipBy", "at", "promisedAt", "joinedAt"])
    })
  )

  it.effect("accepts what happened up to a day ahead of the clock, and what was promised to 2099", () =>
    Effect.gen(function* () {
      const viewed = (at: string) => ({ sessionId: "s1", productId: "p1", at })
      assert.deepStrictEqual(yield* pathsOf("session.viewed", viewed("2026-03-11T12:00:00Z")), [])
      assert.deepStrictEqual(yield* pathsOf("session.viewed", viewed("2026-03-11T12:00:00.001Z")), ["at"])
      for (const year of [2014, 2015, 2016, 2017]) {
        assert.deepStrictEqual(yield* pathsOf("session.viewed", viewed(`${year}-06-01T00:00:00Z`)), [])
      }
      assert.deepStrictEqual(yield* pathsOf("order.placed", order({ placedAt: "2099-12-31T23:59:59Z" })), [])
    })
  )

  it.effect("tells a refund of an order from a credit without one, and accepts no mixture", () =>
    Effect.gen(function* () {
      const credit = {
        region: "DE",
        currency: "EUR",
        refundId: "r1",
        version: 1,
        at: "2026-03-10T12:00:00Z",
        reason: "goodwill",
        lines: [],
        amount: "500"
      }
      assert.deepStrictEqual(yield* pathsOf("order.refunded", credit), [])
      assert.deepStrictEqual(yield* pathsOf("order.refunded", { ...credit, orderId: "o1" }), [
        "region",
        "currency"
      ])
      const { currency: _, ...withoutCurrency } = credit
      assert.deepStrictEqual(yield* pathsOf("order.refunded", withoutCurrency), ["currency"])
      const decode = Schema.decodeUnknownSync(Commerce.Refund)
      assert.isFalse(Commerce.isOrderRefund(decode(credit)))
      assert.isTrue(Commerce.isOrderRefund(decode(whole["order.refunded"])))
    })
  )

  it.effect("reads UK as GB, and leaves unknown fields of a stored fact out", () =>
    Effect.gen(function* () {
      const decoded = yield* Commerce.decodeOrder(order({ region: "UK", ofTomorrow: 1 }))
      assert.strictEqual(decoded.region, "GB")
      assert.notProperty(decoded, "ofTomorrow")
    })
  )
})
