import { assert, layer } from "@effect/vitest"
import {
  drizzle as drizzleDriver,
  type Driver,
  kysely as kyselyDriver,
  pg,
  postgresJs
} from "@hypermarket/core/Drivers"
import { sql as drizzleSql } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { CompiledQuery, Kysely, PostgresDialect } from "kysely"
import * as Door from "./suites/door.ts"

const event = (id: string) => ({ id, type: "com.example.order.placed", data: { id } })

const createTable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`
)

const countOrders = (orderId: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql`
        SELECT 1
          FROM shop_order
         WHERE order_id = ${orderId}
      `,
      (rows) => rows.length
    )
  )

interface Shop {
  readonly shop_order: { readonly order_id: string }
}

/** A driver, and how a program writes its own row in a transaction of it. */
const drivers = {
  pg: Effect.map(Door.pgPool, (pool) => {
    const driver = pg(pool)
    return driven(driver, async (client, orderId) => {
      await client.query("INSERT INTO shop_order VALUES ($1)", [orderId])
    })
  }),
  "postgres.js": Effect.map(Door.postgresJsSql, (sql) =>
    driven(postgresJs(sql), async (tx, orderId) => {
      await tx`INSERT INTO shop_order VALUES (${orderId})`
    })
  ),
  Drizzle: Effect.map(Door.pgPool, (pool) =>
    driven(drizzleDriver(drizzle({ client: pool }), drizzleSql), async (tx, orderId) => {
      await tx.execute(drizzleSql`INSERT INTO shop_order VALUES (${orderId})`)
    })
  ),
  Kysely: Effect.map(Door.pgPool, (pool) => {
    const db = new Kysely<Shop>({ dialect: new PostgresDialect({ pool }) })
    return driven(kyselyDriver(db, CompiledQuery), async (trx, orderId) => {
      await trx.insertInto("shop_order").values({ order_id: orderId }).execute()
    })
  })
}

function driven<Native>(driver: Driver<Native>, write: (native: Native, orderId: string) => Promise<void>) {
  return (hm: Awaited<Effect.Success<ReturnType<typeof Door.door>>>) => ({
    place: (orderId: string, isPaid = true) =>
      hm.over(driver).transaction("acme", async (tx, native) => {
        await write(native, orderId)
        const receipts = await tx.events.publish([event(orderId)])
        if (!isPaid) throw new Error("not paid")
        return receipts.map(({ state }) => state)
      })
  })
}

layer(Door.layerDatabase, { excludeTestServices: true })("over", (it) => {
  for (const [name, make] of Object.entries(drivers)) {
    it.effect(`commits a row and its event together, or neither, through ${name}`, () =>
      Effect.gen(function* () {
        yield* createTable
        const hm = yield* Door.door()
        const shop = (yield* make)(hm)
        const orderId = `${name}-1`
        const error = yield* Effect.promise(() => Door.rejection(shop.place(orderId, false)))
        assert.strictEqual(String(error), "Error: not paid")
        assert.strictEqual(yield* countOrders(orderId), 0)
        // The event was rolled back with the row: this one is the first.
        assert.deepStrictEqual(yield* Effect.promise(() => shop.place(orderId)), ["accepted"])
        assert.strictEqual(yield* countOrders(orderId), 1)
      })
    )
  }

  it.effect("asks a policy, and records a change with its entry in a transaction of pg, or neither", () =>
    Effect.gen(function* () {
      yield* createTable
      const hm = yield* Door.door()
      const shop = hm.over(pg(yield* Door.pgPool))
      const acme = hm.tenant("acme")
      const run = async (isPaid: boolean) => {
        const policy = await acme.policy.open()
        const { effect } = policy.decide({ action: "listing.publish", region: "US-UT", category: "wine" })
        assert.strictEqual(effect, "allow")
        await policy.close()
        return shop.transaction("acme", async (tx, client) => {
          await client.query("INSERT INTO shop_order VALUES ($1)", ["audited"])
          const target = { type: "listing", id: "l-1" }
          const actor = { type: "user", id: "ann" } as const
          await tx.audit.record({
            actor,
            action: "listing.published",
            target,
            before: { state: "draft" },
            after: { state: "live" }
          })
          if (!isPaid) throw new Error("not paid")
        })
      }
      yield* Effect.promise(() => Door.rejection(run(false)))
      const entries = Effect.promise(() => acme.audit.list({ action: "listing.published" }))
      assert.deepStrictEqual((yield* entries).items, [])
      assert.strictEqual(yield* countOrders("audited"), 0)
      yield* Effect.promise(() => run(true))
      const { items } = yield* entries
      assert.deepInclude(items[0], {
        actorType: "user",
        before: { state: "draft" },
        after: { state: "live" }
      })
      assert.strictEqual(yield* countOrders("audited"), 1)
    })
  )

  it.effect("throws the driver's own errors untouched", () =>
    Effect.gen(function* () {
      yield* createTable
      const hm = yield* Door.door()
      const shop = (yield* drivers.pg)(hm)
      yield* Effect.promise(() => shop.place("twice"))
      const error = yield* Effect.promise(() => Door.rejection(shop.place("twice")))
      assert.deepInclude(error, { code: "23505" })
      assert.notProperty(error, "_tag")
    })
  )

  it.effect("rolls back, and names the call, when a call was not awaited", () =>
    Effect.gen(function* () {
      yield* createTable
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      let late: (() => Promise<unknown>) | undefined
      const error = yield* Effect.promise(() =>
        Door.rejection(
          hm.over(pg(pool)).transaction("acme", async (tx, client) => {
            await client.query("INSERT INTO shop_order VALUES ('floating')")
            late = () => tx.events.publish([event("too-late")])
            void tx.events.publish([event("floating")])
          })
        )
      )
      assert.deepInclude(error, { _tag: "TransactionEnded", method: "events.publish" })
      assert.strictEqual(yield* countOrders("floating"), 0)
      const receipts = yield* Effect.promise(() => hm.tenant("acme").events.publish([event("floating")]))
      assert.deepStrictEqual(receipts, [{ id: "floating", state: "accepted" }])
      const ended = yield* Effect.promise(() => Door.rejection(late?.() ?? Promise.resolve()))
      assert.deepInclude(ended, { _tag: "TransactionEnded", method: "events.publish" })
    })
  )

  it.effect("keeps concurrent calls of one transaction as if each ran alone, also when some fail", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      const results = yield* Effect.promise(() =>
        hm.over(pg(pool)).transaction("mixed", async (tx) => {
          await tx.indexes.create({ indexName: "lamps" })
          return Promise.allSettled([
            tx.events.publish([event("a")]),
            tx.subscriptions.ensure("s", { queue: "q" }),
            tx.queues.enqueue("q", [{ type: "t", payload: null }]),
            tx.queues.get("absent"),
            tx.documents.write("lamps", { upserts: [{ id: "l-1", fields: { title: "Lamp" } }] })
          ])
        })
      )
      assert.deepStrictEqual(
        results.map(({ status }) => status),
        ["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled"]
      )
      const acme = hm.tenant("mixed")
      const ready = yield* Effect.promise(() => acme.queues.get("q"))
      assert.strictEqual(ready.ready, 1)
      assert.lengthOf((yield* Effect.promise(() => acme.subscriptions.list({}))).items, 1)
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("within", (it) => {
  it.effect("joins a transaction that the caller has begun, and commits nothing", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      const publish = async (end: "COMMIT" | "ROLLBACK") => {
        const client = await pool.connect()
        try {
          await client.query("BEGIN")
          const { flush, result } = await hm.within(
            async (text, values) => (await client.query(text, values)).rows,
            "acme",
            (tx) => tx.events.publish([event("joined")])
          )
          await client.query(end)
          if (end === "COMMIT") await flush()
          return result.map(({ state }) => state)
        } finally {
          client.release()
        }
      }
      assert.deepStrictEqual(yield* Effect.promise(() => publish("ROLLBACK")), ["accepted"])
      assert.deepStrictEqual(yield* Effect.promise(() => publish("COMMIT")), ["accepted"])
      assert.deepStrictEqual(yield* Effect.promise(() => publish("COMMIT")), ["duplicate"])
    })
  )

  it.effect("refuses a pool in place of a client, and runs nothing", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      const error = yield* Effect.promise(() =>
        Door.rejection(
          hm.within(
            async (text, values) => (await pool.query(text, values)).rows,
            "pool",
            (tx) => tx.events.publish([event("pool")])
          )
        )
      )
      assert.deepInclude(error, { _tag: "NotInTransaction" })
      const receipts = yield* Effect.promise(() => hm.tenant("pool").events.publish([event("pool")]))
      assert.deepStrictEqual(receipts, [{ id: "pool", state: "accepted" }])
    })
  )

  it.effect("keeps two tenants apart that are interleaved on one connection", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      yield* Effect.promise(async () => {
        const client = await pool.connect()
        try {
          await client.query("BEGIN")
          const query = async (text: string, values: Array<unknown>) =>
            (await client.query(text, values)).rows
          await hm.within(query, "one", async (one) => {
            await one.subscriptions.ensure("s", { queue: "of-one" })
            await hm.within(query, "two", async (two) => {
              await two.subscriptions.ensure("s", { queue: "of-two" })
              const inner = await one.subscriptions.list({})
              assert.deepStrictEqual(
                inner.items.map(({ queue }) => queue),
                ["of-one"]
              )
            })
          })
          await client.query("COMMIT")
        } finally {
          client.release()
        }
      })
      const { items } = yield* Effect.promise(() => hm.tenant("two").subscriptions.list({}))
      assert.deepStrictEqual(
        items.map(({ queue }) => queue),
        ["of-two"]
      )
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("transaction", (it) => {
  it.effect("commits the program's statements with the calls, or neither", () =>
    Effect.gen(function* () {
      yield* createTable
      const hm = yield* Door.door()
      const place = (orderId: string, isPaid: boolean) =>
        hm.transaction("acme", async (tx) => {
          await tx.query("INSERT INTO shop_order VALUES ($1)", [orderId])
          await tx.events.publish([event(orderId)])
          if (!isPaid) throw new RangeError("not paid")
          return orderId
        })
      const error = yield* Effect.promise(() => Door.rejection(place("own", false)))
      assert.instanceOf(error, RangeError)
      assert.strictEqual(yield* countOrders("own"), 0)
      assert.strictEqual(yield* Effect.promise(() => place("own", true)), "own")
      assert.strictEqual(yield* countOrders("own"), 1)
    })
  )

  it.effect("runs its function again after a deadlock only when it is told to", () =>
    Effect.gen(function* () {
      yield* createTable
      const hm = yield* Door.door()
      yield* Effect.promise(() =>
        hm.transaction("acme", (tx) => tx.query("INSERT INTO shop_order VALUES ('left'), ('right')"))
      )
      const both = async (retries: number) => {
        let runs = 0
        let arrived = 0
        let open: () => void = () => undefined
        const bothHold = new Promise<void>((resolve) => {
          open = resolve
        })
        const lock = (first: string, second: string) =>
          hm.transaction(
            "acme",
            async (tx) => {
              runs++
              const row = "SELECT 1 FROM shop_order WHERE order_id = $1 FOR UPDATE"
              await tx.query(row, [first])
              if (++arrived === 2) open()
              await bothHold
              await tx.query(row, [second])
            },
            { retries }
          )
        const ends = await Promise.allSettled([lock("left", "right"), lock("right", "left")])
        return { runs, rejected: ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : [])) }
      }
      const without = yield* Effect.promise(() => both(0))
      assert.strictEqual(without.runs, 2)
      assert.lengthOf(without.rejected, 1)
      assert.deepInclude(without.rejected[0], { _tag: "SqlError", isRetryable: true })
      const repeated = yield* Effect.promise(() => both(5))
      assert.isAbove(repeated.runs, 2)
      assert.isEmpty(repeated.rejected)
    })
  )
})
