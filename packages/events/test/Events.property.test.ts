import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events, prefix } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, PubSub, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"

/** Wakes this process only, at once: when a job is known is known to the test. */
const layerHere = Layer.effect(
  Wakeup.Wakeup,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const heard = yield* PubSub.unbounded<Wakeup.Signal | undefined>()
    return {
      signal: (channel: string, payload: string) =>
        sql.afterCommit(Effect.asVoid(PubSub.publish(heard, { channel, payload }))),
      signals: PubSub.subscribe(heard)
    }
  })
)

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(layerHere),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

let runs = 0
/** Each run of a property has its own tenant. */
const freshTenant = Effect.sync(() => TenantId.make(`run-${runs++}`))

const small = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", {}) {}

layer(TestLayer, { excludeTestServices: true })("Events", (it) => {
  const Transaction = Schema.Struct({
    /** Each array is a call of publish. Few names, so that most come again. */
    calls: Schema.Array(Schema.Array(small(0, 12)).check(Schema.isMaxLength(6))).check(Schema.isMaxLength(3)),
    commits: Schema.Boolean
  })

  it.effect.prop(
    "exist once if and only if a transaction that published them committed, whatever came before",
    { transactions: Schema.Array(Transaction).check(Schema.isMaxLength(8)) },
    ({ transactions }) =>
      Effect.gen(function* () {
        const events = yield* Events
        const subscriptions = yield* EventSubscriptions
        const sql = yield* SqlClient.SqlClient
        const tenantId = yield* freshTenant
        yield* Effect.gen(function* () {
          yield* subscriptions.create({ name: "all", queue: "all", filters: [] })
          const committed = new Set<number>()
          for (const { calls, commits } of transactions) {
            const seen = new Set(committed)
            yield* Effect.gen(function* () {
              for (const names of calls) {
                const receipts = yield* events.publish(
                  names.map((name) => ({
                    specversion: "1.0" as const,
                    id: String(name),
                    source: "/property",
                    type: "com.example.thing.happened",
                    // Some are large enough for the body table.
                    data: { name, padding: "x".repeat(name === 0 ? 2_000 : name) }
                  }))
                )
                const expected = names.map((name) => {
                  const state = seen.has(name) ? ("duplicate" as const) : ("accepted" as const)
                  seen.add(name)
                  return { id: String(name), state }
                })
                assert.deepStrictEqual(receipts, expected)
              }
              if (!commits) return yield* new RolledBack()
              for (const name of seen) committed.add(name)
            }).pipe(
              sql.withTransaction,
              Effect.catchTag("RolledBack", () => Effect.void)
            )
          }
          const [found] = yield* sql<{
            readonly jobs: ReadonlyArray<string>
            readonly names: number
            readonly bodies: number
          }>`
            SELECT ARRAY (
                          SELECT coalesce(q.payload, b.payload) ->> 'id'
                            FROM hm_event_queue q
                            LEFT JOIN hm_event_body b ON b.tenant_id = q.tenant_id AND b.body_seq = q.body_seq AND b.day = q.body_day
                           WHERE q.tenant_id = ${tenantId}) AS jobs,
                   (SELECT count(*)::int
                      FROM hm_event_dedupe
                     WHERE tenant_id = ${tenantId}) AS names,
                   (SELECT count(*)::int
                      FROM hm_event_body
                     WHERE tenant_id = ${tenantId}) AS bodies
          `
          const names = Array.from(committed, String).toSorted()
          assert.deepStrictEqual(found?.jobs.toSorted(), names)
          assert.strictEqual(found?.names, names.length)
          assert.strictEqual(found?.bodies, committed.has(0) ? 1 : 0)
        }).pipe(provide(tenantId))
      }),
    { arbitrary: { runs: 40 } }
  )
})

