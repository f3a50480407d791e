import { assert, describe, it as plainIt, layer } from "@effect/vitest"
import { Money } from "@hypermarket/core/Money"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { inspect } from "node:util"
import * as Door from "./suites/door.ts"

const event = (id: string) => ({ id, type: "com.example.order.placed", data: { id } })

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

describe("Money", () => {
  plainIt("is its wire form in JSON.stringify", () => {
    const money = Money.make({ amount: 1900n, currency: Money.fields.currency.make("EUR") })
    assert.strictEqual(JSON.stringify({ money }), '{"money":{"amount":"1900","currency":"EUR"}}')
  })
})

layer(Door.layerDatabase, { excludeTestServices: true })("A value", (it) => {
  it.effect("may be a Date or RFC 3339 text, a bigint or decimal text", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const { orders } = hm.tenant("forms")
      assert.strictEqual(yield* Effect.promise(() => orders.place(order)), "applied")
      const [line] = order.lines
      const same = {
        ...order,
        placedAt: new Date(order.placedAt),
        lines: [{ ...line, lineId: "1", productId: "p-1", sellerId: "s-1", quantity: 2, unitPrice: 1900n }]
      }
      assert.strictEqual(yield* Effect.promise(() => orders.place(same)), "duplicate")
    })
  )

  it.effect("of money is not accepted as a number", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const { orders } = hm.tenant("numbers")
      const error = yield* Effect.promise(() =>
        Door.rejection(
          Door.untyped(orders.place, { ...order, lines: [{ ...order.lines[0], unitPrice: 19 }] })
        )
      )
      assert.deepInclude(error, { _tag: "InvalidArgument", method: "orders.place" })
      assert.include(String(error), "0.lines.0.unitPrice")
    })
  )

  it.effect("that is returned is plain: JSON gives it back as it was", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("plain")
      yield* Effect.promise(() => hm.system.tenants.create({ tenantId: "plain", name: "Plain" }))
      const answers = yield* Effect.promise(async () => [
        await acme.orders.place(order),
        await acme.sales.run({
          measures: ["gross", "orders"],
          dimensions: ["currency"],
          timeDimension: { from: "2026-03-01", until: "2026-03-02" }
        }),
        await acme.subscriptions.ensure("s", { queue: "q" }),
        await acme.subscriptions.list({}),
        await acme.queues.get("q"),
        await acme.indexes.create({ indexName: "lamps" }),
        await acme.indexVersions.list("lamps", {}),
        await acme.keys.create(
          { name: "k", scopes: ["events:read"], expiresAt: new Date("2098-01-01") },
          "operator"
        )
      ])
      for (const answer of answers) assert.deepStrictEqual(JSON.parse(JSON.stringify(answer)), answer)
      assert.deepInclude(answers[1], {
        rows: [{ currency: "EUR", gross: { amount: "3800", currency: "EUR" }, orders: 1 }]
      })
    })
  )

  it.effect("is taken as it is when the method is called, whatever the caller then does with it", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const { documents, indexes } = hm.tenant("snapshots")
      yield* Effect.promise(async () => {
        await indexes.ensure("lamps")
        const tags = ["brass"]
        const fields = { title: "Brass desk lamp", tags }
        const upserts = [{ id: "lamp-4", version: 1, fields }]
        const written = documents.write("lamps", { upserts })
        fields.title = "Oak chair"
        tags.push("oak")
        upserts.pop()
        await written
        assert.deepStrictEqual((await documents.get("lamps", "lamp-4")).fields, {
          title: "Brass desk lamp",
          tags: ["brass"]
        })
      })
    })
  )

  it.effect("that is undefined in a field is left out", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const { events } = hm.tenant("undefined")
      const receipts = yield* Effect.promise(() =>
        Door.untyped(events.publish, [{ ...event("1"), subject: undefined }])
      )
      assert.deepStrictEqual(receipts, [{ id: "1", state: "accepted" }])
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("A call that is wrong", (it) => {
  it.effect("names the argument and its field to a program without types, and writes nothing", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("wrong")
      yield* Effect.promise(() => acme.indexes.create({ indexName: "lamps" }))
      const cyclic: Record<string, unknown> = { type: "t" }
      cyclic["payload"] = cyclic
      const calls: ReadonlyArray<readonly [unknown, ReadonlyArray<unknown>, string]> = [
        [acme.search.search, ["lamps", { qery: "x" }], "1.qery"],
        [acme.documents.write, ["lamps", { upserts: [{ id: 5, fields: "x" }] }], "1.upserts.0.id"],
        [acme.queues.dead, ["mails"], "1:"],
        [acme.queues.enqueue, ["mails", [cyclic]], "1.0.payload"],
        [acme.queues.enqueue, ["handler.search", []], "0:"],
        [acme.queues.list, ["extra"], "0: Expected no argument"],
        [acme.events.publish, [[{ type: "t" }]], 'order.id + ":placed"'],
        [acme.events.publish, [{ id: "1", type: "t" }], "0: Expected array"],
        [acme.events.publish, [], "0:"]
      ]
      for (const [method, values, text] of calls) {
        const error = yield* Effect.promise(() => Door.rejection(Door.untyped(method, ...values)))
        assert.deepInclude(error, { _tag: "InvalidArgument" }, text)
        assert.include(String(error), text)
      }
      assert.deepStrictEqual(yield* Effect.promise(() => acme.queues.list()), [])
    })
  )

  it.effect("names the field of a fact that its schema refuses, and the fields that exist", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("fields")
      const type = "com.hypermarket.shop.order.placed.v1"
      const fact = yield* Effect.promise(() =>
        Door.rejection(acme.events.publish([{ id: "o-1:placed", type, data: { orderId: "o-1" } }]))
      )
      assert.match(inspect(fact), /^EventInvalid: An event is not valid: 0\.data\.\w+: .+ \(and \d+ more\)\n/)
      const unknown = yield* Effect.promise(() =>
        Door.rejection(Door.untyped(acme.search.search, "products", { qery: "x" }))
      )
      assert.match(String(unknown), /1\.qery: Expected no field of this name, but one of .*query/)
    })
  )

  it.effect("lists at most 100 entries", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const error = yield* Effect.promise(() =>
        Door.rejection(
          Door.untyped(
            hm.tenant("many").events.publish,
            Array.from({ length: 300 }, () => ({}))
          )
        )
      )
      assert.instanceOf(error, Error)
      assert.lengthOf("errors" in error && Array.isArray(error.errors) ? error.errors : [], 100)
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("An error", (it) => {
  it.effect("has the stack of the caller's line, its name and its fields, and nothing of the runtime", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      async function checkout() {
        // The frames of the test's own runtime end here.
        await Promise.resolve()
        await hm.tenant("stack").queues.get("absent")
      }
      const error = yield* Effect.promise(() => Door.rejection(checkout()))
      assert.deepInclude(error, { _tag: "QueueNotFound", queue: "absent" })
      assert.instanceOf(error, Error)
      const [header = "", first = ""] = (error.stack ?? "").split("\n")
      assert.match(header, /^QueueNotFound: /)
      assert.match(first, /at checkout .*PromisesCalls\.test\.ts/)
      const shown = inspect(error)
      assert.include(shown, "at checkout")
      assert.include(shown, "queue: 'absent'")
      assert.notMatch(error.stack ?? "", /FiberImpl|effect\/src|effect\/dist/)
    })
  )

  it.effect(
    "of a domain is an instance of its class, and one of the database has the driver's as its cause",
    () =>
      Effect.gen(function* () {
        const hm = yield* Door.door()
        const acme = hm.tenant("classes")
        const missing = yield* Effect.promise(() => Door.rejection(acme.queues.get("absent")))
        assert.isTrue(hm.isFailure(missing))
        if (hm.isFailure(missing) && missing._tag === "QueueNotFound") {
          const { queue }: { readonly queue: string } = missing
          assert.strictEqual(queue, "absent")
        }
        assert.isFalse(hm.isFailure(new Error("other")))
        const refused = yield* Effect.promise(() =>
          Door.rejection(hm.transaction("classes", (tx) => tx.query("SELECT 1 FROM absent_table")))
        )
        assert.deepInclude(refused, { _tag: "SqlError", isRetryable: false })
        assert.include(inspect(refused), "42P01")
        assert.notProperty(refused, "outcome")
      })
  )
})

