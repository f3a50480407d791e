/** Findings of doctor on unlogged tables. QuotaOutages.test.ts shows it after a crash of Postgres. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const watch = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.watch).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

const sweep = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.sweep).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

const doctor = Effect.suspend(() => {
  const check = QuotasDomain.domain.checks.find(({ name }) => name === "unlogged tables")
  return check === undefined ? Effect.die("no check") : check.run
})

layer(TestLayer, { excludeTestServices: true })("unlogged tables", (it) => {
  it.effect("doctor names one that lost its rows since the last check, for a day", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const clock = yield* Now.TestNow
      assert.deepStrictEqual(
        (yield* doctor).map(({ status }) => status),
        ["ok"]
      )
      yield* clock.set(new Date("2026-03-09T04:00:00Z"))
      yield* watch
      yield* clock.set(new Date("2026-03-09T04:01:00Z"))
      yield* watch
      // The job that deletes full buckets leaves the mark.
      assert.strictEqual(yield* sweep, 0)
      assert.deepStrictEqual(
        (yield* doctor).map(({ message, status }) => [status, message]),
        [["ok", "2 unlogged tables have their rows"]]
      )
      yield* sql`TRUNCATE hm_api_rate_limit`
      // The test's clock runs on from where it was set.
      const [since, ...others] = yield* doctor
      assert.deepStrictEqual(others, [])
      assert.strictEqual(since?.status, "warn")
      assert.include(since?.message, "hm_api_rate_limit lost its rows after 2026-03-09T04:01:")
      yield* clock.set(new Date("2026-03-09T04:02:00Z"))
      yield* watch
      yield* clock.set(new Date("2026-03-10T04:01:00Z"))
      yield* watch
      assert.include((yield* doctor)[0]?.message, "hm_api_rate_limit lost its rows before 2026-03-09T04:02:")
      yield* clock.set(new Date("2026-03-10T04:03:00Z"))
      assert.deepStrictEqual(
        (yield* doctor).map(({ status }) => status),
        ["ok"]
      )
    })
  )
})
