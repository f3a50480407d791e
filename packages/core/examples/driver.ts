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
const published = await hm.over(pg(pool)).transaction("acme", async (tx, client) => {
  await client.query("INSERT INTO shop_order (order_id) VALUES ($1)", ["o-2"])
  return tx.events.publish([{ id: "o-2:placed", type: "com.example.order.placed", data: { orderId: "o-2" } }])
})
console.log(published)
await hm.close()
await pool.end()