/** Holds a lock that a publish waits for, while the effect runs. */
const whilePublishingWaits = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.andThen(sql`LOCK TABLE hm_event_dedupe IN ACCESS EXCLUSIVE MODE`, self))
  )

/** The statements that wait for a lock, of other sessions of this database. */
const waiting = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql`
      SELECT 1
        FROM pg_locks AS l
        JOIN pg_stat_activity AS a USING (pid)
       WHERE NOT l.granted AND a.datname = current_database()
    `,
    (rows) => rows.length
  )
)

layer(Door.layerDatabase, { excludeTestServices: true })("A call with a signal or a timeout", (it) => {
  it.effect("rejects with the signal's reason, and its statement that waited for a lock is gone", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const controller = new AbortController()
      const reason = new Error("the client went away")
      const error = yield* whilePublishingWaits(
        Effect.gen(function* () {
          const call = Door.rejection(
            hm
              .tenant("abort")
              .with({ signal: controller.signal })
              .events.publish([event("1")])
          )
          yield* Effect.repeat(waiting, { until: (count) => count === 1 })
          controller.abort(reason)
          const rejected = yield* Effect.promise(() => call)
          yield* Effect.repeat(waiting, { until: (count) => count === 0 })
          return rejected
        })
      )
      assert.strictEqual(error, reason)
      assert.deepInclude(error, { outcome: "unknown" })
    })
  )

  it.effect("sends nothing when the signal has aborted before", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const reason = new Error("before")
      const acme = hm.tenant("before", { signal: AbortSignal.abort(reason) })
      assert.strictEqual(
        yield* Effect.promise(() => Door.rejection(acme.events.publish([event("1")]))),
        reason
      )
      assert.notProperty(reason, "outcome")
    })
  )

  it.effect("rejects with DeadlineExceeded, whose outcome is unknown, when its time is up", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const error = yield* whilePublishingWaits(
        Effect.promise(() =>
          Door.rejection(
            hm
              .tenant("late")
              .with({ timeout: 50 })
              .events.publish([event("1")])
          )
        )
      )
      assert.deepInclude(error, {
        _tag: "DeadlineExceeded",
        method: "events.publish",
        millis: 50,
        outcome: "unknown"
      })
      assert.match(String(error), /events\.publish took longer than 50 ms/)
    })
  )

  it.effect("lost its connection: the error says that the outcome is unknown", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door({ applicationName: "lost" })
      const sql = yield* SqlClient.SqlClient
      const terminate = sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'lost' AND wait_event_type = 'Lock'
      `
      const error = yield* whilePublishingWaits(
        Effect.gen(function* () {
          const call = Door.rejection(hm.tenant("lost").events.publish([event("1")]))
          yield* Effect.repeat(waiting, { until: (count) => count === 1 })
          yield* terminate
          return yield* Effect.promise(() => call)
        })
      )
      assert.deepInclude(error, { _tag: "SqlError", outcome: "unknown" })
    })
  )
})
