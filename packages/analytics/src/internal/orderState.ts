/**
 * Facts in the form in which they are compared and written: what the figures need of them, and a hash of it.
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as DateTime from "effect/DateTime"
import { createHash } from "node:crypto"

export interface Line {
  readonly lineId: string
  readonly sellerId: string
  readonly productId: string
  readonly category: string
  readonly units: bigint
  readonly unitPrice: bigint
  readonly discount: bigint
  readonly tax: bigint
  readonly shipping: bigint
  readonly cancelledUnits: bigint
}

/** Amounts of the whole order, and of none of its lines. */
interface OrderAmounts {
  readonly discount: bigint
  readonly shipping: bigint
  readonly fees: bigint
}

export interface OrderState {
  readonly kind: "order"
  readonly orderId: string
  readonly version: bigint
  readonly bodyHash: string
  /** It came as placed, so it is probably new. */
  readonly isNew: boolean
  readonly cancelled: boolean
  readonly region: string
  readonly channel: string
  readonly currency: string
  readonly orderedAt: Date
  /** A guest has ''. */
  readonly customerId: string
  readonly amounts: OrderAmounts
  /** None of a deleted order. */
  readonly lines: ReadonlyArray<Line>
}

export interface AdjustmentState {
  readonly kind: "refund" | "shipment"
  readonly orderId: string
  readonly adjustmentId: string
  readonly version: bigint
  readonly bodyHash: string
  readonly bookedAt: Date
  readonly lines: ReadonlyArray<AdjustedLine>
}

export interface AdjustedLine {
  readonly lineId: string
  readonly units: bigint
  readonly amount: bigint
  readonly tax: bigint
  readonly shipping: bigint
  readonly fees: bigint
}

/** A refund without an order. */
export interface CreditState {
  readonly kind: "credit"
  readonly creditId: string
  readonly version: bigint
  readonly bodyHash: string
  readonly bookedAt: Date
  readonly customerId: string
  readonly sellerId: string
  readonly region: string
  readonly currency: string
  readonly sums: Omit<AdjustedLine, "lineId">
}

export type State = OrderState | AdjustmentState | CreditState

/** The relation of a fact to the stored one: newer, the same, older, or another content under the same version. */
export type Gated = "applied" | "duplicate" | "superseded" | "conflict"

export const gate = (state: State, known: bigint | string, knownHash: string): Gated => {
  const knownVersion = BigInt(known)
  if (state.version > knownVersion) return "applied"
  if (state.version < knownVersion) return "superseded"
  return state.bodyHash === knownHash ? "duplicate" : "conflict"
}

/** 128 bits: two contents of one version by accident are not to be feared, and a head stays small. */
const hashLength = 22

/** `JSON.stringify` throws for a bigint. */
const asText = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value)

const hashOf = (parts: ReadonlyArray<unknown>): string =>
  createHash("sha256").update(JSON.stringify(parts, asText)).digest("base64url").slice(0, hashLength)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byLine = (a: { readonly lineId: string }, b: { readonly lineId: string }) => compare(a.lineId, b.lineId)

export const ofOrder = (order: Commerce.Order, cancelled: boolean, isNew: boolean): OrderState => {
  const lines = order.lines
    .map((line): Line => ({
      lineId: line.lineId,
      sellerId: line.sellerId,
      productId: line.productId,
      category: line.category ?? "",
      units: BigInt(line.quantity),
      unitPrice: line.unitPrice,
      discount: line.discount ?? 0n,
      tax: line.tax ?? 0n,
      shipping: line.shipping ?? 0n,
      cancelledUnits: BigInt(cancelled ? line.quantity : (line.cancelledQuantity ?? 0))
    }))
    .toSorted(byLine)
  const orderedAt = DateTime.toDateUtc(order.placedAt)
  const state = {
    cancelled,
    region: order.region,
    channel: order.channel,
    currency: order.currency,
    customerId: order.customerId ?? "",
    amounts: { discount: order.discount ?? 0n, shipping: order.shipping ?? 0n, fees: order.fees ?? 0n }
  }
  return {
    kind: "order",
    orderId: order.orderId,
    version: BigInt(order.version),
    bodyHash: hashOf([
      { cancelled, region: order.region, channel: order.channel, currency: order.currency },
      orderedAt.getTime(),
      lines.map((line) => ({ ...line, cancelledUnits: undefined })),
      ...furtherOrderParts(state.amounts, cancelled ? [] : lines)
    ]),
    isNew,
    ...state,
    orderedAt,
    lines
  }
}

