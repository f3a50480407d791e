import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Subscription from "@hypermarket/core/Subscription"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import type { CloudEvent } from "@hypermarket/events/CloudEvent"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import type { Filter } from "@hypermarket/events/EventFilter"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Exit, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")

const TestLayer = Layer.merge(EventsDomain.layer, EventsDomain.domain.contracts).pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const event = (id: string, options: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: "1.0",
  id,
  source: "/shop",
  type: "com.example.thing.happened",
  data: { id },
  ...options
})

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

const makeTable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE IF NOT EXISTS recorded (tenant_id text, handler text, event_id text)`
)

const recorded = (handler: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly tenantId: string; readonly id: string }>`
      SELECT tenant_id AS "tenantId", event_id AS id
        FROM recorded
       WHERE handler = ${handler}
       ORDER BY 1, 2
    `
  )

const untilEmpty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql<{ readonly left: number }>`
    SELECT (SELECT count(*)::int FROM hm_event_queue WHERE queue LIKE 'handler.%')
         + (SELECT count(*)::int FROM hm_event_lease WHERE queue LIKE 'handler.%')
         + (SELECT count(*)::int FROM hm_event_delayed WHERE queue LIKE 'handler.%') AS left
  `.pipe(Effect.repeat({ until: ([row]) => row?.left === 0, schedule: Schedule.spaced("20 millis") }))
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

/** A release: handlers with their types, which record the version that ran them. */
const release = (version: string, handlers: Readonly<Record<string, ReadonlyArray<string>>>) =>
  Domain.make({
    name: "releases",
    tables: [],
    layer: Layer.empty,
    migrations: Migrations.make("releases", {}, { release: "0.1.0" }),
    subscriptions: Object.entries(handlers).map(([name, types]) =>
      Subscription.make<SqlClient.SqlClient | Tenant>({
        name,
        types,
        batchMax: 7,
        handler: (events) =>
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              INSERT INTO recorded (tenant_id, handler, event_id)
              SELECT ${version}::text, ${name}::text, unnest(${events.map(({ id, type }) => `${type} ${id}`)}::text[])
            `
          )
      })
    )
  })

const findingsOf = (name: string) =>
  Effect.forEach(
    EventsDomain.domain.checks.filter((check) => check.name === name),
    (check) => check.run
  ).pipe(Effect.map((lists) => lists.flat()))

