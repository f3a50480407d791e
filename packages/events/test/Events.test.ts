import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import type { Filter } from "@hypermarket/events/EventFilter"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import { DateTime, Effect, Exit, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { TestLayer, event, makeTable, recorded, untilEmpty } from "./eventsFixture.ts"

const acme = TenantId.make("acme")

const globex = TenantId.make("globex")

/** A domain that writes what it gets into a table, exactly once. */
const recorder = (name: string, types: ReadonlyArray<string>) =>
  Domain.make({
    name: "recorder",
    tables: [],
    layer: Layer.empty,
    migrations: Migrations.make("recorder", {}, { release: "0.1.0" }),
    subscriptions: [
      Subscription.make<SqlClient.SqlClient | Tenant>({
        name,
        types,
        handler: (events) =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const tenant = yield* Tenant
            yield* sql`
              INSERT INTO recorded (tenant_id, handler, event_id)
              SELECT ${tenant.id}, ${name}, unnest(${events.map(({ id }) => id)}::text[])
            `
          })
      })
    ]
  })

layer(TestLayer, { excludeTestServices: true })("Events", (it) => {
  it.effect(
    "reach a domain's handler once, for the tenant that published them, and only those it asked for",
    () =>
      Effect.gen(function* () {
        const events = yield* Events
        yield* makeTable
        const domain = recorder("test.basic", ["com.example.wanted"])
        yield* EventWorker.register([domain])
        yield* events.publish([event("1", { type: "com.example.wanted" }), event("2")]).pipe(provide(acme))
        yield* events.publish([event("1", { type: "com.example.wanted" })]).pipe(provide(globex))
        yield* Effect.scoped(Effect.andThen(EventWorker.run({ domains: [domain] }), untilEmpty))
        assert.deepStrictEqual(yield* recorded("test.basic"), [
          { tenantId: "acme", id: "1" },
          { tenantId: "globex", id: "1" }
        ])
      })
  )

  it.effect("leave nothing when the publishing transaction rolls back, not even their name", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const sql = yield* SqlClient.SqlClient
      const exit = yield* sql
        .withTransaction(Effect.andThen(events.publish([event("rolled-back")]), Effect.fail("roll back")))
        .pipe(Effect.exit)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* events.publish([event("rolled-back")]), [
        { id: "rolled-back", state: "accepted" }
      ])
    }).pipe(provide(acme))
  )

  it.effect(
    "are told apart: the same again is a duplicate, another under the same name refuses the whole batch",
    () =>
      Effect.gen(function* () {
        const events = yield* Events
        assert.deepStrictEqual(yield* events.publish([event("d1"), event("d2"), event("d1")]), [
          { id: "d1", state: "accepted" },
          { id: "d2", state: "accepted" },
          { id: "d1", state: "duplicate" }
        ])
        assert.deepStrictEqual(yield* events.publish([event("d1"), event("d3")]), [
          { id: "d1", state: "duplicate" },
          { id: "d3", state: "accepted" }
        ])
        const conflict = yield* Effect.flip(events.publish([event("d4"), event("d1", { data: "other" })]))
        assert.deepInclude(conflict, { _tag: "EventConflict", source: "/shop", id: "d1" })
        const within = yield* Effect.flip(events.publish([event("d5"), event("d5", { data: "other" })]))
        assert.strictEqual(within._tag, "EventConflict")
        assert.deepStrictEqual(yield* events.publish([event("d4"), event("d5")]), [
          { id: "d4", state: "accepted" },
          { id: "d5", state: "accepted" }
        ])
        // Another source is another name.
        assert.deepStrictEqual(yield* events.publish([event("d1", { source: "/erp" })]), [
          { id: "d1", state: "accepted" }
        ])
      }).pipe(provide(acme))
  )

  it.effect("may be published again after thirty days", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const time = yield* Now.TestNow
      yield* events.publish([event("old")])
      yield* time.adjust("29 days")
      assert.strictEqual((yield* events.publish([event("old")]))[0]?.state, "duplicate")
      yield* time.adjust("25 hours")
      assert.strictEqual((yield* events.publish([event("old", { data: "new" })]))[0]?.state, "accepted")
      yield* time.set(new Date(performance.timeOrigin + performance.now()))
    }).pipe(provide(acme))
  )

  it.effect("go to the queues of the tenant's subscriptions whose filters all hold", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const subscriptions = yield* EventSubscriptions
      const queues = yield* EventQueues
      const subscribe = (queue: string, filters: ReadonlyArray<Filter>) =>
        subscriptions.create({ name: queue, queue, filters })
      yield* subscribe("everything", [])
      yield* subscribe("exact-type", [{ exact: { type: "a.b.c" } }])
      yield* subscribe("both", [{ prefix: { type: "a." } }, { exact: { subject: "s1" } }])
      const paused = yield* subscribe("paused", [])
      yield* subscriptions.change(paused.subscriptionId, 1, { status: "paused" })
      yield* events.publish([
        event("f1", { type: "a.b.c", subject: "s1" }),
        event("f2", { type: "a.b.d", subject: "s1" }),
        event("f3", { type: "a.b.c" }),
        event("f4", { type: "z" })
      ])
      const tenantQueues = (yield* queues.list).filter(({ queue }) => !queue.startsWith("handler."))
      const ready = Object.fromEntries(tenantQueues.map((queue) => [queue.queue, queue.ready]))
      assert.deepStrictEqual(ready, { everything: 4, "exact-type": 2, both: 2, paused: 0 })
    }).pipe(provide(TenantId.make("filters")))
  )

  it.effect("with large data are stored once for several queues, and arrive whole", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const sql = yield* SqlClient.SqlClient
      yield* makeTable
      const domains = [recorder("test.large-a", ["large"]), recorder("test.large-b", ["large"])]
      yield* EventWorker.register(domains)
      yield* events.publish([event("l1", { type: "large", data: "ä".repeat(50_000) })])
      const [row] = yield* sql<{ readonly bodies: number; readonly jobs: number }>`
        SELECT (SELECT count(*)::int FROM hm_event_body WHERE tenant_id = 'large') AS bodies,
               (SELECT count(*)::int FROM hm_event_queue WHERE tenant_id = 'large') AS jobs
      `
      assert.deepStrictEqual(row, { bodies: 1, jobs: 2 })
      yield* Effect.scoped(Effect.andThen(EventWorker.run({ domains }), untilEmpty))
      assert.lengthOf(yield* recorded("test.large-a"), 1)
      assert.lengthOf(yield* recorded("test.large-b"), 1)
    }).pipe(provide(TenantId.make("large")))
  )

  it.effect("are what core's Outbox publishes", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox.Outbox
      yield* makeTable
      const domain = recorder("test.outbox", ["com.hypermarket.test.thing.made.v1"])
      yield* EventWorker.register([domain])
      const made = yield* Outbox.event({
        domain: "test",
        name: "thing.made",
        subject: "t1",
        time: new Date(0),
        data: null
      })
      yield* outbox.publish([made])
      yield* Effect.scoped(Effect.andThen(EventWorker.run({ domains: [domain] }), untilEmpty))
      assert.deepStrictEqual(yield* recorded("test.outbox"), [{ tenantId: "outbox", id: made.id }])
    }).pipe(provide(TenantId.make("outbox")))
  )
})

