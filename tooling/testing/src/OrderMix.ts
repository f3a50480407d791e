/**
 * Order facts in every disorder that a shop is capable of, from a seed, and what is true in the end: of each order, refund
 * and shipment the highest version. Corrections, re-datings, other sellers, currencies and regions, lines that come and
 * go, cancellations that are taken back, refunds and shipments before their order, repetitions.
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

/** Small, fast, and the same on every machine (mulberry32). */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <A>(values: readonly [A, ...ReadonlyArray<A>]): A => values[below(values.length)] ?? values[0]
  return { next, below, pick }
}

export type Random = ReturnType<typeof random>

export type Fact =
  | { readonly type: "order.placed" | "order.changed" | "order.cancelled"; readonly data: Commerce.Order }
  | { readonly type: "order.shipped"; readonly data: Commerce.Shipment }
  | { readonly type: "order.deleted"; readonly data: Commerce.OrderDeleted }
  | { readonly type: "order.refunded"; readonly data: Commerce.Refund }

export interface Options {
  readonly seed: number
  /** So few that everything collides, or so many that hardly anything does. */
  readonly orders: number
  readonly versions: number
  readonly sellers: ReadonlyArray<string>
}

const decodeOrder = Schema.decodeUnknownSync(Commerce.Order)
const decodeShipment = Schema.decodeUnknownSync(Commerce.Shipment)
const decodeRefund = Schema.decodeUnknownSync(Commerce.Refund)
const decodeDeleted = Schema.decodeUnknownSync(Commerce.OrderDeleted)

const linesMax = 5
const adjustmentsMax = 2
const creditsMax = 20
const dayMillis = 24 * 60 * 60 * 1000
/** Over the changes of the clock of both hemispheres. */
const firstInstant = Date.UTC(2026, 1, 20)
const days = 120

const instant = (dice: Random): string =>
  new Date(firstInstant + Math.floor(dice.next() * days * dayMillis)).toISOString()

/** A content follows from its name and version alone: a repetition is the same from every sender. */
const diceOf = (options: Options, kind: number, order: number, id: number, version: number) =>
  random(((((options.seed * 31 + kind) * 131 + order) * 17 + id) * 101 + version) | 0)

const orderFact = (options: Options, order: number, version: number): Fact => {
  const dice = diceOf(options, 1, order, 0, version)
  if (dice.next() < 0.05) {
    return { type: "order.deleted", data: decodeDeleted({ orderId: `o${order}`, version, reason: "test" }) }
  }
  const [seller = "s0", ...sellers] = options.sellers
  const lines = Array.from({ length: linesMax }, (_, line) => line).filter(() => dice.next() < 0.6)
  const cancelled = dice.next() < 0.15
  const data = decodeOrder({
    orderId: `o${order}`,
    version,
    status: cancelled ? "cancelled" : "placed",
    ...(order % 4 === 0 ? {} : { customerId: `c${order % 7}` }),
    channel: dice.pick(["web", "app", "store"]),
    region: dice.pick(["DE", "US-CA", "IN", "AU-NSW"]),
    currency: dice.pick(["EUR", "USD", "JPY"]),
    placedAt: instant(dice),
    ...(dice.next() < 0.3
      ? {
          discount: String(dice.below(90)),
          shipping: String(dice.below(700)),
          fees: String(dice.below(60))
        }
      : {}),
    lines: (lines.length === 0 ? [0] : lines).map((line) => ({
      lineId: `l${line}`,
      productId: `p${dice.below(9)}`,
      sellerId: dice.pick([seller, ...sellers]),
      ...(dice.next() < 0.9 ? { category: dice.pick(["a/b", "a/c", "d"]) } : {}),
      quantity: 3,
      cancelledQuantity: dice.next() < 0.3 ? dice.below(4) : 0,
      unitPrice: String(dice.below(10_000)),
      discount: String(dice.below(50)),
      tax: String(dice.below(900)),
      shipping: String(dice.below(500))
    }))
  })
  return { type: cancelled ? "order.cancelled" : version === 1 ? "order.placed" : "order.changed", data }
}

const shipmentFact = (options: Options, order: number, id: number, version: number): Fact => {
  const dice = diceOf(options, 2, order, id, version)
  return {
    type: "order.shipped",
    data: decodeShipment({
      orderId: `o${order}`,
      shipmentId: `${order}-s${id}`,
      version,
      at: instant(dice),
      lines: [
        { lineId: `l${dice.below(linesMax - 1)}`, quantity: 1 + dice.below(3) },
        { lineId: `l${linesMax - 1}`, quantity: 1 + dice.below(3) }
      ]
    })
  }
}

