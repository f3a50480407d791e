/**
 * Facts as columns of arrays, in which the statements receive a batch.
 */
import {
  type AdjustedLine,
  type AdjustmentState,
  type CreditState,
  type Line,
  type OrderState,
  wholeOrder
} from "./orderState.ts"

/** Lines of several orders; what belongs to the order is repeated on each. */
export interface LineColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly lineIds: ReadonlyArray<string>
  readonly sellerIds: ReadonlyArray<string>
  readonly productIds: ReadonlyArray<string>
  readonly categories: ReadonlyArray<string>
  readonly regions: ReadonlyArray<string>
  readonly channels: ReadonlyArray<string>
  readonly currencies: ReadonlyArray<string>
  readonly customerIds: ReadonlyArray<string>
  readonly cancelled: ReadonlyArray<boolean>
  readonly first: ReadonlyArray<boolean>
  readonly sellerFirst: ReadonlyArray<boolean>
  readonly orderedAt: ReadonlyArray<Date>
  readonly units: ReadonlyArray<bigint>
  readonly gross: ReadonlyArray<bigint>
  readonly discounts: ReadonlyArray<bigint>
  readonly taxes: ReadonlyArray<bigint>
  readonly shippings: ReadonlyArray<bigint>
  readonly fees: ReadonlyArray<bigint>
  readonly cancelledUnits: ReadonlyArray<bigint>
  readonly cancelledAmounts: ReadonlyArray<bigint>
}

export interface HeadColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<bigint>
  readonly bodyHashes: ReadonlyArray<string>
  /** The fields of the order that a line without content has too. */
  readonly deleted: ReadonlyArray<boolean>
  readonly cancelled: ReadonlyArray<boolean>
  readonly regions: ReadonlyArray<string>
  readonly channels: ReadonlyArray<string>
  readonly currencies: ReadonlyArray<string>
  readonly customerIds: ReadonlyArray<string>
  readonly orderedAt: ReadonlyArray<Date>
}

/** Lines of refunds and shipments. */
export interface AdjustmentColumns {
  readonly orderIds: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly adjustmentIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<bigint>
  readonly bodyHashes: ReadonlyArray<string>
  readonly bookedAt: ReadonlyArray<Date>
  readonly lineIds: ReadonlyArray<string>
  readonly units: ReadonlyArray<bigint>
  readonly amounts: ReadonlyArray<bigint>
  readonly taxes: ReadonlyArray<bigint>
  readonly shippings: ReadonlyArray<bigint>
  readonly fees: ReadonlyArray<bigint>
}

export interface CreditColumns {
  readonly creditIds: ReadonlyArray<string>
  readonly versions: ReadonlyArray<bigint>
  readonly bodyHashes: ReadonlyArray<string>
  readonly customerIds: ReadonlyArray<string>
  readonly sellerIds: ReadonlyArray<string>
  readonly regions: ReadonlyArray<string>
  readonly currencies: ReadonlyArray<string>
  readonly bookedAt: ReadonlyArray<Date>
  readonly units: ReadonlyArray<bigint>
  readonly amounts: ReadonlyArray<bigint>
  readonly taxes: ReadonlyArray<bigint>
  readonly shippings: ReadonlyArray<bigint>
  readonly fees: ReadonlyArray<bigint>
}

export const headColumns = (orders: ReadonlyArray<OrderState>): HeadColumns => ({
  orderIds: orders.map((order) => order.orderId),
  versions: orders.map((order) => order.version),
  bodyHashes: orders.map((order) => order.bodyHash),
  deleted: orders.map((order) => order.lines.length === 0),
  cancelled: orders.map((order) => order.cancelled),
  regions: orders.map((order) => order.region),
  channels: orders.map((order) => order.channel),
  currencies: orders.map((order) => order.currency),
  customerIds: orders.map((order) => order.customerId),
  orderedAt: orders.map((order) => order.orderedAt)
})

/** A row of `hm_order_line`. */
interface LineRow {
  readonly order: OrderState
  readonly line: Omit<Line, "unitPrice">
  readonly gross: bigint
  readonly fees: bigint
  readonly cancelledAmount: bigint
  readonly isFirst: boolean
  readonly isSellerFirst: boolean
}

/** A part of an amount, by units, rounded half up to whole minor units. */
const shareOf = (amount: bigint, units: bigint, allUnits: bigint): bigint =>
  units === 0n ? 0n : units === allUnits ? amount : (2n * amount * units + allUnits) / (2n * allUnits)

