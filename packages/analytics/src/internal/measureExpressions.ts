/**
 * The SQL of each measure over the sums of its stored parts. Apart from the catalogue, which a browser may load.
 */
import type { MeasureName } from "../Catalogue.ts"
import type { StoredMeasure } from "./measures.ts"

const sum = (stored: StoredMeasure): string => `hm_sum(${stored})`

const sold = `${sum("gross")} - ${sum("discount")} - ${sum("cancelled_amount")}`
const refunded = `(${sum("refund_amount")} - ${sum("refund_cancelled_amount")})`
const net = `${sold} - ${refunded}`
const orders = `nullif(${sum("orders")}, 0)`

export const expressions: Readonly<Record<MeasureName, string>> = {
  orders: sum("orders"),
  sellerOrders: sum("seller_orders"),
  customers: "count(DISTINCT customer_id)",
  newCustomers: "count(DISTINCT new_customer_id)",
  returningCustomers: "count(DISTINCT customer_id) - count(DISTINCT new_customer_id)",
  lines: sum("lines"),
  units: sum("units"),
  gross: sum("gross"),
  discount: sum("discount"),
  tax: sum("tax"),
  shipping: sum("shipping"),
  fees: sum("fees"),
  cancelledOrders: sum("cancelled_orders"),
  cancelledUnits: sum("cancelled_units"),
  cancelledAmount: sum("cancelled_amount"),
  refundUnits: sum("refund_units"),
  refundAmount: sum("refund_amount"),
  refundTax: sum("refund_tax"),
  refundShipping: sum("refund_shipping"),
  refundFees: sum("refund_fees"),
  refundCancelledAmount: sum("refund_cancelled_amount"),
  bookedRefundUnits: sum("booked_refund_units"),
  bookedRefundAmount: sum("booked_refund_amount"),
  bookedRefundTax: sum("booked_refund_tax"),
  bookedRefundShipping: sum("booked_refund_shipping"),
  bookedRefundFees: sum("booked_refund_fees"),
  shippedUnits: sum("shipped_units"),
  net,
  averageOrderValue: `round((${net})::numeric / ${orders})::bigint`,
  unitsPerOrder: `(${sum("units")}::numeric / ${orders})::float8`,
  refundRate: `(${refunded}::numeric / nullif(${sold}, 0))::float8`,
  cancellationRate: `(${sum("cancelled_orders")}::numeric / ${orders})::float8`
}