layer(TestLayer, { excludeTestServices: true })("JobSchedules", (it) => {
  const times = (tenantId: string) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<{ readonly at: string }>`
        SELECT headers ->> 'scheduled-at' AS at
          FROM hm_event_keyed
         WHERE tenant_id = ${tenantId}
         ORDER BY seq
      `
    ).pipe(Effect.map((rows) => rows.map(({ at }) => at)))

  const tick = Effect.flatMap(JobSchedules, (schedules) =>
    Effect.provideService(schedules.tick, AllTenants, { actor: "test" })
  )

  it.effect(
    "enqueue each due time exactly once, with eight workers ticking, over both changes of the clock",
    () =>
      Effect.gen(function* () {
        const schedules = yield* JobSchedules
        const time = yield* Now.TestNow
        // Central European Time: 2026-03-29 has no 02:30, 2026-10-25 has it twice.
        for (const [tenant, start, expected] of [
          [
            "spring",
            "2026-03-28T00:00:00Z",
            ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
          ],
          [
            "autumn",
            "2026-10-24T00:00:00Z",
            ["2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]
          ]
        ] as const) {
          yield* time.set(new Date(start))
          yield* schedules
            .create({
              name: "nightly",
              queue: "nightly",
              type: "t",
              cron: "30 2 * * *",
              timeZone: "Europe/Berlin"
            })
            .pipe(provide(TenantId.make(tenant)))
          for (let hour = 0; hour < 72; hour++) {
            yield* time.set(new Date(new Date(start).getTime() + hour * 3_600_000 + 1))
            yield* Effect.forEach(Array.from({ length: 8 }), () => tick, { concurrency: 8 })
          }
          const found = yield* times(tenant)
          assert.lengthOf(found, 3)
          assert.lengthOf(new Set(found), 3)
          assert.deepStrictEqual([found[0], found[2]], [expected[0], expected[2]])
          assert.strictEqual(found[1]?.slice(0, 10), expected[1].slice(0, 10))
        }
      })
  )

  it.effect("catch up after an absence as they were told", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      const start = new Date("2026-01-01T00:00:00Z")
      for (const [catchUp, expected] of [
        ["none", 0],
        ["one", 1],
        ["all", 24]
      ] as const) {
        yield* time.set(start)
        yield* schedules
          .create({ name: "hourly", queue: "hourly", type: "t", cron: "0 * * * *", catchUp })
          .pipe(provide(TenantId.make(`catch-${catchUp}`)))
        yield* time.set(new Date(start.getTime() + 24 * 3_600_000 + 30 * 60_000))
        yield* tick
        yield* tick
        assert.lengthOf(yield* times(`catch-${catchUp}`), expected)
      }
    })
  )

  it.effect("are skipped while paused, go on when resumed, and run now when asked", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-01-01T00:00:00Z"))
      const made = yield* schedules.create({ name: "often", queue: "often", type: "t", everySeconds: 60 })
      yield* schedules.setPaused(made.scheduleId, 1, true)
      yield* time.adjust("10 minutes")
      yield* tick
      assert.lengthOf(yield* times("paused"), 0)
      yield* schedules.setPaused(made.scheduleId, 2, false)
      yield* time.adjust("61 seconds")
      yield* tick
      assert.lengthOf(yield* times("paused"), 1)
      yield* schedules.runNow(made.scheduleId)
      assert.lengthOf(yield* times("paused"), 2)
    }).pipe(provide(TenantId.make("paused")))
  )

  it.effect(
    "refuse a zone that does not exist, a cron that never comes, a time that has passed, and two rhythms at once",
    () =>
      Effect.gen(function* () {
        const schedules = yield* JobSchedules
        const base = { name: "bad", queue: "bad", type: "t" }
        for (const [field, wrong] of [
          ["timeZone", { cron: "* * * * *", timeZone: "Mars/Olympus" }],
          ["cron", { cron: "0 0 30 2 *" }],
          ["cron", { cron: "every day" }],
          ["cron", { cron: "* * * * *", everySeconds: 60 }],
          ["cron", {}],
          ["runAt", { runAt: DateTime.makeUnsafe("2020-02-03T04:05:06Z") }]
        ] as const) {
          const error = yield* Effect.flip(schedules.create({ ...base, ...wrong }))
          assert.strictEqual(error._tag, "ScheduleInvalid", JSON.stringify(wrong))
          assert.deepStrictEqual(error._tag === "ScheduleInvalid" && error.errors[0]?.path, [field])
        }
        assert.lengthOf((yield* schedules.list({})).items, 0)
      }).pipe(provide(acme))
  )

  it.effect("start the domains' scheduled jobs, which act in the name of the job", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* time.set(new Date(performance.timeOrigin + performance.now()))
      yield* sql`CREATE TABLE ran (actor text NOT NULL)`
      const domain = Domain.make({
        name: "ticking",
        tables: [],
        layer: Layer.empty,
        migrations: Migrations.make("ticking", {}, { release: "0.1.0" }),
        jobs: [
          Job.scheduled({
            name: "ticking.clock.tick",
            every: "1 hour",
            run: Effect.gen(function* () {
              const client = yield* SqlClient.SqlClient
              const { id, type } = yield* Actor.Actor
              yield* client`INSERT INTO ran VALUES (${`${type}:${id}`})`
            })
          })
        ]
      })
      yield* Effect.scoped(
        Effect.andThen(
          EventWorker.run({ domains: [domain] }),
          sql`SELECT 1 FROM ran`.pipe(
            Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("20 millis") })
          )
        )
      )
      assert.deepStrictEqual(yield* sql`SELECT actor FROM ran`, [{ actor: "job:ticking.clock.tick" }])
    })
  )
})
