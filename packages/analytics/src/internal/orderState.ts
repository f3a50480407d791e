/**
 * Facts in the form in which they are compared and written: what the figures need of them, and a hash of it.
 */
import type * as Commerce from "@hypermarket/core/Commerce"
import * as DateTime from "effect/DateTime"
import { createHash } from "node:crypto"
import type * as OrderWriter from "./orderWriter.ts"

interface Line {
  /** Where the fact has it, for what is said about it. */
  readonly position: number
  readonly lineId: string
  readonly sellerId: string
  readonly productId: string
  readonly category: string
  readonly units: bigint
  readonly unitPrice: bigint
  readonly discount: bigint
  readonly tax: bigint
  readonly shipping: bigint
}

export interface OrderState {
  readonly kind: "order"
  readonly orderId: string
  readonly version: bigint
  readonly bodyHash: string
  /** Told as placed: probably nobody has heard of it. */
  readonly isNew: boolean
  readonly cancelled: boolean
  readonly region: string
  readonly channel: string
  readonly currency: string
  readonly orderedAt: Date
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

interface AdjustedLine {
  readonly position: number
  readonly lineId: string
  readonly units: bigint
  readonly amount: bigint
}

export type State = OrderState | AdjustmentState

/** What a fact is to the one that is known: newer, the same, older, or another content under the same version. */
export type Gated = "applied" | "duplicate" | "superseded" | "conflict"

export const gate = (state: State, known: bigint | string, knownHash: string): Gated => {
  const knownVersion = BigInt(known)
  if (state.version > knownVersion) return "applied"
  if (state.version < knownVersion) return "superseded"
  return state.bodyHash === knownHash ? "duplicate" : "conflict"
}

/** 128 bits: two contents of one version by accident are not to be feared, and a head stays small. */
const hashLength = 22

/** Where a line stands in its fact is not what it says. */
const said = (key: string, value: unknown): unknown => {
  if (key === "position") return undefined
  return typeof value === "bigint" ? String(value) : value
}

const hashOf = (parts: ReadonlyArray<unknown>): string =>
  createHash("sha256").update(JSON.stringify(parts, said)).digest("base64url").slice(0, hashLength)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byLine = (a: { readonly lineId: string }, b: { readonly lineId: string }) => compare(a.lineId, b.lineId)

export const ofOrder = (order: Commerce.Order, cancelled: boolean, isNew: boolean): OrderState => {
  const lines = order.lines
    .map((line, position): Line => ({
      position,
      lineId: line.lineId,
      sellerId: line.sellerId,
      productId: line.productId,
      category: line.category ?? "",
      units: BigInt(line.quantity),
      unitPrice: line.unitPrice,
      discount: line.discount,
      tax: line.tax,
      shipping: line.shipping
    }))
    .toSorted(byLine)
  const orderedAt = DateTime.toDateUtc(order.placedAt)
  const state = { cancelled, region: order.region, channel: order.channel, currency: order.currency }
  return {
    kind: "order",
    orderId: order.orderId,
    version: BigInt(order.version),
    bodyHash: hashOf([state, orderedAt.getTime(), lines]),
    isNew,
    ...state,
    orderedAt,
    lines
  }
}

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
    bodyHash: hashOf([bookedAt.getTime(), sorted]),
    bookedAt,
    lines: sorted
  }
}

export const ofRefund = (refund: Commerce.Refund): AdjustmentState =>
  ofAdjustment(
    "refund",
    refund,
    refund.refundId,
    refund.lines.map((line, position) => ({
      position,
      lineId: line.lineId,
      units: BigInt(line.quantity),
      amount: line.amount
    }))
  )

export const ofShipment = (shipment: Commerce.Shipment): AdjustmentState =>
  ofAdjustment(
    "shipment",
    shipment,
    shipment.shipmentId,
    shipment.lines.map((line, position) => ({
      position,
      lineId: line.lineId,
      units: BigInt(line.quantity),
      amount: 0n
    }))
  )

// ---------------------------------------------------------------------------------------------------------------
// What the figures cannot take
// ---------------------------------------------------------------------------------------------------------------

