import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Subscription from "@hypermarket/core/Subscription"
import type { Tenant } from "@hypermarket/core/Tenant"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

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

const acme = TenantId.make("acme")
const type = "com.example.parcel.weighed"
const queue = "handler.post.parcel"

/** Rejects parcels without a weight until it has learnt to place them. */
const post = (isLenient: { current: boolean }, isAlone: boolean) =>
  Domain.make({
    name: "post",
    tables: [],
    layer: Layer.empty,
    migrations: Migrations.make("post", {}, { release: "0.1.0" }),
    subscriptions: [
      Subscription.make<SqlClient.SqlClient | Tenant>({
        name: "post.parcel",
        types: [type],
        ...(isAlone ? { batchMax: 1 } : {}),
        handler: (events) =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const errors = [{ path: ["weight"], message: "Expected a number of grams" }]
            const bad = events.filter(
              ({ data }) => !isLenient.current && !JSON.stringify(data).includes("weight")
            )
            if (isAlone && bad.length > 0) {
              return yield* new Subscription.Rejected({ reason: "no-weight", errors })
            }
            yield* sql`
              INSERT INTO weighed (event_id)
              SELECT unnest(${events.filter((event) => !bad.includes(event)).map(({ id }) => id)}::text[])
            `
            return bad.map((event) => Subscription.reject(event, "no-weight", errors))
          })
      })
    ]
  })

const untilEmpty = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql<{ readonly left: number }>`
    SELECT (SELECT count(*)::int FROM hm_event_queue) + (SELECT count(*)::int FROM hm_event_lease)
           + (SELECT count(*)::int FROM hm_event_delayed) AS left
  `.pipe(Effect.repeat({ until: ([row]) => row?.left === 0, schedule: Schedule.spaced("20 millis") }))
})

const weighed = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly id: string }>`
    SELECT event_id AS id
      FROM weighed
     ORDER BY 1
  `
).pipe(Effect.map((rows) => rows.map(({ id }) => id)))

layer(TestLayer, { excludeTestServices: true })("A rejected event", (it) => {
  for (const isAlone of [false, true]) {
    it.effect(
      `is listed with its reason while the others commit, and redriven by its tenant (${isAlone ? "alone" : "in a batch"})`,
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const events = yield* Events
          const queues = yield* EventQueues
          yield* sql`DROP TABLE IF EXISTS weighed`
          yield* sql`CREATE TABLE weighed (event_id text PRIMARY KEY)`
          const isLenient = { current: false }
          const domain = post(isLenient, isAlone)
          yield* EventWorker.register([domain])
          const prefix = isAlone ? "a" : "b"
          yield* events.publish(
            [1, 2, 3, 4, 5].map((n) => ({
              specversion: "1.0" as const,
              id: `${prefix}${n}`,
              source: "/scales",
              type,
              data: n === 3 ? { length: 12 } : { weight: n * 210 }
            }))
          )
          const run = Effect.scoped(Effect.andThen(EventWorker.run({ domains: [domain] }), untilEmpty))
          yield* run
          assert.deepStrictEqual(
            yield* weighed,
            [1, 2, 4, 5].map((n) => `${prefix}${n}`)
          )
          const { items } = yield* queues.dead(queue, {})
          assert.deepStrictEqual(
            items.map(({ rejected }) => rejected),
            ["no-weight"]
          )
          assert.include(JSON.stringify(items[0]?.errors), "no-weight: weight: Expected a number of grams")
          const check = EventsDomain.domain.checks.find(({ name }) => name === "rejected jobs")
          const findings = check === undefined ? [] : yield* check.run
          assert.isTrue(findings.some(({ message }) => message.includes(`${queue} holds 1 rejected jobs`)))
          isLenient.current = true
          assert.strictEqual(yield* queues.redrive(queue, { limit: 10 }), 1)
          yield* run
          assert.deepStrictEqual(
            yield* weighed,
            [1, 2, 3, 4, 5].map((n) => `${prefix}${n}`)
          )
        }).pipe(provide(acme))
    )
  }

  it.effect(
    "may be a payload that is no event: it is rejected, and the events of its batch are handled",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
        const events = yield* Events
        const queues = yield* EventQueues
        yield* sql`DROP TABLE IF EXISTS weighed`
        yield* sql`CREATE TABLE weighed (event_id text PRIMARY KEY)`
        const domain = post({ current: true }, false)
        yield* EventWorker.register([domain])
        yield* jobs.enqueue([{ queue, type, payload: { specversion: "9.9", nothing: true } }])
        yield* events.publish([
          { specversion: "1.0", id: "w1", source: "/scales", type, data: { weight: 8 } }
        ])
        yield* Effect.scoped(Effect.andThen(EventWorker.run({ domains: [domain] }), untilEmpty))
        assert.deepStrictEqual(yield* weighed, ["w1"])
        const { items } = yield* queues.dead(queue, {})
        assert.deepStrictEqual(
          items.map(({ rejected }) => rejected),
          ["envelope-invalid"]
        )
        assert.strictEqual(yield* queues.discard(queue, { limit: 10 }), 1)
      }).pipe(provide(acme))
  )
})
