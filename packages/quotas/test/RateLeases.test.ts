/** Tokens of hot buckets that processes hold: what they save, what they may admit, what is given back. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { RateDecision } from "@hypermarket/quotas/RateLimit"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { layerClock, patient, TestClock } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))

/** A period in which no token comes back while a test runs. */
const longMillis = 360_000_000_000
const subject = { user: "u" }
const bucket = { policy: "hot", subject }

const createHot = (quota: number) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.createPolicy({ policy: "hot", kind: "gcra", quota, periodMillis: longMillis / 100, by: ["user"] })
  )

/** A separate process: a pool, a batcher and leases that no other process knows. */
const anotherProcess = Effect.gen(function* () {
  const { options } = yield* TestDatabase
  const layer = RateLimits.layer.pipe(
    Layer.fresh,
    Layer.provide([Database.layer(options, "hm-test-process"), patient])
  )
  return Context.get(yield* Layer.build(layer), RateLimits)
})

/** Checks by sixteen callers at once. */
const checks = (limits: RateLimits["Service"], count: number) =>
  Effect.forEach(Array.from({ length: count }), () => limits.check({ policies: ["hot"], subject }), {
    concurrency: 16
  })

const admittedOf = (decisions: ReadonlyArray<RateDecision>): number =>
  decisions.filter(({ allowed }) => allowed).length

const statements = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly count: number }>`
      SELECT coalesce(max(n_tup_upd), 0)::int AS count
        FROM pg_stat_user_tables
       WHERE relname = 'hm_api_rate_limit'
    `,
    ([row]) => row?.count ?? 0
  )
)

layer(TestLayer, { excludeTestServices: true })("leases of tokens", (it) => {
  it.effect("a hot bucket is decided without a statement for most checks, and charged for all of them", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* createHot(1_000_000)
      const before = yield* statements
      assert.strictEqual(admittedOf(yield* checks(limits, 20_000)), 20_000)
      const { remaining } = yield* Effect.repeat(limits.peek(bucket), {
        until: ({ remaining }) => remaining <= 1_000_000 - 20_000
      })
      assert.isAtMost(remaining, 1_000_000 - 20_000)
      // A backend publishes its counts within a second.
      const after = yield* Effect.repeat(statements, { until: (count) => count > before })
      assert.isAtMost(after - before, 2_000)
    }).pipe(fresh())
  )

  it.effect("what is not used is given back when a lease or its process ends: all of it, and no more", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* createHot(1_000)
      const admitted = yield* Effect.scoped(
        Effect.gen(function* () {
          const processes = [yield* anotherProcess, yield* anotherProcess, yield* anotherProcess]
          let sum = 0
          for (const [round, process] of [...processes, ...processes].entries()) {
            sum += admittedOf(yield* checks(process, 60 + round))
            if (round % 2 === 0) continue
            yield* limits.refund({ ...bucket, cost: 7 })
            sum -= 7
          }
          // Leases end, some while their processes go on.
          yield* Effect.repeat(limits.peek(bucket), { until: ({ remaining }) => remaining === 1_000 - sum })
          for (const process of processes) sum += admittedOf(yield* checks(process, 40))
          return sum
        })
      )
      assert.isAbove(admitted, 300)
      assert.strictEqual((yield* limits.peek(bucket)).remaining, 1_000 - admitted)
    }).pipe(fresh())
  )

  it.effect("a bucket that was reset gets nothing back for leases of before", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* createHot(1_000)
      const admitted = yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* anotherProcess
          yield* checks(other, 200)
          yield* limits.reset(bucket)
          return admittedOf(yield* checks(yield* anotherProcess, 100))
        })
      )
      // A lease that was asked for before the reset and charged after it may be burnt.
      assert.isAtMost((yield* limits.peek(bucket)).remaining, 1_000 - admitted)
    }).pipe(fresh())
  )

  it.effect("a lowered limit ends leases: their tokens admit nothing by the former numbers", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const policy = yield* createHot(10_000)
      yield* checks(limits, 500)
      yield* limits.updatePolicy("hot", policy.version, { quota: 1 })
      const lowered = yield* checks(limits, 300)
      assert.strictEqual(admittedOf(lowered), 0)
      // No debt is left: the next token comes by the new rate.
      yield* TestClock.advance(longMillis / 100)
      assert.strictEqual(admittedOf(yield* checks(limits, 10)), 1)
    }).pipe(fresh())
  )

  it.effect("several limits of which one is hot are charged all or nothing", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* createHot(5_000)
      yield* limits.createPolicy({
        policy: "narrow",
        kind: "window",
        quota: 3,
        periodMillis: longMillis / 100,
        by: ["user"]
      })
      const admitted = yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* anotherProcess
          const before = admittedOf(yield* checks(process, 400))
          const both = yield* Effect.forEach(
            Array.from({ length: 100 }),
            () => process.check({ policies: ["hot", "narrow"], subject }),
            { concurrency: 16 }
          )
          assert.strictEqual(admittedOf(both), 3)
          return before + 3
        })
      )
      assert.strictEqual((yield* limits.peek(bucket)).remaining, 5_000 - admitted)
    }).pipe(fresh())
  )
})
