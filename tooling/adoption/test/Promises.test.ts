import { assert, layer } from "@effect/vitest"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Door from "./suites/door.ts"

const event = (id: string) => ({ id, type: "com.example.order.placed", data: { id } })

/** True if a type has a name; a test then compares it with what is expected. */
type Has<T, Name extends PropertyKey> = Name extends keyof T ? true : false

const sessions = (application: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE ${`${application}%`}
      `,
      ([row]) => row?.count ?? 0
    )
  )

layer(TestDatabase.layer(), { excludeTestServices: true })("migrate", (it) => {
  it.effect("applies core first, in one of two processes at once, and nothing the second time", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([Door.door(), Door.door()])
      const [first, second] = yield* Effect.promise(() => Promise.all([one.migrate(), other.migrate()]))
      const applied = [...first, ...second]
      assert.match(applied.at(0) ?? "", /^core 0001_/)
      assert.lengthOf(new Set(applied), applied.length)
      assert.deepStrictEqual(yield* Effect.promise(() => one.migrate()), [])
      const receipts = yield* Effect.promise(() => one.tenant("acme").events.publish([event("1")]))
      assert.deepStrictEqual(receipts, [{ id: "1", state: "accepted" }])
      const sql = yield* SqlClient.SqlClient
      const handlers = yield* sql`SELECT 1 FROM hm_event_handler`
      assert.isNotEmpty(handlers)
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("connect", (it) => {
  it.effect("names host, database and cause, not the password, and leaves nothing running", () =>
    Effect.gen(function* () {
      const url = new URL(yield* Door.url)
      // A server that asks for no password gets one, which must not show either.
      if (url.password === "") url.password = "not-to-be-shown"
      const absent = new URL(url)
      absent.pathname = "/absent_database"
      const refused = new URL(url)
      refused.port = "1"
      for (const [address, pattern] of [
        [absent, /absent_database on .*: database "absent_database" does not exist/],
        [refused, /on 127\.0\.0\.1:1: .*ECONNREFUSED/]
      ] as const) {
        const error = yield* Effect.promise(() =>
          Door.rejection(connect({ connectionString: address.href, domains: [EventsDomain] }))
        )
        assert.instanceOf(error, Error)
        assert.match(String(error), pattern)
        assert.notInclude(JSON.stringify(error), url.password)
      }
    })
  )

  it.effect("answers all calls over the one connection that the server gives its pool", () =>
    Effect.gen(function* () {
      // The door listens on another.
      const { url } = yield* TestDatabase.limitedRole(2)
      const hm = yield* Door.door({ connectionString: url, pool: { max: 8 } })
      const calls = Array.from({ length: 45 }, (_, index) => index)
      yield* Effect.promise(async () => {
        const acme = hm.tenant("crowded")
        const answers = await Promise.all([
          ...calls.map((call) => acme.events.publish([event(`crowded-${call}`)])),
          ...calls.map(() => acme.subscriptions.list({})),
          ...calls.map((call) =>
            hm.transaction("crowded", (tx) => tx.events.publish([event(`crowded-tx-${call}`)]))
          )
        ])
        assert.lengthOf(answers, 135)
      })
    })
  )

  it.effect("refuses a schema of a newer release", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const table = sql(EventsDomain.domain.migrations.table)
      const addNewer = sql`
        INSERT INTO ${table} (id, name, checksum, oldest_release, applied_by)
        VALUES (9999, 'newer', 'x', '9.0.0', '9.0.0')
      `
      const remove = sql`DELETE FROM ${table} WHERE id = 9999`
      const connectionString = yield* Door.url
      const error = yield* Effect.acquireUseRelease(
        addNewer,
        () => Effect.promise(() => Door.rejection(connect({ connectionString, domains: [EventsDomain] }))),
        () => Effect.orDie(remove)
      )
      assert.match(String(error), /the schema is of 9\.0\.0/)
    })
  )

  it.effect("names the options that are not valid, also to a caller without types", () =>
    Effect.gen(function* () {
      const options: object = {
        connectionString: "mysql://host/db",
        pool: { max: 0 },
        domains: [{}],
        prepare: 1
      }
      const error: unknown = yield* Effect.promise(() =>
        Door.rejection(Reflect.apply(connect, undefined, [options]))
      )
      assert.deepInclude(error, { _tag: "InvalidArgument", method: "connect" })
      for (const name of ["pool.max", "prepare", "domains.0"]) assert.include(String(error), name)
    })
  )

  it.effect("refuses two domains that offer services of one name", () =>
    Effect.gen(function* () {
      const connectionString = yield* Door.url
      const error = yield* Effect.promise(() =>
        Door.rejection(connect({ connectionString, domains: [EventsDomain, EventsDomain.domain] }))
      )
      assert.match(String(error), /services of the name events/)
    })
  )

  it.effect("reads DATABASE_URL when no address is given, and names it when there is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.promise(() => Door.rejection(connect({ domains: [EventsDomain] })))
      assert.deepInclude(error, { _tag: "InvalidArgument" })
      assert.include(String(error), "connectionString")
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("A tenant's handle", (it) => {
  it.effect("is refused at once for an id that is not valid", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      assert.throws(() => hm.tenant("Acme!"), /tenant: 0: Expected 1 to 63/)
    })
  )

  it.effect("has methods that can be taken from it, and no method of another name", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("taken")
      const { publish } = acme.events
      assert.deepStrictEqual(yield* Effect.promise(() => publish([event("1")])), [
        { id: "1", state: "accepted" }
      ])
      assert.strictEqual(Reflect.get(acme.events, "publsih"), undefined)
      assert.strictEqual(Reflect.get(acme.search, "compare"), undefined)
      assert.strictEqual(acme.events, acme.events)
      assert.strictEqual(acme.id, "taken")
    })
  )

  it.effect("is itself when it is awaited", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("acme")
      assert.strictEqual(yield* Effect.promise(async () => acme), acme)
    })
  )

  it.effect("has no method of the system by type, and the system none of a tenant", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("acme")
      const types: readonly [
        Has<typeof acme.schedules, "tick">,
        Has<typeof acme.schedules, "create">,
        Has<typeof hm.system.schedules, "tick">,
        Has<typeof hm.system.schedules, "create">,
        Has<typeof hm.system, "search">,
        Has<typeof acme.orders, "recordChecked">
      ] = [false, true, true, false, false, false]
      assert.lengthOf(types, 6)
      const created = yield* Effect.promise(() =>
        hm.system.tenants.create({ tenantId: "made", name: "Made" })
      )
      assert.deepInclude(created, { tenantId: "made", version: 1 })
    })
  )

  it.effect("acts as the process, or as the actor that it is given", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const error = yield* Effect.promise(async () => {
        try {
          hm.tenant("acme").with(JSON.parse('{"actor":{"type":"robot","id":"1"}}'))
          return undefined
        } catch (cause) {
          return cause
        }
      })
      assert.deepInclude(error, { _tag: "InvalidArgument", method: "with" })
      assert.include(String(error), "actor.type")
      const user = hm.tenant("acme").with({ actor: { type: "user", id: "u-1" } })
      assert.isNotEmpty(yield* Effect.promise(() => user.events.publish([event("by-user")])))
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("A connection that is closed", (it) => {
  it.effect("waits for calls and transactions in flight, refuses new ones, and leaves no session", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door({ applicationName: "closing" })
      const acme = hm.tenant("acme")
      const calls = Array.from({ length: 40 }, (_, index) => acme.events.publish([event(`load-${index}`)]))
      const transaction = hm.transaction("acme", async (tx) => {
        await tx.query("SELECT pg_sleep(0.1)")
        return tx.events.publish([event("in-transaction")])
      })
      const closing = [hm.close(), hm.close()]
      const refused = yield* Effect.promise(() => Door.rejection(acme.events.publish([event("late")])))
      assert.deepInclude(refused, { _tag: "ConnectionClosed", outcome: "none" })
      const receipts = yield* Effect.promise(() => Promise.all(calls))
      assert.isTrue(receipts.every(([receipt]) => receipt?.state === "accepted"))
      assert.deepStrictEqual(yield* Effect.promise(() => transaction), [
        { id: "in-transaction", state: "accepted" }
      ])
      yield* Effect.promise(() => Promise.all(closing))
      yield* Effect.repeat(sessions("closing"), { until: (count) => count === 0 })
      assert.strictEqual(yield* sessions("closing"), 0)
    })
  )

  it.effect("closes at the end of its block", () =>
    Effect.gen(function* () {
      const connectionString = yield* Door.url
      const acme = yield* Effect.promise(async () => {
        await using hm = await connect({ connectionString, domains: [EventsDomain] })
        return hm.tenant("acme")
      })
      const error = yield* Effect.promise(() => Door.rejection(acme.events.publish([event("late")])))
      assert.deepInclude(error, { _tag: "ConnectionClosed" })
    })
  )
})
