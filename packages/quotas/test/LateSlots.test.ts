/** Slots of policies of concurrency that the database grants after the check has been decided without it. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Fiber, Layer, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"

const deadlineMillis = 300

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(
    ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_QUOTAS_CHECK_DEADLINE: `${deadlineMillis} millis` }))
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const poll = Schedule.spaced("20 millis")

layer(TestLayer, { excludeTestServices: true })("late slots", (it) => {
  it.effect("a slot that is granted after the deadline, or to a caller that has gone, is released", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const sql = yield* SqlClient.SqlClient
      yield* limits.createPolicy({
        policy: "exports",
        kind: "concurrency",
        quota: 3,
        periodMillis: 3_600_000,
        by: ["user"]
      })
      const request = { policies: ["exports"], subject: { user: "u" } }
      const check = limits.check(request)
      const granted = Effect.repeat(check, { until: ({ lease }) => lease !== null, schedule: poll })
      const held = sql<{ readonly slots: number; readonly leases: ReadonlyArray<string> }>`
        SELECT cardinality(lease_tokens) AS slots, lease_tokens::text[] AS leases
          FROM hm_api_rate_limit
         WHERE policy = 'exports'
      `
      const first = yield* granted
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`
            SELECT 1
              FROM hm_api_rate_limit
             WHERE policy = 'exports'
               FOR UPDATE
          `
          const gone = yield* Effect.forkChild(check)
          const late = yield* check
          assert.deepInclude(late, { allowed: true, lease: null, decidedBy: "process" })
          yield* Fiber.interrupt(gone)
        })
      )
      const second = yield* granted
      const third = yield* granted
      const leases = [first, second, third].map(({ lease }) => lease ?? "")
      // The slots of other leases have not been released with them.
      assert.includeMembers([...((yield* held)[0]?.leases ?? [])], leases)
      for (const lease of leases) yield* limits.release({ ...request, lease })
      // On a busy machine more checks are late: their slots are released too, a statement later.
      yield* Effect.repeat(held, { until: ([row]) => row?.slots === 0, schedule: poll })
    }).pipe(provide(TenantId.make("acme")))
  )
})