const refundFact = (options: Options, order: number, id: number, version: number): Fact => {
  const dice = diceOf(options, 3, order, id, version)
  const first = dice.below(linesMax)
  const lines = [first, (first + 1 + dice.below(linesMax - 1)) % linesMax].slice(0, dice.below(3))
  const whole = dice.next() < 0.3
  return {
    type: "order.refunded",
    data: decodeRefund({
      orderId: `o${order}`,
      refundId: `${order}-r${id}`,
      version,
      at: instant(dice),
      reason: "returned",
      lines: lines.map((line) => ({
        lineId: `l${line}`,
        quantity: dice.below(3),
        amount: String(dice.below(5_000)),
        tax: String(dice.below(200)),
        shipping: String(dice.below(90))
      })),
      ...(whole
        ? {
            amount: String(dice.below(800)),
            tax: String(dice.below(70)),
            shipping: String(dice.below(60)),
            fees: String(dice.below(50))
          }
        : {})
    })
  }
}

/** A credit without an order. */
const creditFact = (options: Options, id: number, version: number): Fact => {
  const dice = diceOf(options, 4, id, 0, version)
  return {
    type: "order.refunded",
    data: decodeRefund({
      refundId: `credit-${id}`,
      version,
      at: instant(dice),
      reason: "goodwill",
      region: dice.pick(["DE", "US-CA"]),
      currency: dice.pick(["EUR", "JPY"]),
      ...(dice.next() < 0.5 ? { sellerId: options.sellers[0] } : {}),
      lines: [{ lineId: "1", quantity: dice.below(3), amount: String(dice.below(4_000)), tax: "11" }],
      shipping: String(dice.below(80))
    })
  }
}

/** The next fact, of any order and version. */
export const next = (options: Options, dice: Random): Fact => {
  const order = dice.below(options.orders)
  const version = 1 + dice.below(options.versions)
  const kind = dice.next()
  if (kind < 0.6) return orderFact(options, order, version)
  if (kind > 0.97) return creditFact(options, order % creditsMax, version)
  const id = dice.below(adjustmentsMax)
  return kind < 0.8 ? shipmentFact(options, order, id, version) : refundFact(options, order, id, version)
}

/** A line or an adjusted line in words, as the database is asked for it too. */
export interface Truth {
  readonly lines: ReadonlyArray<string>
  readonly adjustments: ReadonlyArray<string>
  readonly credits: ReadonlyArray<string>
}

/** The thing that a fact is about. */
export const idOf = (fact: Fact): string => {
  switch (fact.type) {
    case "order.shipped":
      return `shipment ${fact.data.shipmentId}`
    case "order.refunded":
      return `refund ${fact.data.refundId}`
    default:
      return `order ${fact.data.orderId}`
  }
}

type Order = Extract<Fact, { readonly type: "order.placed" | "order.changed" | "order.cancelled" }>

const isOrder = (fact: Fact): fact is Order =>
  fact.type === "order.placed" || fact.type === "order.changed" || fact.type === "order.cancelled"

const wholeOrderOf = (fact: Order): ReadonlyArray<string> => {
  const {
    channel,
    currency,
    customerId,
    discount = 0n,
    fees = 0n,
    orderId,
    region,
    shipping = 0n
  } = fact.data
  const isCancelled = fact.type === "order.cancelled"
  if (discount + fees + shipping === 0n) return []
  const cancelled = isCancelled ? -discount : 0n
  const place = ["", "", "", "", region, channel, currency, customerId ?? "guest", isCancelled]
  return [[orderId, ...place, 0, 0, discount, 0, shipping, fees, 0, cancelled].join("|")]
}

/** Thirds of an amount, rounded half up: every line has three units. */
const thirdsOf = (amount: bigint, units: number): bigint => {
  if (units % 3 === 0) return units === 0 ? 0n : amount
  const sixths = 2n * amount * BigInt(units) + 3n
  return sixths < 0n ? -(-sixths / 6n) : sixths / 6n
}

