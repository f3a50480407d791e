import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { connect } from "@hypermarket/core/Promises"

const hm = await connect({ domains: [AnalyticsDomain] })
await hm.migrate()
const shopper = { customerId: "c-7", channel: "web", region: "DE", currency: "EUR" }
const lines = [{ lineId: "1", productId: "p-3", sellerId: "s-1", quantity: 2, unitPrice: "1000" }]
const order = { orderId: "o-1", version: 1, placedAt: "2026-03-10T12:00:00Z", ...shopper, lines }

// In the shop's own transaction: the figures have the order if and only if it commits.
await hm.transaction("acme", (tx) => tx.orders.place({ ...order, status: "placed" }))
const timeDimension = { from: "2026-01-01", until: "2027-01-01", granularity: "month" } as const
const query = { measures: ["orders", "net"], dimensions: ["currency"], timeDimension } as const
const { rows } = await hm.tenant("acme").sales.run(query)
console.log(rows)
await hm.close()
