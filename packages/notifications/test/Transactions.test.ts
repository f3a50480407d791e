import { assert, layer } from "@effect/vitest"
import { type Driver, drizzle as drizzleDriver, pg } from "@hypermarket/core/Drivers"
import { connect } from "@hypermarket/core/Promises"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { sql as drizzleSql } from "drizzle-orm"
import { drizzle } from "drizzle-orm/node-postgres"
import { Effect, Exit, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Pool } from "pg"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

const pool = Effect.flatMap(TestDatabase.TestDatabase, ({ url }) =>
  Effect.acquireRelease(
    Effect.sync(() => new Pool({ connectionString: url, max: 2 })),
    (opened) => Effect.promise(() => opened.end())
  )
)

const door = Effect.flatMap(TestDatabase.TestDatabase, ({ url }) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ connectionString: url, domains: [NotificationsDomain] })),
    (hm) => Effect.promise(() => hm.close())
  )
)

const notification = (key: string) => ({
  key,
  category: "orders",
  template: "order",
  to: { customer: "ann" },
  payload: { order: { id: key } }
})

class Unpaid extends Error {}

/** The rows of a trigger, and of the shop's own order: a trigger, its job and the order, or nothing. */
const rowsOf = (key: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly rows: string }>`
      SELECT concat_ws(' ',
               (SELECT count(*) FROM hm_notification_trigger WHERE key = ${key}),
               (SELECT count(*)
                  FROM hm_event_queue q
                  JOIN hm_notification_trigger t ON t.trigger_id::text = q.payload->>'triggerId'
                 WHERE t.key = ${key}),
               (SELECT count(*) FROM shop_order WHERE order_id = ${key})) AS rows
    `
    return row?.rows
  })

const setUp = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Laboratory.seed
  yield* sql`CREATE TABLE IF NOT EXISTS shop_order (order_id text PRIMARY KEY)`
})

layer(TestLayer, { excludeTestServices: true })("A trigger in the caller's transaction", (it) => {
  it.effect("leaves nothing when it is rolled back, through Effect", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* setUp
      const place = (key: string, outcome: Effect.Effect<void, "unpaid">) =>
        sql
          .withTransaction(
            Effect.gen(function* () {
              yield* sql`INSERT INTO shop_order VALUES (${key})`
              yield* Laboratory.trigger(key, { customer: "ann" })
              yield* outcome
            })
          )
          .pipe(Effect.exit)
      assert.isTrue(Exit.isFailure(yield* place("effect-1", Effect.fail("unpaid"))))
      assert.strictEqual(yield* rowsOf("effect-1"), "0 0 0")
      assert.isTrue(Exit.isSuccess(yield* place("effect-1", Effect.void)))
      assert.strictEqual(yield* rowsOf("effect-1"), "1 1 1")
    }).pipe(Laboratory.inAcme)
  )

  /** A program that writes its order by its driver, and triggers in the same transaction. */
  const driven =
    <Native>(driver: Driver<Native>, insert: (native: Native, key: string) => Promise<unknown>) =>
    (hm: Awaited<Effect.Success<typeof door>>) =>
    (key: string, isPaid: boolean) =>
      hm.over(driver).transaction("acme", async (tx, native) => {
        await insert(native, key)
        const { duplicate } = await tx.notifications.trigger(notification(key))
        if (!isPaid) throw new Unpaid()
        return duplicate
      })

  const drivers = {
    pg: (opened: Pool) =>
      driven(pg(opened), (client, key) => client.query("INSERT INTO shop_order VALUES ($1)", [key])),
    Drizzle: (opened: Pool) =>
      driven(drizzleDriver(drizzle({ client: opened }), drizzleSql), (tx, key) =>
        tx.execute(drizzleSql`INSERT INTO shop_order VALUES (${key})`)
      )
  }

  for (const [name, make] of Object.entries(drivers)) {
    it.effect(`leaves nothing when it is rolled back, through ${name}`, () =>
      Effect.gen(function* () {
        yield* setUp
        const place = make(yield* pool)(yield* door)
        const key = `${name}-1`
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => place(key, false)))))
        assert.strictEqual(yield* rowsOf(key), "0 0 0")
        assert.isFalse(yield* Effect.promise(() => place(key, true)))
        assert.strictEqual(yield* rowsOf(key), "1 1 1")
      }).pipe(Laboratory.inAcme)
    )
  }
})
