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

const linesMax = 5
const adjustmentsMax = 2
const dayMillis = 24 * 60 * 60 * 1000
/** Over the changes of the clock of both hemispheres. */
const firstInstant = Date.UTC(2026, 1, 20)
const days = 120

const instant = (dice: Random): string =>
  new Date(firstInstant + Math.floor(dice.next() * days * dayMillis)).toISOString()

/** A content follows from its name and version alone: a repetition is one, whoever sends it. */
const diceOf = (options: Options, kind: number, order: number, id: number, version: number) =>
  random(((((options.seed * 31 + kind) * 131 + order) * 17 + id) * 101 + version) | 0)

const orderFact = (options: Options, order: number, version: number): Fact => {
  const dice = diceOf(options, 1, order, 0, version)
  const [seller = "s0", ...sellers] = options.sellers
  const lines = Array.from({ length: linesMax }, (_, line) => line).filter(() => dice.next() < 0.6)
  const cancelled = dice.next() < 0.15
  const data = decodeOrder({
    orderId: `o${order}`,
    version,
    status: cancelled ? "cancelled" : "placed",
    customerId: `c${order % 7}`,
    channel: dice.pick(["web", "app", "store"]),
    region: dice.pick(["DE", "US-CA", "IN", "AU-NSW"]),
    currency: dice.pick(["EUR", "USD", "JPY"]),
    placedAt: instant(dice),
    attributes: {},
    lines: (lines.length === 0 ? [0] : lines).map((line) => ({
      lineId: `l${line}`,
      productId: `p${dice.below(9)}`,
      sellerId: dice.pick([seller, ...sellers]),
      ...(dice.next() < 0.9 ? { category: dice.pick(["a/b", "a/c", "d"]) } : {}),
      quantity: 1 + dice.below(5),
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
        amount: String(dice.below(5_000))
      }))
    })
  }
}

/** The next fact, of any order and version. */
export const next = (options: Options, dice: Random): Fact => {
  const order = dice.below(options.orders)
  const version = 1 + dice.below(options.versions)
  const kind = dice.next()
  if (kind < 0.6) return orderFact(options, order, version)
  const id = dice.below(adjustmentsMax)
  return kind < 0.8 ? shipmentFact(options, order, id, version) : refundFact(options, order, id, version)
}

/** A line or an adjusted line in words, as the database is asked for it too. */
export interface Truth {
  readonly lines: ReadonlyArray<string>
  readonly adjustments: ReadonlyArray<string>
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

const linesOf = (fact: Fact): ReadonlyArray<string> => {
  if (fact.type === "order.shipped" || fact.type === "order.refunded") return []
  const { data } = fact
  return data.lines.map((line) =>
    [
      data.orderId,
      line.lineId,
      line.sellerId,
      line.productId,
      line.category ?? "",
      data.region,
      data.channel,
      data.currency,
      fact.type === "order.cancelled",
      line.quantity,
      line.unitPrice * BigInt(line.quantity),
      line.discount,
      line.tax,
      line.shipping
    ].join("|")
  )
}

const adjustmentsOf = (fact: Fact): ReadonlyArray<string> => {
  switch (fact.type) {
    case "order.shipped":
      return fact.data.lines.map((line) =>
        [fact.data.orderId, line.lineId, "shipment", fact.data.shipmentId, line.quantity, 0].join("|")
      )
    case "order.refunded":
      return fact.data.lines
        .filter((line) => line.quantity > 0 || line.amount > 0n)
        .map((line) =>
          [fact.data.orderId, line.lineId, "refund", fact.data.refundId, line.quantity, line.amount].join("|")
        )
    default:
      return []
  }
}

/** What these facts leave, in whatever order they came. */
export const truthOf = (facts: Iterable<Fact>): Truth => {
  const highest = new Map<string, Fact>()
  for (const fact of facts) {
    const known = highest.get(idOf(fact))
    if (known === undefined || known.data.version < fact.data.version) highest.set(idOf(fact), fact)
  }
  const left = Array.from(highest.values())
  return {
    lines: left.flatMap(linesOf).toSorted(),
    adjustments: left.flatMap(adjustmentsOf).toSorted()
  }
}

/** What the database has of a tenant, in the same words. */
export const stored = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  const lines = yield* sql<{ readonly text: string }>`
    SELECT concat_ws('|', order_id, line_id, seller_id, product_id, category, region, channel, currency,
                     CASE WHEN cancelled THEN 'true' ELSE 'false' END, units, gross, discount, tax, shipping) AS text
      FROM hm_order_line WHERE tenant_id = ${tenantId}
  `
  const adjustments = yield* sql<{ readonly text: string }>`
    SELECT concat_ws('|', order_id, line_id, kind, adjustment_id, units, amount) AS text
      FROM hm_order_adjustment WHERE tenant_id = ${tenantId} AND (units <> 0 OR amount <> 0)
  `
  const truth: Truth = {
    lines: lines.map(({ text }) => text).toSorted(),
    adjustments: adjustments.map(({ text }) => text).toSorted()
  }
  return truth
})