/**
 * The parts of an order that the first release left out of its hash, when there are any: a repetition of what it stored is a
 * duplicate. The customer is none of them.
 */
const furtherOrderParts = (amounts: OrderAmounts, lines: ReadonlyArray<Line>): ReadonlyArray<unknown> => {
  const { discount, fees, shipping } = amounts
  const cancelled = lines.filter(({ cancelledUnits }) => cancelledUnits !== 0n)
  return discount === 0n && fees === 0n && shipping === 0n && cancelled.length === 0
    ? []
    : [amounts, cancelled.map(({ cancelledUnits, lineId }) => [lineId, cancelledUnits])]
}

/** {@link furtherOrderParts} of a refund or a shipment. */
const furtherAdjustedParts = (lines: ReadonlyArray<AdjustedLine>): ReadonlyArray<unknown> => {
  const further = lines.filter(({ fees, shipping, tax }) => tax !== 0n || shipping !== 0n || fees !== 0n)
  return further.length === 0
    ? []
    : [further.map(({ fees, lineId, shipping, tax }) => [lineId, tax, shipping, fees])]
}

/** A deleted order has a version and no content. */
export const ofDeleted = (deleted: Commerce.OrderDeleted): OrderState => ({
  kind: "order",
  orderId: deleted.orderId,
  version: BigInt(deleted.version),
  bodyHash: hashOf(["deleted"]),
  isNew: false,
  cancelled: false,
  region: "",
  channel: "",
  currency: "",
  customerId: "",
  amounts: { discount: 0n, shipping: 0n, fees: 0n },
  orderedAt: new Date(0),
  lines: []
})

const ofAdjustment = (
  kind: AdjustmentState["kind"],
  fact: { readonly orderId: string; readonly version: number; readonly at: DateTime.Utc },
  adjustmentId: string,
  lines: AdjustmentState["lines"]
): AdjustmentState => {
  const bookedAt = DateTime.toDateUtc(fact.at)
  const sorted = lines.toSorted(byLine)
  return {
    kind,
    orderId: fact.orderId,
    adjustmentId,
    version: BigInt(fact.version),
    bodyHash: hashOf([
      bookedAt.getTime(),
      sorted.map(({ amount, lineId, units }) => ({ lineId, units, amount })),
      ...furtherAdjustedParts(sorted)
    ]),
    bookedAt,
    lines: sorted
  }
}

/** The line id of what belongs to the whole order: no line of a shop has it. */
export const wholeOrder = ""

const isZero = ({ amount, fees, shipping, tax, units }: AdjustedLine): boolean =>
  units === 0n && amount === 0n && tax === 0n && shipping === 0n && fees === 0n

/** The refund's lines, and what it gives back of the whole order. */
const refundedLines = (refund: Commerce.Refund): ReadonlyArray<AdjustedLine> => {
  const whole = {
    lineId: wholeOrder,
    units: 0n,
    amount: refund.amount ?? 0n,
    tax: refund.tax ?? 0n,
    shipping: refund.shipping ?? 0n,
    fees: refund.fees ?? 0n
  }
  const lines = refund.lines.map((line) => ({
    lineId: line.lineId,
    units: BigInt(line.quantity),
    amount: line.amount,
    tax: line.tax ?? 0n,
    shipping: line.shipping ?? 0n,
    fees: 0n
  }))
  return isZero(whole) ? lines : [...lines, whole]
}

