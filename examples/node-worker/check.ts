/** Starts the worker, publishes an event to its queue, sees it handled, and stops the worker. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import { Effect, Layer } from "effect"
import { strict as assert } from "node:assert"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { Pool } from "pg"

const services = Layer.merge(Events.layer, EventSubscriptions.layer)
const type = `com.example.order.placed.${randomUUID()}`

/** Makes a subscription of the type's events to the queue of the worker, and publishes one. */
const subscribeAndPublish = Effect.gen(function* () {
  const subscriptions = yield* EventSubscriptions
  const events = yield* Events
  yield* subscriptions.create({ name: type, queue: "mails", filters: [{ exact: { type } }] })
  yield* events.publish([
    { specversion: "1.0", id: type, source: "/shop", type, data: { to: "ada@example.com" } }
  ])
}).pipe(provide(TenantId.make("acme")))

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] })
const worker = spawn(process.execPath, ["main.ts"], { stdio: ["ignore", "pipe", "inherit"] })
try {
  const client = await pool.connect()
  await client.query("BEGIN")
  const transaction = Database.transactionFromQuery(
    async (text, values) => (await client.query(text, values)).rows
  )
  await Effect.runPromise(
    subscribeAndPublish.pipe(Effect.provide(Layer.provide(services, transaction.layer)))
  )
  await client.query("COMMIT")
  client.release()
  await Effect.runPromise(transaction.flush(async (text, values) => (await pool.query(text, values)).rows))

  const [line] = await once(createInterface(worker.stdout), "line")
  const { jobId, payload } = JSON.parse(String(line))
  assert.equal(payload.id, type)
  assert.deepEqual(payload.data, { to: "ada@example.com" })
  worker.kill("SIGTERM")
  assert.deepEqual(await once(worker, "exit"), [0, null])
  console.log(`job ${jobId} was handled, and the worker stopped with 0`)
} finally {
  worker.kill("SIGKILL")
  await pool.end()
}