layer(TestLayer, { excludeTestServices: true })("Two releases of a worker", (it) => {
  it.effect("run side by side under load: every event is handled once by one that knows its type", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* makeTable
      const older = release("older", { "roll.both": ["made"] })
      const newer = release("newer", { "roll.both": ["made", "sold"], "roll.added": ["sold"] })
      const ids = { next: 0 }
      const publish = (count: number) =>
        events.publish(
          Array.from({ length: count }, () => {
            const id = ids.next++
            return event(`roll-${id}`, { type: id % 3 === 0 ? "sold" : "made" })
          })
        )
      // The migration of the newer release runs first.
      yield* EventWorker.register([newer])
      yield* Effect.gen(function* () {
        yield* EventWorker.run({ domains: [older] })
        yield* publish(40)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* EventWorker.run({ domains: [newer] })
            yield* publish(40)
            // A worker of the older release starts again: it takes no type away.
            yield* EventWorker.register([older])
            yield* publish(40)
            yield* untilEmpty
          })
        )
      }).pipe(Effect.scoped)
      const rows = yield* sql<{ readonly version: string; readonly handler: string; readonly id: string }>`
        SELECT tenant_id AS version, handler, event_id AS id
          FROM recorded
         WHERE handler LIKE 'roll.%'
      `
      const expected = Array.from({ length: 120 }, (_, id) => `${id % 3 === 0 ? "sold" : "made"} roll-${id}`)
      const idsOf = (handler: string) =>
        rows
          .filter((row) => row.handler === handler)
          .map(({ id }) => id)
          .toSorted()
      assert.deepStrictEqual(idsOf("roll.both"), expected.toSorted())
      assert.deepStrictEqual(idsOf("roll.added"), expected.filter((id) => id.startsWith("sold")).toSorted())
      assert.isTrue(rows.every(({ id, version }) => version === "newer" || id.startsWith("made")))
      const dead = yield* sql`
        SELECT 1
          FROM hm_event_dead
         WHERE queue LIKE 'handler.roll.%'
      `
      assert.lengthOf(dead, 0)

      // The older release alone: what it does not know is fed, not handled, and named.
      yield* time.adjust("10 minutes")
      yield* EventWorker.run({ domains: [older] }).pipe(Effect.scoped)
      yield* publish(3)
      const named = (yield* findingsOf("handlers")).filter(({ message }) => message.includes("handler.roll."))
      assert.deepStrictEqual(
        named.map(({ message, status }) => [status, message]),
        [["warn", "no worker handles handler.roll.added: it has jobs of 1 tenants, and gets events of sold"]]
      )
      // No worker has known the type for eight days.
      yield* time.adjust("8 days")
      yield* EventWorker.run({ domains: [older] }).pipe(
        Effect.andThen(
          sql<{ readonly type: string }>`
            SELECT type
              FROM hm_event_handler
             WHERE handler LIKE 'roll.%'
          `.pipe(
            Effect.repeat({ until: (left) => left.length === 1, schedule: Schedule.spaced("20 millis") })
          )
        ),
        Effect.tap(([left]) => Effect.sync(() => assert.strictEqual(left?.type, "made"))),
        Effect.scoped
      )
    }).pipe(provide(TenantId.make("rolling")))
  )

  it.effect("keep the shorter interval of a job until no worker has registered it for a day", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      const every = (interval: "7 minutes" | "2 hours") =>
        Domain.make({
          name: "intervals",
          tables: [],
          layer: Layer.empty,
          migrations: Migrations.make("intervals", {}, { release: "0.1.0" }),
          jobs: [Job.scheduled({ name: "roll.thing.sweep", every: interval, run: Effect.void })]
        })
      const seconds = sql<{ readonly every: number }>`
        SELECT every_seconds AS every
          FROM hm_job_scheduler
         WHERE name = 'roll.thing.sweep'
      `.pipe(Effect.map(([row]) => row?.every))
      yield* EventWorker.register([every("2 hours")])
      yield* EventWorker.register([every("7 minutes")])
      assert.strictEqual(yield* seconds, 420)
      yield* time.adjust("20 hours")
      yield* EventWorker.register([every("7 minutes")])
      yield* EventWorker.register([every("2 hours")])
      yield* time.adjust("20 hours")
      yield* EventWorker.register([every("2 hours")])
      assert.strictEqual(yield* seconds, 420)
      yield* time.adjust("5 hours")
      yield* EventWorker.register([every("2 hours")])
      assert.strictEqual(yield* seconds, 7_200)
    })
  )

  it.effect("maintain the partitions of the packages that they run, and of this one without any domain", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE roll_days (tenant_id text, day date, PRIMARY KEY (tenant_id, day)) PARTITION BY RANGE (day)`
      yield* sql`CREATE TABLE roll_days_default PARTITION OF roll_days DEFAULT`
      const partitioned = Domain.make({
        name: "partitioned",
        tables: [],
        layer: Layer.empty,
        migrations: Migrations.make("partitioned", {}, { release: "0.1.0" }),
        partitions: [Partitions.make({ table: "roll_days", by: "day", every: "day", ahead: 5 })]
      })
      const count = (table: string) =>
        sql<{ readonly count: number }>`
          SELECT count(*)::int AS count
            FROM pg_inherits
           WHERE inhparent = ${table}::text::regclass
        `.pipe(Effect.map(([row]) => row?.count ?? 0))
      const until = (table: string, least: number) =>
        Effect.repeat(count(table), {
          until: (partitions) => partitions >= least,
          schedule: Schedule.spaced("20 millis")
        })
      yield* EventWorker.register([partitioned])
      yield* Effect.scoped(
        Effect.andThen(
          EventWorker.run({ domains: [] }),
          Effect.all([
            until("hm_event_history", 8),
            until("hm_event_body", 8),
            until("hm_webhook_attempt", 8)
          ])
        )
      )
      // That worker does not know this table, and has left its job to one that does.
      assert.strictEqual(yield* count("roll_days"), 1)
      yield* Effect.scoped(Effect.andThen(EventWorker.run({ domains: [partitioned] }), until("roll_days", 6)))
    })
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

  it.effect("start the domains' scheduled jobs", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* time.set(new Date(performance.timeOrigin + performance.now()))
      yield* sql`CREATE TABLE ran (at timestamptz DEFAULT now())`
      const domain = Domain.make({
        name: "ticking",
        tables: [],
        layer: Layer.empty,
        migrations: Migrations.make("ticking", {}, { release: "0.1.0" }),
        jobs: [
          Job.scheduled({
            name: "ticking.clock.tick",
            every: "1 hour",
            run: Effect.flatMap(SqlClient.SqlClient, (client) => client`INSERT INTO ran DEFAULT VALUES`).pipe(
              Effect.asVoid
            )
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
      assert.lengthOf(yield* sql`SELECT 1 FROM ran`, 1)
    })
  )
})
