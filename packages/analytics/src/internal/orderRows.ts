/** The columns of lines and adjustments, as the statements that write them name them. */

export const lineColumns =
  "order_id, line_id, seller_id, product_id, category, region, channel, currency, customer_id, cancelled, is_first, is_seller_first, removed, ordered_at, tenant_day, seller_day, units, gross, discount, tax, shipping, fees, cancelled_units, cancelled_amount"

/** The columns of an adjustment that say what it is; its place follows. */
export const adjustmentColumns =
  "order_id, line_id, kind, adjustment_id, version, body_hash, booked_at, units, amount, tax, shipping, fees"

export const placeColumns =
  "seller_id, product_id, category, region, channel, currency, tenant_day, seller_day"

/** The day of the booking follows from its time alone. */
export const placeReplacedBy = placeColumns
  .split(", ")
  .filter((column) => column !== "tenant_day")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ")

export const replaced = lineColumns
  .split(", ")
  .filter((column) => column !== "order_id" && column !== "line_id")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ")

/** Refunds and shipments of an order: far more than there can be. */
export const adjustmentsMax = 1_000_000

export const dimensionColumns = "order_id, seller_id, category, region, channel, currency"

export const prefixed = (prefix: string, columns: string): string =>
  columns.replaceAll(/(\w+)/g, `${prefix}.$1`)

/** The columns of a line that decide what its refunds count for. */
export const overlapColumns = "cancelled, removed, units, gross, discount, cancelled_amount"
