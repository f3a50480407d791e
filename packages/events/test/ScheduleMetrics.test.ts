import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { JobSchedules } from "@hypermarket/events/JobSchedules"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest)),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations))
)

/** Ticks, and returns the two gauges. */
const gaugesAfterTick = Effect.gen(function* () {
  const { tick } = yield* JobSchedules
  yield* Effect.provideService(tick, AllTenants, { actor: "test" })
  const text = yield* PrometheusMetrics.format()
  const valueOf = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1])
  return {
    waiting: valueOf("hm_events_schedules_waiting"),
    lateSeconds: valueOf("hm_events_schedules_late_seconds")
  }
})

layer(TestLayer, { excludeTestServices: true })("The metrics of the scheduler", (it) => {
  it.effect("tell operators how many schedules were due, and how late the oldest was", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const schedules = yield* JobSchedules
      assert.deepStrictEqual(yield* gaugesAfterTick, { waiting: 0, lateSeconds: 0 })
      yield* time.set(new Date("2026-06-01T00:00:00Z"))
      for (const [tenantId, everySeconds] of [
        ["kiosk", 60],
        ["barber", 100],
        ["barber", 7200]
      ] as const) {
        const schedule = {
          name: `s${everySeconds}`,
          queue: "q",
          type: "t",
          everySeconds,
          catchUp: "one" as const
        }
        yield* schedules.create(schedule).pipe(provide(TenantId.make(tenantId)))
      }
      // No worker ticks for ten minutes and 40 seconds: the first was due after one, the last is not due yet.
      yield* time.set(new Date("2026-06-01T00:10:40Z"))
      const late = yield* gaugesAfterTick
      assert.strictEqual(late.waiting, 2)
      assert.closeTo(late.lateSeconds, 580, 8)
      assert.deepStrictEqual(yield* gaugesAfterTick, { waiting: 0, lateSeconds: 0 })
    })
  )
})
