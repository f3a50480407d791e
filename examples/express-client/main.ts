import { createClient } from "@hypermarket/client"
import express from "express"
import { Webhook } from "standardwebhooks"

const { HM_API_KEY: key = "", HM_API_URL = "", PORT = "3000", WEBHOOK_SECRET: secret = "" } = process.env
const hm = createClient({ url: HM_API_URL, key })
const url = `${process.env["SHOP_URL"] ?? `http://127.0.0.1:${PORT}`}/events`
const placed = "com.hypermarket.shop.order.placed.v1"
const urls = new Set<string>()
for await (const endpoint of hm.webhooks.list()) urls.add(endpoint.url)
if (!urls.has(url)) {
  await hm.webhooks.create({ body: { url, secret, filters: [{ exact: { type: placed } }] } })
}

const app = express()
app.post("/events", express.text({ type: "*/*" }), ({ body, headers }, response) => {
  console.log(JSON.stringify(new Webhook(secret).verify(body, headers as Record<string, string>)))
  response.sendStatus(204)
})
app.use(express.json())
app.put("/products/:id", async ({ body, params: { id } }, response) => {
  const data = { ...body, productId: id }
  const type = "com.hypermarket.shop.product.changed.v1"
  response.json(await hm.events.publish({ body: { id: `${id}:${data.version}`, type, data } }))
})
app.post("/orders", async ({ body }, response) => {
  const event = { id: `${body.orderId}:placed`, type: placed, data: body }
  response.status(201).json((await hm.events.publish({ body: event })).items)
})
app.get("/search", async ({ query }, response) => {
  response.json(await hm.search.search({ indexName: "products", body: { query: String(query["q"]) } }))
})
app.get("/sales", async (_request, response) => {
  const timeDimension = { from: "2026-01-01", until: "2027-01-01" }
  const body = { measures: ["orders", "net"], dimensions: ["currency"], timeDimension } as const
  response.json(await hm.sales.run({ body }))
})
const server = app.listen(Number(PORT))
process.once("SIGTERM", () => server.close())
