import { assert, layer } from "@effect/vitest"
import { TestNow } from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { Monitors } from "@hypermarket/observability/Monitors"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { Effect, Layer, type Schema } from "effect"
import { envelopeOf, layerServer, newEventId, post, projectOf, Published } from "./errorServer.ts"

type Json = Readonly<Record<string, Schema.Json>>

const hourly = { schedule: { type: "crontab", value: "15 * * * *" }, checkin_margin: 5, max_runtime: 20 }
const every = { schedule: { type: "interval", value: 2, unit: "hour" }, checkin_margin: 10, max_runtime: 20 }

const asSystem = Effect.provideService(AllTenants, { actor: "test" })

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("Monitors", (it) => {
  const scenario = Effect.fnUntraced(function* (tenant: string, config: Json, start: string) {
    const now = yield* TestNow
    const monitors = yield* Monitors
    const { list } = yield* Published
    const started = yield* ObservabilityDomain.domain.start
    const work = started.jobs.find(({ name }) => name === "observability.monitor.judge")
    if (work === undefined) return yield* Effect.die(new Error("there is no job"))
    const project = yield* projectOf(tenant)
    const as = provide(TenantId.make(tenant))
    yield* now.set(new Date(start))
    const name = { slug: "close-orders", environment: "live" }
    return {
      at: (time: string) => now.set(new Date(time)),
      send: (status: string, fields: Json = {}) =>
        Effect.map(
          post(
            project,
            envelopeOf({}, [
              { type: "check_in" },
              {
                check_in_id: newEventId(),
                monitor_slug: "close-orders",
                environment: "live",
                monitor_config: config,
                status,
                ...fields
              }
            ]),
            { tenant }
          ),
          (answer) => assert.strictEqual(answer.status, 200, answer.text)
        ),
      judge: as(asSystem(work.run(null))),
      status: Effect.map(monitors.list(project.projectId, {}).pipe(as), ({ items }) => items[0]?.status),
      runs: Effect.map(monitors.checkIns(project.projectId, name, {}).pipe(as), ({ items }) =>
        items.map(({ dueAt, isLate, status }) => [
          dueAt === null ? null : new Date(dueAt.epochMilliseconds).toISOString().slice(11, 16),
          isLate ? `${status} late` : status
        ])
      ),
      remove: monitors.remove(project.projectId, name).pipe(as),
      alerts: Effect.map(as(asSystem(started.alerts ?? Effect.succeed([]))), (alerts) =>
        alerts.map(({ kind }) => kind)
      ),
      published: () =>
        list
          .filter(({ tenantId }) => tenantId === tenant)
          .map(({ type }) => type.split(".").slice(-3, -1).join("."))
    }
  })

  it.effect(
    "a cron run that does not come is missed, one that comes after its margin is late, and the next one is ok",
    () =>
      Effect.gen(function* () {
        const task = yield* scenario("cron", hourly, "2026-11-29T08:14:30Z")
        yield* task.send("ok")
        yield* task.judge
        assert.strictEqual(yield* task.status, "ok")
        yield* task.at("2026-11-29T09:19:00Z")
        yield* task.judge
        assert.strictEqual(yield* task.status, "ok")
        yield* task.at("2026-11-29T09:21:00Z")
        yield* task.judge
        yield* task.judge
        assert.strictEqual(yield* task.status, "missed")
        assert.deepStrictEqual(yield* task.alerts, ["monitor.missed"])
        assert.deepStrictEqual(yield* task.runs, [
          ["09:15", "missed"],
          ["08:15", "ok"]
        ])
        yield* task.at("2026-11-29T09:30:00Z")
        yield* task.send("ok")
        assert.strictEqual(yield* task.status, "late")
        assert.deepStrictEqual(yield* task.runs, [
          ["09:15", "ok late"],
          ["08:15", "ok"]
        ])
        // A run a little before its time belongs to it.
        yield* task.at("2026-11-29T10:13:00Z")
        yield* task.send("ok")
        assert.strictEqual(yield* task.status, "ok")
        assert.deepStrictEqual((yield* task.runs)[0], ["10:15", "ok"])
        assert.deepStrictEqual(yield* task.alerts, [])
        assert.deepStrictEqual(task.published(), ["monitor.failed", "monitor.recovered"])
        yield* task.remove
      }).pipe(Effect.scoped)
  )

  it.effect(
    "an interval counts from the last run, and a late run takes the place of the one that was missed",
    () =>
      Effect.gen(function* () {
        const task = yield* scenario("interval", every, "2026-11-29T06:00:00Z")
        yield* task.send("ok")
        yield* task.at("2026-11-29T08:11:00Z")
        yield* task.judge
        assert.strictEqual(yield* task.status, "missed")
        yield* task.at("2026-11-29T08:40:00Z")
        yield* task.send("ok")
        assert.strictEqual(yield* task.status, "late")
        assert.deepStrictEqual(yield* task.runs, [
          ["08:00", "ok late"],
          [null, "ok"]
        ])
        yield* task.at("2026-11-29T10:39:00Z")
        yield* task.send("ok")
        assert.strictEqual(yield* task.status, "ok")
        yield* task.remove
      }).pipe(Effect.scoped)
  )

  it.effect("a run that fails, and one that takes longer than it may, are each published once", () =>
    Effect.gen(function* () {
      const task = yield* scenario("failing", hourly, "2026-11-29T08:15:00Z")
      const run = newEventId()
      yield* task.send("in_progress", { check_in_id: run })
      yield* task.at("2026-11-29T08:34:00Z")
      yield* task.judge
      assert.strictEqual(yield* task.status, "ok")
      yield* task.at("2026-11-29T08:36:00Z")
      yield* task.judge
      yield* task.judge
      assert.strictEqual(yield* task.status, "timed-out")
      yield* task.at("2026-11-29T09:15:00Z")
      const next = newEventId()
      yield* task.send("in_progress", { check_in_id: next })
      assert.strictEqual(yield* task.status, "timed-out")
      yield* task.send("ok", { check_in_id: next })
      yield* task.send("ok", { check_in_id: next })
      assert.strictEqual(yield* task.status, "ok")
      yield* task.at("2026-11-29T10:15:00Z")
      yield* task.send("error")
      assert.deepStrictEqual(yield* task.alerts, ["monitor.error"])
      assert.deepStrictEqual(task.published(), ["monitor.failed", "monitor.recovered", "monitor.failed"])
      assert.deepStrictEqual(yield* task.runs, [
        ["10:15", "error"],
        ["09:15", "ok"],
        ["08:15", "timed-out"]
      ])
      yield* task.remove
    }).pipe(Effect.scoped)
  )

  it.effect("a schedule in a zone follows its clock over the change, and a broken one is left out", () =>
    Effect.gen(function* () {
      const berlin = {
        schedule: { type: "crontab", value: "30 2 * * *" },
        timezone: "Europe/Berlin",
        checkin_margin: 5
      }
      const task = yield* scenario("zone", berlin, "2027-03-27T01:30:00Z")
      yield* task.send("ok")
      // 02:30 does not exist on the 28th: it runs an hour later, at 01:30 UTC.
      yield* task.at("2027-03-28T01:34:00Z")
      yield* task.judge
      assert.strictEqual(yield* task.status, "ok")
      yield* task.at("2027-03-28T01:36:00Z")
      yield* task.judge
      assert.strictEqual(yield* task.status, "missed")
      yield* task.remove
      const broken = yield* scenario(
        "broken",
        { schedule: { type: "crontab", value: "99 * * *" } },
        "2027-03-28T02:00:00Z"
      )
      yield* broken.send("ok")
      yield* broken.at("2027-04-28T02:00:00Z")
      yield* broken.judge
      assert.strictEqual(yield* broken.status, "ok")
    }).pipe(Effect.scoped)
  )
})
