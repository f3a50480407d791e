/** Starts the server of a recipe, uses it as a shop's customers would, and stops it. */
import { strict as assert } from "node:assert"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { setTimeout } from "node:timers/promises"

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Asks again until the answer is as it should be: handlers work after the commit. */
export const eventually = async <A>(ask: () => Promise<A>, isRight: (answer: A) => boolean): Promise<A> => {
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined && isRight(answer)) return answer
    await setTimeout(100)
  }
}

const lamp = {
  version: 1,
  status: "active",
  title: "Brass desk lamp",
  categories: ["lamps"],
  sellerId: "s-4",
  price: { amount: "4900", currency: "EUR" }
}

const orderOf = (orderId: string, quantity: number) => ({
  orderId,
  version: 1,
  status: "placed",
  customerId: "c-7",
  channel: "web",
  region: "DE",
  currency: "EUR",
  placedAt: "2026-05-04T12:00:00Z",
  lines: [{ lineId: "1", productId: "lamp-3", sellerId: "s-4", quantity, unitPrice: "4900" }]
})

/** A recipe is as long as a reader takes in at once, and needs no other library than those it is about. */
const lineCountMax = 40

/** The services beside the shop, and the environment that leads to them. */
interface Beside {
  readonly env: Readonly<Record<string, string>>
  readonly stop: () => Promise<void>
}

const nothing = async (): Promise<Beside> => ({ env: {}, stop: async () => {} })

export const shopCheck = async (begin: (port: number) => Promise<Beside> = nothing): Promise<void> => {
  const source = readFileSync("main.ts", "utf8")
  assert.ok(source.split("\n").filter((line) => line.trim() !== "").length <= lineCountMax)
  assert.doesNotMatch(source, /effect/i)
  const port = await freePort()
  const beside = await begin(port)
  const server = spawn(process.execPath, ["main.ts"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...beside.env, PORT: String(port) }
  })
  const exit = once(server, "exit")
  try {
    const ask = async (path: string, method = "GET", body?: unknown) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        ...(body === undefined
          ? {}
          : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
      })
      return { status: response.status, body: await response.json().catch(() => undefined) }
    }
    const started = eventually(
      () => ask("/search?q=lamp"),
      () => true
    )
    await Promise.race([started, exit.then(() => assert.fail("the server ended before it listened"))])

    await ask("/products/lamp-3", "PUT", lamp)
    const found = await eventually(
      () => ask("/search?q=desk"),
      ({ body }) => body?.found === 1
    )
    assert.equal(found.body.hits[0].id, "lamp-3")

    const mails = createInterface(server.stdout)[Symbol.asyncIterator]()
    // An order that is not valid leaves neither a row nor an event: the same order is accepted afterwards.
    assert.equal((await ask("/orders", "POST", orderOf("o-5", 0))).status, 400)
    const { body: receipts, status } = await ask("/orders", "POST", orderOf("o-5", 2))
    assert.deepEqual([status, receipts], [201, [{ id: "o-5:placed", state: "accepted" }]])
    const { value: mail } = await mails.next()
    assert.equal(JSON.parse(String(mail)).data.orderId, "o-5")

    const sales = await eventually(
      () => ask("/sales"),
      ({ body }) => body?.rows?.length === 1
    )
    assert.deepEqual(sales.body.rows, [
      { currency: "EUR", orders: 1, net: { amount: "9800", currency: "EUR" } }
    ])
    server.kill("SIGTERM")
    assert.deepEqual(await exit, [0, null])
    console.log(`found ${found.body.hits[0].id}, sold ${JSON.stringify(sales.body.rows[0])}`)
  } finally {
    server.kill("SIGKILL")
    await beside.stop()
  }
}
