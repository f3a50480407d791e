import { assert, layer } from "@effect/vitest"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Subscription from "@hypermarket/core/Subscription"
import { provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { TestLayer, event, makeTable, untilEmpty } from "./eventsFixture.ts"

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
