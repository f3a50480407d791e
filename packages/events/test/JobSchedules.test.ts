import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import * as Statements from "@hypermarket/queue/internal/statements"
import { tablesOf } from "@hypermarket/queue/internal/tables"
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

/** The runs that wait, by the due time that made them. The clock of this test runs on: times are cut to seconds. */
const waiting = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly at: string; readonly runAt: Date | null }>`
      SELECT headers ->> 'scheduled-at' AS at, run_at AS "runAt"
        FROM hm_event_keyed
       WHERE tenant_id = ${tenantId}
       ORDER BY seq
    `
  )

const timesOf = (tenantId: string) =>
  Effect.map(waiting(tenantId), (rows) => rows.map(({ at }) => at.slice(0, 19)))

/** The worker has taken the head of every key: it runs. */
const claimAll = Effect.fnUntraced(function* (tenantId: string, queue: string) {
  const statements = Statements.make(yield* SqlClient.SqlClient, tablesOf("hm_event"))
  const batchId = crypto.randomUUID()
  yield* statements.claim({
    previous: undefined,
    flows: [{ tenantId, queue, priority: 0, hint: 0, limit: 10 }],
    batchId,
    workerId: batchId,
    leaseMillis: 600_000,
    keyedMax: 1,
    flowBytesMax: 1_000_000,
    now: yield* Now.now
  })
})

