import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { planOf } from "@hypermarket/events/internal/duePlan"
import { JobSchedules, nextAfter } from "@hypermarket/events/JobSchedules"
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

describe("Due times", () => {
  const dayMillis = 24 * 60 * 60 * 1_000
  // The cron of core is compared with the wall clock at fifty-two changes.
  const zones = ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"]

  const localOf = (zone: string) => {
    const format = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit"
    })
    return (at: Date) => {
      const parts = Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]))
      return {
        date: `${parts.year}-${parts.month}-${parts.day}`,
        minutes: Number(parts.hour) * 60 + Number(parts.minute)
      }
    }
  }

  for (const zone of zones) {
    it(`of a daily cron come once each local day of 2026, at its time or by the skipped time later (${zone})`, () => {
      const local = localOf(zone)
      for (const [hour, minute] of [
        [0, 0],
        [1, 30],
        [2, 0],
        [2, 30],
        [12, 15]
      ] as const) {
        const rhythm = { cron: `${minute} ${hour} * * *`, timeZone: zone, everySeconds: null }
        const wanted = hour * 60 + minute
        const days = new Map<string, number>()
        let at = new Date("2026-01-01T12:00:00Z")
        const end = new Date("2027-01-01T12:00:00Z")
        for (;;) {
          const next = nextAfter(rhythm, at)
          if (next === undefined || next > end) break
          assert.isAbove(next.getTime(), at.getTime())
          const { date, minutes } = local(next)
          days.set(date, (days.get(date) ?? 0) + 1)
          // A time that the clock skips comes later by what was skipped, which is an hour at most.
          assert.include(
            minutes === wanted ? [0] : [30, 60],
            minutes - wanted,
            `${zone} ${rhythm.cron} ${next.toISOString()}`
          )
          // Of a time that comes twice, the first.
          const hourBefore = local(new Date(next.getTime() - 3_600_000))
          assert.isFalse(hourBefore.date === date && hourBefore.minutes === minutes, next.toISOString())
          at = next
        }
        const dates = Array.from(days.keys())
        assert.isTrue(
          Array.from(days.values()).every((runs) => runs === 1),
          `${zone} ${rhythm.cron}: twice in a day`
        )
        const first = Date.parse(`${dates[0]}T00:00:00Z`)
        const last = Date.parse(`${dates.at(-1)}T00:00:00Z`)
        assert.strictEqual(
          dates.length,
          (last - first) / dayMillis + 1,
          `${zone} ${rhythm.cron}: a day without a run`
        )
      }
    })
  }

  it("of an hourly cron come every hour of elapsed time over both changes", () => {
    const rhythm = { cron: "0 * * * *", timeZone: "Europe/Berlin", everySeconds: null }
    for (const start of ["2026-03-28T22:00:00Z", "2026-10-24T21:00:00Z"]) {
      let at = new Date(start)
      const gaps: Array<number> = []
      for (let hours = 0; hours < 8; hours++) {
        const next = nextAfter(rhythm, at)
        assert.isDefined(next)
        if (next === undefined) return
        gaps.push((next.getTime() - at.getTime()) / 3_600_000)
        at = next
      }
      // The repeated hour has two runs: a wildcard follows elapsed time.
      assert.deepStrictEqual(new Set(gaps), new Set([1]), `${start}: ${gaps.join(" ")}`)
    }
  })

  it("of a wildcard catch up after an absence exactly what a running worker would have run", () => {
    for (const [cron, timeZone, from, until] of [
      ["*/15 * * * *", "Europe/Helsinki", "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"],
      ["*/25 3 * * *", "Europe/Helsinki", "2026-03-28T21:00:00Z", "2026-03-29T12:00:00Z"],
      ["7 */2 * * *", "America/Toronto", "2026-11-01T00:00:00Z", "2026-11-01T18:00:00Z"],
      ["0 9 LW,15W * *", "Europe/Warsaw", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"],
      ["30 23 * * FRI#2,5L", "Asia/Tokyo", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z"],
      ["@daily", "Australia/Lord_Howe", "2026-04-01T00:00:00Z", "2026-04-10T00:00:00Z"]
    ] as const) {
      const rhythm = { cron, timeZone, everySeconds: null }
      const end = new Date(until)
      const first = nextAfter(rhythm, new Date(from))
      if (first === undefined) throw new Error(`${cron} never comes`)
      const times: Array<Date> = []
      for (let at: Date | undefined = first; at !== undefined && at <= end; at = nextAfter(rhythm, at)) {
        times.push(at)
      }
      assert.isAbove(times.length, 1)
      const plan = planOf(
        {
          ...rhythm,
          tenantId: "t",
          scheduleId: "s",
          queue: "q",
          type: "t",
          payload: "null",
          overlap: "queue",
          catchUp: "all",
          catchUpSeconds: 400 * 86_400,
          jitterSeconds: 0,
          nextAt: first,
          lastJobId: null,
          pending: 0
        },
        end
      )
      assert.deepStrictEqual(plan.times, times, `${cron} ${timeZone}`)
    }
  })

  it("of a schedule that runs once are never lost, however late: only those that catch up nothing are skipped", () => {
    const once = (catchUp: "none" | "one") =>
      planOf(
        {
          cron: null,
          timeZone: "UTC",
          everySeconds: null,
          tenantId: "t",
          scheduleId: "s",
          queue: "q",
          type: "t",
          payload: "null",
          overlap: "queue",
          catchUp,
          catchUpSeconds: 3_600,
          jitterSeconds: 0,
          nextAt: new Date("2026-02-01T00:00:00Z"),
          lastJobId: null,
          pending: 0
        },
        new Date("2026-02-09T12:00:00Z")
      ).times.map((at) => at.toISOString())
    assert.deepStrictEqual(once("one"), ["2026-02-01T00:00:00.000Z"])
    assert.deepStrictEqual(once("none"), [])
  })

  it("of 29 February are found, of 30 February not", () => {
    const of = (cron: string) =>
      nextAfter({ cron, timeZone: "UTC", everySeconds: null }, new Date("2026-01-01T00:00:00Z"))
    assert.strictEqual(of("0 0 29 2 *")?.toISOString(), "2028-02-29T00:00:00.000Z")
    assert.isUndefined(of("0 0 30 2 *"))
  })
})
