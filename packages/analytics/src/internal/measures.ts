/**
 * The stored measures, all of them sums, and the texts in which statements name them.
 */
import * as Grains from "./grains.ts"

export const measures = [
  "orders",
  "seller_orders",
  "lines",
  "units",
  "gross",
  "discount",
  "tax",
  "shipping",
  "cancelled_orders",
  "cancelled_units",
  "cancelled_amount",
  "refund_units",
  "refund_amount",
  "booked_refund_units",
  "booked_refund_amount",
  "shipped_units",
  "fees",
  "refund_tax",
  "refund_shipping",
  "refund_fees",
  "refund_cancelled_amount",
  "booked_refund_tax",
  "booked_refund_shipping",
  "booked_refund_fees"
] as const

export type StoredMeasure = (typeof measures)[number]

const listed = (of: (measure: StoredMeasure) => string): string => measures.map(of).join(", ")

/** `coalesce(orders, 0) AS orders, ...`, for rows of the log in which a null is 0. */
export const coalesced = listed((measure) => `coalesce(${measure}, 0) AS ${measure}`)

/** `orders, seller_orders, ...` */
export const names = listed((measure) => measure)

/** `hm_sum(orders) AS orders, ...` */
export const sums = listed((measure) => `hm_sum(${measure}) AS ${measure}`)

/** {@link sums} that cannot overflow on the way, for cells that may be wrong. */
export const wideSums = listed((measure) => `sum(${measure})::bigint AS ${measure}`)

/** {@link anySum} that cannot overflow. */
export const anyWideSum = `(${measures.map((measure) => `sum(${measure})`).join(", ")}) <> (${measures.map(() => "0").join(", ")})`

/** `-orders AS orders, ...` */
export const negated = listed((measure) => `-${measure} AS ${measure}`)

/** True for a group of which something is left. */
export const anySum = `(${measures.map((measure) => `hm_sum(${measure})`).join(", ")}) <> (${measures.map(() => "0").join(", ")})`

/** True for a row that says something. */
export const any = `(${measures.join(", ")}) <> (${measures.map(() => "0").join(", ")})`

/** `orders = s.orders + excluded.orders, ...` */
export const added = listed((measure) => `${measure} = s.${measure} + excluded.${measure}`)

/** Null where there is nothing to contribute: it takes no space in the log and no addition in a sum. */
const values = (contributions: Partial<Record<StoredMeasure, string>>): string =>
  listed((measure) => `${contributions[measure] ?? "NULL"}::bigint AS ${measure}`)

/** Lines of before migration 4 have null: all of a cancelled order is cancelled. */
export const cancelledUnits = "coalesce(cancelled_units, CASE WHEN cancelled THEN units ELSE 0 END)"
export const cancelledAmount =
  "coalesce(cancelled_amount, CASE WHEN cancelled THEN gross - discount ELSE 0 END)"

/** The contribution of a line, from the columns of `hm_order_line`. */
export const ofLine = values({
  orders: "is_first::int",
  seller_orders: "is_seller_first::int",
  lines: "(NOT removed AND line_id <> '')::int",
  units: "units",
  gross: "gross",
  discount: "discount",
  tax: "tax",
  shipping: "shipping",
  fees: "fees",
  cancelled_orders: "(cancelled AND is_first)::int",
  cancelled_units: cancelledUnits,
  cancelled_amount: cancelledAmount
})

/**
 * How much of a line's refunds falls on what is missing from its sales already. A refund pays for what is cancelled first.
 * What is refunded of a line that was removed has left gross with the line. A refund without a line falls on the
 * cancellation of the whole order only.
 */
const overlap = (refunded: string): string =>
  `CASE WHEN seller_id = '' THEN CASE WHEN cancelled THEN ${refunded} ELSE 0 END
        WHEN removed THEN ${refunded}
        ELSE greatest(0, least(${cancelledAmount}, ${refunded})) END`