interface Issue {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

/** A hundred billion of a currency with cents: sums of a million such lines still fit into a bigint. */
const amountMax = 10_000_000_000_000n
/** Wide enough for any archive; what lies outside is a mistyped century. */
const earliest = Date.UTC(1970, 0, 1)
const latest = Date.UTC(2100, 0, 1)

const currencies = new Set(Intl.supportedValuesOf("currency"))

const amountIssue = (path: Issue["path"], amount: bigint): ReadonlyArray<Issue> =>
  amount < 0n || amount > amountMax ? [{ path, message: `Expected 0 to ${amountMax} minor units` }] : []

const timeIssue = (path: Issue["path"], time: Date): ReadonlyArray<Issue> =>
  time.getTime() < earliest || time.getTime() >= latest
    ? [{ path, message: "Expected a time from 1970 to 2099" }]
    : []

export const problems = (state: State, index: number): ReadonlyArray<Issue> =>
  state.kind === "order" ? orderProblems(state, index) : adjustmentProblems(state, index)

const orderProblems = (order: OrderState, index: number): ReadonlyArray<Issue> => {
  const issues: Array<Issue> = [...timeIssue([index, "placedAt"], order.orderedAt)]
  if (!currencies.has(order.currency))
    issues.push({ path: [index, "currency"], message: "Expected a currency of ISO 4217" })
  for (const [place, line] of order.lines.entries()) {
    const at = (field: string) => [index, "lines", line.position, field]
    if (order.lines[place - 1]?.lineId === line.lineId)
      issues.push({ path: at("lineId"), message: "Two lines have this id" })
    issues.push(
      ...amountIssue(at("unitPrice"), line.unitPrice < 0n ? line.unitPrice : line.unitPrice * line.units),
      ...amountIssue(at("discount"), line.discount),
      ...amountIssue(at("tax"), line.tax),
      ...amountIssue(at("shipping"), line.shipping)
    )
  }
  return issues
}

const adjustmentProblems = (adjustment: AdjustmentState, index: number): ReadonlyArray<Issue> => [
  ...timeIssue([index, "at"], adjustment.bookedAt),
  ...adjustment.lines.flatMap((line, place) => [
    ...amountIssue([index, "lines", line.position, "amount"], line.amount),
    ...(adjustment.lines[place - 1]?.lineId === line.lineId
      ? [{ path: [index, "lines", line.position, "lineId"], message: "Two lines have this id" }]
      : [])
  ])
]

// ---------------------------------------------------------------------------------------------------------------
// Batches
// ---------------------------------------------------------------------------------------------------------------

export interface Batch {
  /** The highest version of each order, refund and shipment of the batch. */
  readonly orders: ReadonlyArray<OrderState>
  readonly adjustments: ReadonlyArray<AdjustmentState>
  readonly winnerOf: (state: State) => State
}

export const nameOf = (kind: string, orderId: string, adjustmentId: string): string =>
  `${kind}\u0000${orderId}\u0000${adjustmentId}`

const nameOfState = (state: State): string =>
  nameOf(state.kind, state.orderId, state.kind === "order" ? "" : state.adjustmentId)

export const batchOf = (states: ReadonlyArray<State>): Batch => {
  const winners = new Map<string, State>()
  for (const state of states) {
    const name = nameOfState(state)
    const known = winners.get(name)
    // The first of two with the same version: it is what the second one contradicts.
    if (known === undefined || state.version > known.version) winners.set(name, state)
  }
  const all = Array.from(winners.values())
  return {
    orders: all.filter((state) => state.kind === "order"),
    adjustments: all.filter((state) => state.kind !== "order"),
    winnerOf: (state) => winners.get(nameOfState(state)) ?? state
  }
}

export const idsOf = (states: ReadonlyArray<State>): ReadonlyArray<string> =>
  Array.from(new Set(states.map((state) => state.orderId)))

export const headColumns = (orders: ReadonlyArray<OrderState>): OrderWriter.HeadColumns => ({
  orderIds: orders.map((order) => order.orderId),
  versions: orders.map((order) => order.version),
  bodyHashes: orders.map((order) => order.bodyHash)
})

/** Marks the first line of the order and of each of its sellers: they carry the counts of one. */
const flagged = (order: OrderState) => {
  const sellers = new Set<string>()
  return order.lines.map((line, index) => {
    const isSellerFirst = !sellers.has(line.sellerId)
    sellers.add(line.sellerId)
    return { order, line, isFirst: index === 0, isSellerFirst }
  })
}

export const lineColumns = (orders: ReadonlyArray<OrderState>): OrderWriter.LineColumns => {
  const rows = orders.flatMap(flagged)
  return {
    orderIds: rows.map(({ order }) => order.orderId),
    lineIds: rows.map(({ line }) => line.lineId),
    sellerIds: rows.map(({ line }) => line.sellerId),
    productIds: rows.map(({ line }) => line.productId),
    categories: rows.map(({ line }) => line.category),
    regions: rows.map(({ order }) => order.region),
    channels: rows.map(({ order }) => order.channel),
    currencies: rows.map(({ order }) => order.currency),
    cancelled: rows.map(({ order }) => order.cancelled),
    first: rows.map(({ isFirst }) => isFirst),
    sellerFirst: rows.map(({ isSellerFirst }) => isSellerFirst),
    orderedAt: rows.map(({ order }) => order.orderedAt),
    units: rows.map(({ line }) => line.units),
    gross: rows.map(({ line }) => line.unitPrice * line.units),
    discounts: rows.map(({ line }) => line.discount),
    taxes: rows.map(({ line }) => line.tax),
    shippings: rows.map(({ line }) => line.shipping)
  }
}

/** Holds the version of a refund or shipment that has no lines. */
const withoutLines: AdjustedLine = { position: 0, lineId: "", units: 0n, amount: 0n }

export const adjustmentColumns = (
  adjustments: ReadonlyArray<AdjustmentState>
): OrderWriter.AdjustmentColumns => {
  const rows = adjustments.flatMap((adjustment) =>
    (adjustment.lines.length === 0 ? [withoutLines] : adjustment.lines).map((line) => ({
      adjustment,
      line
    }))
  )
  return {
    orderIds: rows.map(({ adjustment }) => adjustment.orderId),
    kinds: rows.map(({ adjustment }) => adjustment.kind),
    adjustmentIds: rows.map(({ adjustment }) => adjustment.adjustmentId),
    versions: rows.map(({ adjustment }) => adjustment.version),
    bodyHashes: rows.map(({ adjustment }) => adjustment.bodyHash),
    bookedAt: rows.map(({ adjustment }) => adjustment.bookedAt),
    lineIds: rows.map(({ line }) => line.lineId),
    units: rows.map(({ line }) => line.units),
    amounts: rows.map(({ line }) => line.amount)
  }
}