/** The row of what belongs to the whole order: it is cancelled with the whole order. */
const wholeOrderRow = (order: OrderState): ReadonlyArray<LineRow> => {
  const { discount, fees, shipping } = order.amounts
  if (discount === 0n && fees === 0n && shipping === 0n) return []
  const none = { sellerId: "", productId: "", category: "", units: 0n, tax: 0n, cancelledUnits: 0n }
  return [
    {
      order,
      line: { lineId: wholeOrder, ...none, discount, shipping },
      gross: 0n,
      fees,
      cancelledAmount: order.cancelled ? -discount : 0n,
      isFirst: false,
      isSellerFirst: false
    }
  ]
}

/** Marks the first line of the order and of each of its sellers: they carry the counts of one. */
const lineRows = (order: OrderState): ReadonlyArray<LineRow> => {
  const sellers = new Set<string>()
  const rows = order.lines.map((line, index): LineRow => {
    const isSellerFirst = !sellers.has(line.sellerId)
    sellers.add(line.sellerId)
    const gross = line.unitPrice * line.units
    const cancelledAmount = shareOf(gross - line.discount, line.cancelledUnits, line.units)
    return { order, line, gross, fees: 0n, cancelledAmount, isFirst: index === 0, isSellerFirst }
  })
  return [...rows, ...(rows.length === 0 ? [] : wholeOrderRow(order))]
}

export const lineColumns = (orders: ReadonlyArray<OrderState>): LineColumns => {
  const rows = orders.flatMap(lineRows)
  return {
    orderIds: rows.map(({ order }) => order.orderId),
    lineIds: rows.map(({ line }) => line.lineId),
    sellerIds: rows.map(({ line }) => line.sellerId),
    productIds: rows.map(({ line }) => line.productId),
    categories: rows.map(({ line }) => line.category),
    regions: rows.map(({ order }) => order.region),
    channels: rows.map(({ order }) => order.channel),
    currencies: rows.map(({ order }) => order.currency),
    customerIds: rows.map(({ order }) => order.customerId),
    cancelled: rows.map(({ order }) => order.cancelled),
    first: rows.map(({ isFirst }) => isFirst),
    sellerFirst: rows.map(({ isSellerFirst }) => isSellerFirst),
    orderedAt: rows.map(({ order }) => order.orderedAt),
    units: rows.map(({ line }) => line.units),
    gross: rows.map(({ gross }) => gross),
    discounts: rows.map(({ line }) => line.discount),
    taxes: rows.map(({ line }) => line.tax),
    shippings: rows.map(({ line }) => line.shipping),
    fees: rows.map(({ fees }) => fees),
    cancelledUnits: rows.map(({ line }) => line.cancelledUnits),
    cancelledAmounts: rows.map(({ cancelledAmount }) => cancelledAmount)
  }
}

/** Holds the version of a refund or shipment that has no lines. */
const withoutLines: AdjustedLine = {
  lineId: wholeOrder,
  units: 0n,
  amount: 0n,
  tax: 0n,
  shipping: 0n,
  fees: 0n
}

export const adjustmentColumns = (adjustments: ReadonlyArray<AdjustmentState>): AdjustmentColumns => {
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
    amounts: rows.map(({ line }) => line.amount),
    taxes: rows.map(({ line }) => line.tax),
    shippings: rows.map(({ line }) => line.shipping),
    fees: rows.map(({ line }) => line.fees)
  }
}

export const creditColumns = (credits: ReadonlyArray<CreditState>): CreditColumns => ({
  creditIds: credits.map((credit) => credit.creditId),
  versions: credits.map((credit) => credit.version),
  bodyHashes: credits.map((credit) => credit.bodyHash),
  customerIds: credits.map((credit) => credit.customerId),
  sellerIds: credits.map((credit) => credit.sellerId),
  regions: credits.map((credit) => credit.region),
  currencies: credits.map((credit) => credit.currency),
  bookedAt: credits.map((credit) => credit.bookedAt),
  units: credits.map(({ sums }) => sums.units),
  amounts: credits.map(({ sums }) => sums.amount),
  taxes: credits.map(({ sums }) => sums.tax),
  shippings: credits.map(({ sums }) => sums.shipping),
  fees: credits.map(({ sums }) => sums.fees)
})