const linesOf = (fact: Fact): ReadonlyArray<string> => {
  if (!isOrder(fact)) return []
  const { data } = fact
  const isCancelled = fact.type === "order.cancelled"
  const lines = data.lines.map((line) => {
    const gross = line.unitPrice * BigInt(line.quantity)
    const cancelledUnits = isCancelled ? line.quantity : (line.cancelledQuantity ?? 0)
    return [
      data.orderId,
      line.lineId,
      line.sellerId,
      line.productId,
      line.category ?? "",
      data.region,
      data.channel,
      data.currency,
      data.customerId ?? "guest",
      isCancelled,
      line.quantity,
      gross,
      line.discount,
      line.tax,
      line.shipping,
      0,
      cancelledUnits,
      thirdsOf(gross - (line.discount ?? 0n), cancelledUnits)
    ].join("|")
  })
  return [...lines, ...wholeOrderOf(fact)]
}

const adjustmentsOf = (fact: Fact): ReadonlyArray<string> => {
  if (fact.type === "order.shipped") {
    return fact.data.lines.map((line) =>
      [fact.data.orderId, line.lineId, "shipment", fact.data.shipmentId, line.quantity, 0, 0, 0, 0].join("|")
    )
  }
  if (fact.type !== "order.refunded" || fact.data.orderId === undefined) return []
  const { amount = 0n, fees = 0n, lines, orderId, refundId, shipping = 0n, tax = 0n } = fact.data
  return [
    ...lines.map((line) => ({ ...line, tax: line.tax ?? 0n, shipping: line.shipping ?? 0n, fees: 0n })),
    { lineId: "", quantity: 0, amount, tax, shipping, fees }
  ]
    .filter((line) => line.quantity > 0 || line.amount + line.tax + line.shipping + line.fees > 0n)
    .map((line) =>
      [
        orderId,
        line.lineId,
        "refund",
        refundId,
        line.quantity,
        line.amount,
        line.tax,
        line.shipping,
        line.fees
      ].join("|")
    )
}

const creditsOf = (fact: Fact): ReadonlyArray<string> => {
  if (fact.type !== "order.refunded" || fact.data.orderId !== undefined) return []
  const { currency, lines, refundId, region, sellerId = "", shipping = 0n } = fact.data
  const [line] = lines
  return [
    [refundId, sellerId, region, currency, line?.quantity, line?.amount, line?.tax, shipping, 0].join("|")
  ]
}

/** Returns the state after these facts, in any order. */
export const truthOf = (facts: Iterable<Fact>): Truth => {
  const highest = new Map<string, Fact>()
  for (const fact of facts) {
    const known = highest.get(idOf(fact))
    if (known === undefined || known.data.version < fact.data.version) highest.set(idOf(fact), fact)
  }
  const left = Array.from(highest.values())
  return {
    lines: left.flatMap(linesOf).toSorted(),
    adjustments: left.flatMap(adjustmentsOf).toSorted(),
    credits: left.flatMap(creditsOf).toSorted()
  }
}

/** Reads a tenant's state from the database, in the same words. */
export const stored = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  const lines = yield* sql<{ readonly text: string }>`
    SELECT concat_ws('|', order_id, line_id, seller_id, product_id, category, region, channel, currency,
                     coalesce(customer_id, 'guest'), CASE WHEN cancelled THEN 'true' ELSE 'false' END, units, gross,
                     discount, tax, shipping, fees, cancelled_units, cancelled_amount) AS text
      FROM hm_order_line
     WHERE tenant_id = ${tenantId} AND NOT removed
  `
  const adjustments = yield* sql<{ readonly text: string }>`
    SELECT concat_ws('|', order_id, line_id, kind, adjustment_id, units, amount, tax, shipping, fees) AS text
      FROM hm_order_adjustment
     WHERE tenant_id = ${tenantId} AND (units, amount, tax, shipping, fees) <> (0, 0, 0, 0, 0)
  `
  const credits = yield* sql<{ readonly text: string }>`
    SELECT concat_ws('|', credit_id, seller_id, region, currency, units, amount, tax, shipping, fees) AS text
      FROM hm_order_credit
     WHERE tenant_id = ${tenantId}
  `
  const textsOf = (rows: ReadonlyArray<{ readonly text: string }>) => rows.map(({ text }) => text).toSorted()
  const truth: Truth = {
    lines: textsOf(lines),
    adjustments: textsOf(adjustments),
    credits: textsOf(credits)
  }
  return truth
})
