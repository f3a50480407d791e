/**
 * The grains of the summaries: by which dimensions, and over which time, one cell adds facts up.
 *
 * Chosen by the number of lines that share a cell on real data. Rejected: product and day (1.0 lines per cell) and product
 * and month (1.1), which would be second copies of the facts.
 */

export type Column = "seller_id" | "category" | "region" | "channel" | "currency"

export interface Grain {
  /** The value of `hm_order_summary.grain`, and the grain's partition. Stored, so a number is never given again. */
  readonly number: number
  /** The `source` of an answer. */
  readonly title: string
  /** The column of a delta row, with its month, that is the cell's time. */
  readonly bucket: "tenant_day" | "seller_day" | "month"
  /** The columns that are part of the cell's key; the others are ''. */
  readonly columns: ReadonlyArray<Column>
}

export const tenantDay: Grain = {
  number: 6,
  title: "tenant day",
  bucket: "tenant_day",
  columns: ["currency"]
}

export const regionChannelDay: Grain = {
  number: 1,
  title: "tenant day by region and channel",
  bucket: "tenant_day",
  columns: ["region", "channel", "currency"]
}

export const sellerDay: Grain = {
  number: 2,
  title: "seller day",
  bucket: "seller_day",
  columns: ["seller_id", "currency"]
}

export const categoryMonth: Grain = {
  number: 5,
  title: "category month",
  bucket: "month",
  columns: ["category", "region", "currency"]
}

/** Every grain, the one with the fewest cells first: a question reads the first grain that has its dimensions. */
export const grains: ReadonlyArray<Grain> = [tenantDay, regionChannelDay, sellerDay, categoryMonth]
