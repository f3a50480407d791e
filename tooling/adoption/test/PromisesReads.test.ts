import { assert, layer } from "@effect/vitest"
import { pg } from "@hypermarket/core/Drivers"
import { Effect } from "effect"
import * as Door from "./suites/door.ts"

layer(Door.layerDatabase, { excludeTestServices: true })("A read", (it) => {
  it.effect("answers the same inside an open transaction as outside", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      const acme = hm.tenant("reads")
      const order = {
        orderId: "o-1",
        version: 1,
        status: "paid",
        channel: "web",
        region: "DE",
        currency: "EUR",
        placedAt: "2026-03-01T10:00:00Z",
        lines: [{ lineId: "1", productId: "p-1", sellerId: "s-1", quantity: 2, unitPrice: "1900" }]
      }
      yield* Effect.promise(async () => {
        await acme.indexes.create({ indexName: "lamps" })
        await acme.documents.write("lamps", { upserts: [{ id: "l-1", fields: { title: "Desk lamp" } }] })
        await acme.orders.place(order)
        await acme.queues.enqueue("mails", [{ type: "t", payload: 1 }])
        await acme.subscriptions.ensure("s", { queue: "q" })
        await acme.behaviour.record("/shop", [
          { id: "1", kind: "view", userKey: "u", productId: "p-1", at: new Date("2026-03-01T10:00:00Z") }
        ])
        await acme.rankingSignals.put([])
        await acme.keys.list({})
      })
      const reads = async (tenant: Pick<typeof acme, Exclude<keyof typeof acme, "with">>) => ({
        search: (await tenant.search.search("lamps", { query: "lamp" })).hits.map(({ id }) => id),
        index: await tenant.indexes.get("lamps"),
        indexes: await tenant.indexes.list({}),
        versions: await tenant.indexVersions.list("lamps", {}),
        comparison: await tenant.documents.compare("lamps"),
        history: await tenant.behaviour.history("u"),
        pending: await tenant.behaviour.pending(),
        popularity: await tenant.popularity.get("p-1"),
        signals: await tenant.rankingSignals.list("margin", {}),
        sales: await tenant.sales.run({
          measures: ["orders", "gross"],
          dimensions: ["currency"],
          timeDimension: { from: "2026-03-01", until: "2026-03-02" }
        }),
        closes: await tenant.closes.list({}),
        zone: await tenant.zones.zone(),
        queues: (await tenant.queues.list()).map((queue) => ({ ...queue, oldestAgeSeconds: 0 })),
        dead: await tenant.queues.dead("mails", {}),
        minutes: await tenant.queues.minutes("mails"),
        subscriptions: await tenant.subscriptions.list({}),
        schedules: await tenant.schedules.list({}),
        keys: await tenant.keys.list({})
      })
      const outside = yield* Effect.promise(() => reads(acme))
      assert.deepStrictEqual(outside.search, ["l-1"])
      const inside = yield* Effect.promise(() => hm.over(pg(pool)).transaction("reads", (tx) => reads(tx)))
      assert.deepStrictEqual(inside, outside)
      assert.deepStrictEqual(yield* Effect.promise(() => hm.transaction("reads", (tx) => reads(tx))), outside)
    })
  )

  it.effect("sees what its own transaction has written and not committed", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const pool = yield* Door.pgPool
      const acme = hm.tenant("own")
      const hits = async (tenant: Pick<typeof acme, "search">) =>
        (await tenant.search.search("lamps", { query: "lamp" })).hits.map(({ id }) => id)
      yield* Effect.promise(() => acme.indexes.create({ indexName: "lamps" }))
      const seen = yield* Effect.promise(() =>
        hm.over(pg(pool)).transaction("own", async (tx) => {
          await tx.documents.write("lamps", { upserts: [{ id: "l-2", fields: { title: "Floor lamp" } }] })
          return { inside: await hits(tx), outside: await hits(acme) }
        })
      )
      assert.deepStrictEqual(seen, { inside: ["l-2"], outside: [] })
    })
  )
})
