/**
 * The stored measures, all of them sums, and the texts in which statements name them.
 */

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
  "shipped_units"
] as const

export type StoredMeasure = (typeof measures)[number]

const listed = (of: (measure: StoredMeasure) => string): string => measures.map(of).join(", ")

/** `orders, seller_orders, ...` */
export const names = listed((measure) => measure)

/** `hm_sum(orders) AS orders, ...` */
export const sums = listed((measure) => `hm_sum(${measure}) AS ${measure}`)

/** `-orders AS orders, ...` */
export const negated = listed((measure) => `-${measure} AS ${measure}`)

/** True for a group of which something is left. */
export const anySum = `(${measures.map((measure) => `hm_sum(${measure})`).join(", ")}) <> (${measures.map(() => "0").join(", ")})`

/** True for a row that says something. */
export const any = `(${measures.join(", ")}) <> (${measures.map(() => "0").join(", ")})`

/** `orders = s.orders + excluded.orders, ...` */
export const added = listed((measure) => `${measure} = s.${measure} + excluded.${measure}`)

const values = (given: Partial<Record<StoredMeasure, string>>): string =>
  listed((measure) => `${given[measure] ?? "0"}::bigint AS ${measure}`)

/** What a line contributes, of columns as `hm_order_line` has them. */
export const ofLine = values({
  orders: "is_first::int",
  seller_orders: "is_seller_first::int",
  lines: "1",
  units: "units",
  gross: "gross",
  discount: "discount",
  tax: "tax",
  shipping: "shipping",
  cancelled_orders: "(cancelled AND is_first)::int",
  cancelled_units: "CASE WHEN cancelled THEN units ELSE 0 END",
  cancelled_amount: "CASE WHEN cancelled THEN gross - discount ELSE 0 END"
})

/** What a refund of a line contributes on the day of the order. */
export const ofRefund = values({ refund_units: "adjusted_units", refund_amount: "adjusted_amount" })

/** What a refund or a shipment of a line contributes on the day it was booked. */
export const ofBooking = values({
  booked_refund_units: "CASE WHEN kind = 'refund' THEN adjusted_units ELSE 0 END",
  booked_refund_amount: "CASE WHEN kind = 'refund' THEN adjusted_amount ELSE 0 END",
  shipped_units: "CASE WHEN kind = 'shipment' THEN adjusted_units ELSE 0 END"
})

/** What a delta row says of where it belongs. */
export const deltaKey = "order_id, seller_id, category, region, channel, currency, tenant_day, seller_day"

/** The key of a summary cell beside the tenant. Dimensions that a grain does not have are ''. */
export const cellKey = "grain, seller_id, bucket, category, region, channel, currency"

/** A grain: which delta rows, with their month, fall into one cell. */
export interface Grain {
  readonly grain: number
  readonly name: string
  readonly bucket: string
  readonly dimensions: ReadonlyArray<Dimension>
}

export type Dimension = "seller_id" | "category" | "region" | "channel" | "currency"

/**
 * Chosen by how many lines share a cell on real data: product-day has 1.0 and product-month 1.1, so those would be second
 * copies of the facts.
 */
const grains: ReadonlyArray<Grain> = [
  { grain: 6, name: "tenant_day", bucket: "tenant_day", dimensions: ["currency"] },
  {
    grain: 1,
    name: "tenant_day_region_channel",
    bucket: "tenant_day",
    dimensions: ["region", "channel", "currency"]
  },
  { grain: 2, name: "seller_day", bucket: "seller_day", dimensions: ["seller_id", "currency"] },
  {
    grain: 5,
    name: "category_month",
    bucket: "month",
    dimensions: ["category", "region", "currency"]
  }
]

const dimensions: ReadonlyArray<Dimension> = ["seller_id", "category", "region", "channel", "currency"]

/** The cells of one grain that the rows of a relation add up to, without those that cancel out. */
const cellsOf = (grain: Grain, relation: string): string => {
  const of = (dimension: Dimension) => (grain.dimensions.includes(dimension) ? dimension : `''`)
  const [seller, ...others] = dimensions.map((dimension) => `${of(dimension)} AS ${dimension}`)
  const grouped = [grain.bucket, ...grain.dimensions].join(", ")
  return `SELECT ${grain.grain}::smallint AS grain, ${seller}, ${grain.bucket} AS bucket, ${others.join(", ")}, ${sums}
    FROM ${relation} GROUP BY ${grouped} HAVING ${anySum}`
}

/** The cells of every grain. */
export const allCellsOf = (relation: string): string =>
  grains.map((grain) => cellsOf(grain, relation)).join("\nUNION ALL\n")
