import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { schedulesMax } from "@hypermarket/events/JobSchedule"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations))
)

const tick = Effect.flatMap(JobSchedules, (schedules) =>
  Effect.provideService(schedules.tick, AllTenants, { actor: "test" })
)

const create = (tenantId: string, name: string) =>
  Effect.flatMap(JobSchedules, (schedules) =>
    schedules.create({ name, queue: "q", type: "t", everySeconds: 1, catchUp: "none" })
  ).pipe(provide(TenantId.make(tenantId)))

const runsOf = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      SELECT 1
        FROM hm_event_keyed
       WHERE tenant_id = ${tenantId}
    `
  ).pipe(Effect.map((rows) => rows.length))

const rowOf = (tenantId: string, name: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly failures: number; readonly lastError: string | null }>`
      SELECT failures, last_error AS "lastError"
        FROM hm_job_scheduler
       WHERE tenant_id = ${tenantId}
         AND name = ${name}
    `
  ).pipe(Effect.map(([row]) => row))

/** Rows that a later release, another runtime or a hand may leave behind. */
const poisons: ReadonlyArray<readonly [name: string, set: string, error: RegExp]> = [
  ["zone", `time_zone = 'Mars/Olympus', every_seconds = NULL, cron = '5 * * * *'`, /zone/i],
  ["cron", `every_seconds = NULL, cron = '61 25 * * *'`, /./],
  ["never", `every_seconds = NULL, cron = '0 12 31 2 *'`, /./],
  ["large", `payload = to_json(repeat('y', 280000))`, /262144/],
  ["queue", `queue = ''`, /./]
]

const clean = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.all([
    sql`DELETE FROM hm_job_scheduler`,
    sql`DELETE FROM hm_event_keyed`,
    sql`DELETE FROM hm_event_key`
  ])
)

layer(TestLayer, { excludeTestServices: true })("The scheduler", (it) => {
  for (const [name, set, error] of poisons) {
    it.effect(
      `runs the schedules of all others beside one with a bad ${name}, and records it on its row`,
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const time = yield* Now.TestNow
          yield* clean
          yield* time.set(new Date("2026-05-01T00:00:00Z"))
          for (const tenantId of ["ann", "mallory", "zoe"]) yield* create(tenantId, "good")
          yield* create("mallory", "bad")
          yield* sql`ALTER TABLE hm_job_scheduler DROP CONSTRAINT IF EXISTS queue_in_range`
          yield* sql`
          UPDATE hm_job_scheduler
             SET ${sql.literal(set)}
           WHERE name = 'bad'
        `
          yield* time.adjust("2 seconds")
          assert.strictEqual(yield* tick, 3)
          for (const tenantId of ["ann", "mallory", "zoe"]) assert.strictEqual(yield* runsOf(tenantId), 1)
          const row = yield* rowOf("mallory", "bad")
          assert.strictEqual(row?.failures, 1)
          assert.match(row?.lastError ?? "", error)
          assert.strictEqual((yield* rowOf("mallory", "good"))?.failures, 0)
          // Not tried again at once, and the others go on.
          yield* tick
          assert.strictEqual((yield* rowOf("mallory", "bad"))?.failures, 1)
          for (let times = 0; times < 2; times++) {
            yield* time.adjust("1 minute")
            yield* tick
          }
          const check = EventsDomain.domain.checks.find((one) => one.name === "schedules")
          const findings = check === undefined ? [] : yield* check.run
          assert.isTrue(
            findings.some(
              ({ message, status }) => status === "fail" && message.includes("bad of mallory failed 3 times")
            )
          )
          // Every second: a slow machine is due once more between two ticks.
          assert.isAtLeast(yield* runsOf("zoe"), 3)
        })
    )
  }

  it.effect("forgets the failures of a schedule that runs again, and keeps its due time meanwhile", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* clean
      yield* time.set(new Date("2026-05-01T00:00:00Z"))
      yield* create("ann", "mended")
      yield* sql`
        UPDATE hm_job_scheduler
           SET time_zone = 'Mars/Olympus', every_seconds = NULL, cron = '* * * * * *'
      `
      yield* time.adjust("3 seconds")
      yield* tick
      assert.strictEqual((yield* rowOf("ann", "mended"))?.failures, 1)
      yield* sql`
        UPDATE hm_job_scheduler
           SET time_zone = 'Europe/Oslo'
      `
      yield* time.adjust("3 seconds")
      assert.strictEqual(yield* tick, 1)
      assert.deepStrictEqual(yield* rowOf("ann", "mended"), { failures: 0, lastError: null })
    })
  )

  it.effect("serves tenants in turn: one with 900 due schedules delays no other tenant's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* clean
      yield* time.set(new Date("2026-05-01T00:00:00Z"))
      yield* create("noisy", "s")
      // All are due before the other tenant's, catch up an hour of seconds each, and would fill many ticks.
      yield* sql`
        INSERT INTO hm_job_scheduler (tenant_id, schedule_id, name, queue, type, payload, cron, time_zone, overlap, catch_up,
                                      next_at, recorded_at, updated_at)
        SELECT tenant_id, gen_random_uuid(), 's' || n, queue, type, payload, '* * * * * *', 'UTC', 'queue', 'all',
               next_at - interval '1 hour', recorded_at, updated_at
          FROM hm_job_scheduler
         CROSS JOIN generate_series(1, 900) AS n
      `
      yield* create("quiet", "s")
      yield* time.adjust("2 seconds")
      yield* tick
      assert.strictEqual(yield* runsOf("quiet"), 1)
      const [left] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_job_scheduler
         WHERE next_at < '2026-05-01T00:00:00Z'
      `
      // The tick ended within its time, with work left.
      assert.isAbove(left?.count ?? 0, 0)
    })
  )

  it.effect("refuses a schedule beyond a tenant's limit, and another tenant's is created", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* clean
      yield* create("full", "s")
      yield* sql`
        INSERT INTO hm_job_scheduler (tenant_id, schedule_id, name, queue, type, payload, every_seconds, time_zone, overlap,
                                      catch_up, next_at, recorded_at, updated_at)
        SELECT tenant_id, gen_random_uuid(), 's' || n, queue, type, payload, 60, 'UTC', 'queue', 'none', next_at,
               recorded_at, updated_at
          FROM hm_job_scheduler
         CROSS JOIN generate_series(1, ${schedulesMax - 2}::int) AS n
      `
      const exits = yield* Effect.all(
        ["x", "y", "z"].map((name) => Effect.flip(create("full", name)).pipe(Effect.option)),
        { concurrency: "unbounded" }
      )
      // One place was left.
      const refused = exits.flatMap((exit) => (exit._tag === "Some" ? [exit.value._tag] : []))
      assert.deepStrictEqual(refused, ["ScheduleLimit", "ScheduleLimit"])
      yield* create("other", "s")
    })
  )
})
