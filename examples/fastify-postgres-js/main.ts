import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { postgresJs } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import Fastify from "fastify"
import postgres from "postgres"

const sql = postgres(process.env["DATABASE_URL"] ?? "", { onnotice: () => {} })
await sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`
const hm = await connect({ domains: [EventsDomain, SearchDomain, AnalyticsDomain] })
await hm.migrate()
const [acme, shop] = [hm.tenant("acme"), hm.over(postgresJs(sql))]
const placed = "com.hypermarket.shop.order.placed.v1"
await acme.subscriptions.ensure("mails", { queue: "mails", filters: [{ exact: { type: placed } }] })
await hm.work([{ queue: "mails", run: async ({ payload }) => console.log(JSON.stringify(payload)) }])

const app = Fastify({ forceCloseConnections: true })
app.put<{ Params: { id: string }; Body: { version: number } }>(
  "/products/:id",
  ({ body, params: { id } }) => {
    const type = "com.hypermarket.shop.product.changed.v1"
    return acme.events.publish([{ id: `${id}:${body.version}`, type, data: { ...body, productId: id } }])
  }
)
app.post<{ Body: { orderId: string } }>("/orders", async ({ body: { orderId, ...order } }, reply) => {
  const receipts = await shop.transaction("acme", async (tx, sql) => {
    await sql`INSERT INTO shop_order VALUES (${orderId})`
    return tx.events.publish([{ id: `${orderId}:placed`, type: placed, data: { ...order, orderId } }])
  })
  return reply.code(201).send(receipts)
})
app.get<{ Querystring: { q: string } }>("/search", ({ query: { q } }) =>
  acme.search.search("products", { query: q })
)
app.get("/sales", () => {
  const timeDimension = { from: "2026-01-01", until: "2027-01-01" }
  return acme.sales.run({ measures: ["orders", "net"], dimensions: ["currency"], timeDimension })
})
app.addHook("onClose", () => hm.close().then(() => sql.end()))
await app.listen({ port: Number(process.env["PORT"] ?? 3000) })
process.once("SIGTERM", () => void app.close())
