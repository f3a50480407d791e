/** Processes whose wall clocks are wrong. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Clock, Context, Effect, Layer } from "effect"
import { layerClock, patient, TestClock } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const hourMillis = 3_600_000
const nanosPerMilli = 1_000_000n

/** The process's clock with another wall time. Its monotonic time goes on. */
const shifted = (clock: Clock.Clock, millis: number): Clock.Clock => {
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + millis
  const currentTimeNanosUnsafe = () => clock.currentTimeNanosUnsafe() + BigInt(millis) * nanosPerMilli
  return {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

/** Requests one after the other, and minutes between them. A token of `cells` takes ten. */
const steps = [1, 1, 1, 1, 1, "10 minutes", 1, 1, 2, "45 minutes", 3, 1, 2, "60 minutes", 4, 1] as const

layer(TestLayer, { excludeTestServices: true })("clocks of processes", (it) => {
  it.effect("a process clock an hour off changes nothing", () =>
    Effect.gen(function* () {
      const { options } = yield* TestDatabase
      const right = yield* Clock.Clock
      const clocks = [right, shifted(right, hourMillis), shifted(right, -hourMillis)]
      const processes = yield* Effect.forEach(clocks, (clock, index) =>
        Effect.gen(function* () {
          const context = yield* Layer.build(
            RateLimits.layer.pipe(
              Layer.fresh,
              Layer.provide([Database.layer(options, "hm-test-process"), patient])
            )
          )
          const limits = Context.get(context, RateLimits)
          const numbers = { periodMillis: hourMillis, by: ["user"] } as const
          yield* limits.createPolicy({ policy: "cells", kind: "gcra", quota: 6, burst: 4, ...numbers })
          yield* limits.createPolicy({ policy: "log", kind: "window", quota: 5, ...numbers })
          return { clock, limits, tenantId: TenantId.make(`clock-${index}`) }
        }).pipe(provide(TenantId.make(`clock-${index}`)), Effect.provideService(Clock.Clock, clock))
      )
      const answers = processes.map(
        (): Array<readonly [allowed: boolean, remaining: number | undefined]> => []
      )
      for (const step of steps) {
        if (typeof step === "string") {
          yield* TestClock.advance(Number.parseInt(step, 10) * 60_000)
          continue
        }
        for (const [index, { clock, limits, tenantId }] of processes.entries()) {
          for (const policy of ["cells", "log"]) {
            const { allowed, decidedBy, states } = yield* limits
              .check({ policies: [policy], subject: { user: "u" }, cost: step })
              .pipe(provide(tenantId), Effect.provideService(Clock.Clock, clock))
            assert.strictEqual(decidedBy, "database")
            answers[index]?.push([allowed, states[0]?.remaining])
          }
        }
      }
      const [expected, ahead, behind] = answers
      assert.isTrue(expected?.some(([allowed]) => !allowed))
      assert.deepStrictEqual(ahead, expected)
      assert.deepStrictEqual(behind, expected)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "a limit or override that one process raises admits in the others 500 ms later, also a key just denied there",
    () =>
      Effect.gen(function* () {
        const { options } = yield* TestDatabase
        const here = yield* RateLimits
        const right = yield* Clock.Clock
        let passedNanos = 0n
        const monotonicTimeNanosUnsafe = () => right.monotonicTimeNanosUnsafe() + passedNanos
        const clock: Clock.Clock = {
          ...shifted(right, 0),
          monotonicTimeNanosUnsafe,
          monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe)
        }
        const context = yield* Layer.build(
          RateLimits.layer.pipe(
            Layer.fresh,
            Layer.provide([Database.layer(options, "hm-test-process"), patient])
          )
        ).pipe(Effect.provideService(Clock.Clock, clock))
        const allowedThere = (user: string) =>
          Context.get(context, RateLimits)
            .check({ policies: ["cells"], subject: { user } })
            .pipe(
              Effect.provideService(Clock.Clock, clock),
              Effect.map(({ allowed }) => allowed)
            )
        const policy = yield* here.createPolicy({
          policy: "cells",
          kind: "gcra",
          quota: 2,
          periodMillis: hourMillis,
          by: ["user"]
        })
        for (const [user, raise] of [
          ["anyone", here.updatePolicy("cells", policy.version, { quota: 3 })],
          ["vip", here.putOverride("cells", { subject: { user: "vip" }, quota: 7 })]
        ] as const) {
          yield* Effect.repeat(allowedThere(user), { until: (allowed) => !allowed })
          yield* raise
          passedNanos += 500n * nanosPerMilli
          assert.isTrue(yield* allowedThere(user))
        }
      }).pipe(Effect.scoped, provide(TenantId.make("raised")))
  )
})
