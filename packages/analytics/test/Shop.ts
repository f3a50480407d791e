/** Facts of a small shop, as they come over the wire. */
import * as Commerce from "@hypermarket/core/Commerce"
import { Schema } from "effect"

export const orderData = (
  orderId: string,
  options: {
    readonly version?: number
    readonly region?: string
    readonly channel?: string
    readonly currency?: string
    readonly placedAt?: string
    readonly unitPrice?: string
    readonly discount?: string
    readonly sellerId?: string
    readonly productId?: string
    readonly category?: string
  } = {}
) => ({
  orderId,
  version: options.version ?? 1,
  status: "placed",
  customerId: "c1",
  channel: options.channel ?? "web",
  region: options.region ?? "DE",
  currency: options.currency ?? "EUR",
  placedAt: options.placedAt ?? "2026-03-10T12:00:00Z",
  attributes: {},
  lines: [
    {
      lineId: "l1",
      productId: options.productId ?? "p1",
      sellerId: options.sellerId ?? "s1",
      category: options.category ?? "toys/blocks",
      quantity: 2,
      unitPrice: options.unitPrice ?? "1000",
      discount: options.discount ?? "100",
      tax: "361",
      shipping: "490"
    }
  ]
})

export const refundData = (
  orderId: string,
  refundId: string,
  amount: string,
  at = "2026-04-01T12:00:00Z"
) => ({
  orderId,
  refundId,
  version: 1,
  at,
  reason: "damaged",
  lines: [{ lineId: "l1", quantity: 1, amount }]
})

export const shipmentData = (orderId: string, shipmentId: string) => ({
  orderId,
  shipmentId,
  version: 1,
  at: "2026-03-12T12:00:00Z",
  lines: [{ lineId: "l1", quantity: 2 }]
})

const decodeOrder = Schema.decodeUnknownSync(Commerce.Order)
const decodeRefund = Schema.decodeUnknownSync(Commerce.OrderRefund)
const decodeShipment = Schema.decodeUnknownSync(Commerce.Shipment)

export const order = (...args: Parameters<typeof orderData>) => decodeOrder(orderData(...args))
export const refund = (...args: Parameters<typeof refundData>) => decodeRefund(refundData(...args))
export const shipment = (...args: Parameters<typeof shipmentData>) => decodeShipment(shipmentData(...args))

/** The order with its line under another id: the line that it had is gone. */
export const withLine = (from: Commerce.Order, lineId: string): Commerce.Order => ({
  ...from,
  lines: from.lines.map((line) => ({ ...line, lineId }))
})
