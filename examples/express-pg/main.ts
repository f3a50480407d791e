import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { pg } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import express from "express"
import { Pool } from "pg"

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })
await pool.query("CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)")
const hm = await connect({ domains: [EventsDomain, SearchDomain, AnalyticsDomain] })
await hm.migrate()
const [acme, shop] = [hm.tenant("acme"), hm.over(pg(pool))]
const placed = "com.hypermarket.shop.order.placed.v1"
await acme.subscriptions.ensure("mails", { queue: "mails", filters: [{ exact: { type: placed } }] })
await hm.work([{ queue: "mails", run: async ({ payload }) => console.log(JSON.stringify(payload)) }])

const app = express().use(express.json())
app.put("/products/:id", async ({ body, params: { id } }, response) => {
  const data = { ...body, productId: id }
  const type = "com.hypermarket.shop.product.changed.v1"
  response.json(await acme.events.publish([{ id: `${id}:${data.version}`, type, data }]))
})
app.post("/orders", async ({ body }, response) => {
  const receipts = await shop.transaction("acme", async (tx, client) => {
    await client.query("INSERT INTO shop_order VALUES ($1)", [body.orderId])
    return tx.events.publish([{ id: `${body.orderId}:placed`, type: placed, data: body }])
  })
  response.status(201).json(receipts)
})
app.get("/search", async ({ query }, response) => {
  response.json(await acme.search.search("products", { query: String(query["q"]) }))
})
app.get("/sales", async (_request, response) => {
  const timeDimension = { from: "2026-01-01", until: "2027-01-01" }
  response.json(
    await acme.sales.run({ measures: ["orders", "net"], dimensions: ["currency"], timeDimension })
  )
})
const server = app.listen(Number(process.env["PORT"] ?? 3000))
process.once("SIGTERM", () => server.close(() => void hm.close().then(() => pool.end())))
