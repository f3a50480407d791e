/** Reads of policies that are under way while a policy is changed. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimitClient } from "@hypermarket/quotas/RateLimitClient"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Latch, Layer, Redacted, Schedule } from "effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { patient } from "./rateSupport.ts"

const gate = Latch.makeUnsafe(true)
const reads = { waiting: 0 }

/** A client that passes on what the database has answered about policies when the gate opens. */
const delayed = (client: SqlClient.SqlClient): SqlClient.SqlClient =>
  new Proxy(client, {
    apply: (target, self, args: ReadonlyArray<unknown>) => {
      const statement: unknown = Reflect.apply(target, self, args)
      return Effect.isEffect(statement) && String(args[0]).includes("FROM hm_rate_policy")
        ? Effect.tap(statement, () =>
            Effect.suspend(() => {
              reads.waiting++
              return gate.await
            })
          )
        : statement
    }
  })

const TestLayer = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ url }) =>
    QuotasDomain.layer.pipe(
      Layer.provide(patient),
      Layer.provide(
        Layer.effect(RateLimitClient, Effect.map(PgClient.PgClient, delayed)).pipe(
          Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))
        )
      )
    )
  )
).pipe(Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations)))

layer(TestLayer, { excludeTestServices: true })("reads of policies", (it) => {
  it.effect("a read that began before a change is not what the next check of the process finds", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const quotaOf = Effect.map(
        limits.check({ policies: ["calls"], subject: { user: "u" } }),
        ({ states }) => states[0]?.quota
      )
      const { version } = yield* limits.createPolicy({
        policy: "calls",
        kind: "gcra",
        quota: 30,
        periodMillis: 3_600_000,
        by: ["user"]
      })
      yield* gate.close
      const early = yield* Effect.forkChild(quotaOf)
      yield* Effect.repeat(
        Effect.sync(() => reads.waiting),
        { until: (waiting) => waiting > 0, schedule: Schedule.spaced("10 millis") }
      )
      yield* limits.updatePolicy("calls", version, { quota: 70 })
      const next = yield* Effect.forkChild(quotaOf)
      yield* Effect.yieldNow
      yield* gate.open
      assert.strictEqual(yield* Fiber.join(next), 70)
      assert.strictEqual(yield* Fiber.join(early), 30)
      assert.strictEqual(yield* quotaOf, 70)
    }).pipe(provide(TenantId.make("acme")))
  )
})