const ofOrderRefund = (refund: Commerce.OrderRefund): AdjustmentState =>
  ofAdjustment("refund", refund, refund.refundId, refundedLines(refund))

const sumsOf = (lines: ReadonlyArray<AdjustedLine>): CreditState["sums"] => {
  const sum = (of: (line: AdjustedLine) => bigint) => lines.reduce((total, line) => total + of(line), 0n)
  return {
    units: sum(({ units }) => units),
    amount: sum(({ amount }) => amount),
    tax: sum(({ tax }) => tax),
    shipping: sum(({ shipping }) => shipping),
    fees: sum(({ fees }) => fees)
  }
}

const ofCredit = (refund: Commerce.Refund): CreditState => {
  const bookedAt = DateTime.toDateUtc(refund.at)
  const state = {
    customerId: refund.customerId ?? "",
    sellerId: refund.sellerId ?? "",
    region: refund.region ?? "",
    currency: refund.currency ?? "",
    sums: sumsOf(refundedLines(refund))
  }
  return {
    kind: "credit",
    creditId: refund.refundId,
    version: BigInt(refund.version),
    bodyHash: hashOf([bookedAt.getTime(), state]),
    bookedAt,
    ...state
  }
}

export const ofRefund = (refund: Commerce.Refund): AdjustmentState | CreditState =>
  Commerce.isOrderRefund(refund) ? ofOrderRefund(refund) : ofCredit(refund)

export const ofShipment = (shipment: Commerce.Shipment): AdjustmentState =>
  ofAdjustment(
    "shipment",
    shipment,
    shipment.shipmentId,
    shipment.lines.map((line) => ({
      lineId: line.lineId,
      units: BigInt(line.quantity),
      amount: 0n,
      tax: 0n,
      shipping: 0n,
      fees: 0n
    }))
  )

// ---------------------------------------------------------------------------------------------------------------
// Batches
// ---------------------------------------------------------------------------------------------------------------

export interface Batch {
  /** The highest version of each order, refund, shipment and credit of the batch. */
  readonly orders: ReadonlyArray<OrderState>
  readonly adjustments: ReadonlyArray<AdjustmentState>
  readonly credits: ReadonlyArray<CreditState>
  readonly winnerOf: (state: State) => State
}

export const nameOf = (kind: string, orderId: string, adjustmentId: string): string =>
  `${kind}\u0000${orderId}\u0000${adjustmentId}`

const nameOfState = (state: State): string => {
  switch (state.kind) {
    case "order":
      return nameOf(state.kind, state.orderId, "")
    case "credit":
      return nameOf(state.kind, "", state.creditId)
    default:
      return nameOf(state.kind, state.orderId, state.adjustmentId)
  }
}

/** The id of the order, refund, shipment or credit. */
export const idOf = (state: State): string => {
  switch (state.kind) {
    case "order":
      return state.orderId
    case "credit":
      return state.creditId
    default:
      return state.adjustmentId
  }
}

export const batchOf = (states: ReadonlyArray<State>): Batch => {
  const winners = new Map<string, State>()
  for (const state of states) {
    const name = nameOfState(state)
    const existing = winners.get(name)
    // The first of two with the same version: it is what the second one contradicts.
    if (existing === undefined || state.version > existing.version) winners.set(name, state)
  }
  const latest = Array.from(winners.values())
  return {
    orders: latest.filter((state) => state.kind === "order"),
    adjustments: latest.filter((state) => state.kind !== "order" && state.kind !== "credit"),
    credits: latest.filter((state) => state.kind === "credit"),
    winnerOf: (state) => winners.get(nameOfState(state)) ?? state
  }
}

export const idsOf = (states: ReadonlyArray<{ readonly orderId: string }>): ReadonlyArray<string> =>
  Array.from(new Set(states.map((state) => state.orderId)))
