/** Checks of rate limits while slow statements hold the connections of the process's pool. */
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as RateLimitClient from "@hypermarket/quotas/RateLimitClient"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { patient } from "./rateSupport.ts"

const poll = Schedule.spaced("20 millis")
const slowRequests = 60

/** The services as a process of the API has them: a pool for requests, and the one for checks. */
const layerProcess = Layer.unwrap(
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    const options = TestDatabase.optionsOf(url)
    return QuotasDomain.layer.pipe(
      Layer.provide(patient),
      Layer.provide(RateLimitClient.layer(options)),
      Layer.provide(Database.layer({ ...options, poolMax: 4 }, "hm-test-requests"))
    )
  })
)

it.live("slow statements of other requests that hold the whole pool delay no check", () =>
  Effect.gen(function* () {
    const limits = yield* RateLimits
    const quotas = yield* TenantQuotas
    const { url } = yield* TestDatabase.TestDatabase
    yield* limits.createPolicy({
      policy: "calls",
      kind: "gcra",
      quota: 5,
      periodMillis: 60_000,
      by: ["user"]
    })
    const check = limits.check({ policies: ["calls"], subject: { user: "u" } })
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // Each connection of the pool waits for the table.
      const waiting = sql<{ readonly count: number }>`
        SELECT count(DISTINCT pid)::int AS count
          FROM pg_locks
         WHERE NOT granted
           AND relation = 'hm_quota_feature'::regclass
      `
      const slow = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE hm_quota_feature IN ACCESS EXCLUSIVE MODE`
          const requests = yield* Effect.forEach(Array.from({ length: slowRequests }), () =>
            Effect.forkChild(Effect.asVoid(Effect.flip(quotas.getFeature("none"))))
          )
          // Transactions have connections of the pool to themselves: these wait too.
          const writes = yield* Effect.forEach(Array.from({ length: slowRequests }), (_, index) =>
            Effect.forkChild(Effect.asVoid(quotas.createFeature({ feature: `f${index}`, kind: "boolean" })))
          )
          yield* Effect.repeat(waiting, { until: ([row]) => row?.count === 4, schedule: poll })
          const decisions = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => check)
          assert.deepStrictEqual(
            decisions.map(({ allowed, decidedBy }) => [allowed, decidedBy]),
            [...Array.from({ length: 5 }, () => [true, "database"]), [false, "database"]]
          )
          assert.isTrue(requests.every((request) => request.pollUnsafe() === undefined))
          return Effect.all([...requests.map(Fiber.join), ...writes.map(Fiber.join)], { discard: true })
        })
      )
      yield* slow
    }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 2 })))
  }).pipe(
    provide(TenantId.make("acme")),
    Effect.provide(layerProcess),
    Effect.provide(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations)),
    Effect.scoped
  )
)
