import { pg } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
// @boundaries-ignore a program of its reader
import * as EventsDomain from "@hypermarket/events/EventsDomain"
// @boundaries-ignore a program of its reader
import { Pool } from "pg"

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })
await pool.query("CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)")
const hm = await connect({ domains: [EventsDomain] })
await hm.migrate()
const type = "com.example.order.placed"
await hm.tenant("acme").subscriptions.ensure("mails", { queue: "mails", filters: [{ exact: { type } }] })
const mail = Promise.withResolvers()
await hm.work([{ queue: "mails", run: async ({ payload }) => mail.resolve(payload) }])

await hm.over(pg(pool)).transaction("acme", async (tx, client) => {
  await client.query("INSERT INTO shop_order (order_id) VALUES ($1)", ["o-1"])
  await tx.events.publish([{ id: "o-1:placed", type, data: { orderId: "o-1" } }])
})
console.log("to be mailed:", await mail.promise)
await hm.close()
await pool.end()
