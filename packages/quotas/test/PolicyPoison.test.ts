/** Policies of one owner that a process cannot read, as those of a later release may be. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Limits from "@hypermarket/core/Limits"
import { provide, system, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimitClient } from "@hypermarket/quotas/RateLimitClient"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as RequestLimits from "@hypermarket/quotas/RequestLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Metric, Option, Redacted, Schedule } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { patient } from "./rateSupport.ts"

/** Statements of the process: owners whose policies were read, and when it polled. */
const statements = { owners: new Array<string>(), pollMillis: new Array<number>() }

const watched = (client: SqlClient.SqlClient): SqlClient.SqlClient =>
  new Proxy(client, {
    apply: (target, self, args: ReadonlyArray<unknown>) => {
      const text = String(args[0])
      if (text.includes("FROM hm_rate_policy")) statements.owners.push(String(args[1]))
      if (text.includes("json_object_agg(tenant_id")) statements.pollMillis.push(performance.now())
      return Reflect.apply(target, self, args)
    }
  })

const TestLayer = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ url }) =>
    Layer.mergeAll(QuotasDomain.layer, RequestLimits.layer).pipe(
      Layer.provide(patient),
      Layer.provide(
        Layer.effect(RateLimitClient, Effect.map(PgClient.PgClient, watched)).pipe(
          Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 }))
        )
      )
    )
  )
).pipe(Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations)))

const poll = Schedule.spaced("20 millis")
const hourMillis = 3_600_000
/** Policies are read again at an age of 450 ms. */
const agedMillis = 350
const create = (policy: string, quota: number) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.createPolicy({ policy, kind: "gcra", quota, periodMillis: hourMillis, by: ["user"] })
  )
const check = (...policies: ReadonlyArray<string>) =>
  Effect.flatMap(RateLimits, (limits) => limits.check({ policies, subject: { user: "u" } }))

/** Writes what a later release might: another part to count by. */
const spoil = (owner: string, policy: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.andThen(
      sql`
        UPDATE hm_rate_policy
           SET by = '["planet"]'
         WHERE tenant_id = ${owner} AND policy = ${policy}
      `,
      bump(owner)
    )
  )

const bump = (owner: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_rate_revision AS r (tenant_id, revision)
      VALUES (${owner}, 1)
          ON CONFLICT (tenant_id) DO UPDATE SET revision = r.revision + 1
    `
  )

const unreadableCount = Effect.map(Metric.snapshot, (metrics) =>
  metrics
    .filter(({ id }) => id === "hm_rate_policies_unreadable_total")
    .reduce((sum, { state }) => sum + ("count" in state ? Number(state.count) : 0), 0)
)

layer(TestLayer, { excludeTestServices: true })("policies that cannot be read", (it) => {
  it.effect("one owner's unreadable row does not stop the policies of others from being refreshed", () =>
    Effect.gen(function* () {
      const owners = ["poisoned", "zoo", "farm"] as const
      const checkOf = (owner: string) => Effect.exit(check("calls")).pipe(provide(TenantId.make(owner)))
      for (const owner of owners) yield* create("calls", 400).pipe(provide(TenantId.make(owner)))
      // The poisoned owner comes first in each poll.
      for (const owner of owners) yield* checkOf(owner)
      yield* spoil("poisoned", "calls")
      statements.owners = []
      statements.pollMillis = []
      // The checks find policies that the poll has found unchanged. None of them reads any.
      yield* Effect.repeat(Effect.forEach(owners, checkOf, { concurrency: 3, discard: true }), {
        until: () => statements.pollMillis.length >= 12,
        schedule: poll
      })
      const gaps = statements.pollMillis.map(
        (millis, index) => millis - (statements.pollMillis[index - 1] ?? millis)
      )
      const readOfOthers = statements.owners.filter((owner) => owner !== "poisoned")
      // On a busy machine a poll comes late, and a check reads what is too old.
      const late = gaps.filter((millis) => millis > agedMillis)
      assert.isAtMost(readOfOthers.length, 2 * late.length)
      assert.isAbove(statements.owners.length, readOfOthers.length)
    })
  )

  it.effect("an unreadable policy is not decided, and the tenant's other policies are", () =>
    Effect.gen(function* () {
      const before = yield* unreadableCount
      yield* create("fine", 3)
      yield* create("later", 3)
      yield* spoil("mixed", "later")
      yield* Effect.repeat(Effect.exit(check("later")), {
        until: (exit) => exit._tag === "Failure",
        schedule: poll
      })
      assert.deepInclude(yield* Effect.flip(check("fine", "later")), {
        _tag: "RateLimitsUnavailable",
        policy: "later"
      })
      assert.deepInclude(yield* check("fine"), { allowed: true, decidedBy: "database" })
      assert.isAbove(yield* unreadableCount, before)
    }).pipe(provide(TenantId.make("mixed")))
  )

  it.effect("an unreadable policy of the installation stops no request of any tenant", () =>
    Effect.gen(function* () {
      const { check } = yield* Limits.Limits
      const sql = yield* SqlClient.SqlClient
      yield* create("others", 2).pipe(provide(TenantId.make("template")))
      yield* sql`
        UPDATE hm_rate_policy
           SET tenant_id = ${system}, by = '["planet"]'
         WHERE tenant_id = 'template'
      `
      yield* bump(system)
      const request = {
        tenantId: TenantId.make("calm"),
        keyId: "k",
        plan: Option.none<string>(),
        route: "search.query",
        cost: 1,
        address: { text: "192.0.2.1", bucket: "192.0.2.1" }
      }
      assert.isTrue((yield* check(request)).allowed)
    })
  )
})