/**
 * The contribution of a refund of a line on the day of the order. `refunded_before` is what other refunds have given back of
 * the line: the parts of several refunds add up to what they are together, in whatever order they are added.
 */
export const ofRefund = values({
  refund_units: "adjusted_units",
  refund_amount: "adjusted_amount",
  refund_tax: "adjusted_tax",
  refund_shipping: "adjusted_shipping",
  refund_fees: "adjusted_fees",
  refund_cancelled_amount: `${overlap("(refunded_before + adjusted_amount)")} - ${overlap("refunded_before")}`
})

const ofKind = (kind: "refund" | "shipment", column: string): string =>
  `CASE WHEN kind = '${kind}' THEN ${column} END`

/** The contribution of a refund or a shipment on the day of its booking. */
export const ofBooking = values({
  booked_refund_units: ofKind("refund", "adjusted_units"),
  booked_refund_amount: ofKind("refund", "adjusted_amount"),
  booked_refund_tax: ofKind("refund", "adjusted_tax"),
  booked_refund_shipping: ofKind("refund", "adjusted_shipping"),
  booked_refund_fees: ofKind("refund", "adjusted_fees"),
  shipped_units: ofKind("shipment", "adjusted_units")
})

/** The contribution of a credit without an order, from the columns of `hm_order_credit`: its day is that of its booking. */
export const ofCredit = values({
  refund_units: "units",
  refund_amount: "amount",
  refund_tax: "tax",
  refund_shipping: "shipping",
  refund_fees: "fees",
  booked_refund_units: "units",
  booked_refund_amount: "amount",
  booked_refund_tax: "tax",
  booked_refund_shipping: "shipping",
  booked_refund_fees: "fees"
})

/** The place of a credit in cells. */
export const keyOfCredit =
  "'credit:' || credit_id AS order_id, seller_id, '' AS category, region, '' AS channel, currency, tenant_day, seller_day"

/** The columns of a delta row that place it in cells. */
export const deltaKey = "order_id, seller_id, category, region, channel, currency, tenant_day, seller_day"

/** The key of a summary cell beside the tenant. Dimensions that a grain does not have are ''. */
export const cellKey = "grain, seller_id, bucket, category, region, channel, currency"

const columns: ReadonlyArray<Grains.Column> = ["seller_id", "category", "region", "channel", "currency"]

/** Adds the rows of a relation up to the cells of one grain, without the cells that cancel out. */
const cellsOf = (grain: Grains.Grain, relation: string, bucket: string = grain.bucket): string => {
  const [seller, ...others] = columns.map((column) =>
    grain.columns.includes(column) ? column : `'' AS ${column}`
  )
  const grouped = [bucket, ...grain.columns].join(", ")
  return `
    SELECT ${grain.number}::smallint AS grain, ${seller}, ${bucket} AS bucket, ${others.join(", ")}, ${sums}
      FROM ${relation}
     GROUP BY ${grouped}
    HAVING ${anySum}`
}

/** Adds the rows of a relation up to the days by region and channel, from which {@link allCellsFrom} makes the tenant's days. */
export const dayCellsOf = (relation: string): string => cellsOf(Grains.regionChannelDay, relation)

/** The cells of every grain, of a relation and of its {@link dayCellsOf}: these are fewer than its rows. */
export const allCellsFrom = (relation: string, dayCells: string): string =>
  [
    `
    SELECT *
      FROM ${dayCells}`,
    cellsOf(Grains.tenantDay, dayCells, "bucket"),
    cellsOf(Grains.sellerDay, relation),
    cellsOf(Grains.categoryMonth, relation)
  ].join("\nUNION ALL\n")

/** Adds the rows of a relation up to the cells of every grain. */
export const allCellsOf = (relation: string): string =>
  Grains.grains.map((grain) => cellsOf(grain, relation)).join("\nUNION ALL\n")