layer(TestLayer, { excludeTestServices: true })("A worker", (it) => {
  const batchMax = 20

  it.effect.prop(
    "starts the job of a tenant that had none within three claim rounds of knowing it",
    // More tenants than one claim takes lanes of: whose turn it is matters.
    { tenants: small(25, 40), backlog: small(10, 40), after: small(1, 100) },
    ({ after, backlog, tenants }) =>
      Effect.gen(function* () {
        const queue = yield* WorkQueue.make({ prefix })
        const name = yield* Effect.map(freshTenant, (id) => `fair-${id}`)
        const started: Array<string> = []
        const jobs = (count: number) =>
          Array.from({ length: count }, () => ({ queue: name, type: "test", payload: null }))
        for (let n = 0; n < tenants; n++) {
          yield* queue.enqueue(jobs(backlog)).pipe(provide(TenantId.make(`big-${n}`)))
        }
        const total = tenants * backlog + 1
        let known = -1
        const handler: QueueJob.Handler<never> = {
          queue: name,
          batchMax: 1,
          concurrency: 1,
          transactional: false,
          retry: Job.retryDefault,
          deadline: "30 seconds",
          run: (leased) => Effect.sync(() => started.push(...leased.map((job) => job.tenantId)))
        }
        yield* Effect.gen(function* () {
          yield* WorkQueueWorker.run({ prefix, handlers: [handler], batchMax, claimConcurrency: 1 })
          yield* Effect.sync(() => started.length).pipe(
            Effect.repeat({ until: (count) => count >= after, schedule: Schedule.spaced("1 millis") })
          )
          yield* queue.enqueue(jobs(1)).pipe(provide(TenantId.make("newcomer")))
          known = started.length
          yield* Effect.sync(() => started.length).pipe(
            Effect.repeat({ until: (count) => count >= total, schedule: Schedule.spaced("5 millis") })
          )
        }).pipe(Effect.scoped)
        assert.lengthOf(started, total)
        assert.isAtMost(started.indexOf("newcomer") - known, 3 * batchMax)
      }),
    { arbitrary: { runs: 12 } }
  )
})

layer(TestLayer, { excludeTestServices: true })("Schedules", (it) => {
  const dayMillis = 24 * 3_600_000
  /** Around a change of the clock: Berlin, New York, Lord Howe (by half an hour), Cairo (at midnight), Auckland. */
  const changes = Schema.Literals([
    "Europe/Berlin 2026-03-27",
    "Europe/Berlin 2026-10-23",
    "America/New_York 2026-03-06",
    "America/New_York 2026-10-30",
    "Australia/Lord_Howe 2026-04-03",
    "Australia/Lord_Howe 2026-10-02",
    "Africa/Cairo 2026-04-22",
    "Africa/Cairo 2026-10-28",
    "Pacific/Auckland 2026-04-03"
  ])

  const localDate = (timeZone: string) => {
    const format = new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" })
    return (at: string) => format.format(new Date(at))
  }

  it.effect.prop(
    "of a time a day run once on each local date over a change of the clock, with any number of workers",
    {
      change: changes,
      hour: small(0, 4),
      minute: Schema.Literals([0, 15, 30, 59]),
      workers: small(2, 6),
      stepsInHours: Schema.Array(small(1, 23)).check(Schema.isMinLength(4), Schema.isMaxLength(30))
    },
    ({ change, hour, minute, stepsInHours, workers }) =>
      Effect.gen(function* () {
        const schedules = yield* JobSchedules
        const sql = yield* SqlClient.SqlClient
        const time = yield* Now.TestNow
        const tenantId = yield* freshTenant
        const [timeZone = "", day = ""] = change.split(" ")
        let atMillis = new Date(`${day}T00:00:00Z`).getTime()
        const end = atMillis + 5 * dayMillis
        yield* time.set(new Date(atMillis))
        yield* schedules
          .create({
            name: "daily",
            queue: "daily",
            type: "t",
            cron: `${minute} ${hour} * * *`,
            timeZone,
            catchUp: "all"
          })
          .pipe(provide(tenantId))
        const startDate = localDate(timeZone)(new Date(atMillis).toISOString())
        for (let step = 0; atMillis < end; step++) {
          atMillis += (stepsInHours[step % stepsInHours.length] ?? 1) * 3_600_000
          yield* time.set(new Date(atMillis))
          yield* Effect.forEach(
            Array.from({ length: workers }),
            () => Effect.provideService(schedules.tick, AllTenants, { actor: "test" }),
            { concurrency: workers }
          )
        }
        const rows = yield* sql<{ readonly at: string }>`
          SELECT headers ->> 'scheduled-at' AS at
            FROM hm_event_queue
           WHERE tenant_id = ${tenantId} AND job_id IS NOT NULL
          UNION ALL
          SELECT headers ->> 'scheduled-at'
            FROM hm_event_keyed
           WHERE tenant_id = ${tenantId}
           ORDER BY 1
        `
        const dates = rows.map(({ at }) => localDate(timeZone)(at))
        // The first and the last date may be cut by the window; between them none is missing and none comes twice.
        const whole: Array<string> = []
        for (let n = 1; n < 5; n++) {
          whole.push(localDate(timeZone)(new Date(end - (5 - n) * dayMillis + dayMillis / 2).toISOString()))
        }
        assert.deepStrictEqual(
          dates.filter((date) => date !== startDate && whole.includes(date)),
          whole
        )
        assert.lengthOf(new Set(dates), dates.length)
      }),
    { arbitrary: { runs: 40 } }
  )
})