layer(TestLayer, { excludeTestServices: true })("A schedule", (it) => {
  it.effect("leaves a run out while the one before is not done, when it is told to skip", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-01-01T00:00:00Z"))
      const { scheduleId } = yield* schedules.create({
        name: "s",
        queue: "skip",
        type: "t",
        everySeconds: 60,
        overlap: "skip"
      })
      for (let minute = 0; minute < 3; minute++) {
        yield* time.adjust("1 minute")
        yield* tick
      }
      assert.deepStrictEqual(yield* timesOf("skip"), ["2026-01-01T00:01:00"])
      const sql = yield* SqlClient.SqlClient
      // The run ends: the next due time runs again.
      yield* sql`DELETE FROM hm_event_keyed WHERE tenant_id = 'skip'`
      yield* sql`
        UPDATE hm_event_key
           SET pending = 0
         WHERE tenant_id = 'skip'
      `
      yield* time.adjust("1 minute")
      yield* tick
      assert.deepStrictEqual(yield* timesOf("skip"), ["2026-01-01T00:04:00"])
      assert.deepStrictEqual(
        (yield* schedules.runs(scheduleId)).map(({ outcome }) => outcome),
        ["waiting", "skipped", "skipped", "done"]
      )
    }).pipe(provide(TenantId.make("skip")))
  )

  it.effect("shows its last five runs, newest first, with what became of each", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-04-01T00:00:00Z"))
      const { scheduleId } = yield* schedules.create({
        name: "s",
        queue: "shown",
        type: "t",
        everySeconds: 60
      })
      for (let minute = 0; minute < 5; minute++) {
        yield* time.adjust("1 minute")
        yield* tick
      }
      yield* schedules.runNow(scheduleId)
      const outcomes = Effect.map(schedules.runs(scheduleId), (runs) =>
        runs.map(({ error, outcome }) => (error === null ? outcome : `${outcome}: ${error}`))
      )
      assert.deepStrictEqual(yield* outcomes, ["waiting", "waiting", "waiting", "waiting", "waiting"])
      const errors = JSON.stringify([{ attempt: 1, error: "the ledger is locked" }])
      const nth = (n: number) => sql`
        (SELECT seq
           FROM hm_event_keyed
          WHERE tenant_id = 'shown'
          ORDER BY seq
         OFFSET ${n}
          LIMIT 1)
      `
      // The first run is done, and is the sixth from the end; the second is dead, the third has failed and is at work.
      yield* sql`
        WITH gone AS (
          DELETE FROM hm_event_keyed
           WHERE tenant_id = 'shown' AND seq IN (${nth(0)}, ${nth(1)})
          RETURNING *)
        INSERT INTO hm_event_dead (tenant_id, queue, ordering_key, job_id, type, errors, died_at)
        SELECT tenant_id, queue, ordering_key, job_id, type, ${errors}::text::json, now()
          FROM gone
         ORDER BY seq DESC
         LIMIT 1
      `
      yield* sql`
        UPDATE hm_event_keyed
           SET attempt = 1, errors = ${errors}::text::json
         WHERE tenant_id = 'shown' AND seq = ${nth(0)}
      `
      assert.deepStrictEqual(yield* outcomes, [
        "waiting",
        "waiting",
        "waiting",
        "retrying: the ledger is locked",
        "dead: the ledger is locked"
      ])
      yield* claimAll("shown", "shown")
      assert.strictEqual((yield* outcomes)[3], "running: the ledger is locked")
      const runs = yield* schedules.runs(scheduleId)
      assert.strictEqual(runs[4]?.at.toString().includes("2026-04-01T00:02"), true)
    }).pipe(provide(TenantId.make("shown")))
  )

  it.effect("queues its runs behind one another, by default", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      const sql = yield* SqlClient.SqlClient
      yield* time.set(new Date("2026-01-01T00:00:00Z"))
      yield* schedules.create({ name: "s", queue: "queued", type: "t", everySeconds: 60 })
      for (let minute = 0; minute < 3; minute++) {
        yield* time.adjust("1 minute")
        yield* tick
      }
      assert.lengthOf(yield* timesOf("queued"), 3)
      // One token: two of them cannot run at the same time.
      const tokens = yield* sql`
        SELECT 1
          FROM hm_event_queue
         WHERE tenant_id = 'queued'
      `
      assert.lengthOf(tokens, 1)
    }).pipe(provide(TenantId.make("queued")))
  )

  it.effect("takes back the run before when it has not started, and waits for it when it has", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-01-01T00:00:00Z"))
      const { scheduleId } = yield* schedules.create({
        name: "s",
        queue: "cancelled",
        type: "t",
        everySeconds: 60,
        overlap: "cancel"
      })
      for (let minute = 0; minute < 3; minute++) {
        yield* time.adjust("1 minute")
        yield* tick
      }
      assert.deepStrictEqual(yield* timesOf("cancel"), ["2026-01-01T00:03:00"])
      yield* claimAll("cancel", "cancelled")
      yield* time.adjust("1 minute")
      yield* tick
      assert.deepStrictEqual(yield* timesOf("cancel"), ["2026-01-01T00:03:00", "2026-01-01T00:04:00"])
      assert.deepStrictEqual(
        (yield* schedules.runs(scheduleId)).map(({ outcome }) => outcome),
        ["waiting", "running", "cancelled", "cancelled"]
      )
    }).pipe(provide(TenantId.make("cancel")))
  )

  it.effect("starts within its jitter after each due time, and not before it", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const time = yield* Now.TestNow
      yield* time.set(new Date("2026-01-01T00:00:00Z"))
      yield* schedules.create({ name: "s", queue: "jitter", type: "t", everySeconds: 60, jitterSeconds: 30 })
      for (let minute = 0; minute < 20; minute++) {
        yield* time.adjust("1 minute")
        yield* tick
      }
      const runs = yield* waiting("jitter")
      assert.lengthOf(runs, 20)
      const delays = runs.map(({ at, runAt }) =>
        runAt === null ? 0 : runAt.getTime() - new Date(at).getTime()
      )
      for (const delay of delays) {
        assert.isAtLeast(delay, 0)
        assert.isBelow(delay, 30_000)
      }
      assert.isAbove(new Set(delays).size, 10)
    }).pipe(provide(TenantId.make("jitter")))
  )

  it.effect(
    "catches up no further than its window, however long and dense its absence, and keeps its rhythm",
    () =>
      Effect.gen(function* () {
        const schedules = yield* JobSchedules
        const time = yield* Now.TestNow
        const start = new Date("2020-01-01T00:00:00Z")
        yield* time.set(start)
        yield* schedules.create({
          name: "window",
          queue: "window",
          type: "t",
          everySeconds: 7,
          catchUp: "all",
          catchUpSeconds: 60
        })
        yield* schedules.create({
          name: "dense",
          queue: "dense",
          type: "t",
          cron: "* * * * * *",
          catchUp: "all"
        })
        // Six years: two hundred million due times.
        yield* time.set(new Date("2026-01-01T00:00:00Z"))
        yield* tick
        // Eight of the last minute, and the last thousand.
        const runs = yield* waiting("window")
        assert.lengthOf(runs, 1_008)
        const [sparse] = (yield* schedules.list({})).items.filter((one) => one.name === "window")
        const phaseOf = (millis: number) => millis % 7_000
        const phase = phaseOf(sparse?.nextAt?.epochMilliseconds ?? 0)
        assert.isAtLeast(runs.filter(({ at }) => phaseOf(new Date(at).getTime()) === phase).length, 8)
        assert.isBelow(Math.abs(phase - phaseOf(start.getTime())), 1_000)
      }).pipe(provide(TenantId.make("window")))
  )
})
